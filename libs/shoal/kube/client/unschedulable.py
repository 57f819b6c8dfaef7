"""Which Deployments of a member have pods that no node takes, and since long enough to say so (R15.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from shoal.api.meta import Manifest, Ref
from shoal.api.unschedulable import Unschedulable
from shoal.kube.client.api import METADATA_ONLY, Api, Kind

_POD, _REPLICA_SET = Kind("", "Pod"), Kind("apps", "ReplicaSet")


class _Owner(msgspec.Struct, frozen=True):
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False


class _Meta(msgspec.Struct, frozen=True, rename="camel"):
    namespace: str = ""
    uid: str = ""
    deletion_timestamp: str | None = None
    owner_references: tuple[_Owner, ...] = ()

    def controlled_by(self, kind: str) -> _Owner | None:
        return next((one for one in self.owner_references if one.controller and one.kind == kind), None)


class _Condition(msgspec.Struct, frozen=True, rename="camel"):
    type: str = ""
    status: str = ""
    reason: str = ""
    last_transition_time: datetime | None = None


class _Status(msgspec.Struct, frozen=True):
    conditions: tuple[_Condition, ...] = ()


class _Pod(msgspec.Struct, frozen=True):
    metadata: _Meta
    status: _Status = _Status()

    def waits_since(self, before: datetime) -> bool:
        """Whether the member's scheduler found no node for it, at that time already."""
        if self.metadata.deletion_timestamp is not None:
            return False
        found = next((one for one in self.status.conditions if one.type == "PodScheduled"), None)
        if found is None or (found.status, found.reason) != ("False", "Unschedulable"):
            return False
        return found.last_transition_time is not None and found.last_transition_time <= before


class _ReplicaSet(msgspec.Struct, frozen=True):
    metadata: _Meta


async def unschedulable(api: Api, refs: Iterable[Ref], *, before: datetime) -> tuple[Unschedulable, ...]:
    """Those of the Deployments `refs` that have pods which were found unschedulable at `before` and still are.

    One list of the pods without a node for all of them; what these belong to is read only where there are some. Raises what `Api` does.
    """
    asked = set(refs)
    namespaces = {ref.namespace for ref in asked}
    waiting = Counter[tuple[str, str]]()
    async for page, _ in api.pages(_POD, as_=_Pod, field_selector="spec.nodeName="):
        for pod in page:
            owner = pod.metadata.controlled_by("ReplicaSet")
            if owner is not None and pod.metadata.namespace in namespaces and pod.waits_since(before):
                waiting[pod.metadata.namespace, owner.uid] += 1
    found = []
    for (ref, uid), pods in sorted((await _by_deployment(api, waiting)).items()):
        live = await api.get(ref) if ref in asked else None
        if live is not None and live["metadata"].get("uid") == uid and (told := _counted(ref, live, pods)) is not None:
            found.append(told)
    return tuple(found)


async def _by_deployment(api: Api, waiting: Counter[tuple[str, str]]) -> Counter[tuple[Ref, str]]:
    """The pods by the Deployment, and its uid, that has their ReplicaSet."""
    found = Counter[tuple[Ref, str]]()
    for namespace in sorted({namespace for namespace, _ in waiting}):
        async for page, _ in api.pages(_REPLICA_SET, namespace, as_=_ReplicaSet, accept=METADATA_ONLY):
            for one in page:
                owner, pods = one.metadata.controlled_by("Deployment"), waiting[namespace, one.metadata.uid]
                if owner is not None and pods:
                    found[Ref("apps", "Deployment", namespace, owner.name), owner.uid] += pods
    return found


def _counted(ref: Ref, live: Manifest, pods: int) -> Unschedulable | None:
    """None while its controller has not seen what is asked of it, and for none."""
    spec, status = live.get("spec") or {}, live.get("status") or {}
    if int(status.get("observedGeneration") or 0) < int(live["metadata"].get("generation") or 0):
        return None
    replicas = _number(spec.get("replicas"), 1)
    # What a rollout has beyond the replicas, or a smaller number leaves over, goes first: pods without a node are the first to be deleted.
    left = pods - max(0, _number(status.get("replicas"), 0) - replicas)
    return Unschedulable(ref=ref, replicas=replicas, pods=min(left, replicas)) if left > 0 and replicas > 0 else None


def _number(value: Any, absent: int) -> int:
    return absent if value is None else int(value)
