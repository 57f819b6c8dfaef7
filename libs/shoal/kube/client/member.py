"""`Member`: one member cluster as its agent sees it. Says nothing about what should be there; that is `domain.applying`."""

from __future__ import annotations

import asyncio
import base64
import random
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from shoal.api.cluster import Grade, NodeSummary, ResourceSummary
from shoal.api.errors import DependencyMissing, RevisionConflict, ShoalError
from shoal.api.meta import Manifest, Ref
from shoal.api.nodes import NodeRoom, QuotaRoom
from shoal.api.quantity import milli
from shoal.api.work import Inventory
from shoal.domain.estimating import count_by_grade
from shoal.kube.client.api import METADATA_ONLY, Api, Kind
from shoal.kube.client.discovery import KindInfo
from shoal.kube.client.lease import NAMESPACE
from shoal.kube.client.pods import Amounts, Pod, add, requests_of, texts
from shoal.kube.client.reflector import OnEvent, Reflector

FIELD_MANAGER = "shoal"
IDENTITY = Ref("", "Secret", NAMESPACE, "shoal-agent")
NODE, POD, QUOTA = Kind("", "Node"), Kind("", "Pod"), Kind("", "ResourceQuota")
_UNSCHEDULABLE = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
LISTS_AT_ONCE = 8
"""Kinds listed at a time while a namespace is searched; a real server has about 40 namespaced kinds."""
_NOT_CONTENT = frozenset({("", "Event"), ("events.k8s.io", "Event")})
"""Kinds that say something about others and hold nothing of anybody's own."""


class _Owner(msgspec.Struct, rename="camel"):
    kind: str = ""


class _Meta(msgspec.Struct, rename="camel"):
    name: str
    namespace: str = ""
    uid: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: tuple[_Owner, ...] = ()


class _Named(msgspec.Struct):
    metadata: _Meta


class _NodeSpec(msgspec.Struct, frozen=True):
    unschedulable: bool = False
    taints: tuple[dict[str, Any], ...] | None = None


class _QuotaStatus(msgspec.Struct, frozen=True):
    hard: dict[str, str] | None = None
    used: dict[str, str] | None = None


class _QuotaSpec(msgspec.Struct, frozen=True, rename="camel"):
    hard: dict[str, str] | None = None
    scopes: tuple[str, ...] | None = None
    scope_selector: dict[str, Any] | None = None


class _Quota(msgspec.Struct, frozen=True):
    metadata: _Meta
    spec: _QuotaSpec = _QuotaSpec()
    status: _QuotaStatus = _QuotaStatus()


class _NodeCondition(msgspec.Struct, frozen=True):
    type: str = ""
    status: str = ""


class _NodeStatus(msgspec.Struct, frozen=True):
    allocatable: dict[str, str] | None = None
    conditions: tuple[_NodeCondition, ...] | None = None


class _Node(msgspec.Struct, frozen=True):
    metadata: _Meta
    spec: _NodeSpec = _NodeSpec()
    status: _NodeStatus = _NodeStatus()

    @property
    def ready(self) -> bool:
        return any(condition.type == "Ready" and condition.status == "True" for condition in self.status.conditions or ())

    @property
    def allocatable(self) -> Amounts:
        return {name: milli(value) for name, value in (self.status.allocatable or {}).items()}


class Labelled(msgspec.Struct, frozen=True):
    """An object found in a namespace, with what tells whose it is."""

    ref: Ref
    uid: str
    labels: dict[str, str]
    annotations: dict[str, str]


