"""One round of a FederatedHPA: what its target gets, and its status in Kubernetes' words (R15.6, T01)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from shoal.api.autoscaling import FederatedHPA, FederatedHPASpec, FederatedHPAStatus, MetricSpec, MetricTarget, ResourceMetric, ScaleTarget
from shoal.api.meta import Condition, ObjectMeta
from shoal.api.pod_usage import PodUsage
from shoal.domain.autoscaling import Autoscaled, Memory, Readiness, Seen, Settings, Situation, autoscale, is_worth_writing

NOW = datetime(2026, 8, 1, 12, 0, 0, 250_000, tzinfo=UTC)
SECOND = NOW.replace(microsecond=0)
TEXT = "2026-08-01T12:00:00Z"
SETTINGS = Settings(tolerance=0.1, readiness=Readiness(300, 30), window_s=300.0)
EMPTY = FederatedHPAStatus()
HALF = MetricSpec(type="Resource", resource=ResourceMetric(name="cpu", target=MetricTarget(type="Utilization", average_utilization=50)))
VALID = "the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)"
GOT = "the HPA controller was able to get the target's current scale"


def hpa(**spec: Any) -> FederatedHPA:
    told = {"scale_target_ref": ScaleTarget(kind="Deployment", name="web"), "min_replicas": 2, "max_replicas": 9, "metrics": (HALF,)}
    return FederatedHPA(metadata=ObjectMeta(name="web", generation=4), spec=FederatedHPASpec(**told | spec))


def using(milli: int, pods: int, *, replicas: int | None = None, **more: Any) -> Situation:
    """So many pods of 100m that use so many thousandths each."""
    since = NOW - timedelta(hours=1)
    one = PodUsage(
        name="p", phase="Running", started_at=since, ready=True, ready_since=since, sampled_at=NOW, window_s=15.0,
        requests={"main": {"cpu": 100}}, usage={"main": {"cpu": milli}},
    )  # fmt: skip
    return Situation(pods if replicas is None else replicas, [Seen(one, NOW)] * pods, **more)


NOTHING = Memory()


def look(target: Situation | str, before: FederatedHPAStatus = EMPTY, *, of: FederatedHPA | None = None, **more: Any) -> Autoscaled:
    """By who remembers nothing."""
    return autoscale(of or hpa(), before, target, NOTHING, SETTINGS, now=NOW, **more)


def said(found: Autoscaled) -> dict[str, tuple[str, str]]:
    """Condition -> (status, reason)."""
    return {one.type: (one.status, one.reason) for one in found.status.conditions}


WITHIN = ("False", "DesiredWithinRange")


@pytest.mark.spec("R15.6", "T01", "A14")
@pytest.mark.parametrize(
    ("target", "of", "replicas", "desired", "conditions"),
    [
        pytest.param(using(50, 4), hpa(), None, 4,
                     {"AbleToScale": ("True", "ReadyForNewScale"), "ScalingActive": ("True", "ValidMetricFound"), "ScalingLimited": WITHIN},
                     id="as-it-should-be"),
        pytest.param(using(100, 4), hpa(), 8, 8,
                     {"AbleToScale": ("True", "SucceededRescale"), "ScalingActive": ("True", "ValidMetricFound"), "ScalingLimited": WITHIN},
                     id="up"),
        pytest.param(using(100, 5), hpa(), 9, 9,
                     {"AbleToScale": ("True", "SucceededRescale"), "ScalingActive": ("True", "ValidMetricFound"),
                      "ScalingLimited": ("True", "TooManyReplicas")}, id="up-to-the-maximum"),
        pytest.param(using(10, 4), hpa(), None, 4,
                     {"AbleToScale": ("True", "ScaleDownStabilized"), "ScalingActive": ("True", "ValidMetricFound"),
                      "ScalingLimited": WITHIN}, id="down-waits-for-the-window"),
        pytest.param(using(50, 0, replicas=0), hpa(), None, 0,
                     {"AbleToScale": ("True", "SucceededGetScale"), "ScalingActive": ("False", "ScalingDisabled")}, id="zero-is-disabled"),
        pytest.param(using(50, 12), hpa(), 9, 9, {"AbleToScale": ("True", "SucceededRescale")}, id="above-the-maximum"),
        pytest.param(using(50, 1), hpa(), 2, 2, {"AbleToScale": ("True", "SucceededRescale")}, id="below-the-minimum"),
        pytest.param(using(50, 1), hpa(min_replicas=None), None, 1,
                     {"AbleToScale": ("True", "ReadyForNewScale"), "ScalingActive": ("True", "ValidMetricFound"), "ScalingLimited": WITHIN},
                     id="no-minimum-is-one"),
        pytest.param(using(50, 0, replicas=4), hpa(), None, None,
                     {"AbleToScale": ("True", "SucceededGetScale"), "ScalingActive": ("False", "FailedGetResourceMetric")}, id="no-pods"),
        pytest.param(using(100, 4, rivals=("a", "b")), hpa(), None, None,
                     {"AbleToScale": ("True", "SucceededGetScale"), "ScalingActive": ("False", "AmbiguousSelector")}, id="two-of-them"),
    ],
)  # fmt: skip
def test_a_round(target: Situation, of: FederatedHPA, replicas: int | None, desired: int | None, conditions: dict[str, Any]) -> None:
    found = look(target, of=of)
    assert (found.replicas, found.status.current_replicas, found.status.desired_replicas) == (replicas, target.replicas, desired)
    assert said(found) == conditions
    assert found.status.observed_generation == 4
    assert found.status.last_scale_time == (SECOND if replicas is not None else None)
    assert {one.last_transition_time for one in found.status.conditions} == {TEXT}


@pytest.mark.spec("R15.6", "T01")
def test_a_target_that_is_not_there() -> None:
    before = look(using(50, 4)).status
    found = look('NotFound: deployments.apps "web" not found', before)
    assert found.replicas is None
    assert said(found) == said(look(using(50, 4))) | {"AbleToScale": ("False", "FailedGetScale")}
    assert 'current scale: NotFound: deployments.apps "web" not found' in found.status.conditions[0].message
    assert (found.status.current_replicas, found.status.desired_replicas) == (4, 4), "as last known"


@pytest.mark.spec("R15.6", "T01")
def test_a_number_that_is_refused() -> None:
    found = look(using(100, 4), look(using(50, 4)).status, refused="Forbidden: no")
    assert (found.replicas, found.status.desired_replicas, found.status.last_scale_time) == (None, 4, None)
    assert said(found)["AbleToScale"] == ("False", "FailedUpdateScale")
    assert found.status.conditions[0].message == "the HPA controller was unable to update the target scale: Forbidden: no"


@pytest.mark.spec("R15.6", "T01")
def test_who_did_not_answer_is_told_in_either_case() -> None:
    notes = ("m2 did not answer (BusUnavailable), its 4 replicas count as pods without metrics",)
    counted = look(using(50, 4, unheard=4), notes=notes).status
    failed = look(using(50, 0, replicas=4, unheard=4), notes=notes).status
    assert next(one.message for one in counted.conditions if one.type == "ScalingActive") == f"{VALID}; {notes[0]}"
    assert next(one.message for one in failed.conditions if one.type == "ScalingActive").endswith(
        f"no member cluster told of its pods; {notes[0]}"
    )


@pytest.mark.spec("R15.6", "T01")
def test_a_transition_keeps_its_time() -> None:
    old = Condition(
        type="ScalingActive", status="True", reason="ValidMetricFound", message="x", last_transition_time="2026-01-01T00:00:00Z"
    )
    before = FederatedHPAStatus(conditions=(old,))
    active = {one.type: one for one in look(using(50, 4), before).status.conditions}["ScalingActive"]
    assert (active.last_transition_time, active.message) == ("2026-01-01T00:00:00Z", VALID)
    lost = {one.type: one for one in look(using(50, 0, replicas=4), before).status.conditions}["ScalingActive"]
    assert (lost.status, lost.last_transition_time) == ("False", TEXT)


@pytest.mark.spec("R15.6")
def test_what_was_recommended_is_remembered() -> None:
    found = look(using(10, 4))
    assert [one.replicas for one in found.memory.recommendations] == [4, 1], "the first is what there was"
    assert look(using(50, 0, replicas=4)).memory.recommendations[0].replicas == 4, "also of who cannot tell"


STATUS = look(using(50, 4)).status
MEASURED = look(using(51, 4)).status
WORDS = msgspec.structs.replace(STATUS, conditions=(msgspec.structs.replace(STATUS.conditions[0], reason="Other"), *STATUS.conditions[1:]))
TURNED = msgspec.structs.replace(STATUS, conditions=(msgspec.structs.replace(STATUS.conditions[0], status="False"), *STATUS.conditions[1:]))


@pytest.mark.spec("R15.6")
@pytest.mark.parametrize(
    ("after", "age_s", "worth"),
    [
        pytest.param(STATUS, 3600, False, id="nothing-changed"),
        pytest.param(MEASURED, 15, False, id="usage-waits"),
        pytest.param(MEASURED, 60, True, id="usage-once-a-minute"),
        pytest.param(WORDS, 15, False, id="words-wait"),
        pytest.param(WORDS, 60, True, id="words-once-a-minute"),
        pytest.param(TURNED, 0, True, id="a-condition-turns"),
        pytest.param(msgspec.structs.replace(STATUS, desired_replicas=5), 0, True, id="a-number-changes"),
        pytest.param(msgspec.structs.replace(STATUS, observed_generation=5), 0, True, id="a-new-wish-is-seen"),
    ],
)
def test_what_is_worth_writing(after: FederatedHPAStatus, age_s: float, worth: bool) -> None:
    assert is_worth_writing(STATUS, after, age_s=age_s) == worth
