"""How many further replicas a cluster has room for, from what its agent reported (R4.15 to R4.17): the general estimator."""

from __future__ import annotations

from shoal.api.binding import ReplicaRequirements
from shoal.api.cluster_view import ClusterView
from shoal.api.quantity import milli

UNLIMITED = 2**31 - 1
"""Karmada's largest estimate."""
_PODS_PER_NODE = 110


def room_for(cluster: ClusterView, requirements: ReplicaRequirements | None) -> int:
    """R4.16. A cluster without a summary has no room; a resource that it does not have at all neither."""
    if cluster.free is None:
        return 0
    pods = min(cluster.free.get("pods", 0) // 1000, UNLIMITED)
    request = {name: milli(text) for name, text in requirements.resource_request.items()} if requirements else {}
    request = {name: amount for name, amount in request.items() if amount > 0}
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
