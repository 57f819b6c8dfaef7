"""FederatedHPA (A14, AA19): the rules of HorizontalPodAutoscaler, apart from External metrics, which no cluster can answer for all (T02)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shoal.api.autoscaling import FederatedHPA, MetricSpec, MetricTarget, NamedMetric, ResourceMetric, ScalingPolicy, ScalingRules
from shoal.api.meta import Manifest
from shoal.api.quantity import milli
from shoal.domain.admission.selectors import check_label_selector
from shoal.domain.admission.syntax import one_of
from shoal.domain.admission.violation import Violation

_CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
_SOURCES = ("Resource", "ContainerResource", "Pods", "Object")
_WINDOW_MAX_S = 3600
_PERIOD_MAX_S = 1800
_AMOUNTS = {"Utilization": "averageUtilization", "Value": "value", "AverageValue": "averageValue"}
_TARGETS: Mapping[str, tuple[str, ...]] = {
    "Resource": ("Utilization", "AverageValue"),
    "ContainerResource": ("Utilization", "AverageValue"),
    "Pods": ("AverageValue",),
    "Object": ("Value", "AverageValue"),
}


def default(hpa: Manifest) -> Manifest:
    """At least one replica, and 80 % of the CPU that the pods ask for."""
    spec: dict[str, Any] = {"minReplicas": 1, **(hpa.get("spec") or {})}
    if not spec.get("metrics"):
        spec["metrics"] = [_CPU]
    return hpa | {"spec": spec}


def validate(hpa: FederatedHPA, old: FederatedHPA | None) -> Iterator[Violation]:
    spec, low = hpa.spec, hpa.spec.min_replicas
    for field in ("kind", "name"):
        if not getattr(spec.scale_target_ref, field):
            yield Violation(f"spec.scaleTargetRef.{field}", "Required value: what is scaled, such as Deployment web of apps/v1")
    if low is not None and low < 1:
        yield Violation("spec.minReplicas", "must be greater than or equal to 1")
    if spec.max_replicas < 1:
        yield Violation("spec.maxReplicas", "must be greater than 0")
    elif low is not None and spec.max_replicas < low:
        yield Violation("spec.maxReplicas", f"must be greater than or equal to `minReplicas`, which is {low}")
    for index, metric in enumerate(spec.metrics):
        yield from _check_metric(metric, f"spec.metrics[{index}]")
    if spec.behavior is not None:
        for field, rules in (("scaleUp", spec.behavior.scale_up), ("scaleDown", spec.behavior.scale_down)):
            if rules is not None:
                yield from _check_rules(rules, f"spec.behavior.{field}")


def _check_metric(metric: MetricSpec, path: str) -> Iterator[Violation]:
    sources = {
        "resource": metric.resource,
        "containerResource": metric.container_resource,
        "pods": metric.pods,
        "object": metric.object_,
        "external": metric.external,
    }
    if metric.type not in _SOURCES:
        yield from one_of(metric.type, _SOURCES, f"{path}.type")
        return
    field = metric.type[0].lower() + metric.type[1:]
    source = sources.pop(field)
    for other, extra in sources.items():
        if extra is not None:
            yield Violation(f"{path}.{other}", f"may not be specified beside type {metric.type}: leave it out")
    if source is None:
        yield Violation(f"{path}.{field}", f"Required value: must populate the given metric source of type {metric.type}")
        return
    yield from _check_source(source, f"{path}.{field}", metric.type)
    yield from _check_target(source.target, f"{path}.{field}.target", _TARGETS[metric.type])


def _check_source(source: Any, path: str, type_: str) -> Iterator[Violation]:
    if isinstance(source, ResourceMetric):
        if not source.name:
            yield Violation(f"{path}.name", "Required value: must specify a resource name, such as cpu")
        if type_ == "ContainerResource" and not source.container:
            yield Violation(f"{path}.container", "Required value: must specify a container")
    elif isinstance(source, NamedMetric):
        if not source.metric.name:
            yield Violation(f"{path}.metric.name", "Required value: must specify a metric name")
        if source.metric.selector is not None:
            yield from check_label_selector(source.metric.selector, f"{path}.metric.selector")
        if type_ == "Object" and source.described_object is None:
            yield Violation(f"{path}.describedObject", "Required value: must specify the object that is measured")


def _check_target(target: MetricTarget, path: str, allowed: tuple[str, ...]) -> Iterator[Violation]:
    if target.type not in allowed:
        yield from one_of(target.type, allowed, f"{path}.type")
        return
    field = _AMOUNTS[target.type]
    value = {"averageUtilization": target.average_utilization, "value": target.value, "averageValue": target.average_value}[field]
    if value is None:
        yield Violation(f"{path}.{field}", f"Required value: a target of type {target.type} has its number here")
    elif not _is_positive(value):
        yield Violation(f"{path}.{field}", "must be positive: write a number or quantity above 0")


def _is_positive(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return False
    try:
        return milli(str(value)) > 0
    except ValueError:
        return False


def _check_rules(rules: ScalingRules, path: str) -> Iterator[Violation]:
    window = rules.stabilization_window_seconds
    if window is not None and not 0 <= window <= _WINDOW_MAX_S:
        yield Violation(f"{path}.stabilizationWindowSeconds", f"must be between 0 and {_WINDOW_MAX_S}, inclusive")
    if rules.select_policy:
        yield from one_of(rules.select_policy, ("Max", "Min", "Disabled"), f"{path}.selectPolicy")
    if rules.tolerance is not None and not (_is_positive(rules.tolerance) or str(rules.tolerance) in ("0", "0.0")):
        yield Violation(f"{path}.tolerance", 'must be a quantity of 0 or more, such as "0.05"')
    for index, policy in enumerate(rules.policies):
        yield from _check_policy(policy, f"{path}.policies[{index}]")


def _check_policy(policy: ScalingPolicy, path: str) -> Iterator[Violation]:
    yield from one_of(policy.type, ("Pods", "Percent"), f"{path}.type")
    if policy.value <= 0:
        yield Violation(f"{path}.value", "must be greater than zero")
    if not 0 < policy.period_seconds <= _PERIOD_MAX_S:
        yield Violation(f"{path}.periodSeconds", f"must be between 1 and {_PERIOD_MAX_S}, inclusive")
