"""One request, placed: filter, rank, select, assign, and the targets that come out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import NamedTuple

import msgspec

from shoal.api.binding import (
    EVICTIONS,
    NO_CLUSTER_FIT,
    SCHEDULED,
    SUCCESS,
    SUSPENDED,
    Binding,
    Removal,
    TargetCluster,
)
from shoal.api.meta import Condition
from shoal.api.policy import ClusterAffinity
from shoal.domain.scheduling.assign import Division, whole
from shoal.domain.scheduling.candidates import Candidate, rank_candidates
from shoal.domain.scheduling.decision import Decision
from shoal.domain.scheduling.estimate import UNLIMITED
from shoal.domain.scheduling.filter import run_filters, summary
from shoal.domain.scheduling.ladder import due, rebalance_requested
from shoal.domain.scheduling.plugins import PLUGINS, Plugin
from shoal.domain.scheduling.question import Question, Refusal
from shoal.domain.scheduling.request import Request
from shoal.domain.scheduling.select import Unplaced, needs_ranking, select
from shoal.domain.scheduling.snapshot import Snapshot
from shoal.domain.scheduling.targets import merge_targets

_SHOWN_MAX = 5
"""Clusters that one sentence names."""
SUCCESS_MESSAGE = "Binding has been scheduled successfully."


class Attempt(NamedTuple):
    """One affinity, tried."""

    shares: dict[str, int | None] | Unplaced
    refusals: tuple[Refusal, ...]
    affinity_name: str = ""
    ranked: Sequence[Candidate] = ()
    rounds: tuple[str, ...] = ()


def schedule(
    request: Request,
    snapshot: Snapshot,
    previous: Binding | None,
    *,
    now: datetime,
    position: int,
    plugins: Mapping[str, Plugin] = PLUGINS,
) -> Decision:
    """Decides where the request runs (R3.2 to R4.14).

    `previous` is the binding as it stands, also of an earlier object of that name; `position` is the scheduler's view position, the epoch
    of every cluster that is assigned now. When nothing fits, the targets that run stay and nothing is added.
    """
    own = own_targets(previous, request.uid)
    why = due(request, snapshot, previous, own) if previous is not None else "nothing is placed yet"
    if previous is not None and not why:
        return keep(
            request, snapshot, previous, now=now, position=position, stands=condition(previous, "True", SUCCESS, SUCCESS_MESSAGE, now)
        )
    fresh = rebalance_requested(request, previous)
    unknown = {name: target for name, target in own.items() if name not in snapshot}
    attempt = _try_affinities(_beside(request, unknown), snapshot, previous, own, fresh=fresh, plugins=plugins)
    if isinstance(attempt.shares, Unplaced):
        return _stay(request, snapshot, previous, own, attempt, now=now, position=position)
    shares = attempt.shares | (whole(request, unknown) if not request.divided else {name: t.replicas for name, t in unknown.items()})
    clusters, removals = merge_targets(request, snapshot, previous, shares, own=own, now=now, position=position, fresh=fresh)
    return Decision(
        clusters=clusters,
        removals=removals,
        condition=condition(previous, "True", SUCCESS, SUCCESS_MESSAGE, now),
        fits=True,
        placed=True,
        affinity_name=attempt.affinity_name,
        rescheduled_at=request.reschedule_at or (previous.rescheduled_at if previous else ""),
        refusals=attempt.refusals,
        snapshot=snapshot,
        scores=_scores(attempt),
        rounds=(why, *attempt.rounds),
    )


def _beside(request: Request, unknown: Mapping[str, TargetCluster]) -> Request:
    """What is left to place beside targets whose clusters have no entry: those stay as they are, since absence is no order to leave."""
    if not unknown or not request.divided:
        return request
    return msgspec.structs.replace(request, replicas=max(0, request.replicas - sum(target.replicas or 0 for target in unknown.values())))


def own_targets(previous: Binding | None, uid: str) -> dict[str, TargetCluster]:
    """The previous targets that are the binding's own and of this very object; what only owners asked for is theirs."""
    if previous is None or previous.template_uid != uid:
        return {}
    return {target.name: target for target in previous.clusters if target.name not in previous.attached}


def keep(
    request: Request, snapshot: Snapshot, previous: Binding, *, now: datetime, position: int, stands: Condition | None = None
) -> Decision:
    """What was decided stands; only clusters that are forgotten drop out, since nobody there will ever answer.

    `stands` is the condition to give; without one the condition of before stays.
    """
    own = own_targets(previous, request.uid)
    clusters, removals = merge_targets(
        request, snapshot, previous, {name: target.replicas for name, target in own.items()}, own=own, now=now, position=position
    )
    said = stands or next((item for item in previous.conditions if item.type == SCHEDULED), None)
    return Decision(
        clusters=clusters,
        removals=removals,
        condition=said or condition(previous, "False", SUSPENDED, "scheduling is suspended", now),
        fits=said is not None and said.status == "True",
        affinity_name=previous.affinity_name,
        rescheduled_at=previous.rescheduled_at,
        snapshot=snapshot,
    )


