"""How many replicas one metric asks for, or all of them: the replica calculation of HPA v2, over the pods of all clusters (R15.6)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from shoal.api.autoscaling import MetricSpec, MetricStatus, MetricTarget, MetricValue, ResourceMetric, ResourceMetricStatus
from shoal.api.pod_usage import PodUsage
from shoal.api.quantity import milli, text

_UNABLE = "the HPA was unable to compute the replica count: "
_READY, _UNREADY, _MISSING, _IGNORED = "ready", "unready", "missing", "ignored"
_NOT_SERVED = "metrics of type {0} are not read: members are asked for metrics.k8s.io alone; use Resource or ContainerResource"


class Tolerance(NamedTuple):
    """Shares by which usage may lie above or below its target without a change."""

    up: float
    down: float

    def holds(self, ratio: float) -> bool:
        return 1.0 - self.down <= ratio <= 1.0 + self.up


class Readiness(NamedTuple):
    """When the CPU usage of a pod begins to count."""

    cpu_initialization_s: float
    """So long after its start a pod counts only while it is ready, with a whole window of usage since then."""
    initial_delay_s: float
    """A pod that is not ready, and has not been after so long from its start, has never been ready."""


class Seen(NamedTuple):
    pod: PodUsage
    at: datetime
    """When it was looked at, by the clock of its cluster's agent."""


class Situation(NamedTuple):
    """What is known of a target."""

    replicas: int
    """As its template says."""
    pods: Sequence[Seen]
    """Of the clusters that answered."""
    unheard: int = 0
    """Pods that the others should have. They count as pods without metrics."""
    copies: int = 1
    """Clusters with all of the replicas each: more than one where the template is duplicated, not divided."""
    rivals: tuple[str, ...] = ()
    """Names of the autoscalers that scale it, when there are several."""


class Rules(NamedTuple):
    tolerance: Tolerance
    readiness: Readiness


class Proposal(NamedTuple):
    replicas: int
    name: str
    """Of the metric, for people."""
    status: MetricStatus


class Unknown(NamedTuple):
    """A metric that says nothing."""

    reason: str
    """As of Kubernetes' condition ScalingActive."""
    message: str


class Wanted(NamedTuple):
    proposal: Proposal | Unknown
    """The highest one; `Unknown` when nothing may be concluded."""
    statuses: tuple[MetricStatus, ...]


class _Load(NamedTuple):
    """What one pod counts with, in thousandths."""

    usage: int
    request: int


class _Groups(NamedTuple):
    ready: list[_Load]
    unready: list[int]
    """Requests of pods whose usage says nothing yet."""
    missing: list[int]
    """Requests of pods without metrics."""


class _Measured(NamedTuple):
    ratio: float
    """Usage by target."""
    average: int
    utilization: int | None


def wanted(metrics: Sequence[MetricSpec], situation: Situation, rules: Rules) -> Wanted:
    """The maximum over the metrics. One that says nothing forbids to scale down, and is ignored otherwise."""
    found = [propose(metric, situation, rules) for metric in metrics]
    proposals = [one for one in found if isinstance(one, Proposal)]
    statuses = tuple(one.status for one in proposals)
    unknown = next((one for one in found if isinstance(one, Unknown)), None)
    highest = max(proposals, key=lambda one: one.replicas, default=None)
    if highest is None or (unknown is not None and highest.replicas < situation.replicas):
        return Wanted(unknown or Unknown("FailedGetResourceMetric", f"{_UNABLE}there are no metrics to scale by"), statuses)
    return Wanted(highest, statuses)


def propose(metric: MetricSpec, situation: Situation, rules: Rules) -> Proposal | Unknown:
    """What one metric asks for."""
    reason = f"FailedGet{metric.type}Metric"
    source = {"Resource": metric.resource, "ContainerResource": metric.container_resource}.get(metric.type)
    if source is None:
        return Unknown(reason, _UNABLE + _NOT_SERVED.format(metric.type))
    groups = _groups(source, situation, rules.readiness)
    if isinstance(groups, str):
        return Unknown(reason, f"{_UNABLE}failed to get {source.name} usage: {groups}")
    measured = _measure(groups.ready, source.target)
    if measured is None:
        return Unknown(reason, f"{_UNABLE}failed to get {source.name} usage: the pods request nothing of it")
    replicas = _replicas(groups, measured.ratio, source.target, situation, rules.tolerance)
    return Proposal(replicas, _name(metric.type, source), _status(metric.type, source, measured))


def _replicas(groups: _Groups, ratio: float, target: MetricTarget, situation: Situation, tolerance: Tolerance) -> int:
    """Pods that are not ready damp a rise, pods without metrics damp both ways; what would turn the direction changes nothing."""
    current = situation.replicas
    unready = [_Load(0, request) for request in groups.unready] if ratio > 1.0 else []
    if not unready and not groups.missing:
        return current if tolerance.holds(ratio) else _per_copy(ratio * len(groups.ready), situation)
    supposed: list[_Load] = []
    if ratio != 1.0:
        supposed = [_Load(_most(request, target) if ratio < 1.0 else 0, request) for request in groups.missing]
    loads = [*groups.ready, *supposed, *unready]
    again = _measure(loads, target)
    if again is None or tolerance.holds(again.ratio) or (ratio < 1.0 < again.ratio) or (again.ratio < 1.0 < ratio):
        return current
    replicas = _per_copy(again.ratio * len(loads), situation)
    turned = replicas > current if again.ratio < 1.0 else replicas < current
    return current if turned else replicas