class Member:
    """Reads and writes of one member. Raises the errors of `failures.py`; retrying is the caller's."""

    def __init__(self, api: Api, *, field_manager: str = FIELD_MANAGER, chance: Callable[[], float] = random.random) -> None:
        """`chance` gives numbers in [0, 1) for the jitter of reflectors; the simulation passes a seeded one."""
        self.api, self.field_manager, self._chance = api, field_manager, chance

    async def live(self, ref: Ref) -> Manifest | None:
        """The object as it stands; None when there is none. Raises `DependencyMissing` when its kind is not served."""
        return await self.api.get(ref)

    async def apply(self, manifest: Manifest, *, force: bool = False) -> Manifest:
        """Server-side apply under our field manager; `force` takes fields over from others (R6.9 overwrite, R6.11 drift)."""
        return await self.api.apply(manifest, field_manager=self.field_manager, force=force)

    async def delete(self, ref: Ref, *, uid: str, resource_version: str = "", foreground: bool = False) -> bool:
        """True when there was something to delete. Never deletes another object that took the name meanwhile (`uid`).

        `foreground`: the object stays until everything that it owns is gone.
        """
        propagation = "Foreground" if foreground else "Background"
        return await self.api.delete(ref, uid=uid, resource_version=resource_version, propagation=propagation)

    def reflector(self, kind: Kind, *, on_event: OnEvent, label_selector: str = "", whole: bool = False) -> Reflector:
        clock = self.api.clock
        return Reflector(self.api, kind, on_event=on_event, clock=clock, label_selector=label_selector, whole=whole, chance=self._chance)

    async def foreign_objects(self, namespace: str, owned: Callable[[Labelled], bool]) -> list[Ref]:
        """What would be lost with a namespace though it is not ours: everything in it except what `owned` says, what Kubernetes puts
        there by itself, Events, and what belongs to another object (it goes and stays with its owner).

        Raises when any kind cannot be listed: an answer that may lack something must not look like an empty namespace.
        """
        kinds = await self.api.discover()
        if not kinds.complete:
            raise DependencyMissing(f"{self.api.name} does not say which kinds it has (an extension API server is away)")
        wanted = [info for info in kinds.preferred() if info.namespaced and {"list", "create"} <= info.verbs]
        gate = asyncio.Semaphore(LISTS_AT_ONCE)

        async def one(info: KindInfo) -> list[Labelled]:
            async with gate:
                return await self._content(info, namespace)

        found = await asyncio.gather(*(one(info) for info in wanted if (info.group, info.kind) not in _NOT_CONTENT))
        services = {labelled.ref.name for labelleds in found for labelled in labelleds if labelled.ref[:2] == ("", "Service")}
        foreign: dict[str, Ref] = {}
        for labelled in (labelled for labelleds in found for labelled in labelleds):
            # Endpoints carry their Service's name and no owner reference.
            made_for_service = labelled.ref[:2] == ("", "Endpoints") and labelled.ref.name in services
            if not (made_for_service or _made_by_kubernetes(labelled.ref) or owned(labelled)):
                foreign.setdefault(labelled.uid, labelled.ref)  # One object may be served under two groups.
        return sorted(foreign.values())

    async def _content(self, info: KindInfo, namespace: str) -> list[Labelled]:
        found = []
        async for page, _ in self.api.pages(Kind(info.group, info.kind), namespace, as_=_Named, accept=METADATA_ONLY):
            for named in page:
                meta = named.metadata
                if not meta.owner_references:
                    ref = Ref(info.group, info.kind, meta.namespace, meta.name)
                    found.append(Labelled(ref, meta.uid, meta.labels or {}, meta.annotations or {}))
        return found

    async def inventory(self, grades: tuple[Grade, ...] = ()) -> Inventory:
        """What the cluster can run and what it already runs (R4.16): one list of pods, one of nodes, discovery and version.

        `grades` are what nodes are counted by (R4.18).
        """
        kinds, version = await self.api.discover(), await self.api.version()
        taken, allocating = await self._pods()
        nodes, allocatable, counts = await self._nodes(taken, grades)
        return Inventory(
            cluster=self.api.name,
            kubernetes_version=version,
            api_enablements=kinds.enablements(),
            complete_api_enablements=kinds.complete,
            node_summary=nodes,
            resource_summary=ResourceSummary(
                allocatable=texts(allocatable),
                allocated=texts(add(taken.values())),
                allocating=texts(allocating),
                allocatable_modelings=tuple({"grade": grade.number, "count": counts[grade.number]} for grade in grades),
            ),
            grades=grades,
            api_server_healthy=await self.api.healthy(),
        )

    async def _nodes(self, taken: Mapping[str, Amounts], grades: tuple[Grade, ...]) -> tuple[NodeSummary, Amounts, Counter[int]]:
        """(how many there are, what they have together, how many of each grade); one page of nodes is in memory at a time."""
        total, ready, allocatable, counts = 0, 0, dict[str, int](), Counter[int]()
        async for page, _ in self.api.pages(NODE, as_=_Node):
            working = [node for node in page if node.ready]
            total += len(page)
            ready += len(working)
            allocatable = add((allocatable, *(node.allocatable for node in page)))
            counts.update(count_by_grade((_room(node, taken) for node in working), grades))
        return NodeSummary(total_num=total, ready_num=ready), allocatable, counts

    async def node_rooms(self) -> list[NodeRoom]:
        """What is left on every node that is ready: one list of nodes, one of pods."""
        taken, _ = await self._pods()
        return [_room(node, taken) async for page, _ in self.api.pages(NODE, as_=_Node) for node in page if node.ready]

    async def quota_rooms(self, namespace: str) -> list[QuotaRoom]:
        """What the quotas of a namespace leave. Those with scopes other than a list of priority classes count pods we cannot tell apart
        here, and are left out."""
        found = []
        async for page, _ in self.api.pages(QUOTA, namespace, as_=_Quota):
            for quota in page:
                classes = _priority_classes(quota.spec)
                if classes is not None:
                    hard, used = quota.status.hard or quota.spec.hard or {}, quota.status.used or {}
                    free = {name: milli(value) - milli(used.get(name, "0")) for name, value in hard.items()}
                    found.append(QuotaRoom(name=quota.metadata.name, free=free, priority_classes=classes))
        return found

    async def _pods(self) -> tuple[dict[str, Amounts], Amounts]:
        """(node -> requests of the pods there that have not finished, requests of pods not yet on a node)."""
        taken, allocating = dict[str, Amounts](), dict[str, int]()
        async for page, _ in self.api.pages(POD, as_=Pod):
            for pod in page:
                if pod.finished:
                    continue
                if pod.spec.node_name:
                    taken[pod.spec.node_name] = add((taken.get(pod.spec.node_name, {}), requests_of(pod.spec)))
                else:
                    allocating = add((allocating, requests_of(pod.spec)))
        return taken, allocating

    # --- who this member is ---

    async def ensure_namespace(self, name: str = NAMESPACE) -> None:
        """Creates a namespace that is missing; leaves one that exists as it is."""
        ref = Ref("", "Namespace", "", name)
        if await self.api.get(ref) is not None:
            return
        try:
            await self.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, field_manager=self.field_manager)
        except RevisionConflict:
            return  # Created by somebody else since we looked.

    async def identity(self) -> dict[str, str]:
        """What `remember` stored in the Secret `shoal-system/shoal-agent`; empty when there is none."""
        live = await self.api.get(IDENTITY)
        data = (live or {}).get("data") or {}
        return {name: base64.b64decode(value).decode() for name, value in data.items()}

    async def remember(self, values: dict[str, str]) -> None:
        """Keeps values (the member id, its name) in the member itself, so that they outlive every disk of the agent."""
        await self.ensure_namespace()
        data = {name: base64.b64encode(value.encode()).decode() for name, value in values.items()}
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": IDENTITY.name, "namespace": IDENTITY.namespace},
            "type": "Opaque",
            "data": data,
        }
        await self.api.apply(secret, field_manager=f"{self.field_manager}-identity", force=True)


