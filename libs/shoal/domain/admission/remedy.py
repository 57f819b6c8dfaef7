"""Remedy (`remedy.karmada.io/v1alpha1`, A19)."""

from __future__ import annotations

from collections.abc import Iterator

from shoal.api.meta import Manifest
from shoal.api.remedy import ACTIONS, DecisionMatch, Remedy
from shoal.domain.admission.syntax import check_cluster_name, one_of
from shoal.domain.admission.violation import Violation


def default(remedy: Manifest) -> Manifest:
    return remedy


def validate(remedy: Remedy, old: Remedy | None) -> Iterator[Violation]:
    spec = remedy.spec
    for index, name in enumerate(spec.cluster_affinity.cluster_names if spec.cluster_affinity else ()):
        yield from check_cluster_name(name, f"spec.clusterAffinity.clusterNames[{index}]")
    for index, match in enumerate(spec.decision_matches or ()):
        yield from _check_match(match, f"spec.decisionMatches[{index}].clusterConditionMatch")
    if not spec.actions:
        yield Violation("spec.actions", f"Required value: at least one of {', '.join(ACTIONS)}")
    for index, action in enumerate(spec.actions):
        yield from one_of(action, ACTIONS, f"spec.actions[{index}]")


def _check_match(match: DecisionMatch, path: str) -> Iterator[Violation]:
    wanted = match.cluster_condition_match
    if wanted is None:
        yield Violation(path, "Required value: the condition of a Cluster that decides; leave decisionMatches out to act always")
        return
    if not wanted.condition_type:
        yield Violation(f"{path}.conditionType", "Required value: the type of a condition in the Cluster's status, such as Ready")
    yield from one_of(wanted.operator, ("Equal", "NotEqual"), f"{path}.operator")
    yield from one_of(wanted.condition_status, ("True", "False", "Unknown"), f"{path}.conditionStatus")
