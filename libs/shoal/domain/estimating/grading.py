"""How many nodes have so much left: what the general estimate knows of a cluster whose free room is in pieces (R4.18)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from shoal.api.cluster import Grade
from shoal.api.nodes import NodeRoom
from shoal.api.quantity import milli

_ONE_POD = 1000
_CORDONED = "node.kubernetes.io/unschedulable"


def count_by_grade(nodes: Iterable[NodeRoom], grades: Sequence[Grade]) -> dict[int, int]:
    """Grade -> nodes of that grade. `nodes` are those that are ready; `grades` ascend; without grades nothing is counted.

    A node is of the highest grade whose lower bound it has left of *every* modelled resource; a resource that it does not have at all
    counts as 0. One that has less than the lowest bounds (more was promised than there is) is of the lowest grade, which holds nothing.

    Past Karmada: nodes that take nothing new are left out, each for itself. Those without a free pod slot: there they end the count, and
    the nodes listed after them are lost by the accident of order (GX18), so that replicas find no place where there is room. And those
    that are not ready or cordoned: there they count, and replicas are sent to room that nobody can use. Other taints, and affinity, are
    unknown to this estimate (R4.17).
    """
    if not grades:
        return {}
    counts = {grade.number: 0 for grade in grades}
    bounds = [(grade.number, {name: milli(least) for name, least in grade.least.items()}) for grade in grades]
    for node in nodes:
        if _takes_pods(node):
            counts[_grade_of(node.free, bounds)] += 1
    return counts


def _takes_pods(node: NodeRoom) -> bool:
    return node.free.get("pods", 0) >= _ONE_POD and all(taint.get("key") != _CORDONED for taint in node.taints)


def _grade_of(free: Mapping[str, int], bounds: Sequence[tuple[int, Mapping[str, int]]]) -> int:
    return next(
        (number for number, least in reversed(bounds) if all(free.get(name, 0) >= amount for name, amount in least.items())),
        bounds[0][0],
    )
