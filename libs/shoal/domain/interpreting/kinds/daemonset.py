"""DaemonSet (apps): one pod per node, so there is nothing to divide."""

from __future__ import annotations

from collections.abc import Sequence

from shoal.api.meta import Manifest
from shoal.api.status import CopyStatus
from shoal.domain.interpreting.interpreter import Interpreter
from shoal.domain.interpreting.pods import pod_dependencies
from shoal.domain.interpreting.statuses import counted, reflected
from shoal.domain.interpreting.workloads import observed

_COUNTERS = (
    "currentNumberScheduled",
    "desiredNumberScheduled",
    "numberAvailable",
    "numberMisscheduled",
    "numberReady",
    "numberUnavailable",
    "updatedNumberScheduled",
)


def reflect(live: Manifest) -> Manifest | None:
    return reflected(live, (*_COUNTERS, "observedGeneration", "conditions"))


def healthy(live: Manifest) -> bool:
    """Observed, all desired pods updated, all updated ones available (R7.4)."""
    status = live.get("status") or {}
    updated = status.get("updatedNumberScheduled", 0)
    return bool(observed(live) and updated >= status.get("desiredNumberScheduled", 0) and status.get("numberAvailable", 0) >= updated)


def aggregate(template: Manifest, items: Sequence[CopyStatus], generation: int) -> Manifest:
    return counted(template, items, generation, _COUNTERS)


INTERPRETER = Interpreter(
    group="apps", kind="DaemonSet", reflect=reflect, health=healthy, aggregate=aggregate, dependencies=pod_dependencies
)
