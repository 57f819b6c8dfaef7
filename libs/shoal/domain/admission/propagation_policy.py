"""PropagationPolicy and ClusterPropagationPolicy (A01, A02)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shoal.api import options
from shoal.api.jsonpath import PathInvalid, steps
from shoal.api.meta import Manifest
from shoal.api.policy import (
    DIRECTLY,
    GRACEFULLY,
    KUBE_PRIORITY_CLASS,
    NEVER,
    POD_PRIORITY_CLASS,
    Failover,
    PropagationPolicy,
    PropagationSpec,
    StatePreservation,
)
from shoal.domain.admission.placement import check_placement, default_placement
from shoal.domain.admission.selectors import check_resource_selectors
from shoal.domain.admission.syntax import one_of, qualified_name
from shoal.domain.admission.violation import Violation

_GRACE_S = 600
_TOLERATION_S = 300
_PURGE_MODES = (DIRECTLY, GRACEFULLY, NEVER)


def default(policy: Manifest) -> Manifest:
    """Fills in what Karmada's defaulting does (AA01, AA05, AA06, AA09, AA13)."""
    spec = dict(policy.get("spec") or {})
    namespace = policy["metadata"].get("namespace") or ""
    selectors = [({"namespace": namespace} if namespace else {}) | _given(selector) for selector in spec.get("resourceSelectors") or ()]
    spec["resourceSelectors"] = selectors
    if any(selector.get("kind") == "ServiceImport" for selector in selectors):
        spec["propagateDeps"] = True
    spec.setdefault("preemption", "Never")
    spec.setdefault("conflictResolution", "Abort")
    spec.setdefault("schedulerName", "default-scheduler")
    spec["placement"] = default_placement(spec.get("placement") or {})
    if (failover := spec.get("failover")) and failover.get("application") is not None:
        spec["failover"] = failover | {"application": _default_application(failover["application"])}
    return policy | {"spec": spec}


def _given(selector: Manifest) -> Manifest:
    return {key: value for key, value in selector.items() if not (key == "namespace" and not value)}


def _default_application(application: dict[str, Any]) -> dict[str, Any]:
    result = {"purgeMode": GRACEFULLY} | application
    result["decisionConditions"] = {"tolerationSeconds": _TOLERATION_S} | (application.get("decisionConditions") or {})
    if result["purgeMode"] == GRACEFULLY:
        result.setdefault("gracePeriodSeconds", _GRACE_S)
    return result


def validate(policy: PropagationPolicy, old: PropagationPolicy | None) -> Iterator[Violation]:
    spec = policy.spec
    if not spec.resource_selectors:
        yield Violation("spec.resourceSelectors", "Required value: at least one entry that names an apiVersion and a kind")
    yield from check_resource_selectors(spec.resource_selectors, "spec.resourceSelectors", namespace=policy.metadata.namespace)
    yield from check_placement(spec.placement, "spec.placement")
    yield from one_of(spec.conflict_resolution, ("Abort", "Overwrite"), "spec.conflictResolution")
    yield from one_of(spec.activation_preference, ("", "Lazy"), "spec.activationPreference")
    yield from _check_preemption(spec)
    yield from _check_suspension(spec)
    if spec.failover is not None:
        yield from _check_failover(spec.failover, propagates_deps=spec.propagate_deps or spec.association)
    for key, sentence in options.read(policy.metadata.annotations)[1]:
        yield Violation(f"metadata.annotations[{key}]", sentence)
    if spec.schedule_priority is not None:
        sources = (KUBE_PRIORITY_CLASS, POD_PRIORITY_CLASS)
        yield from one_of(spec.schedule_priority.priority_class_source, sources, "spec.schedulePriority.priorityClassSource")
    if not -(2**31) <= spec.priority < 2**31:
        yield Violation("spec.priority", "has to be a whole number of 32 bits")
    if old is not None and old.spec.scheduler_name != spec.scheduler_name:
        yield Violation("spec.schedulerName", "the schedulerName should not be updated; delete the policy and make a new one (AA11)")


def _check_preemption(spec: PropagationSpec) -> Iterator[Violation]:
    """AA07."""
    yield from one_of(spec.preemption, ("Always", "Never"), "spec.preemption")
    if spec.preemption != "Always":
        return
    for index, selector in enumerate(spec.resource_selectors):
        if not selector.name:
            yield Violation(f"spec.resourceSelectors[{index}].name", "Required value: a policy with preemption Always names its templates")


def _check_suspension(spec: PropagationSpec) -> Iterator[Violation]:
    """AA08."""
    if spec.suspension is None:
        return
    if spec.suspension.dispatching and spec.suspension.dispatching_on_clusters is not None:
        yield Violation(
            "spec.suspension", "suspension dispatching cannot co-exist with dispatchingOnClusters.clusterNames: write one of the two"
        )
    if spec.suspension.scheduling is not None:
        yield Violation("spec.suspension.scheduling", "is a field of bindings; a policy suspends dispatching")


def _check_failover(failover: Failover, *, propagates_deps: bool) -> Iterator[Violation]:
    """AA09."""
    if failover.cluster is not None:
        yield from one_of(failover.cluster.purge_mode, _PURGE_MODES[:2], "spec.failover.cluster.purgeMode")
        yield from _check_preservation(failover.cluster.state_preservation, "spec.failover.cluster.statePreservation")
    application = failover.application
    if application is None:
        return
    path = "spec.failover.application"
    if not propagates_deps:
        yield Violation("spec.propagateDeps", "application failover is set, so propagateDeps must be true")
    yield from one_of(application.purge_mode, _PURGE_MODES, f"{path}.purgeMode")
    if application.decision_conditions.toleration_seconds < 0:
        yield Violation(f"{path}.decisionConditions.tolerationSeconds", "must be greater than or equal to 0")
    if application.grace_period_seconds is not None:
        if application.purge_mode != GRACEFULLY:
            yield Violation(f"{path}.gracePeriodSeconds", "only takes effect when purgeMode is Gracefully: leave it out")
        elif application.grace_period_seconds <= 0:
            yield Violation(f"{path}.gracePeriodSeconds", "must be greater than 0")
    yield from _check_preservation(application.state_preservation, f"{path}.statePreservation")


def _check_preservation(preservation: StatePreservation | None, path: str) -> Iterator[Violation]:
    """What cannot be read, or be a label, would hold up a failover that has to happen (R12.4)."""
    for index, rule in enumerate(preservation.rules if preservation is not None else ()):
        if wrong := qualified_name(rule.alias_label_name):
            yield Violation(f"{path}.rules[{index}].aliasLabelName", f"label key {wrong}")
        try:
            steps(rule.json_path)
        except PathInvalid as error:
            yield Violation(f"{path}.rules[{index}].jsonPath", str(error))
