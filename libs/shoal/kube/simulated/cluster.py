"""`SimulatedCluster`: the controllers of one member at work: woken by writes, one after the other, in one task that sleeps otherwise."""

from __future__ import annotations

import asyncio
import heapq
import uuid
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from shoal.api.clock import Clock
from shoal.api.errors import ShoalError
from shoal.api.meta import Manifest, Ref
from shoal.kube.simulated import deployments, housekeeping, jobs, replicas, sets
from shoal.kube.simulated.faults import Faults
from shoal.kube.simulated.kubelet import RUN, WATCHED, Kubelet
from shoal.kube.simulated.metrics import Metrics
from shoal.kube.simulated.nodes import node
from shoal.kube.simulated.scheduler import SCHEDULE, Scheduler
from shoal.kube.simulated.services import Services
from shoal.kube.simulated.world import (
    CLAIM,
    DAEMON_SET,
    DEPLOYMENT,
    JOB,
    NAMESPACE,
    NODE,
    POD,
    REPLICA_SET,
    SERVICE,
    STATEFUL_SET,
    Kind,
    ObservedStore,
    PodState,
    Settings,
    World,
)

log = structlog.get_logger(__name__)

Key = tuple[Kind, Ref]
Controller = Callable[[Ref], Awaitable[None]]
NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
BATCH = 50
"""Keys worked off before requests to the API server get a turn."""
NOT_UNDERSTOOD = (ShoalError, msgspec.MsgspecError, LookupError, TypeError, ValueError, AttributeError)
"""What a controller raises when an object is not shaped as it expects: the API server checks types, not every number in a text."""
OWNERS = {"Deployment": DEPLOYMENT, "ReplicaSet": REPLICA_SET, "StatefulSet": STATEFUL_SET, "DaemonSet": DAEMON_SET, "Job": JOB}
"""Kinds that are woken by a change of what they own."""


