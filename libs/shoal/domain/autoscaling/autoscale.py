"""One FederatedHPA, looked at (R15.6): the number that its target gets, and its status afterwards, in the words of HPA v2."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from shoal.api.autoscaling import FederatedHPA, FederatedHPAStatus, MetricStatus
from shoal.api.meta import Condition
from shoal.domain.autoscaling.behavior import Memory, begin, remember, settle, tolerance_of
from shoal.domain.autoscaling.replicas import Proposal, Readiness, Rules, Situation, Unknown, wanted

METRICS_EVERY_S = 60.0
"""What only measures, or only words, changes in the status at most so often: each write of it is an fsync of the bus."""

ABLE, ACTIVE, LIMITED = "AbleToScale", "ScalingActive", "ScalingLimited"


class Settings(NamedTuple):
    tolerance: float
    """Share of the target by which usage may differ without a change, where `spec.behavior` says nothing else."""
    readiness: Readiness
    window_s: float
    """For how long the highest recommendation holds before the number falls, where `spec.behavior` says nothing else."""


class Autoscaled(NamedTuple):
    status: FederatedHPAStatus
    replicas: int | None
    """What the target is to be set to; None: it keeps its number."""
    cause: str
    """Why, for people; empty for none."""
    memory: Memory
    """Without the step, which counts when it is done."""


class _Decided(NamedTuple):
    """Before it is told."""

    replicas: int
    """Equal to the present number: nothing is to be done."""
    cause: str
    conditions: tuple[Condition, ...]
    """Those that are set, without their times."""
    metrics: tuple[MetricStatus, ...] = ()
    memory: Memory = Memory()
    known: bool = True
    """False: nothing could be concluded, and what was desired before stands."""


def autoscale(
    hpa: FederatedHPA,
    before: FederatedHPAStatus,
    target: Situation | str,
    memory: Memory,
    settings: Settings,
    *,
    notes: Sequence[str] = (),
    refused: str = "",
    now: datetime,
) -> Autoscaled:
    """Decides one round.

    `target` is a sentence when its scale cannot be read. `notes` are sentences about clusters of which not everything is known. `refused`: why the
    number that this decides cannot be set; then the status says so.
    """
    if isinstance(target, str):
        told = f"the HPA controller was unable to get the target's current scale: {target}"
        return Autoscaled(_status(hpa, before, (_condition(ABLE, "FailedGetScale", told, holds=False),), now), None, "", memory)
    memory, current = begin(memory, target.replicas, now=now), target.replicas
    decided = _decide(hpa, target, memory, settings, notes, now)
    scales = decided.replicas != current and not refused
    conditions = decided.conditions
    if scales:
        done = f"the HPA controller was able to update the target scale to {decided.replicas}"
        conditions = (*conditions, _condition(ABLE, "SucceededRescale", done))
    elif refused:
        failed = f"the HPA controller was unable to update the target scale: {refused}"
        conditions = (*conditions, _condition(ABLE, "FailedUpdateScale", failed, holds=False))
    status = msgspec.structs.replace(
        _status(hpa, before, conditions, now),
        current_replicas=current,
        desired_replicas=decided.replicas if decided.known and not refused else before.desired_replicas,
        current_metrics=decided.metrics,
    )
    if scales:
        status = msgspec.structs.replace(status, last_scale_time=now.replace(microsecond=0))
    return Autoscaled(status, decided.replicas if scales else None, decided.cause, decided.memory)


def is_worth_writing(before: FederatedHPAStatus, after: FederatedHPAStatus, *, age_s: float) -> bool:
    """At once when a number or what a condition says (not its words) has changed; else when what stands is `METRICS_EVERY_S` old."""
    if before == after:
        return False
    return _facts(before) != _facts(after) or age_s >= METRICS_EVERY_S


def _facts(status: FederatedHPAStatus) -> tuple[object, ...]:
    said = tuple((one.type, one.status) for one in status.conditions)
    return status.observed_generation, status.last_scale_time, status.current_replicas, status.desired_replicas, said


def _decide(hpa: FederatedHPA, target: Situation, memory: Memory, settings: Settings, notes: Sequence[str], now: datetime) -> _Decided:
    spec, current = hpa.spec, target.replicas
    low = 1 if spec.min_replicas is None else spec.min_replicas
    able = _condition(ABLE, "SucceededGetScale", "the HPA controller was able to get the target's current scale")
    if current == 0:
        told = "scaling is disabled since the replica count of the target is zero"
        return _Decided(0, "", (able, _condition(ACTIVE, "ScalingDisabled", told, holds=False)), memory=memory)
    if current > spec.max_replicas:
        return _Decided(spec.max_replicas, "Current number of replicas above Spec.MaxReplicas", (able,), memory=memory)
    if current < low:
        return _Decided(low, "Current number of replicas below Spec.MinReplicas", (able,), memory=memory)
    if target.rivals:
        told = f"pods of the target are controlled by multiple HPAs: {', '.join(target.rivals)}"
        contested = _condition(ACTIVE, "AmbiguousSelector", told, holds=False)
        return _Decided(current, "", (able, contested), memory=memory, known=False)
    found = wanted(spec.metrics, target, Rules(tolerance_of(spec.behavior, settings.tolerance), settings.readiness))
    if isinstance(found.proposal, Unknown):
        failed = _condition(ACTIVE, found.proposal.reason, "; ".join((found.proposal.message, *notes)), holds=False)
        return _Decided(current, "", (able, failed), found.statuses, memory, known=False)
    return _settled(hpa, found.proposal, current, memory, settings, notes, now)._replace(metrics=found.statuses)


def _settled(
    hpa: FederatedHPA, proposal: Proposal, current: int, memory: Memory, settings: Settings, notes: Sequence[str], now: datetime
) -> _Decided:
    spec = hpa.spec
    settled = settle(spec, proposal.replicas, current, memory, window_s=settings.window_s, now=now)
    counted = f"the HPA was able to successfully calculate a replica count from {proposal.name}"
    conditions = (
        _condition(ABLE, *settled.able),
        _condition(ACTIVE, "ValidMetricFound", "; ".join((counted, *notes))),
        _condition(LIMITED, *settled.limited, holds=settled.is_limited),
    )
    cause = f"{proposal.name} above target" if proposal.replicas > current else "All metrics below target"
    later = remember(memory, spec, proposal.replicas, window_s=settings.window_s, now=now)
    return _Decided(settled.replicas, cause, conditions, memory=later)


def _condition(type_: str, reason: str, message: str, *, holds: bool = True) -> Condition:
    return Condition(type=type_, status="True" if holds else "False", reason=reason, message=message)


def _status(hpa: FederatedHPA, before: FederatedHPAStatus, said: Sequence[Condition], now: datetime) -> FederatedHPAStatus:
    """With these conditions laid over those of before; the last one of a type counts, and its time is that of its last change."""
    old = {one.type: one for one in before.conditions}
    new = old | {one.type: one for one in said}
    at = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    timed = []
    for type_, one in new.items():
        same = type_ in old and old[type_].status == one.status
        timed.append(msgspec.structs.replace(one, last_transition_time=old[type_].last_transition_time if same else at))
    return msgspec.structs.replace(before, observed_generation=hpa.metadata.generation, conditions=tuple(timed))
