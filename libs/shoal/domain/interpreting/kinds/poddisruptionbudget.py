"""PodDisruptionBudget (policy): each member keeps its own budget; the sums come back."""

from __future__ import annotations

from collections.abc import Sequence

from shoal.api.meta import Manifest
from shoal.api.status import CopyStatus
from shoal.domain.interpreting.interpreter import Interpreter
from shoal.domain.interpreting.statuses import pick, present, summed

_COUNTERS = ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods")


def reflect(live: Manifest) -> Manifest | None:
    return pick(live.get("status") or {}, (*_COUNTERS, "disruptedPods")) or None


def healthy(live: Manifest) -> bool:
    status = live.get("status") or {}
    return bool(status.get("currentHealthy", 0) >= status.get("desiredHealthy", 0))


def aggregate(template: Manifest, items: Sequence[CopyStatus], generation: int) -> Manifest:
    """Sums; disrupted pods are named `cluster/pod` (R8.3)."""
    found = present(items)
    merged: Manifest = dict(summed((status for _, status in found), _COUNTERS))
    disrupted = {f"{item.cluster}/{pod}": when for item, status in found for pod, when in (status.get("disruptedPods") or {}).items()}
    if disrupted:
        merged["disruptedPods"] = disrupted
    return merged


INTERPRETER = Interpreter(group="policy", kind="PodDisruptionBudget", reflect=reflect, health=healthy, aggregate=aggregate)