class SimulatedCluster:
    """Makes the store of an API server a living cluster. One task works; nothing runs while nothing changes."""

    def __init__(
        self,
        store: ObservedStore,
        *,
        clock: Clock,
        faults: Faults,
        settings: Settings | None = None,
        name: str = "member",
        version: str = "v1.37.0",
        new_uid: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self.settings, self.name, self.version, self.clock = settings or Settings(), name, version, clock
        self.world = World(store, self.settings, clock, faults, wake=self.wake, later=self.later, new_uid=new_uid)
        store.derived = Metrics(self.world)
        self._faults = faults
        self._scheduler, self._kubelet, self._services = Scheduler(self.world), Kubelet(self.world), Services(self.world)
        self._queue: dict[Key, None] = {}
        self._awake = asyncio.Event()
        self._due: list[tuple[float, int, Key]] = []
        self._due_of: dict[Key, float] = {}
        self._numbers = 0
        self._sleeping: asyncio.Task[None] | None = None
        self._working: asyncio.Task[None] | None = None
        self._controllers: dict[Kind, Controller] = {
            NAMESPACE: self._with(housekeeping.reconcile_namespace),
            housekeeping.COLLECT: self._with(housekeeping.collect),
            CLAIM: self._with(housekeeping.bind_claim),
            DEPLOYMENT: self._with(deployments.reconcile),
            REPLICA_SET: self._with(replicas.reconcile),
            STATEFUL_SET: self._with(sets.reconcile_stateful),
            DAEMON_SET: self._with(sets.reconcile_daemon),
            JOB: self._with(jobs.reconcile),
            SERVICE: self._services.reconcile,
        }
        if self.settings.nodes:
            self._controllers |= {SCHEDULE: self._scheduler.reconcile, RUN: self._kubelet.reconcile}

    async def start(self) -> None:
        """Makes the namespaces and nodes that are missing, looks at everything that is there, and begins to work."""
        world = self.world
        for stored in world.store:
            self._note(stored.ref, None, stored.object())
        for ref in world.pods:
            self.wake(RUN, ref)  # Those that run may have an end.
        world.store.listener = self._note
        self._faults.on_change = self._kubelet.note_images
        for name in NAMESPACES:
            labels = {"kubernetes.io/metadata.name": name}
            manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
            await world.create({**manifest, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}})
        for number in range(self.settings.nodes):
            await world.create(node(f"{self.name}-node-{number}", number, self.settings, world.now(), self.version))
        self._working = asyncio.create_task(self._work(), name=f"controllers of {self.name}")
        self._working.add_done_callback(self._ended)

    async def stop(self) -> None:
        self.world.store.listener = None
        for task in (self._working, self._sleeping):
            if task is not None:
                task.cancel()
        await asyncio.gather(*(task for task in (self._working, self._sleeping) if task is not None), return_exceptions=True)
        self._working = self._sleeping = None

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            log.error("controllers ended", cluster=self.name, error=repr(task.exception()))

    @property
    def idle(self) -> bool:
        """Nothing to do now; timers may be set."""
        return not self._queue

    # --- what is to be looked at ---

    def wake(self, kind: Kind, ref: Ref) -> None:
        """Puts a key at the end of the queue; one that is in it already stays where it is."""
        if kind in self._controllers:
            self._queue[kind, ref] = None
            self._awake.set()

    def later(self, seconds: float, kind: Kind, ref: Ref) -> None:
        """Wakes a key after a while; the earliest of several wishes counts."""
        key, at = (kind, ref), self.clock.monotonic() + max(0.0, seconds)
        if self._due_of.get(key, at + 1) <= at:
            return
        self._due_of[key] = at
        self._numbers += 1
        heapq.heappush(self._due, (at, self._numbers, key))
        if self._due[0][2] == key and self._sleeping is not None:
            self._sleeping.cancel()
            self._sleeping = None
        if self._sleeping is None:
            self._sleeping = asyncio.create_task(self._sleep(), name=f"timers of {self.name}")

    async def _sleep(self) -> None:
        while self._due:
            wait = self._due[0][0] - self.clock.monotonic()
            if wait > 0:
                await self.clock.sleep(wait)
                continue
            at, _, key = heapq.heappop(self._due)
            if self._due_of.get(key) == at:  # Otherwise an earlier wish has woken it already.
                del self._due_of[key]
                self.wake(*key)
        self._sleeping = None

    async def _work(self) -> None:
        done = 0
        while True:
            if not self._queue:
                self._awake.clear()
                await self._awake.wait()
            kind, ref = key = next(iter(self._queue))
            del self._queue[key]
            try:
                await self._controllers[kind](ref)
            except NOT_UNDERSTOOD as error:
                # One object that cannot be understood must not stop the others; it is looked at again when it changes.
                log.warning("controller failed", cluster=self.name, controller=kind[1], ref=str(ref), error=repr(error))
            done += 1
            if done % BATCH == 0:
                await asyncio.sleep(0)

    def _with(self, reconcile: Callable[[World, Ref], Awaitable[None]]) -> Controller:
        async def run(ref: Ref) -> None:
            await reconcile(self.world, ref)

        return run

    # --- what a write means for whom ---

    def _note(self, ref: Ref, before: Manifest | None, after: Manifest | None) -> None:
        """Called with every write of the store; only wakes, so that the writer is not kept, and never raises, because it has written."""
        try:
            self._note_change(ref, before, after)
        except NOT_UNDERSTOOD as error:
            log.warning("object not understood", cluster=self.name, ref=str(ref), error=repr(error))

    def _note_change(self, ref: Ref, before: Manifest | None, after: Manifest | None) -> None:
        kind, world = ref[:2], self.world
        owners, pod = world.owners(ref), world.pods.get(ref)
        world.note(ref, after)
        if kind == POD:
            self._note_pod(ref, pod, after, before)
        else:
            self._wake_owners(ref, after or before)
        if kind == NODE:
            self._note_node(ref, after)
        elif kind in WATCHED:
            self._kubelet.note(ref)
            if after is None:
                self.wake(NAMESPACE, Ref(*NAMESPACE, "", ref.namespace))
        elif kind == SERVICE:
            self._services.note_service(ref, before, after)
        self.wake(kind, ref)
        if after is None:
            self._note_end(ref, before or {})
        elif world.owners(ref) != owners or (after["metadata"].get("deletionTimestamp") and after["metadata"].get("finalizers")):
            # An object may name an owner that is gone already, or be one that waits for those it owns.
            self.wake(housekeeping.COLLECT, ref)

    def _wake_owners(self, ref: Ref, manifest: Manifest | None) -> None:
        for owner in (manifest or {}).get("metadata", {}).get("ownerReferences") or ():
            if kind := OWNERS.get(owner["kind"]):
                self.wake(kind, Ref(*kind, ref.namespace, owner["name"]))

    def _note_pod(self, ref: Ref, old: PodState | None, after: Manifest | None, before: Manifest | None) -> None:
        state = self.world.pods.get(ref)
        if _differs(old, state):
            self._wake_owners(ref, after or before)
            self._services.note_pod(ref, old, state)
        if not self.settings.nodes:
            return
        self._scheduler.note_pod(ref, after)
        if state is None:
            self._kubelet.note_gone(ref)
        elif state.deleting or (state.node and state.phase == "Pending"):
            self.wake(RUN, ref)
        elif not state.node:
            self.wake(SCHEDULE, ref)

    def _note_node(self, ref: Ref, after: Manifest | None) -> None:
        for stored in self.world.list(DAEMON_SET):
            self.wake(DAEMON_SET, stored.ref)
        if not self.settings.nodes:
            return
        self._scheduler.note_node(ref, after)
        if after is None:
            for pod, state in self.world.pods.items():
                if state.node == ref.name:
                    self.wake(RUN, pod)

    def _note_end(self, ref: Ref, last: Manifest) -> None:
        """An object is gone: what it owned may go, an owner or a namespace that waited for it may go on."""
        metadata = last["metadata"]
        for dependent in self.world.dependents(metadata["uid"]):
            self.wake(housekeeping.COLLECT, dependent)
        for owner in metadata.get("ownerReferences") or ():
            group = owner["apiVersion"].rpartition("/")[0]
            waiting = self.world.store.get(Ref(group, owner["kind"], ref.namespace, owner["name"]))
            if waiting is not None and b'"deletionTimestamp"' in waiting.body:
                self.wake(housekeeping.COLLECT, waiting.ref)
        if ref.namespace and not self.world.takes(ref.namespace):
            self.wake(NAMESPACE, Ref(*NAMESPACE, "", ref.namespace))


def _differs(old: PodState | None, new: PodState | None) -> bool:
    """Whether a pod changed in a way that its controller or a Service acts upon."""
    if old is None or new is None:
        return True
    return (old.ready, old.active, old.phase, old.address) != (new.ready, new.active, new.phase, new.address)
