"""How fast a wish becomes a number: stabilisation windows, policies of `spec.behavior` and bounds, as HPA v2 has them (T03)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from shoal.api.autoscaling import Behavior, FederatedHPASpec, ScalingPolicy, ScalingRules
from shoal.api.quantity import milli
from shoal.domain.autoscaling.replicas import Tolerance

_FIFTEEN_S = 15
_DOUBLE = ScalingPolicy(type="Percent", value=100, period_seconds=_FIFTEEN_S)
_UP = ScalingRules(
    stabilization_window_seconds=0,
    select_policy="Max",
    policies=(ScalingPolicy(type="Pods", value=4, period_seconds=_FIFTEEN_S), _DOUBLE),
)
_DOWN = ScalingRules(select_policy="Max", policies=(_DOUBLE,))
"""What Kubernetes fills in where a behaviour says nothing; the window is a setting."""
_RISE_MIN = 4
"""Without a behaviour one look at most doubles the number, but may always go up to this."""


class Recommendation(NamedTuple):
    at: datetime
    replicas: int


class Step(NamedTuple):
    """The number of the target was set."""

    at: datetime
    change: int
    """Replicas added; below 0: taken away."""


class Memory(NamedTuple):
    """Of one autoscaler; begun with the number that it finds, so that who has forgotten everything takes nothing away at once."""

    recommendations: tuple[Recommendation, ...] = ()
    steps: tuple[Step, ...] = ()


class Told(NamedTuple):
    """A condition's reason and message."""

    reason: str
    message: str


class Settled(NamedTuple):
    replicas: int
    able: Told
    """Of the condition AbleToScale."""
    limited: Told
    """Of the condition ScalingLimited."""
    is_limited: bool


