"""CronFederatedHPA (A15, AA19)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from shoal.api.autoscaling import FEDERATED_HPA, GROUP, HISTORY_LIMIT, CronFederatedHPA, CronRule
from shoal.api.cron import read_schedule, zone_of
from shoal.api.errors import ManifestInvalid
from shoal.api.meta import Manifest, group_of
from shoal.domain.admission.violation import Violation

_NAME_MAX = 32
_HISTORY = {"successfulHistoryLimit": HISTORY_LIMIT, "failedHistoryLimit": HISTORY_LIMIT}


def default(cron: Manifest) -> Manifest:
    """Three executions of each kind are remembered."""
    spec = cron.get("spec") or {}
    rules = [rule if not isinstance(rule, dict) else _HISTORY | {"suspend": False} | rule for rule in spec.get("rules") or ()]
    return cron | {"spec": spec | {"rules": rules}}


def validate(cron: CronFederatedHPA, old: CronFederatedHPA | None) -> Iterator[Violation]:
    target = cron.spec.scale_target_ref
    scales_hpa = group_of(target.api_version) == GROUP
    if scales_hpa and target.kind != FEDERATED_HPA:
        yield Violation(
            "spec.scaleTargetRef.kind", f"invalid scaleTargetRef kind: {target.kind}, only support {FEDERATED_HPA} of this apiVersion"
        )
        return
    for index, rule in enumerate(cron.spec.rules):
        path = f"spec.rules[{index}]"
        if any(rule.name == other.name for other in cron.spec.rules[:index]):
            yield Violation(f"{path}.name", f"Duplicate value: {rule.name} names an earlier rule")
        yield from _check_rule(rule, path)
        yield from _check_replicas(rule, path, target.kind, scales_hpa=scales_hpa)


def _check_rule(rule: CronRule, path: str) -> Iterator[Violation]:
    if not 1 <= len(rule.name) <= _NAME_MAX:
        yield Violation(f"{path}.name", f"has to be 1 to {_NAME_MAX} characters")
    yield from _readable(read_schedule, rule.schedule, f"{path}.schedule")
    if rule.time_zone is not None:
        yield from _readable(zone_of, rule.time_zone, f"{path}.timeZone")
    yield from _within(rule.successful_history_limit, 1, 32, f"{path}.successfulHistoryLimit")
    yield from _within(rule.failed_history_limit, 0, 32, f"{path}.failedHistoryLimit")


def _readable(read: Callable[[str], object], text: str, path: str) -> Iterator[Violation]:
    try:
        read(text)
    except ManifestInvalid as error:
        yield Violation(path, str(error))


def _check_replicas(rule: CronRule, path: str, kind: str, *, scales_hpa: bool) -> Iterator[Violation]:
    """A FederatedHPA gets bounds, a workload a number."""
    low, high = rule.target_min_replicas, rule.target_max_replicas
    if scales_hpa and low is None and high is None:
        told = "targetMinReplicas and targetMaxReplicas cannot be nil at the same time if you want to scale FederatedHPA: write one of them"
        yield Violation(path, told)
    if not scales_hpa and rule.target_replicas is None:
        yield Violation(path, f"targetReplicas cannot be nil if you want to scale {kind}: write how many it is to have")
    if low is not None and high is not None and low > high:
        yield Violation(f"{path}.targetMinReplicas", f"must not be greater than targetMaxReplicas, which is {high}")
    for field, value, least in (("targetReplicas", rule.target_replicas, 0), ("targetMinReplicas", low, 1), ("targetMaxReplicas", high, 1)):
        yield from _within(value, least, 2**31 - 1, f"{path}.{field}")


def _within(value: Any, low: int, high: int, path: str) -> Iterator[Violation]:
    if value is not None and not low <= value <= high:
        yield Violation(path, f"must be between {low} and {high}, inclusive")
