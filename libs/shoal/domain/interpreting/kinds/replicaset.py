"""ReplicaSet (apps), where a user propagates one by hand."""

from __future__ import annotations

from collections.abc import Sequence

from shoal.api.meta import Manifest
from shoal.api.status import CopyStatus
from shoal.domain.interpreting.interpreter import Interpreter
from shoal.domain.interpreting.pods import pod_dependencies
from shoal.domain.interpreting.statuses import counted, reflected
from shoal.domain.interpreting.workloads import observed, replicas, revise, wanted

_COUNTERS = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas")


def reflect(live: Manifest) -> Manifest | None:
    return reflected(live, (*_COUNTERS, "observedGeneration", "conditions"))


def healthy(live: Manifest) -> bool:
    """Observed, and all wanted replicas available (R7.4)."""
    return observed(live) and bool((live.get("status") or {}).get("availableReplicas", 0) >= wanted(live))


def aggregate(template: Manifest, items: Sequence[CopyStatus], generation: int) -> Manifest:
    return counted(template, items, generation, _COUNTERS)


INTERPRETER = Interpreter(
    group="apps",
    kind="ReplicaSet",
    replicas=replicas,
    revise=revise,
    reflect=reflect,
    health=healthy,
    aggregate=aggregate,
    dependencies=pod_dependencies,
)