_READY = Told("ReadyForNewScale", "recommended size matches current size")
_UP_STABILIZED = Told("ScaleUpStabilized", "recent recommendations were lower than current one, applying the lowest recent recommendation")
_DOWN_STABILIZED = Told(
    "ScaleDownStabilized", "recent recommendations were higher than current one, applying the highest recent recommendation"
)
_WITHIN = Told("DesiredWithinRange", "the desired count is within the acceptable range")
_TOO_FEW = Told("TooFewReplicas", "the desired replica count is less than the minimum replica count")
_TOO_MANY = Told("TooManyReplicas", "the desired replica count is more than the maximum replica count")
_TOO_FAST_UP = Told("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
_TOO_FAST_DOWN = Told("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate")


def begin(memory: Memory, current: int, *, now: datetime) -> Memory:
    """With a first recommendation, for who remembers none."""
    return memory if memory.recommendations else memory._replace(recommendations=(Recommendation(now, current),))


def tolerance_of(behavior: Behavior | None, general: float) -> Tolerance:
    """The behaviour's own, else the general one."""
    up, down = (rules.tolerance if rules else None for rules in _sides(behavior))
    return Tolerance(*(general if one is None else milli(str(one)) / 1000 for one in (up, down)))


def settle(spec: FederatedHPASpec, desired: int, current: int, memory: Memory, *, window_s: float, now: datetime) -> Settled:
    """What `desired` becomes. `current` is within the bounds; `window_s` is the window for scaling down of who names none."""
    if spec.behavior is None:
        return _settle_plainly(spec, desired, current, memory, window_s, now)
    up, down = _rules(spec.behavior, window_s)
    stable = _stabilized(desired, current, memory, up, down, now)
    able = _READY if stable == desired else _UP_STABILIZED if desired >= current else _DOWN_STABILIZED
    replicas, limited = stable, _WITHIN
    if stable > current:
        rate = max(current, _highest(current, memory.steps, up, now))
        most, why = (rate, _TOO_FAST_UP) if rate < spec.max_replicas else (spec.max_replicas, _TOO_MANY)
        if stable > most:
            replicas, limited = most, why
    elif stable < current:
        rate = min(current, _lowest(current, memory.steps, down, now))
        least, why = (rate, _TOO_FAST_DOWN) if rate > _low(spec) else (_low(spec), _TOO_FEW)
        if stable < least:
            replicas, limited = least, why
    return Settled(replicas, able, limited, replicas != stable)


def remember(memory: Memory, spec: FederatedHPASpec, recommended: int, *, window_s: float, now: datetime) -> Memory:
    """With what was just recommended, without what no rule asks for any more."""
    up, down = _rules(spec.behavior or Behavior(), window_s)
    keep = timedelta(seconds=max(up.stabilization_window_seconds or 0, down.stabilization_window_seconds or 0))
    period = timedelta(seconds=max(policy.period_seconds for rules in (up, down) for policy in rules.policies))
    recommendations = tuple(one for one in memory.recommendations if now - one.at <= keep)
    return Memory((*recommendations, Recommendation(now, recommended)), tuple(one for one in memory.steps if now - one.at <= period))


def with_step(memory: Memory, step: Step) -> Memory:
    return memory._replace(steps=(*memory.steps, step))


def _settle_plainly(spec: FederatedHPASpec, desired: int, current: int, memory: Memory, window_s: float, now: datetime) -> Settled:
    """Without a behaviour: the highest wish of the window, at most twice as many."""
    since = now - timedelta(seconds=window_s)
    stable = max([desired, *(one.replicas for one in memory.recommendations if one.at >= since)])
    rise = max(2 * current, _RISE_MIN)
    most, why = (rise, _TOO_FAST_UP) if spec.max_replicas > rise else (spec.max_replicas, _TOO_MANY)
    replicas, limited = stable, _WITHIN
    if stable < _low(spec):
        replicas, limited = _low(spec), _TOO_FEW
    elif stable > most:
        replicas, limited = most, why
    return Settled(replicas, _READY if stable == desired else _DOWN_STABILIZED, limited, replicas != stable)


def _stabilized(desired: int, current: int, memory: Memory, up: ScalingRules, down: ScalingRules, now: datetime) -> int:
    """The current number, moved into what was wished for throughout: up to the lowest wish of one window, down to the highest of the other."""
    rise_since = now - timedelta(seconds=up.stabilization_window_seconds or 0)
    fall_since = now - timedelta(seconds=down.stabilization_window_seconds or 0)
    lowest = min([desired, *(one.replicas for one in memory.recommendations if one.at > rise_since)])
    highest = max([desired, *(one.replicas for one in memory.recommendations if one.at > fall_since)])
    return min(max(current, lowest), highest)


def _highest(current: int, steps: Iterable[Step], rules: ScalingRules, now: datetime) -> int:
    """Up to where the policies let it rise now."""
    if rules.select_policy == "Disabled":
        return current
    allowed = []
    for policy in rules.policies:
        start = current - _changed(steps, policy, now)
        # Rounded up, so that a small share of a small number still is one.
        allowed.append(start + policy.value if policy.type == "Pods" else math.ceil(start * (1 + policy.value / 100)))
    return min(allowed) if rules.select_policy == "Min" else max(allowed)


def _lowest(current: int, steps: Iterable[Step], rules: ScalingRules, now: datetime) -> int:
    """Down to where the policies let it fall now."""
    if rules.select_policy == "Disabled":
        return current
    allowed = []
    for policy in rules.policies:
        start = current - _changed(steps, policy, now)
        allowed.append(start - policy.value if policy.type == "Pods" else int(start * (1 - policy.value / 100)))
    return max(allowed) if rules.select_policy == "Min" else min(allowed)


def _changed(steps: Iterable[Step], policy: ScalingPolicy, now: datetime) -> int:
    """Replicas added within the policy's period, less those taken away."""
    since = now - timedelta(seconds=policy.period_seconds)
    return sum(step.change for step in steps if step.at > since)


def _low(spec: FederatedHPASpec) -> int:
    return 1 if spec.min_replicas is None else spec.min_replicas


def _sides(behavior: Behavior | None) -> tuple[ScalingRules | None, ScalingRules | None]:
    return (behavior.scale_up, behavior.scale_down) if behavior else (None, None)


def _rules(behavior: Behavior, window_s: float) -> tuple[ScalingRules, ScalingRules]:
    """(up, down), whole."""
    up, down = behavior.scale_up or _UP, behavior.scale_down or _DOWN
    return _filled(up, _UP, 0), _filled(down, _DOWN, math.ceil(window_s))


def _filled(rules: ScalingRules, general: ScalingRules, window_s: int) -> ScalingRules:
    window = rules.stabilization_window_seconds
    return ScalingRules(
        stabilization_window_seconds=window_s if window is None else window,
        select_policy=rules.select_policy or general.select_policy,
        policies=rules.policies or general.policies,
        tolerance=rules.tolerance,
    )
