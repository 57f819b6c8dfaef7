"""`World`: what all controllers of one member share: reading, writing, who owns what, and the queue of what to look at next."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import msgspec

from shoal.api.clock import Clock
from shoal.api.meta import Manifest, Ref, ref_of
from shoal.kube.apiserver.journal import Journal
from shoal.kube.apiserver.lifecycle import timestamp
from shoal.kube.apiserver.memory import MemoryStore
from shoal.kube.apiserver.store import Selection, Stored
from shoal.kube.simulated.faults import Faults

Listener = Callable[[Ref, Manifest | None, Manifest | None], None]
"""(ref, the object before, the object after); None before a creation and after a removal."""
Kind = tuple[str, str]

POD, NODE, NAMESPACE, SERVICE = ("", "Pod"), ("", "Node"), ("", "Namespace"), ("", "Service")
CONFIG_MAP, SECRET, SERVICE_ACCOUNT, CLAIM = ("", "ConfigMap"), ("", "Secret"), ("", "ServiceAccount"), ("", "PersistentVolumeClaim")
DEPLOYMENT, REPLICA_SET = ("apps", "Deployment"), ("apps", "ReplicaSet")
STATEFUL_SET, DAEMON_SET = ("apps", "StatefulSet"), ("apps", "DaemonSet")
JOB, ENDPOINT_SLICE = ("batch", "Job"), ("discovery.k8s.io", "EndpointSlice")


class Derived(Protocol):
    """Kinds of one group that are made from others when they are read."""

    group: str

    def get(self, ref: Ref) -> Stored | None: ...

    def list(self, selection: Selection) -> Iterator[Stored]: ...


class ObservedStore(MemoryStore):
    """A memory store that tells one listener of every write, at once, with the object that the writer had in hand, so that nothing is
    decoded again."""

    def __init__(self, journal: Journal | None = None) -> None:
        super().__init__(journal)
        self.listener: Listener | None = None
        self.derived: Derived | None = None

    def get(self, ref: Ref) -> Stored | None:
        if self.derived is not None and ref.group == self.derived.group:
            return self.derived.get(ref)
        return super().get(ref)

    def list(self, selection: Selection) -> Iterator[Stored]:
        if self.derived is not None and selection.group == self.derived.group:
            return self.derived.list(selection)
        return super().list(selection)

    async def write(self, ref: Ref, object_: Manifest, *, expected: int) -> Stored:
        before = self.get(ref)
        stored = await super().write(ref, object_, expected=expected)
        if self.listener is not None:
            self.listener(ref, before.object() if before is not None and ref[:2] in _COMPARED else None, object_)
        return stored

    async def remove(self, ref: Ref, object_: Manifest, *, expected: int) -> Stored:
        stored = await super().remove(ref, object_, expected=expected)
        if self.listener is not None:
            self.listener(ref, object_, None)
        return stored


_COMPARED: frozenset[Kind] = frozenset({SERVICE})
"""Kinds whose state before a change a controller needs; decoding it for all would cost more than the rest."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How a simulated member behaves."""

    nodes: int = 3
    """0: workload controllers run, but no scheduler and no kubelet; what others write about nodes and pods is left alone."""
    cpu: str = "8"
    memory: str = "32Gi"
    pods: int = 110
    """Capacity of one node."""
    ready_after_s: float = 0.3
    """From a pod being bound to its containers being ready."""
    job_s: float = 1.0
    """How long the pod of a Job runs; its annotation `shoal.dev/simulated-run-s` says otherwise."""


class PodState(msgspec.Struct):
    """What controllers need of a pod again and again, so that nobody decodes it for that."""

    owner: str
    """UID of the controller it belongs to; empty when it has none."""
    labels: dict[str, str]
    node: str
    phase: str
    ready: bool
    ready_since: str
    """RFC 3339; empty while it is not ready."""
    deleting: bool
    created: str
    address: str

    @property
    def active(self) -> bool:
        """Counts towards what its owner wants to have."""
        return not self.deleting and self.phase not in {"Succeeded", "Failed"}


