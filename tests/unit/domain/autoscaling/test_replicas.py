"""How many replicas usage asks for: the cases of HPA v2, over the pods of all clusters.

R15.6: desired = ceil(current * ratio), ratio = metric/target averaged over all clusters' pods; no change when |ratio - 1| <= 0.1; missing and
unready pods handled as HPA v2.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.api.autoscaling import MetricIdentifier, MetricSpec, MetricTarget, NamedMetric, ResourceMetric
from shoal.api.pod_usage import PodUsage
from shoal.domain.autoscaling.replicas import Proposal, Readiness, Rules, Seen, Situation, Tolerance, Unknown, propose, wanted

NOW = datetime(2026, 8, 1, 12, 0, 0, tzinfo=UTC)
RULES = Rules(Tolerance(0.1, 0.1), Readiness(cpu_initialization_s=300, initial_delay_s=30))
MISSING = None


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def pod(usage: int | None = 0, request: int | None = 1000, resource: str = "cpu", **told: Any) -> PodUsage:
    """One container `main` that requests and uses so many thousandths; ready for an hour. `usage=None`: it has no metrics."""
    facts: dict[str, Any] = {
        "name": "p",
        "phase": "Running",
        "started_at": ago(3600),
        "ready": True,
        "ready_since": ago(3590),
        "sampled_at": ago(10),
        "window_s": 15.0,
        "requests": {"main": {} if request is None else {resource: request}},
        "usage": None if usage is None else {"main": {resource: usage}},
    }
    return PodUsage(**facts | told)


def pods(*usages: int | None, **told: Any) -> list[PodUsage]:
    return [pod(usage, **told) for usage in usages]


def cpu(utilization: int | None = None, value: str | None = None, *, name: str = "cpu", container: str = "") -> MetricSpec:
    type_ = "Utilization" if value is None else "AverageValue"
    source = ResourceMetric(
        name=name, container=container, target=MetricTarget(type=type_, average_utilization=utilization, average_value=value)
    )
    return MetricSpec(type="ContainerResource", container_resource=source) if container else MetricSpec(type="Resource", resource=source)


def situation(found: Sequence[PodUsage], replicas: int | None = None, **more: Any) -> Situation:
    return Situation(len(found) if replicas is None else replicas, [Seen(one, NOW) for one in found], **more)


def replicas_of(found: Proposal | Unknown) -> int:
    assert isinstance(found, Proposal), found
    return found.replicas


PENDING = {"phase": "Pending", "usage": None, "ready": False}
GOING = {"deleting": True}


@pytest.mark.spec("R15.6", "T01")
@pytest.mark.parametrize(
    ("metric", "there", "replicas"),
    [
        pytest.param(cpu(30), situation(pods(300, 500, 700)), 5, id="scale-up"),
        pytest.param(cpu(100), situation(pods(100, 300, 500, 250, 250)), 2, id="scale-down"),
        pytest.param(cpu(value="300m"), situation(pods(300, 500, 700)), 5, id="scale-up-by-value"),
        pytest.param(cpu(value="1Gi", name="memory"), situation(pods(3 * 2**30 * 1000, resource="memory")), 3, id="memory-by-value"),
        pytest.param(cpu(100), situation(pods(1010, 1030, 1020)), 3, id="within-the-tolerance"),
        pytest.param(cpu(50), situation(pods(550, 550)), 2, id="at-the-tolerance"),
        pytest.param(cpu(50), situation(pods(560, 560)), 3, id="beyond-the-tolerance"),
        pytest.param(cpu(50), situation(pods(450, 450)), 2, id="at-the-lower-tolerance"),
        pytest.param(cpu(10), situation(pods(1000)), 10, id="as-many-as-it-takes"),
        pytest.param(cpu(30), situation([*pods(400, 500, 700), pod(2000, ready=False, ready_since=ago(3590))], 4), 6, id="never-ready-damps"),
        pytest.param(cpu(30), situation([*pods(400, 500), pod(**PENDING)], 3), 3, id="starting-pods-keep-it"),
        pytest.param(cpu(30), situation([*pods(400, 500, 700), pod(phase="Failed", usage=0)], 4), 6, id="failed-ones-do-not-count"),
        pytest.param(cpu(30), situation([*pods(400, 500, 700), pod(usage=0, **GOING)], 4), 6, id="those-that-go-do-not-count"),
        pytest.param(cpu(50), situation(pods(100, 100, 100, 100, MISSING)), 3, id="missing-use-all-of-their-request-on-the-way-down"),
        pytest.param(cpu(200), situation(pods(200, 200, 200, 200, MISSING)), 2, id="or-the-target-if-that-is-more"),
        pytest.param(cpu(50), situation(pods(1000, 1000, MISSING)), 4, id="missing-use-nothing-on-the-way-up"),
        pytest.param(cpu(50), situation(pods(600, 600, MISSING)), 3, id="missing-do-not-turn-the-direction"),
        pytest.param(cpu(50), situation(pods(500, 500, MISSING)), 3, id="missing-at-the-target-change-nothing"),
        pytest.param(cpu(value="500m"), situation(pods(100, 100, 100, MISSING)), 2, id="missing-use-the-target-value-on-the-way-down"),
        pytest.param(cpu(50), situation([*pods(1000, MISSING), pod(**PENDING)], 3), 3, id="missing-and-starting"),
        pytest.param(cpu(50), situation([*pods(1500, 1500, MISSING), pod(**PENDING)], 4), 6, id="missing-and-starting-and-much-load"),
        pytest.param(cpu(50), situation(pods(100, 100, 100, 100), 5, unheard=1), 3, id="a-silent-cluster-on-the-way-down"),
        pytest.param(cpu(50), situation(pods(100, 100), 12, unheard=10), 12, id="a-large-silent-cluster-holds-it"),
        pytest.param(cpu(50), situation(pods(1000, 1000), 4, unheard=2), 4, id="a-silent-cluster-on-the-way-up"),
        pytest.param(cpu(50), situation(pods(1000, 1000, 1000), 4, unheard=1), 6, id="heard-ones-are-enough"),
        pytest.param(cpu(50), situation(pods(1000, 1000), 1, copies=2), 2, id="duplicated-in-two-clusters"),
        pytest.param(cpu(50), situation(pods(100, 100, 100, 100), 4), 1, id="at-least-what-it-takes"),
    ],
)  # fmt: skip
def test_replicas(metric: MetricSpec, there: Situation, replicas: int) -> None:
    assert replicas_of(propose(metric, there, RULES)) == replicas


@pytest.mark.spec("R15.6", "T01")
@pytest.mark.parametrize(
    ("told", "counts"),
    [
        pytest.param({}, True, id="ready-for-long"),
        pytest.param({"ready": None}, False, id="no-condition-yet"),
        pytest.param({"started_at": None}, False, id="not-started"),
        pytest.param({"started_at": ago(200), "ready_since": ago(100)}, True, id="young-ready-and-measured-since"),
        pytest.param({"started_at": ago(200), "ready_since": ago(20)}, False, id="young-and-the-window-began-before-it-was-ready"),
        pytest.param({"started_at": ago(200), "ready": False, "ready_since": ago(100)}, False, id="young-and-not-ready"),
        pytest.param({"started_at": ago(400), "ready": False, "ready_since": ago(390)}, False, id="old-and-never-ready"),
        pytest.param({"started_at": ago(400), "ready": False, "ready_since": ago(100)}, True, id="old-and-not-ready-any-more"),
        pytest.param({"started_at": ago(301), "ready_since": ago(5)}, True, id="after-the-initialization-every-sample-counts"),
    ],
)
def test_whose_cpu_usage_counts(told: dict[str, Any], counts: bool) -> None:
    """A pod that counts asks for five; one that does not leaves nothing to go by."""
    found = propose(cpu(20), situation([pod(1000, **told)]), RULES)
    assert isinstance(found, Proposal) == counts, found


@pytest.mark.spec("R15.6", "T01")
def test_readiness_is_asked_for_cpu_alone() -> None:
    cold = pod(2000, request=1000, resource="memory", ready=False, ready_since=ago(3590))
    assert replicas_of(propose(cpu(50, name="memory"), situation([cold]), RULES)) == 4


SIDECAR = msgspec.structs.replace(
    pod(), requests={"main": {"cpu": 100}, "proxy": {"cpu": 400}}, usage={"main": {"cpu": 100}, "proxy": {"cpu": 100}}
)


@pytest.mark.spec("R15.6", "T01")
@pytest.mark.parametrize(
    ("metric", "one", "replicas"),
    [
        pytest.param(cpu(20), SIDECAR, 2, id="resource-is-of-all-containers"),
        pytest.param(cpu(50, container="main"), SIDECAR, 2, id="container-resource-of-one"),
        pytest.param(cpu(25, container="proxy"), SIDECAR, 1, id="container-resource-of-the-other"),
        pytest.param(cpu(value="25m", container="main"), SIDECAR, 4, id="container-resource-by-value"),
        pytest.param(cpu(50), pod(1000, request=None, whole={"cpu": 500}), 4, id="request-of-the-pod-as-a-whole"),
    ],
)
def test_containers(metric: MetricSpec, one: PodUsage, replicas: int) -> None:
    assert replicas_of(propose(metric, situation([one]), RULES)) == replicas


PODS_METRIC = MetricSpec(
    type="Pods",
    pods=NamedMetric(metric=MetricIdentifier(name="qps"), target=MetricTarget(type="AverageValue", average_value="10")),
)


@pytest.mark.spec("R15.6", "T01")
@pytest.mark.parametrize(
    ("metric", "there", "reason", "told"),
    [
        pytest.param(cpu(50), situation([], 3), "FailedGetResourceMetric", "no pods returned by selector", id="no-pods"),
        pytest.param(cpu(50), situation([], 3, unheard=3), "FailedGetResourceMetric", "no member cluster told of its pods", id="nobody-answers"),
        pytest.param(cpu(50), situation(pods(MISSING, MISSING)), "FailedGetResourceMetric", "no metrics returned", id="no-metrics-server"),
        pytest.param(cpu(50), situation([pod(**PENDING), pod(500, ready=None)]), "FailedGetResourceMetric",
                     "did not receive metrics for targeted pods (pods might be unready)", id="all-unready"),
        pytest.param(cpu(50), situation(pods(500, request=None)), "FailedGetResourceMetric",
                     "missing request for cpu in container main of Pod p", id="no-request"),
        pytest.param(cpu(50), situation(pods(500, request=0)), "FailedGetResourceMetric", "the pods request nothing of it", id="request-of-0"),
        pytest.param(cpu(50, name="memory"), situation(pods(500)), "FailedGetResourceMetric",
                     "did not receive metrics for targeted pods", id="another-resource"),
        pytest.param(cpu(50, container="proxy"), situation(pods(500)), "FailedGetContainerResourceMetric",
                     "container proxy not present in metrics for pod p", id="no-such-container"),
        pytest.param(PODS_METRIC, situation(pods(500)), "FailedGetPodsMetric", "metrics of type Pods are not read", id="custom-metrics"),
    ],
)  # fmt: skip
def test_what_says_nothing(metric: MetricSpec, there: Situation, reason: str, told: str) -> None:
    found = propose(metric, there, RULES)
    assert isinstance(found, Unknown), found
    assert found.reason == reason
    assert found.message.startswith("the HPA was unable to compute the replica count: ")
    assert told in found.message


@pytest.mark.spec("R15.6", "T01")
def test_no_request_is_needed_for_a_value() -> None:
    assert replicas_of(propose(cpu(value="250m"), situation(pods(500, request=None)), RULES)) == 2


@pytest.mark.spec("R15.6", "T01")
def test_what_is_told_of_a_metric() -> None:
    found = propose(cpu(50), situation(pods(300, 601)), RULES)
    assert isinstance(found, Proposal)
    assert found.name == "cpu resource utilization (percentage of request)"
    assert found.status.resource is not None
    current = found.status.resource.current
    assert (current.average_utilization, current.average_value) == (45, "450m")


LOW, HIGH, BROKEN = cpu(100), cpu(20), cpu(50, container="proxy")


@pytest.mark.spec("R15.6", "T01")
@pytest.mark.parametrize(
    ("metrics", "usage", "replicas"),
    [
        pytest.param((LOW, HIGH), 500, 5, id="the-maximum"),
        pytest.param((HIGH, LOW), 500, 5, id="in-any-order"),
        pytest.param((BROKEN, HIGH), 500, 5, id="a-broken-one-does-not-keep-it-from-rising"),
        pytest.param((BROKEN, LOW), 500, "FailedGetContainerResourceMetric", id="but-from-falling"),
        pytest.param((BROKEN,), 500, "FailedGetContainerResourceMetric", id="all-broken"),
        pytest.param((BROKEN, cpu(50)), 500, 2, id="nor-from-staying"),
        pytest.param((), 500, "FailedGetResourceMetric", id="none-at-all"),
    ],
)
def test_several_metrics(metrics: Sequence[MetricSpec], usage: int, replicas: int | str) -> None:
    found = wanted(metrics, situation(pods(usage, usage)), RULES).proposal
    assert (found.replicas if isinstance(found, Proposal) else found.reason) == replicas


counts = st.integers(min_value=0, max_value=3000)


@pytest.mark.spec("R15.6", "T01")
@given(st.lists(counts, min_size=1, max_size=12), st.integers(1, 200), st.integers(0, 11), st.integers(1, 500))
def test_more_usage_never_asks_for_fewer(usages: list[int], target: int, which: int, more: int) -> None:
    raised = [usage + more * (number == which % len(usages)) for number, usage in enumerate(usages)]
    fewer, other = (replicas_of(propose(cpu(target), situation(pods(*one)), RULES)) for one in (usages, raised))
    assert fewer <= other


@pytest.mark.spec("R15.6", "T01")
@given(st.lists(counts, min_size=1, max_size=12), st.integers(1, 200), st.integers(1, 12))
def test_pods_without_metrics_never_push(usages: list[int], target: int, unheard: int) -> None:
    """The number stays, or moves in the direction of those that are heard of."""
    current = len(usages) + unheard
    found = replicas_of(propose(cpu(target), situation(pods(*usages), current, unheard=unheard), RULES))
    total, requested = sum(usages), 1000 * len(usages)
    ratio = total * 100 // requested / target
    assert found == current or (found > current) == (ratio > 1.0)