def condition(previous: Binding | None, status: str, reason: str, message: str, now: datetime) -> Condition:
    """The Scheduled condition; the time of the last transition moves only with the status."""
    before = next((item for item in previous.conditions if item.type == SCHEDULED), None) if previous else None
    since = before.last_transition_time if before is not None and before.status == status else None
    return Condition(
        type=SCHEDULED, status=status, reason=reason, message=message, last_transition_time=since or now.strftime("%Y-%m-%dT%H:%M:%SZ")
    )


def _scores(attempt: Attempt) -> dict[str, int]:
    """Those that are not 0."""
    return {candidate.name: candidate.score for candidate in attempt.ranked if candidate.penalty}


def _try_affinities(
    request: Request,
    snapshot: Snapshot,
    previous: Binding | None,
    own: dict[str, TargetCluster],
    *,
    fresh: bool,
    plugins: Mapping[str, Plugin],
) -> Attempt:
    """R3.8: ordered groups from the one in use forwards, never back by itself; a plain affinity is a list of one."""
    terms: list[tuple[str, tuple[ClusterAffinity | None, ...]]] = [
        (term.affinity_name, (term.affinity, *(group.affinity for group in term.overflow_affinities if request.workload)))
        for term in request.placement.cluster_affinities
    ] or [("", (request.placement.cluster_affinity,))]
    names = [name for name, _ in terms]
    observed = previous.affinity_name if previous is not None and own and not fresh else ""
    start = names.index(observed) if observed in names else 0
    leaving = snapshot.bits(request.evictions) | snapshot.bits(_evicted(previous.removals) if previous else ())
    first: Attempt | None = None
    for name, affinities in terms[start:]:
        question = Question(request, snapshot, affinities, snapshot.bits(own), leaving)
        attempt = _try(question, own, name, fresh=fresh, plugins=plugins)
        if not isinstance(attempt.shares, Unplaced):
            return attempt
        first = first or attempt
    assert first is not None  # There is always at least one term.
    return first


def _evicted(removals: Mapping[str, Removal]) -> list[str]:
    return [name for name, removal in removals.items() if removal.reason in EVICTIONS]


def _try(question: Question, own: dict[str, TargetCluster], name: str, *, fresh: bool, plugins: Mapping[str, Plugin]) -> Attempt:
    """Filter, rank, select, assign under one affinity."""
    filtered = run_filters(question, plugins)
    if not filtered.feasible:
        return Attempt(Unplaced(NO_CLUSTER_FIT, summary(question.snapshot, filtered.refusals)), filtered.refusals, name)
    if not question.request.divided and not needs_ranking(question.request):
        everybody = whole(question.request, question.snapshot.names_in(filtered.feasible))
        return Attempt(everybody, filtered.refusals, name, rounds=("every feasible cluster gets it",))
    ranked = rank_candidates(question, filtered.feasible, own)
    selected = select(question.request, ranked)
    if isinstance(selected, Unplaced):
        return Attempt(selected, filtered.refusals, name, ranked)
    division = Division(question.request, question.snapshot, fresh=fresh)
    shares = division.assign(selected)
    return Attempt(shares, filtered.refusals, name, ranked, (*_passed_over(ranked, selected), *division.rounds))


def _passed_over(ranked: Sequence[Candidate], selected: Sequence[Candidate]) -> tuple[str, ...]:
    """Which clusters fit and were left by the spread constraints; nothing when all that fit take part."""
    if len(selected) == len(ranked):
        return ()
    used = {candidate.name for candidate in selected}
    others = list(islice((candidate for candidate in ranked if candidate.name not in used), _SHOWN_MAX))
    shown = ", ".join(f"{one.name} (score {one.score}{f', room {one.room}' if one.room < UNLIMITED else ''})" for one in others)
    left = len(ranked) - len(selected) - len(others)
    more = f" and {left} more" if left else ""
    return (f"{len(selected)} of {len(ranked)} clusters that fit are enough; not needed: {shown}{more}",)


def _stay(
    request: Request,
    snapshot: Snapshot,
    previous: Binding | None,
    own: dict[str, TargetCluster],
    attempt: Attempt,
    *,
    now: datetime,
    position: int,
) -> Decision:
    """Nothing drops out: the targets that run stay, also those that ought to go, and the condition says why."""
    assert isinstance(attempt.shares, Unplaced)
    clusters, removals = merge_targets(
        request, snapshot, previous, {name: target.replicas for name, target in own.items()}, own=own, now=now, position=position
    )
    return Decision(
        clusters=clusters,
        removals=removals,
        condition=condition(previous, "False", attempt.shares.reason, attempt.shares.message, now),
        fits=False,
        affinity_name=previous.affinity_name if previous and own else "",
        rescheduled_at=previous.rescheduled_at if previous else "",
        refusals=attempt.refusals,
        snapshot=snapshot,
        scores=_scores(attempt),
        rounds=attempt.rounds,
    )
