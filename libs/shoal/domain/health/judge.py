"""One cluster: evidence in, belief out."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from shoal.api.cluster import ClusterStatus, Grade, ResourceSummary, Taint
from shoal.api.meta import Condition, Struct
from shoal.api.remedy import RemedySpec
from shoal.api.status import JOINING, LOST, READY, SUSPECT, Belief
from shoal.api.work import Inventory
from shoal.domain.health.conditions import (
    CLUSTER_NOT_READY,
    CLUSTER_READY,
    MASS_SILENCE,
    NEVER_UPDATED,
    STATE_TAINTS,
    STATUS_UNKNOWN,
    conditions,
    ready_condition,
    taints,
)
from shoal.domain.health.listening import Listening
from shoal.domain.health.remedies import remedy_actions
from shoal.domain.health.taint_policies import Tainting, policy_taints
from shoal.domain.health.thresholds import Thresholds

_LOSSES_KEPT = 8
_DEFAULTS = Thresholds()


class Evidence(Struct, frozen=True, kw_only=True):
    """What the monitor knows of one cluster at the moment `at`. All moments are seconds of its monotonic clock."""

    member: str
    at: float
    cluster: str = ""
    """Its name."""
    told: tuple[Condition, ...] = ()
    """Conditions that others wrote into the Cluster's status, such as a detector in the member."""
    remedies: tuple[RemedySpec, ...] = ()
    """All that there are."""
    taintings: tuple[Tainting, ...] = ()
    """All ClusterTaintPolicies, the oldest first."""
    listening: Listening | None = None
    """None: the monitor does not listen now."""
    last_beat: float | None = None
    """None: not heard since this monitor started."""
    steady_since: float | None = None
    """First of the unbroken beats (no gap above two beats, the API server answering) up to `last_beat`."""
    api_unhealthy_since: float | None = None
    """First of the unbroken beats that say the member's API server does not answer; None: the last beat says that it does."""
    held: bool = False
    """The mass-silence brake (`hold`) is on."""
    inventory: Inventory | None = None
    """The last one ever reported."""
    graded: bool = False
    """The Cluster names resource models: its nodes are to be counted by grade (L11)."""


class Verdict(Struct, frozen=True, kw_only=True):
    """A change of state worth telling: `cluster.ready`, `cluster.suspect`, `cluster.lost`."""

    event: str
    reason: str
    message: str


def judge(evidence: Evidence, previous: Belief | None, *, now: datetime, thresholds: Thresholds = _DEFAULTS) -> Belief:
    """What is believed now. Equal to `previous` when nothing changed, so that nothing is written.

    Lost needs a whole grace of silence, or of an API server that does not answer, all of it listened to (R10.3), and no brake. Lost ends
    after steady beats; the more often it was lost lately, the longer that takes (R10.2).
    """
    state, reason, message = _state(evidence, previous, now, thresholds)
    stamp = _text(now)
    changed = previous is None or previous.state != state
    losses = _recent(previous, now, thresholds) if changed else previous.losses if previous else ()
    if changed and state == LOST:
        losses = (*losses, stamp)[-_LOSSES_KEPT:]
    before = previous.status if previous else ClusterStatus()
    summary, grades = _room(previous, evidence)
    ready = ready_condition(state, reason, message)
    found = conditions(before.conditions, ready, _complete(before, evidence), stamp)
    told = (*evidence.told, *found)
    actions = remedy_actions(evidence.cluster, told, evidence.remedies)
    return Belief(
        member=evidence.member,
        state=state,
        since=stamp if previous is None or changed else previous.since,
        reason=reason,
        message=message,
        taints=(*taints(ready), *policy_taints(_asked_for(previous), told, evidence.taintings)),
        status=msgspec.structs.replace(_status(before, evidence.inventory, summary), conditions=found, remedy_actions=actions),
        grades=grades,
        losses=losses,
    )


def _state(evidence: Evidence, previous: Belief | None, now: datetime, thresholds: Thresholds) -> tuple[str, str, str]:
    """State, reason and message; messages hold no number that grows, or every look would be a change."""
    known = previous.state if previous else JOINING
    if evidence.listening is None:
        return _unchanged(previous)
    silence = silence_s(evidence)
    if known == JOINING and (evidence.last_beat is None or silence >= thresholds.suspect_after_s):
        return _joining(previous, evidence.at - evidence.listening.since, thresholds)
    if silence >= thresholds.suspect_after_s:
        return _silent(known, silence, evidence, thresholds)
    if evidence.last_beat is None or evidence.last_beat < evidence.listening.since:
        return _unchanged(previous)  # Nothing was heard since listening began: the full grace runs.
    if evidence.api_unhealthy_since is not None:
        return _unhealthy(previous, _listened(evidence.api_unhealthy_since, evidence), thresholds)
    return _beating(known, previous, evidence, now, thresholds)


def silence_s(evidence: Evidence) -> float:
    """How long the cluster has been silent, in seconds, as far as the monitor listened without a gap; 0 when it does not listen."""
    return _listened(evidence.last_beat, evidence)


