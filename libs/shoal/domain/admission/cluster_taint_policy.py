"""ClusterTaintPolicy (A06, AA18)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shoal.api.meta import Manifest
from shoal.api.taint_policy import ClusterTaintPolicy, MatchCondition, PolicyTaint
from shoal.domain.admission.selectors import check_affinity
from shoal.domain.admission.syntax import label_value, one_of, qualified_name
from shoal.domain.admission.violation import Violation


def default(policy: Manifest) -> Manifest:
    return policy


def validate(policy: ClusterTaintPolicy, old: ClusterTaintPolicy | None) -> Iterator[Violation]:
    spec = policy.spec
    if spec.target_clusters is not None:
        yield from check_affinity(spec.target_clusters, "spec.targetClusters")
    yield from _check_conditions(spec.add_on_conditions, "spec.addOnConditions")
    yield from _check_conditions(spec.remove_on_conditions, "spec.removeOnConditions")
    if not spec.taints:
        yield Violation("spec.taints", "Required value: at least one taint that the conditions set and remove")
    for index, taint in enumerate(spec.taints):
        yield from _check_taint(taint, f"spec.taints[{index}]")
        if any((taint.key, taint.effect) == (other.key, other.effect) for other in spec.taints[:index]):
            yield Violation(f"spec.taints[{index}]", f"Duplicate value: taint({taint.key}:{taint.effect}) already exist")


def clashes(policy: ClusterTaintPolicy, others: Iterable[ClusterTaintPolicy]) -> Iterator[Violation]:
    """Two policies that speak of one taint would set and remove it in turns."""
    for other in others:
        taken = {(taint.key, taint.effect) for taint in other.spec.taints}
        for index, taint in enumerate(policy.spec.taints):
            if (taint.key, taint.effect) in taken:
                told = f"Duplicate value: taint({taint.key}:{taint.effect}) is set by ClusterTaintPolicy {other.metadata.name}; change that one"
                yield Violation(f"spec.taints[{index}]", told)


def _check_conditions(conditions: Iterable[MatchCondition], path: str) -> Iterator[Violation]:
    for index, condition in enumerate(conditions):
        where = f"{path}[{index}]"
        if not condition.condition_type:
            yield Violation(f"{where}.conditionType", "Required value: the type of a condition in the Cluster's status, such as Ready")
        yield from one_of(condition.operator, ("In", "NotIn"), f"{where}.operator")
        if not condition.status_values:
            yield Violation(f"{where}.statusValues", "Required value: at least one of True, False, Unknown")
        for position, value in enumerate(condition.status_values):
            yield from one_of(value, ("True", "False", "Unknown"), f"{where}.statusValues[{position}]")


def _check_taint(taint: PolicyTaint, path: str) -> Iterator[Violation]:
    if wrong := qualified_name(taint.key):
        yield Violation(f"{path}.key", wrong)
    if wrong := label_value(taint.value):
        yield Violation(f"{path}.value", wrong)
    if taint.effect == "NoExecute":
        told = "NoExecute is not allowed in a policy, since a condition that flaps would evict workloads: write NoSchedule, or taint the Cluster"
        yield Violation(f"{path}.effect", told)
    else:
        yield from one_of(taint.effect, ("NoSchedule",), f"{path}.effect")
