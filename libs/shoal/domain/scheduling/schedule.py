"""One request, placed: filter, rank, select, assign, and the targets that come out of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import takewhile
from operator import attrgetter

import msgspec

from shoal.api.binding import SCHEDULED, SUCCESS, SUSPENDED, Binding, TargetCluster
from shoal.api.meta import Condition
from shoal.domain.scheduling.assign import whole
from shoal.domain.scheduling.attempt import Attempt, Situation, in_use, terms_of, try_terms
from shoal.domain.scheduling.decision import Decision
from shoal.domain.scheduling.ladder import due, rebalance_requested
from shoal.domain.scheduling.plugins import PLUGINS, Plugin
from shoal.domain.scheduling.reacting import Reaction, react, standing_of
from shoal.domain.scheduling.request import Request
from shoal.domain.scheduling.snapshot import Snapshot
from shoal.domain.scheduling.targets import merge_targets
from shoal.domain.scheduling.unplaced import Unplaced

SUCCESS_MESSAGE = "Binding has been scheduled successfully."


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
    known = snapshot.by_name.keys()  # Asked whether it has them all: a difference would go through every cluster.
    unknown = {} if own.keys() <= known else {name: target for name, target in own.items() if name not in known}
    situation = Situation(_beside(request, unknown), snapshot, own, previous.removals if previous else {}, plugins)
    terms, fresh = terms_of(request), rebalance_requested(request, previous)
    start = in_use(terms, previous, placed=bool(own) and not fresh)
    why = due(request, snapshot, previous, own) if previous is not None else "nothing is placed yet"
    standing = previous.standing if previous is not None and own else None
    reaction = react(situation, terms, start, standing, due=bool(why), now=now) if own and not fresh else Reaction(standing)
    if previous is not None and not why and reaction.attempt is None:
        said = condition(previous, "True", SUCCESS, SUCCESS_MESSAGE, now)
        kept = keep(request, snapshot, previous, now=now, position=position, stands=said)
        return msgspec.structs.replace(kept, standing=reaction.standing, recheck_after_s=reaction.recheck_after_s)
    # What only moves on for want of a node takes nothing that runs along.
    anew = fresh or (request.options.balance and not request.unschedulable)
    attempt = reaction.attempt or try_terms(situation, terms[start:], fresh=anew)
    if isinstance(attempt.shares, Unplaced):
        return _stay(request, snapshot, previous, own, attempt, reaction, now=now, position=position)
    shares = attempt.shares | (whole(request, unknown) if not request.divided else {name: t.replicas for name, t in unknown.items()})
    moving = reaction.attempt is not None
    clusters, removals = merge_targets(request, snapshot, previous, shares, own=own, now=now, position=position, fresh=fresh, moving=moving)
    return Decision(
        clusters=clusters,
        removals=removals,
        condition=condition(previous, "True", SUCCESS, SUCCESS_MESSAGE, now),
        fits=True,
        placed=True,
        affinity_name=attempt.affinity_name,
        rescheduled_at=request.reschedule_at or (previous.rescheduled_at if previous else ""),
        standing=reaction.standing if moving else standing_of(request, snapshot, attempt, reaction.standing, now=now),
        recheck_after_s=reaction.recheck_after_s,
        refusals=attempt.refusals,
        snapshot=snapshot,
        scores=_scores(attempt),
        rounds=(reaction.why or why, *attempt.rounds),
    )


def _as_held(request: Request, previous: Binding | None, own: Mapping[str, TargetCluster]) -> dict[str, int | None]:
    """Replicas as they stand. A copy without a number, which has none since its template had none (R4.1), keeps that: it would follow the
    template otherwise, and run what was not decided."""
    had = previous.replicas if previous is not None and request.divisible else None
    return {name: had if target.replicas is None else target.replicas for name, target in own.items()}


def _beside(request: Request, unknown: Mapping[str, TargetCluster]) -> Request:
    """What is left to place beside targets whose clusters have no entry: those stay as they are, since absence is no order to leave."""
    if not unknown or not request.divided:
        return request
    return msgspec.structs.replace(request, replicas=max(0, request.replicas - sum(target.replicas or 0 for target in unknown.values())))


def own_targets(previous: Binding | None, uid: str) -> dict[str, TargetCluster]:
    """The previous targets that are the binding's own and of this very object; what only owners asked for is theirs."""
    if previous is None or previous.template_uid != uid:
        return {}
    if not previous.attached:
        return {target.name: target for target in previous.clusters}
    return {target.name: target for target in previous.clusters if target.name not in previous.attached}


def keep(
    request: Request, snapshot: Snapshot, previous: Binding, *, now: datetime, position: int, stands: Condition | None = None
) -> Decision:
    """What was decided stands; only clusters that are forgotten drop out, since nobody there will ever answer.

    `stands` is the condition to give; without one the condition of before stays.
    """
    own = own_targets(previous, request.uid)
    clusters, removals = merge_targets(
        request, snapshot, previous, _as_held(request, previous, own), own=own, now=now, position=position, placed=False
    )
    said = stands or next((item for item in previous.conditions if item.type == SCHEDULED), None)
    return Decision(
        clusters=clusters,
        removals=removals,
        condition=said or condition(previous, "False", SUSPENDED, "scheduling is suspended", now),
        fits=said is not None and said.status == "True",
        affinity_name=previous.affinity_name,
        rescheduled_at=previous.rescheduled_at,
        standing=previous.standing,
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
    groups = attempt.question.affinities
    scored = attempt.ranked if len(groups) > 1 else takewhile(attrgetter("penalty"), attempt.ranked)  # Ranked by it within a group.
    return {one.name: one.score for one in scored if one.penalty}


def _stay(
    request: Request,
    snapshot: Snapshot,
    previous: Binding | None,
    own: dict[str, TargetCluster],
    attempt: Attempt,
    reaction: Reaction,
    *,
    now: datetime,
    position: int,
) -> Decision:
    """Nothing drops out: the targets that run stay, also those that ought to go, and the condition says why."""
    assert isinstance(attempt.shares, Unplaced)
    clusters, removals = merge_targets(
        request, snapshot, previous, _as_held(request, previous, own), own=own, now=now, position=position, placed=False
    )
    return Decision(
        clusters=clusters,
        removals=removals,
        condition=condition(previous, "False", attempt.shares.reason, attempt.shares.message, now),
        fits=False,
        affinity_name=previous.affinity_name if previous and own else "",
        rescheduled_at=previous.rescheduled_at if previous else "",
        standing=reaction.standing,
        recheck_after_s=reaction.recheck_after_s,
        refusals=attempt.refusals,
        snapshot=snapshot,
        scores=_scores(attempt),
        rounds=attempt.rounds,
    )
