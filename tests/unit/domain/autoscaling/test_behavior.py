"""How fast a wish becomes a number, as in HPA v2.

R15.6: scale-down takes the maximum recommendation of the last 5 min. T03: `spec.behavior`, downscale stabilisation 5 min.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.api.autoscaling import Behavior, FederatedHPASpec, ScaleTarget, ScalingPolicy, ScalingRules
from shoal.domain.autoscaling.behavior import Memory, Recommendation, Settled, Step, begin, remember, settle, tolerance_of, with_step
from shoal.domain.autoscaling.replicas import Tolerance

NOW = datetime(2026, 8, 1, 12, 0, 0, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def spec(behavior: Behavior | None = None, *, low: int | None = 1, high: int = 100) -> FederatedHPASpec:
    return FederatedHPASpec(
        scale_target_ref=ScaleTarget(kind="Deployment", name="web"), min_replicas=low, max_replicas=high, behavior=behavior
    )


def rules(*policies: tuple[str, int, int], window: int | None = None, select: str = "") -> ScalingRules:
    """Policies as (type, value, seconds)."""
    told = tuple(ScalingPolicy(type=type_, value=value, period_seconds=seconds) for type_, value, seconds in policies)
    return ScalingRules(policies=told, stabilization_window_seconds=window, select_policy=select)


def memory(recommended: dict[float, int] | None = None, steps: dict[float, int] | None = None) -> Memory:
    """By seconds ago."""
    return Memory(
        tuple(Recommendation(ago(seconds), replicas) for seconds, replicas in (recommended or {}).items()),
        tuple(Step(ago(seconds), change) for seconds, change in (steps or {}).items()),
    )


NOTHING = Memory()


def settled(spec_: FederatedHPASpec, desired: int, current: int, known: Memory = NOTHING) -> Settled:
    return settle(spec_, desired, current, known, window_s=300.0, now=NOW)


@pytest.mark.spec("R15.6", "T01")
@pytest.mark.parametrize(
    ("spec_", "desired", "current", "known", "replicas", "able", "limited"),
    [
        pytest.param(spec(), 5, 3, NOTHING, 5, "ReadyForNewScale", "DesiredWithinRange", id="up-at-once"),
        pytest.param(spec(), 3, 5, NOTHING, 3, "ReadyForNewScale", "DesiredWithinRange", id="down"),
        pytest.param(spec(), 3, 5, memory({299: 5}), 5, "ScaleDownStabilized", "DesiredWithinRange", id="the-window-holds"),
        pytest.param(spec(), 3, 9, memory({400: 9, 200: 4, 100: 6}), 6, "ScaleDownStabilized", "DesiredWithinRange", id="its-maximum"),
        pytest.param(spec(), 3, 5, memory({301: 5}), 3, "ReadyForNewScale", "DesiredWithinRange", id="the-window-is-over"),
        pytest.param(spec(high=4), 9, 3, NOTHING, 4, "ReadyForNewScale", "TooManyReplicas", id="maximum"),
        pytest.param(spec(low=2), 1, 5, NOTHING, 2, "ReadyForNewScale", "TooFewReplicas", id="minimum"),
        pytest.param(spec(low=None), 0, 5, NOTHING, 1, "ReadyForNewScale", "TooFewReplicas", id="no-minimum-is-one"),
        pytest.param(spec(), 50, 10, NOTHING, 20, "ReadyForNewScale", "ScaleUpLimit", id="at-most-twice-as-many"),
        pytest.param(spec(), 9, 1, NOTHING, 4, "ReadyForNewScale", "ScaleUpLimit", id="but-four-always"),
        pytest.param(spec(high=20), 50, 10, NOTHING, 20, "ReadyForNewScale", "TooManyReplicas", id="twice-is-the-maximum"),
    ],
)
def test_without_a_behavior(
    spec_: FederatedHPASpec, desired: int, current: int, known: Memory, replicas: int, able: str, limited: str
) -> None:
    found = settled(spec_, desired, current, known)
    assert (found.replicas, found.able.reason, found.limited.reason) == (replicas, able, limited)
    assert found.is_limited == (limited != "DesiredWithinRange")


def up(*policies: tuple[str, int, int], **more: Any) -> FederatedHPASpec:
    return spec(Behavior(scale_up=rules(*policies, **more)))


def down(*policies: tuple[str, int, int], **more: Any) -> FederatedHPASpec:
    return spec(Behavior(scale_down=rules(*policies, **({"window": 0} | more))))


PODS_4, PERCENT_50 = ("Pods", 4, 60), ("Percent", 50, 60)


@pytest.mark.spec("T03")
@pytest.mark.parametrize(
    ("spec_", "desired", "current", "known", "replicas", "able", "limited"),
    [
        # Up.
        pytest.param(spec(Behavior()), 99, 3, NOTHING, 7, "ReadyForNewScale", "ScaleUpLimit", id="default-up-adds-four"),
        pytest.param(spec(Behavior()), 99, 10, NOTHING, 20, "ReadyForNewScale", "ScaleUpLimit", id="or-doubles"),
        pytest.param(up(PODS_4), 50, 10, NOTHING, 14, "ReadyForNewScale", "ScaleUpLimit", id="pods"),
        pytest.param(up(PERCENT_50), 50, 5, NOTHING, 8, "ReadyForNewScale", "ScaleUpLimit", id="percent-rounds-up"),
        pytest.param(up(PODS_4, PERCENT_50), 50, 10, NOTHING, 15, "ReadyForNewScale", "ScaleUpLimit", id="the-larger-one"),
        pytest.param(up(PODS_4, PERCENT_50, select="Min"), 50, 10, NOTHING, 14, "ReadyForNewScale", "ScaleUpLimit", id="the-smaller-one"),
        pytest.param(up(PODS_4, select="Disabled"), 50, 10, NOTHING, 10, "ReadyForNewScale", "ScaleUpLimit", id="never-up"),
        pytest.param(up(PODS_4), 50, 12, memory(steps={30: 2}), 14, "ReadyForNewScale", "ScaleUpLimit", id="what-was-added-counts"),
        pytest.param(up(PODS_4), 50, 14, memory(steps={30: 4}), 14, "ReadyForNewScale", "ScaleUpLimit", id="no-more-in-this-period"),
        pytest.param(up(PODS_4), 50, 14, memory(steps={61: 4}), 18, "ReadyForNewScale", "ScaleUpLimit", id="a-new-period"),
        pytest.param(up(PODS_4), 50, 12, memory(steps={30: -3}), 19, "ReadyForNewScale", "ScaleUpLimit", id="what-was-taken-may-come-back"),
        pytest.param(up(PODS_4), 50, 20, memory(steps={30: 10}), 20, "ReadyForNewScale", "ScaleUpLimit", id="never-below-what-there-is"),
        pytest.param(up(PODS_4, window=60), 9, 5, memory({70: 1, 30: 7}), 7, "ScaleUpStabilized", "DesiredWithinRange", id="window-up"),
        pytest.param(up(PODS_4, window=60), 9, 5, memory({30: 3}), 5, "ScaleUpStabilized", "DesiredWithinRange", id="window-up-holds"),
        pytest.param(spec(Behavior(), high=12), 99, 10, NOTHING, 12, "ReadyForNewScale", "TooManyReplicas", id="maximum"),
        # Down.
        pytest.param(spec(Behavior()), 3, 5, memory({299: 5}), 5, "ScaleDownStabilized", "DesiredWithinRange", id="default-window-down"),
        pytest.param(spec(Behavior()), 3, 9, memory({100: 6}), 6, "ScaleDownStabilized", "DesiredWithinRange", id="its-maximum"),
        pytest.param(down(), 1, 50, NOTHING, 1, "ReadyForNewScale", "DesiredWithinRange", id="default-down-takes-all"),
        pytest.param(down(PODS_4), 1, 10, NOTHING, 6, "ReadyForNewScale", "ScaleDownLimit", id="pods-down"),
        pytest.param(down(("Percent", 10, 60)), 1, 9, NOTHING, 8, "ReadyForNewScale", "ScaleDownLimit", id="percent-down-takes-one-at-least"),
        pytest.param(down(PODS_4, PERCENT_50), 1, 10, NOTHING, 5, "ReadyForNewScale", "ScaleDownLimit", id="the-larger-change"),
        pytest.param(down(PODS_4, PERCENT_50, select="Min"), 1, 10, NOTHING, 6, "ReadyForNewScale", "ScaleDownLimit", id="the-smaller-change"),
        pytest.param(down(PODS_4, select="Disabled"), 1, 10, NOTHING, 10, "ReadyForNewScale", "ScaleDownLimit", id="never-down"),
        pytest.param(down(PODS_4), 1, 8, memory(steps={30: -2}), 6, "ReadyForNewScale", "ScaleDownLimit", id="what-was-taken-counts"),
        pytest.param(down(PODS_4), 1, 6, memory(steps={30: -4}), 6, "ReadyForNewScale", "ScaleDownLimit", id="no-less-in-this-period"),
        pytest.param(down(PODS_4, window=30), 1, 6, memory({31: 6}), 2, "ReadyForNewScale", "ScaleDownLimit", id="own-window-down"),
        pytest.param(spec(Behavior(scale_down=rules(window=0)), low=3), 1, 5, NOTHING, 3, "ReadyForNewScale", "TooFewReplicas", id="minimum"),
    ],
)  # fmt: skip
def test_with_a_behavior(
    spec_: FederatedHPASpec, desired: int, current: int, known: Memory, replicas: int, able: str, limited: str
) -> None:
    found = settled(spec_, desired, current, known)
    assert (found.replicas, found.able.reason, found.limited.reason) == (replicas, able, limited)
    assert found.is_limited == (limited != "DesiredWithinRange")


@pytest.mark.spec("T03")
@pytest.mark.parametrize(
    ("behavior", "tolerance"),
    [
        pytest.param(None, Tolerance(0.1, 0.1), id="general"),
        pytest.param(Behavior(scale_up=ScalingRules(tolerance="0.05")), Tolerance(0.05, 0.1), id="own-up"),
        pytest.param(Behavior(scale_down=ScalingRules(tolerance="0")), Tolerance(0.1, 0.0), id="own-down"),
    ],
)
def test_tolerance(behavior: Behavior | None, tolerance: Tolerance) -> None:
    assert tolerance_of(behavior, 0.1) == tolerance


@pytest.mark.spec("R15.6", "T03")
def test_what_is_remembered() -> None:
    known = memory({400: 9, 200: 4}, {400: 1, 10: -1})
    later = remember(known, spec(), 3, window_s=300.0, now=NOW)
    assert [one.replicas for one in later.recommendations] == [4, 3]
    assert [one.change for one in later.steps] == [-1], "no policy looks back further than 15 s"
    long = spec(Behavior(scale_up=rules(("Pods", 1, 900)), scale_down=rules(window=600)))
    assert remember(known, long, 3, window_s=300.0, now=NOW) == Memory((*known.recommendations, Recommendation(NOW, 3)), known.steps)


@pytest.mark.spec("R15.6", "T03")
def test_who_remembers_nothing_begins_with_what_there_is() -> None:
    begun = begin(with_step(NOTHING, Step(NOW, 2)), 8, now=NOW)
    assert settled(spec(), 2, 8, begun).replicas == 8
    assert begun.steps == (Step(NOW, 2),)
    assert begin(memory({10: 3}), 8, now=NOW) == memory({10: 3})


numbers = st.integers(min_value=0, max_value=60)
behaviors = st.sampled_from(
    [
        None,
        Behavior(),
        Behavior(scale_up=rules(PODS_4, window=60), scale_down=rules(PERCENT_50, window=0)),
        Behavior(scale_up=rules(PODS_4, PERCENT_50, select="Min"), scale_down=rules(select="Disabled")),
    ]
)


@pytest.mark.spec("R15.6", "T01", "T03")
@given(behaviors, numbers, st.integers(2, 40), st.dictionaries(st.integers(0, 600), numbers, max_size=6), st.integers(-5, 5))
def test_the_bounds_hold(behavior: Behavior | None, desired: int, current: int, recommended: dict[float, int], step: int) -> None:
    found = settled(spec(behavior, low=2, high=40), desired, current, memory(recommended, {20: step}))
    assert 2 <= found.replicas <= 40
    assert (found.limited.reason == "DesiredWithinRange") != found.is_limited


@pytest.mark.spec("R15.6", "T03")
@given(behaviors, numbers, numbers, st.integers(2, 40), st.dictionaries(st.integers(0, 600), numbers, max_size=6))
def test_a_higher_wish_is_never_a_lower_number(
    behavior: Behavior | None, one: int, other: int, current: int, recommended: dict[float, int]
) -> None:
    found = [settled(spec(behavior, low=2, high=40), wish, current, memory(recommended)).replicas for wish in sorted((one, other))]
    assert found[0] <= found[1]
