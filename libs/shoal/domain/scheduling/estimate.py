"""How much more a cluster has room for, from what its agent reported (R4.15 to R4.17, R4.20): the general estimator."""

from __future__ import annotations

from collections.abc import Mapping

from shoal.api.binding import Component, ReplicaRequirements
from shoal.api.cluster_view import ClusterView
from shoal.api.quantity import milli

Amounts = tuple[tuple[str, int], ...]
"""Resource and thousandths, of one pod."""
Size = tuple[tuple[Amounts, int], ...]
"""Amounts of one pod, and pods: of a replica one pair, of a workload with several components one for each."""
UNLIMITED = 2**31 - 1
"""Karmada's largest estimate."""
_PODS_PER_NODE = 110
_SETS_MAX = 100
"""Sets that are simulated; one is asked for, more only tell roomy clusters from tight ones."""


class Promised:
    """Pods that were decided for a cluster and that its figures do not contain yet: in sum, and by size."""

    __slots__ = ("sizes", "spent")

    def __init__(self) -> None:
        self.spent: dict[str, int] = {}
        """Resource -> thousandths, `pods` among them."""
        self.sizes: dict[Amounts, int] = {}
        """Amounts of one pod -> pods."""

    @classmethod
    def of(cls, *sizes: tuple[Mapping[str, int], int]) -> Promised:
        promised = cls()
        for request, pods in sizes:
            promised.add(tuple(request.items()), pods)
        return promised

    def __bool__(self) -> bool:
        return bool(self.sizes)

    def add(self, request: Amounts, pods: int) -> None:
        """More of that size, or less."""
        count = self.sizes.get(request, 0) + pods
        if count:
            self.sizes[request] = count
        else:
            self.sizes.pop(request, None)
        self.spent["pods"] = self.spent.get("pods", 0) + 1000 * pods
        for name, amount in request:
            self.spent[name] = self.spent.get(name, 0) + amount * pods


_NOTHING = Promised()


