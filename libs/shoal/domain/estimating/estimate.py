"""The accurate estimate of one cluster."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from shoal.api.binding import Component, ReplicaRequirements
from shoal.api.nodes import NodeRoom, QuotaRoom
from shoal.api.quantity import milli
from shoal.domain.estimating.nodes import admits

SETS_MAX = 1_000
"""Sets that are placed one by one; more tells nobody anything."""
_MOST = 2**31 - 1


class Estimate(NamedTuple):
    room: int
    """Further replicas; of a workload of several components whole sets."""
    reason: str = ""
    """What keeps it from being more, as a sentence."""


def estimate(
    nodes: Sequence[NodeRoom],
    quotas: Iterable[QuotaRoom],
    requirements: ReplicaRequirements | None,
    components: tuple[Component, ...] = (),
) -> Estimate:
    """R4.19: per node that takes the pod what fits whole, summed; Q03: no more than each quota leaves; Q04: whole sets by first fit."""
    pods = [(one.replica_requirements, one.replicas) for one in components] if len(components) > 1 else [(requirements, 1)]
    room = _sets(nodes, pods) if len(components) > 1 else _replicas(nodes, requirements)
    found = Estimate(room, f"{room} fit on the nodes that take it")
    for quota in quotas:
        left = _under(quota, pods)
        if left < found.room:
            found = Estimate(left, f"ResourceQuota {quota.name} leaves room for {left}")
    return found


def _replicas(nodes: Sequence[NodeRoom], requirements: ReplicaRequirements | None) -> int:
    request, claim = _amounts(requirements), requirements.node_claim if requirements else None
    total = sum(min(max(0, node.free.get(name, 0)) // amount for name, amount in request.items()) for node in nodes if admits(node, claim))
    return min(total, _MOST)


def _sets(nodes: Sequence[NodeRoom], pods: list[tuple[ReplicaRequirements | None, int]]) -> int:
    """Set after set, pod after pod, each on the first node that takes it."""
    left = [dict(node.free) for node in nodes]
    kinds = [
        (
            _amounts(requirements),
            [number for number, node in enumerate(nodes) if admits(node, requirements.node_claim if requirements else None)],
        )
        for requirements, _ in pods
    ]
    for placed in range(SETS_MAX):
        for (request, allowed), (_, count) in zip(kinds, pods, strict=True):
            for _ in range(count):
                if not _place(left, allowed, request):
                    return placed
    return SETS_MAX


def _place(left: list[dict[str, int]], allowed: list[int], request: dict[str, int]) -> bool:
    for number in allowed:
        free = left[number]
        if all(free.get(name, 0) >= amount for name, amount in request.items()):
            for name, amount in request.items():
                free[name] -= amount
            return True
    return False


def _under(quota: QuotaRoom, pods: list[tuple[ReplicaRequirements | None, int]]) -> int:
    """Sets (of one pod, or of several) that a quota leaves; without limit for pods that it does not count."""
    needed: dict[str, int] = {}
    for requirements, count in pods:
        if quota.priority_classes and (requirements is None or requirements.priority_class_name not in quota.priority_classes):
            continue
        for name, amount in _amounts(requirements).items():
            needed[name] = needed.get(name, 0) + amount * count
    limits = [free // needed[resource] for name, free in quota.free.items() if needed.get(resource := _resource(name))]
    return max(0, min(limits, default=_MOST))


def _resource(name: str) -> str:
    """`requests.cpu`, `cpu` -> cpu; `count/pods` -> pods. Limits are not known of a pod here, and do not count."""
    return name.removeprefix("requests.").removeprefix("count/")


def _amounts(requirements: ReplicaRequirements | None) -> dict[str, int]:
    found = {name: milli(text) for name, text in requirements.resource_request.items()} if requirements else {}
    return {"pods": 1000} | {name: amount for name, amount in found.items() if amount > 0}
