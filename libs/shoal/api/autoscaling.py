"""Karmada's `autoscaling.karmada.io/v1alpha1`: FederatedHPA and CronFederatedHPA. Metrics and behaviour are those of `autoscaling/v2`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from shoal.api.meta import Condition, LabelSelector, ObjectMeta, Strict, Struct

GROUP = "autoscaling.karmada.io"
FEDERATED_HPA = "FederatedHPA"
CRON_FEDERATED_HPA = "CronFederatedHPA"
RETAIN_REPLICAS_LABEL = "resourcetemplate.karmada.io/retain-replicas"
"""On a Deployment, `true`: each member keeps the number of replicas that it has (R7.3), so that an autoscaler there can own it."""
RETAINED_FOR_ANNOTATION = "shoal.dev/retain-replicas-for"
"""Name of the HorizontalPodAutoscaler for which the system set that label; without it the label is the user's own."""
HISTORY_LIMIT = 3
"""Executions of each kind that a rule keeps when it does not say how many."""


class ScaleTarget(Strict, frozen=True, kw_only=True):
    api_version: str = ""
    kind: str
    name: str


class MetricTarget(Strict, frozen=True, kw_only=True):
    type: str
    """Utilization, Value or AverageValue; the field of that name holds the number."""
    average_utilization: int | None = None
    """Percent of the request."""
    value: Any = None
    """Quantity, as `averageValue`."""
    average_value: Any = None


class MetricIdentifier(Strict, frozen=True, kw_only=True):
    name: str
    selector: LabelSelector | None = None


class ResourceMetric(Strict, frozen=True, kw_only=True):
    name: str
    """cpu, memory."""
    container: str = ""
    """Only of ContainerResource."""
    target: MetricTarget


class NamedMetric(Strict, frozen=True, kw_only=True):
    metric: MetricIdentifier
    described_object: ScaleTarget | None = None
    """Only of Object."""
    target: MetricTarget


class MetricSpec(Strict, frozen=True, kw_only=True):
    type: str
    """Resource, ContainerResource, Pods, Object or External; the field of that name holds the rest."""
    resource: ResourceMetric | None = None
    container_resource: ResourceMetric | None = None
    pods: NamedMetric | None = None
    object_: NamedMetric | None = msgspec.field(name="object", default=None)
    external: NamedMetric | None = None


class ScalingPolicy(Strict, frozen=True, kw_only=True):
    type: str
    """Pods or Percent."""
    value: int
    period_seconds: int


class ScalingRules(Strict, frozen=True, kw_only=True):
    stabilization_window_seconds: int | None = None
    select_policy: str = ""
    """Max, Min or Disabled; empty is Max."""
    policies: tuple[ScalingPolicy, ...] = ()
    tolerance: Any = None
    """Quantity."""


class Behavior(Strict, frozen=True, kw_only=True):
    scale_up: ScalingRules | None = None
    scale_down: ScalingRules | None = None


class FederatedHPASpec(Strict, frozen=True, kw_only=True):
    scale_target_ref: ScaleTarget
    min_replicas: int | None = None
    max_replicas: int
    metrics: tuple[MetricSpec, ...] = ()
    behavior: Behavior | None = None


class MetricValue(Struct, frozen=True, kw_only=True):
    """What was measured, over the pods of all clusters."""

    average_value: str | None = None
    """Quantity; of one pod."""
    average_utilization: int | None = None
    """Percent of the request; only for a target of that type."""


class ResourceMetricStatus(Struct, frozen=True, kw_only=True):
    name: str
    container: str = ""
    """Only of ContainerResource."""
    current: MetricValue


class MetricStatus(Struct, frozen=True, kw_only=True):
    type: str
    """Resource or ContainerResource; the field of that name holds the rest."""
    resource: ResourceMetricStatus | None = None
    container_resource: ResourceMetricStatus | None = None


class FederatedHPAStatus(Struct, frozen=True, kw_only=True):
    """As Kubernetes has it of a HorizontalPodAutoscaler."""

    observed_generation: int | None = None
    last_scale_time: datetime | None = None
    """When the number of the target was last set."""
    current_replicas: int | None = None
    """Of the target's scale, when it was last looked at."""
    desired_replicas: int | None = None
    """What it was set to, or left at."""
    current_metrics: tuple[MetricStatus, ...] = ()
    """Of the metrics that could be read, in their order."""
    conditions: tuple[Condition, ...] = ()
    """AbleToScale, ScalingActive, ScalingLimited."""


class FederatedHPA(Strict, frozen=True, kw_only=True):
    """A14. Written by users; its status by the gateway."""

    api_version: str = "autoscaling.karmada.io/v1alpha1"
    kind: str = FEDERATED_HPA
    metadata: ObjectMeta = ObjectMeta()
    spec: FederatedHPASpec
    status: FederatedHPAStatus = FederatedHPAStatus()


class CronRule(Strict, frozen=True, kw_only=True):
    name: str
    schedule: str
    """Five fields of cron, or a word such as `@daily`."""
    time_zone: str | None = None
    """Name of the tz database; None: UTC."""
    target_replicas: int | None = None
    """For a workload."""
    target_min_replicas: int | None = None
    """For a FederatedHPA, as the next."""
    target_max_replicas: int | None = None
    suspend: bool = False
    successful_history_limit: int | None = None
    """Of the status, as the next; None: `HISTORY_LIMIT`."""
    failed_history_limit: int | None = None


class CronFederatedHPASpec(Strict, frozen=True, kw_only=True):
    scale_target_ref: ScaleTarget
    rules: tuple[CronRule, ...] = ()


class SuccessfulExecution(Struct, frozen=True, kw_only=True):
    schedule_time: datetime
    """The moment that the schedule names, in UTC."""
    execution_time: datetime
    """When it was carried out."""
    applied_replicas: int | None = None
    applied_max_replicas: int | None = None
    applied_min_replicas: int | None = None


class FailedExecution(Struct, frozen=True, kw_only=True):
    schedule_time: datetime
    execution_time: datetime
    """When it was tried, or found to be missed."""
    message: str = ""


class ExecutionHistory(Struct, frozen=True, kw_only=True):
    """Of one rule; the newest execution first."""

    rule_name: str
    next_execution_time: datetime | None = None
    """In UTC; None while the rule is suspended, and for a schedule that never comes."""
    successful_executions: tuple[SuccessfulExecution, ...] = ()
    failed_executions: tuple[FailedExecution, ...] = ()


class CronFederatedHPAStatus(Struct, frozen=True, kw_only=True):
    execution_histories: tuple[ExecutionHistory, ...] = ()
    """One per rule, in their order."""


class CronFederatedHPA(Strict, frozen=True, kw_only=True):
    """A15. Written by users; its status by the gateway."""

    api_version: str = "autoscaling.karmada.io/v1alpha1"
    kind: str = CRON_FEDERATED_HPA
    metadata: ObjectMeta = ObjectMeta()
    spec: CronFederatedHPASpec
    status: CronFederatedHPAStatus = CronFederatedHPAStatus()
