"""Selectors and affinities, which several kinds contain: resource selectors, label selectors, cluster affinities (AA02, AA12)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shoal.api.meta import LabelSelector, Requirement
from shoal.api.policy import ClusterAffinity, ClusterAffinityTerm, FieldSelector, OverflowClusterAffinity, ResourceSelector
from shoal.domain.admission.syntax import check_labels, label_value, one_of, qualified_name
from shoal.domain.admission.violation import Violation

FIELDS = ("provider", "region", "zone")


def check_resource_selectors(selectors: Sequence[ResourceSelector], path: str, *, namespace: str = "") -> Iterator[Violation]:
    """`namespace` is that of a namespaced policy, whose selectors cannot reach out of it (AA01)."""
    for index, selector in enumerate(selectors):
        where = f"{path}[{index}]"
        if not selector.api_version:
            yield Violation(f"{where}.apiVersion", "Required value: write the group and version, such as apps/v1")
        if not selector.kind:
            yield Violation(f"{where}.kind", "Required value: write the kind, such as Deployment")
        if namespace and selector.namespace not in {"", namespace}:
            yield Violation(
                f"{where}.namespace",
                f"the namespace of resourceSelector should be the same with the namespace of policy: leave it out or write {namespace}",
            )
        if selector.label_selector is not None:
            yield from check_label_selector(selector.label_selector, f"{where}.labelSelector")


def check_label_selector(selector: LabelSelector, path: str) -> Iterator[Violation]:
    yield from check_labels(selector.match_labels, f"{path}.matchLabels")
    for index, term in enumerate(selector.match_expressions):
        where = f"{path}.matchExpressions[{index}]"
        if wrong := qualified_name(term.key):
            yield Violation(f"{where}.key", f"label key {wrong}")
        yield from one_of(term.operator, ("In", "NotIn", "Exists", "DoesNotExist"), f"{where}.operator")
        yield from _check_values(term, where)
        for position, value in enumerate(term.values):
            if wrong := label_value(value):
                yield Violation(f"{where}.values[{position}]", f"label value {wrong}")


def _check_values(term: Requirement, where: str) -> Iterator[Violation]:
    if term.operator in {"In", "NotIn"} and not term.values:
        yield Violation(f"{where}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    if term.operator in {"Exists", "DoesNotExist"} and term.values:
        yield Violation(f"{where}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")


def check_affinity(affinity: ClusterAffinity | ClusterAffinityTerm | OverflowClusterAffinity, path: str) -> Iterator[Violation]:
    """Label and field selector; names of clusters that do not exist yet are legal."""
    if affinity.label_selector is not None:
        yield from check_label_selector(affinity.label_selector, f"{path}.labelSelector")
    if affinity.field_selector is not None:
        yield from _check_field_selector(affinity.field_selector, f"{path}.fieldSelector")


def _check_field_selector(selector: FieldSelector, path: str) -> Iterator[Violation]:
    for index, term in enumerate(selector.match_expressions):
        where = f"{path}.matchExpressions[{index}]"
        if term.key not in FIELDS:
            yield Violation(f"{where}.key", f"unsupported key {term.key!r}, must be provider, region, or zone")
        if term.operator not in {"In", "NotIn"}:
            yield Violation(f"{where}.operator", f"unsupported operator {term.operator!r}, must be In or NotIn")
        elif not term.values:
            yield Violation(f"{where}.values", "must be specified when `operator` is 'In' or 'NotIn'")