def _listened(since: float | None, evidence: Evidence) -> float:
    """How long something has lasted while the monitor listened; up to its last look, not to a moment that nobody watched."""
    if evidence.listening is None:
        return 0.0
    start = evidence.listening.since if since is None else max(since, evidence.listening.since)
    return min(evidence.at, evidence.listening.last) - start


def _joining(previous: Belief | None, listened: float, thresholds: Thresholds) -> tuple[str, str, str]:
    if listened >= thresholds.never_after_s or (previous is not None and previous.reason == NEVER_UPDATED):
        return JOINING, NEVER_UPDATED, "the agent was never heard"
    return JOINING, "", ""


def _silent(known: str, silence: float, evidence: Evidence, thresholds: Thresholds) -> tuple[str, str, str]:
    if known == LOST:
        return LOST, STATUS_UNKNOWN, "the agent is silent"
    if evidence.held:
        return SUSPECT, MASS_SILENCE, "many clusters fell silent at once, so none is declared lost; look at the bus and the network first"
    return LOST if silence >= thresholds.lost_after_s else SUSPECT, STATUS_UNKNOWN, "the agent is silent"


def _unhealthy(previous: Belief | None, lasting: float, thresholds: Thresholds) -> tuple[str, str, str]:
    message = "the agent beats, but the member's API server does not answer"
    if (previous is not None and previous.state == LOST) or lasting >= thresholds.lost_after_s:
        return LOST, CLUSTER_NOT_READY, message
    return (SUSPECT, CLUSTER_NOT_READY, message) if lasting >= thresholds.suspect_after_s else _unchanged(previous)


def _beating(known: str, previous: Belief | None, evidence: Evidence, now: datetime, thresholds: Thresholds) -> tuple[str, str, str]:
    """Ready, after the steady beats that a doubt asks for: one beat after Suspect, more after Lost. A first beat counts at once (R10.2)."""
    steady = _listened(evidence.steady_since, evidence) if evidence.steady_since is not None else 0.0
    if previous is not None and known == SUSPECT and steady < thresholds.beat_s:
        return SUSPECT, previous.reason, previous.message
    if previous is not None and known == LOST:
        needed = steady_needed_s(len(_recent(previous, now, thresholds)), thresholds)
        if steady < needed:
            return LOST, previous.reason, f"beats again; Ready after {needed:g} s without a break"
    return READY, CLUSTER_READY, "cluster is healthy and ready to accept workloads"


def steady_needed_s(losses: int, thresholds: Thresholds) -> float:
    """How long a Lost cluster must beat, in seconds: doubled for every loss after the first, up to the maximum."""
    return float(min(thresholds.steady_s * 2 ** max(losses - 1, 0), thresholds.steady_max_s))


def _unchanged(previous: Belief | None) -> tuple[str, str, str]:
    return (previous.state, previous.reason, previous.message) if previous else (JOINING, "", "")


def _recent(previous: Belief | None, now: datetime, thresholds: Thresholds) -> tuple[str, ...]:
    """Losses inside the window; the belief drops old ones when its state changes, since time alone must not write."""
    if previous is None:
        return ()
    oldest = _text(now - timedelta(seconds=thresholds.loss_window_s))
    return tuple(loss for loss in previous.losses if loss > oldest)


def _complete(before: ClusterStatus, evidence: Evidence) -> bool | None:
    if evidence.inventory is not None:
        return evidence.inventory.complete_api_enablements
    known = next((condition for condition in before.conditions if condition.type == "CompleteAPIEnablements"), None)
    return None if known is None else known.status == "True"


def _asked_for(previous: Belief | None) -> tuple[Taint, ...]:
    """Taints that policies asked for, apart from those of the state itself."""
    return tuple(taint for taint in previous.taints if taint.key not in STATE_TAINTS) if previous else ()


def _room(previous: Belief | None, evidence: Evidence) -> tuple[ResourceSummary | None, tuple[Grade, ...]]:
    """What there is, and what its nodes were counted by. Counts stay until there are newer ones (an agent that has just started has none),
    or nobody wants any."""
    known, grades = (previous.status.resource_summary, previous.grades) if previous else (None, ())
    counts = known.allocatable_modelings if known else ()
    inventory = evidence.inventory
    if inventory is not None and inventory.grades:
        counts, grades = inventory.resource_summary.allocatable_modelings, inventory.grades
    if not evidence.graded:
        counts, grades = (), ()
    summary = inventory.resource_summary if inventory is not None else known
    return msgspec.structs.replace(summary, allocatable_modelings=counts) if summary is not None else None, grades


def _status(before: ClusterStatus, inventory: Inventory | None, summary: ResourceSummary | None) -> ClusterStatus:
    """What the inventory says; without one what was known."""
    if inventory is None:
        return msgspec.structs.replace(before, resource_summary=summary)
    return ClusterStatus(
        kubernetes_version=inventory.kubernetes_version,
        api_enablements=inventory.api_enablements,
        node_summary=inventory.node_summary,
        resource_summary=summary,
    )


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def verdict(previous: Belief | None, belief: Belief) -> Verdict | None:
    """What to tell when the state changed; None when it did not, or when a cluster only began to join."""
    if belief.state == JOINING or (previous is not None and previous.state == belief.state):
        return None
    return Verdict(event=f"cluster.{belief.state.lower()}", reason=belief.reason, message=belief.message)