class World:
    """Shared by the controllers of one member; all of them run in one task, so nothing changes while one of them does not await."""

    def __init__(
        self,
        store: ObservedStore,
        settings: Settings,
        clock: Clock,
        faults: Faults,
        *,
        wake: Callable[[Kind, Ref], None],
        later: Callable[[float, Kind, Ref], None],
        new_uid: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self.store, self.settings, self.clock, self.faults = store, settings, clock, faults
        self.wake = wake
        """Puts (kind of controller, ref) into the queue, once."""
        self.later = later
        """The same after so many seconds."""
        self.new_uid = new_uid
        self.pods: dict[Ref, PodState] = {}
        self._dependents: dict[str, dict[Ref, None]] = {}
        self._owners: dict[Ref, tuple[str, ...]] = {}

    # --- reading ---

    def read(self, ref: Ref) -> Manifest | None:
        """A fresh copy; None when there is no such object."""
        stored = self.store.get(ref)
        return None if stored is None else stored.object()

    def exists(self, ref: Ref) -> bool:
        return self.store.get(ref) is not None

    def list(self, kind: Kind, namespace: str | None = None) -> Iterator[Stored]:
        return iter(self.store.list(Selection(*kind, namespace)))

    def dependents(self, uid: str, kind: Kind | None = None) -> Iterable[Ref]:
        """Objects that name this uid as an owner."""
        return [ref for ref in self._dependents.get(uid, ()) if kind is None or ref[:2] == kind]

    def owners(self, ref: Ref) -> tuple[str, ...]:
        """UIDs that an object names as its owners."""
        return self._owners.get(ref, ())

    def pods_of(self, uid: str) -> dict[Ref, PodState]:
        """Pods whose controller has this uid."""
        found = ((ref, self.pods.get(ref)) for ref in self._dependents.get(uid, ()) if ref[:2] == POD)
        return {ref: state for ref, state in found if state is not None and state.owner == uid}

    def now(self) -> str:
        return timestamp(self.clock.now())

    def takes(self, namespace: str) -> bool:
        """Whether new objects may be made in a namespace: it exists and is not ending."""
        stored = self.store.get(Ref(*NAMESPACE, "", namespace))
        return stored is not None and b'"deletionTimestamp"' not in stored.body

    # --- writing ---

    async def create(self, manifest: Manifest) -> Manifest | None:
        """Stores a new object with identity and time; None when its namespace takes nothing or the name is taken."""
        ref = ref_of(manifest)
        if (ref.namespace and not self.takes(ref.namespace)) or self.exists(ref):
            return None
        metadata = {**manifest["metadata"]}
        metadata.setdefault("uid", self.new_uid())
        metadata.setdefault("creationTimestamp", self.now())
        return (await self.store.write(ref, {**manifest, "metadata": metadata}, expected=0)).object()

    async def update(self, manifest: Manifest) -> None:
        """Stores a changed copy of what `read` gave. Does nothing when it is equal, or when somebody wrote since: the event of that write
        makes the controller look again."""
        ref = ref_of(manifest)
        stored = self.store.get(ref)
        if stored is None or str(stored.revision) != manifest["metadata"].get("resourceVersion") or stored.object() == manifest:
            return
        await self.store.write(ref, manifest, expected=stored.token)

    async def set_status(self, manifest: Manifest, status: Manifest) -> None:
        if manifest.get("status") != status:
            await self.update({**manifest, "status": status})

    async def delete(self, ref: Ref) -> None:
        """Removes an object, or marks it when finalizers hold it."""
        stored = self.store.get(ref)
        if stored is None:
            return
        manifest = stored.object()
        metadata: dict[str, Any] = manifest["metadata"]
        if not metadata.get("finalizers"):
            await self.store.remove(ref, manifest, expected=stored.token)
        elif not metadata.get("deletionTimestamp"):
            metadata |= {"deletionTimestamp": self.now(), "deletionGracePeriodSeconds": 0}
            await self.store.write(ref, manifest, expected=stored.token)

    # --- bookkeeping, from every write ---

    def note(self, ref: Ref, manifest: Manifest | None) -> None:
        """Keeps owners and pods up to date."""
        owners = _owner_uids(manifest) if manifest is not None else ()
        if owners != self._owners.get(ref, ()):
            for uid in self._owners.pop(ref, ()):
                rest = self._dependents[uid]
                rest.pop(ref, None)
                if not rest:
                    del self._dependents[uid]
            for uid in owners:
                self._dependents.setdefault(uid, {})[ref] = None
            if owners:
                self._owners[ref] = owners
        if ref[:2] == POD:
            if manifest is None:
                self.pods.pop(ref, None)
            else:
                self.pods[ref] = _pod_state(manifest)


def controller_of(manifest: Manifest) -> dict[str, Any] | None:
    """The owner reference that is marked as the controller."""
    references = manifest["metadata"].get("ownerReferences") or ()
    return next((reference for reference in references if reference.get("controller")), None)


def owned_by(owner: Manifest) -> list[dict[str, Any]]:
    """Owner references of an object that this one controls."""
    metadata = owner["metadata"]
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": metadata["name"], "uid": metadata["uid"]}
    return [{**reference, "controller": True, "blockOwnerDeletion": True}]


def condition(status: Manifest, type_: str, value: str, reason: str, message: str, now: str, **more: Any) -> dict[str, Any]:
    """A condition that keeps its transition time as long as its value stays."""
    old = find_condition(status, type_)
    since = old["lastTransitionTime"] if old and old.get("status") == value and "lastTransitionTime" in old else now
    return {"type": type_, "status": value, "reason": reason, "message": message, "lastTransitionTime": since, **more}


def find_condition(status: Manifest, type_: str) -> dict[str, Any] | None:
    return next((one for one in status.get("conditions") or () if one.get("type") == type_), None)


def _owner_uids(manifest: Manifest) -> tuple[str, ...]:
    return tuple(reference["uid"] for reference in manifest["metadata"].get("ownerReferences") or ())


def _pod_state(pod: Manifest) -> PodState:
    metadata, status = pod["metadata"], pod.get("status") or {}
    owner = controller_of(pod)
    ready = find_condition(status, "Ready") or {}
    is_ready = ready.get("status") == "True"
    return PodState(
        owner=owner["uid"] if owner else "",
        labels=metadata.get("labels") or {},
        node=(pod.get("spec") or {}).get("nodeName") or "",
        phase=status.get("phase") or "Pending",
        ready=is_ready,
        ready_since=str(ready.get("lastTransitionTime") or "") if is_ready else "",
        deleting=bool(metadata.get("deletionTimestamp")),
        created=metadata.get("creationTimestamp") or "",
        address=status.get("podIP") or "",
    )
