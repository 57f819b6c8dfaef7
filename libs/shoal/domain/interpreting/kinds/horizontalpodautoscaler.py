"""HorizontalPodAutoscaler (autoscaling): one per member; the sums come back."""

from __future__ import annotations

from collections.abc import Sequence

from shoal.api.meta import Manifest
from shoal.api.status import CopyStatus
from shoal.domain.interpreting.interpreter import Interpreter
from shoal.domain.interpreting.statuses import pick, present, summed

_COUNTERS = ("currentReplicas", "desiredReplicas")


def reflect(live: Manifest) -> Manifest | None:
    return pick(live.get("status") or {}, _COUNTERS) or None


def aggregate(template: Manifest, items: Sequence[CopyStatus], generation: int) -> Manifest:
    return dict(summed((status for _, status in present(items)), _COUNTERS))


INTERPRETER = Interpreter(group="autoscaling", kind="HorizontalPodAutoscaler", reflect=reflect, aggregate=aggregate)
