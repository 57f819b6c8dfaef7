"""How much more a cluster has room for, from what its agent reported (R4.15 to R4.17, R4.20): the general estimator."""

from __future__ import annotations

from shoal.api.binding import Component, ReplicaRequirements
from shoal.api.cluster_view import ClusterView
from shoal.api.quantity import milli

UNLIMITED = 2**31 - 1
"""Karmada's largest estimate."""
_PODS_PER_NODE = 110
_SETS_MAX = 100
"""Sets that are simulated; one is asked for, more only tell roomy clusters from tight ones."""


def room_for(cluster: ClusterView, requirements: ReplicaRequirements | None) -> int:
    """R4.16. A cluster without a summary has no room; a resource that it does not have at all neither."""
    if cluster.free is None:
        return 0
    pods = min(cluster.free.get("pods", 0) // 1000, UNLIMITED)
    request = _request(requirements)
    if pods <= 0 or not request:
        return max(pods, 0)
    if any(count for count, _ in cluster.models):
        return _first_fit(cluster.models, request, pods)
    return min(pods, *(cluster.free.get(name, 0) // amount for name, amount in request.items()))


def _first_fit(models: tuple[tuple[int, dict[str, int]], ...], request: dict[str, int], pods: int) -> int:
    """R4.17: every grade's nodes have its lower bounds and 110 pods; replicas of one size fill node by node, so this is a product."""
    total = 0
    for count, capacity in models:
        per_node = min(_PODS_PER_NODE, *(capacity.get(name, 0) // amount for name, amount in request.items()))
        total += count * per_node
    return min(total, pods)


def sets_for(cluster: ClusterView, components: tuple[Component, ...]) -> int:
    """R4.20: how many whole sets of a workload with several pod templates fit."""
    pods = [(_request(component.replica_requirements), component.replicas) for component in components]
    per_set = sum(count for _, count in pods)
    if cluster.free is None or per_set <= 0:
        return 0
    most = min(cluster.free.get("pods", 0) // 1000 // per_set, UNLIMITED)
    if any(count for count, _ in cluster.models):
        return _sets_on_nodes(cluster.models, pods, min(most, _SETS_MAX))
    needed: dict[str, int] = {}
    for request, count in pods:
        for name, amount in request.items():
            needed[name] = needed.get(name, 0) + amount * count
    return min(most, *(cluster.free.get(name, 0) // amount for name, amount in needed.items()), most)


def _request(requirements: ReplicaRequirements | None) -> dict[str, int]:
    amounts = {name: milli(text) for name, text in requirements.resource_request.items()} if requirements else {}
    return {name: amount for name, amount in amounts.items() if amount > 0}


def _sets_on_nodes(models: tuple[tuple[int, dict[str, int]], ...], pods: list[tuple[dict[str, int], int]], most: int) -> int:
    """Places set after set, pod after pod, each on the first node that has room."""
    wanted = most * sum(count for _, count in pods)
    nodes = [{**capacity, "pods": _PODS_PER_NODE} for count, capacity in models for _ in range(min(count, wanted))]
    for placed in range(most):
        for request, count in pods:
            for _ in range(count):
                if not _place(nodes, request | {"pods": 1}):
                    return placed
    return most


def _place(nodes: list[dict[str, int]], request: dict[str, int]) -> bool:
    for node in nodes:
        if all(node.get(name, 0) >= amount for name, amount in request.items()):
            for name, amount in request.items():
                node[name] -= amount
            return True
    return False