def _room(node: _Node, taken: Mapping[str, Amounts]) -> NodeRoom:
    """What the pods on it leave."""
    used = taken.get(node.metadata.name, {})
    free = {name: amount - used.get(name, 0) for name, amount in node.allocatable.items()}
    taints = (*(node.spec.taints or ()), *((_UNSCHEDULABLE,) if node.spec.unschedulable else ()))
    return NodeRoom(name=node.metadata.name, labels=node.metadata.labels or {}, taints=taints, free=free)


def _priority_classes(spec: _QuotaSpec) -> tuple[str, ...] | None:
    """The classes that a quota counts, empty for all; None when it chooses by something else."""
    if spec.scopes:
        return None
    terms = (spec.scope_selector or {}).get("matchExpressions") or ()
    if not terms:
        return ()
    if any(term.get("scopeName") != "PriorityClass" or term.get("operator") != "In" for term in terms):
        return None
    return tuple(str(value) for value in terms[0].get("values") or ())


def _made_by_kubernetes(ref: Ref) -> bool:
    """What every namespace has without anybody asking for it."""
    return (ref.group, ref.kind, ref.name) in {("", "ServiceAccount", "default"), ("", "ConfigMap", "kube-root-ca.crt")}


async def healthy_inventory(member: Member, cluster: str, grades: tuple[Grade, ...]) -> Inventory:
    """An inventory also when the member does not answer: then it says so, instead of a silence that looks like an old truth."""
    try:
        return await member.inventory(grades)
    except ShoalError as error:
        return Inventory(cluster=cluster, api_server_healthy=False, complete_api_enablements=False, message=str(error))