def _per_copy(pods: float, situation: Situation) -> int:
    return math.ceil(pods / situation.copies)


def _most(request: int, target: MetricTarget) -> int:
    """What a pod without metrics counts with when the others say that there are too many: its whole request, or its target."""
    if target.average_value is not None:
        return milli(str(target.average_value))
    return request * max(100, target.average_utilization or 0) // 100


def _measure(loads: Sequence[_Load], target: MetricTarget) -> _Measured | None:
    """None when a share of the request is asked for and nothing is requested."""
    total = sum(load.usage for load in loads)
    average = total // len(loads)
    if target.average_value is not None:
        return _Measured(average / milli(str(target.average_value)), average, None)
    requested = sum(load.request for load in loads)
    if not requested or not target.average_utilization:
        return None
    utilization = total * 100 // requested
    return _Measured(utilization / target.average_utilization, average, utilization)


# --- which pods count -----------------------------------------------------------------------------------------------------------------


def _groups(source: ResourceMetric, situation: Situation, readiness: Readiness) -> _Groups | str:
    """Who counts with what; a sentence when nothing can be said."""
    if not situation.pods and situation.unheard:
        return "no member cluster told of its pods"
    if not situation.pods:
        return "no pods returned by selector while calculating replica count"
    if not any(seen.pod.usage is not None for seen in situation.pods):
        return f"unable to get metrics for resource {source.name}: no metrics returned from resource metrics API"
    if source.container:
        without = [seen.pod.name for seen in situation.pods if seen.pod.usage is not None and source.container not in seen.pod.usage]
        if without:
            return f"failed to get container metrics: container {source.container} not present in metrics for pod {min(without)}"
    kinds = [_kind(seen, source, readiness) for seen in situation.pods]
    if _READY not in kinds:
        return "did not receive metrics for targeted pods (pods might be unready)"
    pods = [seen.pod for seen in situation.pods]
    requests = _requests(pods, source) if source.target.average_value is None else [0] * len(pods)
    if isinstance(requests, str):
        return requests
    told = list(zip(kinds, pods, requests, strict=True))
    missing = [request for kind, _, request in told if kind == _MISSING]
    return _Groups(
        ready=[_Load(_usage(pod, source) or 0, request) for kind, pod, request in told if kind == _READY],
        unready=[request for kind, _, request in told if kind == _UNREADY],
        # Copies of one template ask for the same, but for overrides.
        missing=missing + [sum(requests) // len(requests)] * situation.unheard,
    )


def _kind(seen: Seen, source: ResourceMetric, readiness: Readiness) -> str:
    pod = seen.pod
    if pod.deleting or pod.phase == "Failed":
        return _IGNORED
    if pod.phase == "Pending":
        return _UNREADY
    if _usage(pod, source) is None:
        return _MISSING
    return _UNREADY if source.name == "cpu" and _is_unready(seen, readiness) else _READY


def _is_unready(seen: Seen, readiness: Readiness) -> bool:
    """Whether its CPU usage is that of a start, or of nobody's work."""
    pod = seen.pod
    if pod.ready is None or pod.started_at is None or pod.ready_since is None:
        return True
    if pod.started_at + timedelta(seconds=readiness.cpu_initialization_s) > seen.at:
        sampled = pod.sampled_at or pod.started_at
        return not pod.ready or sampled < pod.ready_since + timedelta(seconds=pod.window_s)
    return not pod.ready and pod.started_at + timedelta(seconds=readiness.initial_delay_s) > pod.ready_since


def _usage(pod: PodUsage, source: ResourceMetric) -> int | None:
    """Of the pod, or of its one container; None where the metrics do not tell it."""
    if not pod.usage:
        return None
    parts = [pod.usage.get(source.container, {})] if source.container else list(pod.usage.values())
    known = [amounts[source.name] for amounts in parts if source.name in amounts]
    return sum(known) if len(known) == len(parts) else None


def _requests(pods: Iterable[PodUsage], source: ResourceMetric) -> list[int] | str:
    """Of each pod; a sentence when a container requests nothing, for then no share of it can be told."""
    found = []
    for pod in pods:
        if not source.container and source.name in pod.whole:
            found.append(pod.whole[source.name])
            continue
        parts = {name: amounts for name, amounts in pod.requests.items() if source.container in ("", name)}
        lacking = [name for name, amounts in parts.items() if source.name not in amounts]
        if lacking:
            return f"missing request for {source.name} in container {min(lacking)} of Pod {pod.name}"
        found.append(sum(amounts[source.name] for amounts in parts.values()))
    return found


# --- what is told ---------------------------------------------------------------------------------------------------------------------


def _name(type_: str, source: ResourceMetric) -> str:
    kind = "resource" if type_ == "Resource" else "container resource"
    return f"{source.name} {kind}" + (" utilization (percentage of request)" if source.target.average_value is None else "")


def _status(type_: str, source: ResourceMetric, measured: _Measured) -> MetricStatus:
    current = MetricValue(average_value=text(measured.average), average_utilization=measured.utilization)
    told = ResourceMetricStatus(name=source.name, container=source.container, current=current)
    return MetricStatus(type=type_, resource=told) if type_ == "Resource" else MetricStatus(type=type_, container_resource=told)