def room_for(cluster: ClusterView, request: Mapping[str, int], promised: Promised = _NOTHING) -> int:
    """R4.16, beside what is promised, for pods that ask for so much (`amounts`).

    A cluster without a summary has no room; a resource that it does not have at all neither.
    """
    if cluster.free is None:
        return 0
    free = _beside(cluster.free, promised)
    pods = min(free.get("pods", 0) // 1000, UNLIMITED)
    if pods <= 0 or not request:
        return max(pods, 0)
    if cluster.models:
        # Nodes of the lowest bounds say what is in pieces; the sum still has to be there, and is all that is known of what no grade speaks
        # of (GPUs and other extended resources).
        graded = _graded(cluster.models, request)
        summed = request if promised else {name: amount for name, amount in request.items() if name not in graded}
        most = _whole(free, summed, pods)
        return _first_fit(_nodes(cluster.models, promised), graded, most) if graded else most
    return _whole(free, request, pods)


def _whole(free: Mapping[str, int], request: Mapping[str, int], pods: int) -> int:
    for name, amount in request.items():
        pods = min(pods, free.get(name, 0) // amount)
    return max(0, pods)


def _graded(models: tuple[tuple[int, dict[str, int]], ...], request: Mapping[str, int]) -> dict[str, int]:
    """The part of a request that grades of nodes speak of."""
    return {name: amount for name, amount in request.items() if any(name in bounds for _, bounds in models)}


def _beside(free: dict[str, int], promised: Promised) -> dict[str, int]:
    """What is left of it; below zero where more is promised than there is."""
    if not promised:
        return free
    return {name: amount - promised.spent.get(name, 0) for name, amount in free.items()}


Nodes = list[tuple[int, dict[str, int]]]
"""Nodes that are alike: their number, and what each has; `pods` in whole ones."""


def _nodes(models: tuple[tuple[int, dict[str, int]], ...], promised: Promised) -> Nodes:
    """R4.17: every grade's nodes have its lower bounds and 110 pods. What is promised is put on them first, by first fit."""
    nodes = [(count, {**capacity, "pods": _PODS_PER_NODE}) for count, capacity in models if count]
    for size, pods in promised.sizes.items():
        nodes = _filled(nodes, _graded(models, dict(size)), pods)
    return nodes


def _filled(nodes: Nodes, request: dict[str, int], pods: int) -> Nodes:
    """First fit over nodes that are alike: so many get all they can take, one takes the rest, the others stay as they are."""
    after: Nodes = []
    for count, capacity in nodes:
        each = _per_node(capacity, request)
        if pods <= 0 or each <= 0:
            after.append((count, capacity))
            continue
        full = min(count, pods // each)
        rest = min(pods - full * each, each) if full < count else 0
        pods -= full * each + rest
        after += [
            (number, _used(capacity, request, took))
            for number, took in ((full, each), (1 if rest else 0, rest), (count - full - (1 if rest else 0), 0))
            if number
        ]
    return after


def _used(capacity: dict[str, int], request: dict[str, int], pods: int) -> dict[str, int]:
    left = dict(capacity)
    for name, amount in request.items():
        left[name] = left.get(name, 0) - amount * pods
    left["pods"] -= pods
    return left


def _per_node(capacity: dict[str, int], request: dict[str, int]) -> int:
    return max(0, min([capacity["pods"], *(capacity.get(name, 0) // amount for name, amount in request.items())]))


def _first_fit(nodes: Nodes, request: dict[str, int], most: int) -> int:
    """R4.17: replicas of one size fill node by node, so this is a product."""
    return min(sum(count * _per_node(capacity, request) for count, capacity in nodes), most)


def sets_for(cluster: ClusterView, components: tuple[Component, ...], promised: Promised = _NOTHING) -> int:
    """R4.20: how many whole sets of a workload with several pod templates fit, beside what is promised."""
    pods = [(amounts(component.replica_requirements), component.replicas) for component in components]
    per_set = sum(count for _, count in pods)
    if cluster.free is None or per_set <= 0:
        return 0
    free = _beside(cluster.free, promised)
    most = max(0, min(free.get("pods", 0) // 1000 // per_set, UNLIMITED))
    needed: dict[str, int] = {}
    for request, count in pods:
        for name, amount in request.items():
            needed[name] = needed.get(name, 0) + amount * count
    if cluster.models:
        known = _graded(cluster.models, needed)
        most = _whole(free, needed if promised else {name: amount for name, amount in needed.items() if name not in known}, most)
        pods = [(_graded(cluster.models, request), count) for request, count in pods]
        return _sets_on_nodes(_nodes(cluster.models, promised), pods, min(most, _SETS_MAX))
    return _whole(free, needed, most)


def amounts(requirements: ReplicaRequirements | None) -> dict[str, int]:
    """What one pod asks for, in thousandths; without what it asks nothing of."""
    found = {name: milli(text) for name, text in requirements.resource_request.items()} if requirements else {}
    return {name: amount for name, amount in found.items() if amount > 0}


def size_of(requirements: ReplicaRequirements | None, components: tuple[Component, ...]) -> Size:
    """All of a workload that the general estimate depends on: of one size there is one answer, whoever asks."""
    if len(components) > 1:
        return tuple((_sorted(component.replica_requirements), component.replicas) for component in components)
    return ((_sorted(requirements), 1),)


def _sorted(requirements: ReplicaRequirements | None) -> Amounts:
    return tuple(sorted(amounts(requirements).items()))


def _sets_on_nodes(groups: Nodes, pods: list[tuple[dict[str, int], int]], most: int) -> int:
    """Places set after set, pod after pod, each on the first node that has room."""
    wanted = most * sum(count for _, count in pods)
    nodes = [dict(capacity) for count, capacity in groups for _ in range(min(count, wanted))]
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
