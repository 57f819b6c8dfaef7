"""The placement of a propagation policy (AA02 to AA06, AA10, AA12, AA14)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from shoal.api.meta import Manifest
from shoal.api.policy import ClusterAffinityTerm, Placement, ReplicaSchedulingStrategy, SpreadConstraint, Toleration
from shoal.domain.admission.selectors import check_affinity
from shoal.domain.admission.syntax import label_value, one_of, qualified_name
from shoal.domain.admission.violation import Violation

_SPREAD_FIELDS = ("cluster", "region", "zone", "provider")
_EFFECTS = ("", "NoSchedule", "PreferNoSchedule", "NoExecute")


def default_placement(placement: Manifest) -> Manifest:
    """An empty constraint spreads by cluster, minGroups 0 is 1 (AA05); Divided without a preference is Weighted (AA06)."""
    result = dict(placement)
    if constraints := placement.get("spreadConstraints"):
        result["spreadConstraints"] = [_default_constraint(item) for item in constraints]
    if (strategy := placement.get("replicaScheduling")) is not None:
        strategy = {"replicaSchedulingType": "Divided"} | strategy
        if strategy["replicaSchedulingType"] == "Divided" and not strategy.get("replicaDivisionPreference"):
            strategy["replicaDivisionPreference"] = "Weighted"
        result["replicaScheduling"] = strategy
    return result


def _default_constraint(constraint: dict[str, Any]) -> dict[str, Any]:
    result = dict(constraint)
    if not result.get("spreadByField") and not result.get("spreadByLabel"):
        result["spreadByField"] = "cluster"
    if not result.get("minGroups"):
        result["minGroups"] = 1
    return result


def check_placement(placement: Placement, path: str) -> Iterator[Violation]:
    if placement.cluster_affinity is not None:
        if placement.cluster_affinities:
            yield Violation(f"{path}.clusterAffinities", "clusterAffinities cannot co-exist with clusterAffinity: write one of the two")
        yield from check_affinity(placement.cluster_affinity, f"{path}.clusterAffinity")
    yield from _check_groups(placement, f"{path}.clusterAffinities")
    for index, toleration in enumerate(placement.cluster_tolerations):
        yield from check_toleration(toleration, f"{path}.clusterTolerations[{index}]")
    yield from _check_spread(placement.spread_constraints, f"{path}.spreadConstraints")
    if placement.replica_scheduling is not None:
        yield from _check_strategy(placement.replica_scheduling, f"{path}.replicaScheduling")
    yield from _check_workload_affinity(placement, f"{path}.workloadAffinity")


def _check_groups(placement: Placement, path: str) -> Iterator[Violation]:
    names: Counter[str] = Counter()
    for index, term in enumerate(placement.cluster_affinities):
        where = f"{path}[{index}]"
        yield from _check_group_name(term.affinity_name, f"{where}.affinityName", names)
        yield from check_affinity(term, where)
        if term.overflow_affinities:
            yield from _check_overflow(placement, term, where, names)


def _check_group_name(name: str, path: str, names: Counter[str]) -> Iterator[Violation]:
    names[name] += 1
    if not 1 <= len(name) <= 32 or qualified_name(name):
        yield Violation(path, "has to be a name of 1 to 32 letters, digits, '-', '_' or '.'")
    elif names[name] == 2:
        yield Violation(path, f"each affinity term in a policy must have a unique name; {name} is used twice")


def _check_overflow(placement: Placement, term: ClusterAffinityTerm, path: str, names: Counter[str]) -> Iterator[Violation]:
    """AA03."""
    strategy = placement.replica_scheduling
    dynamic = strategy is not None and strategy.weight_preference is not None and bool(strategy.weight_preference.dynamic_weight)
    aggregated = strategy is not None and strategy.replica_division_preference == "Aggregated"
    if strategy is None or strategy.replica_scheduling_type != "Divided" or not (aggregated or dynamic):
        yield Violation(
            f"{path}.overflowAffinities", "needs replicaScheduling of type Divided that is Aggregated or has weightPreference.dynamicWeight"
        )
    if not (term.cluster_names or term.label_selector or term.field_selector or term.exclude):
        yield Violation(
            f"{path}.overflowAffinities", "the main affinity of the term must not be empty: it would hold every cluster already"
        )
    for index, group in enumerate(term.overflow_affinities):
        where = f"{path}.overflowAffinities[{index}]"
        yield from _check_group_name(group.affinity_name, f"{where}.affinityName", names)
        yield from check_affinity(group, where)


def check_toleration(toleration: Toleration, path: str) -> Iterator[Violation]:
    """As Kubernetes validates those of pods (AA10)."""
    if toleration.key and (wrong := qualified_name(toleration.key)):
        yield Violation(f"{path}.key", wrong)
    yield from one_of(toleration.operator, ("", "Equal", "Exists"), f"{path}.operator")
    if not toleration.key and toleration.operator != "Exists":
        yield Violation(f"{path}.operator", 'operator must be Exists when `key` is empty, which means "match all values and all keys"')
    if toleration.operator == "Exists" and toleration.value:
        yield Violation(f"{path}.value", "value must be empty when `operator` is 'Exists'")
    elif wrong := label_value(toleration.value):
        yield Violation(f"{path}.value", wrong)
    yield from one_of(toleration.effect, _EFFECTS, f"{path}.effect")
    if toleration.toleration_seconds is not None and toleration.effect != "NoExecute":
        yield Violation(f"{path}.effect", "effect must be 'NoExecute' when `tolerationSeconds` is set")


def _check_spread(constraints: tuple[SpreadConstraint, ...], path: str) -> Iterator[Violation]:
    """AA04."""
    fields: Counter[str] = Counter()
    for index, constraint in enumerate(constraints):
        where = f"{path}[{index}]"
        if constraint.spread_by_field and constraint.spread_by_label:
            yield Violation(where, "spreadByLabel should not co-exist with spreadByField: write one of the two")
        if constraint.spread_by_field:
            yield from one_of(constraint.spread_by_field, _SPREAD_FIELDS, f"{where}.spreadByField")
        if constraint.min_groups < 0:
            yield Violation(f"{where}.minGroups", "minGroups lower than 0 is not allowed")
        if constraint.max_groups < 0:
            yield Violation(f"{where}.maxGroups", "maxGroups lower than 0 is not allowed")
        if 0 < constraint.max_groups < constraint.min_groups:
            yield Violation(f"{where}.maxGroups", f"maxGroups lower than minGroups is not allowed: write at least {constraint.min_groups}")
        fields[constraint.spread_by_field] += 1
        if constraint.spread_by_field and fields[constraint.spread_by_field] == 2:
            yield Violation(path, f"multiple {constraint.spread_by_field} spread constraints are not allowed")
    if any(field in fields for field in _SPREAD_FIELDS) and "cluster" not in fields:
        yield Violation(path, "the cluster spread constraint must be enabled in one of the constraints in case of SpreadByField is enabled")


def _check_strategy(strategy: ReplicaSchedulingStrategy, path: str) -> Iterator[Violation]:
    yield from one_of(strategy.replica_scheduling_type, ("Duplicated", "Divided"), f"{path}.replicaSchedulingType")
    yield from one_of(strategy.replica_division_preference, ("", "Aggregated", "Weighted"), f"{path}.replicaDivisionPreference")
    preference = strategy.weight_preference
    if preference is None:
        return
    yield from one_of(preference.dynamic_weight, ("", "AvailableReplicas"), f"{path}.weightPreference.dynamicWeight")
    for index, entry in enumerate(preference.static_weight_list):
        where = f"{path}.weightPreference.staticWeightList[{index}]"
        if entry.weight < 1:
            yield Violation(f"{where}.weight", "should be greater than or equal to 1; leave the entry out to give a cluster nothing")
        yield from check_affinity(entry.target_cluster, f"{where}.targetCluster")


def _check_workload_affinity(placement: Placement, path: str) -> Iterator[Violation]:
    """AA14."""
    wanted = placement.workload_affinity
    if wanted is None:
        return
    for name, group in (("affinity", wanted.affinity), ("antiAffinity", wanted.anti_affinity)):
        if group is not None and (wrong := qualified_name(group.group_by_label_key)):
            yield Violation(f"{path}.{name}.groupByLabelKey", f"label key {wrong}")
    if wanted.affinity and wanted.anti_affinity and wanted.affinity.group_by_label_key == wanted.anti_affinity.group_by_label_key:
        yield Violation(path, "affinity and antiAffinity must use different label keys")
