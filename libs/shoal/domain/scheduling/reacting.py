"""Moves that nobody's edit asks for: a divided workload follows its clusters (GX01, GX23, KA04), a group is returned to (GX02).

Only where the policy opts in, only in its windows, only as fast as it allows, and a step is made only when the one before runs. Everything
that has to be known of the past is in the binding's `standing`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from shoal.api.binding import Standing
from shoal.api.options import APIS, JOINED, LABELS, RECOVERED
from shoal.domain.scheduling.attempt import Attempt, Situation, Term, try_term
from shoal.domain.scheduling.request import AGGREGATED, Request
from shoal.domain.scheduling.snapshot import Snapshot
from shoal.domain.scheduling.unplaced import Unplaced

_RECHECK_S = 15.0
"""While a copy is not settled the next step waits; who reports that changes no input that wakes a decision."""
_PHASE_S = 5.0
"""A workload's own time lasts a tenth of the interval, and at least this, so that a queue that is behind does not miss it."""
_WORDS = {JOINED: "joined", LABELS: "matches now", RECOVERED: "is back", APIS: "serves the kind now"}
Shares = dict[str, int | None]


class Reaction(NamedTuple):
    """What to do beside the ladder."""

    standing: Standing | None
    why: str = ""
    """Empty: nothing moves now."""
    attempt: Attempt | None = None
    """The placement to move to, or to step towards."""
    recheck_after_s: float | None = None


def react(situation: Situation, terms: Sequence[Term], start: int, known: Standing | None, *, due: bool, now: datetime) -> Reaction:
    """What the policy's options say of something that is placed already, in the group `start`. `due`: it is placed again anyway."""
    request = situation.request
    if not request.options.reacts:
        return Reaction(None)
    wait: float | None = None
    if request.options.return_after_s is not None and start > 0 and not request.evictions:
        found = next(
            ((term, attempt) for term, attempt in _attempts(situation, terms[:start]) if not isinstance(attempt.shares, Unplaced)), None
        )
        if found is not None:
            back = give_back(situation, *found, known, now=now)
            if back.attempt is not None:
                return back._replace(standing=standing_of(request, situation.snapshot, back.attempt, back.standing, now=now))
            known, wait = back.standing, back.recheck_after_s
        elif known is not None:
            known = msgspec.structs.replace(known, preferred="", preferred_since="")
    if due or not request.options.follow or not request.divided:
        return Reaction(known, recheck_after_s=wait)
    reaction = follow(situation, terms[start], known, now=now)
    waits = [one for one in (wait, reaction.recheck_after_s) if one is not None]
    return reaction._replace(recheck_after_s=min(waits, default=None))


def _attempts(situation: Situation, terms: Sequence[Term]) -> Iterator[tuple[Term, Attempt]]:
    for term in terms:
        yield term, try_term(situation, term, fresh=False)


def standing_of(request: Request, snapshot: Snapshot, attempt: Attempt, known: Standing | None, *, now: datetime) -> Standing | None:
    """What to remember of a placement that is made now; None where nothing reacts."""
    if not request.options.reacts:
        return None
    if not request.options.follow or not request.divided:
        return known
    return _with_group(census(request, snapshot, attempt, now=now), known)


def census(request: Request, snapshot: Snapshot, attempt: Attempt, *, now: datetime) -> Standing:
    """What a placement that is made now is made among."""
    refused: dict[str, int] = {RECOVERED: 0, APIS: 0}
    left = snapshot.everything
    matching = 0
    for affinity in attempt.question.affinities:
        matching |= snapshot.matching(affinity)
    for bits, rejection in attempt.refusals:
        left &= ~bits
        refused[APIS if rejection.reason == "APINotEnabled" else RECOVERED] |= bits & matching
    outside = {word: tuple(snapshot.names_in(bits)) for word, bits in refused.items() if bits}
    return Standing(at=_text(now), candidates=tuple(snapshot.names_in(left)), outside=outside)


def follow(situation: Situation, term: Term, known: Standing | None, *, now: datetime) -> Reaction:
    """Whether clusters that came, or went, make a divided workload spread anew."""
    request, snapshot = situation.request, situation.snapshot
    attempt = try_term(situation, term, fresh=True)
    present = census(request, snapshot, attempt, now=now)
    if known is None or not known.at:
        return Reaction(_with_group(present, known))
    known = _without_forgotten(snapshot, known)
    causes = list(_causes(situation, known, present))
    if not causes or isinstance(attempt.shares, Unplaced):
        return Reaction(known)
    current = {name: target.replicas for name, target in situation.own.items() if name in snapshot}
    arrived = _with_group(present, known)
    if attempt.shares == current or not _worth(request, attempt.shares, current, causes):
        return Reaction(arrived)
    if (wait := _wait(request, known.moved_at, now)) > 0:
        return Reaction(known, recheck_after_s=wait)
    goal = attempt.shares
    step = _step(current, goal, request.options.rate.replicas if request.options.rate else None)
    standing = msgspec.structs.replace(arrived if step == goal else known, moved_at=_text(now))
    text = ", ".join(causes[:5]) + (f" and {len(causes) - 5} more" if len(causes) > 5 else "")
    moving = attempt._replace(shares=step)
    return Reaction(standing, text, moving, _wait(request, standing.moved_at, now) or _RECHECK_S if step != goal else None)


def _with_group(present: Standing, known: Standing | None) -> Standing:
    """What is known of better groups, and of the last step, stays."""
    if known is None:
        return present
    return msgspec.structs.replace(present, moved_at=known.moved_at, preferred=known.preferred, preferred_since=known.preferred_since)


def give_back(situation: Situation, better: Term, attempt: Attempt, known: Standing | None, *, now: datetime) -> Reaction:
    """Whether a better group fitted for long enough. `attempt` is one of that group that works."""
    request = situation.request
    known = known or Standing()
    stable = request.options.return_after_s or 0
    if known.preferred != better.name:
        return Reaction(
            msgspec.structs.replace(known, preferred=better.name, preferred_since=_text(now)),
            recheck_after_s=max(float(stable), 1.0),
        )
    left = stable - (now - _time(known.preferred_since)).total_seconds()
    wait = max(left, request.options.opens_in(now))
    if wait > 0:
        return Reaction(known, recheck_after_s=wait)
    return Reaction(
        msgspec.structs.replace(known, preferred="", preferred_since=""),
        f"group {better.name} fits again since {known.preferred_since}",
        attempt,
    )


def _causes(situation: Situation, known: Standing, present: Standing) -> Iterator[str]:
    """Sentences: which clusters came or went, and how."""
    request, snapshot = situation.request, situation.snapshot
    outside = {name: word for word, names in known.outside.items() for name in names}
    for name in sorted(set(present.candidates).difference(known.candidates), key=str.encode):
        word = outside.get(name)
        if word is None:
            cluster = snapshot.get(name)
            word = JOINED if cluster is not None and cluster.created >= known.at else LABELS
        if word in request.options.follow:
            yield f"cluster {name} {_WORDS[word]}"
    if LABELS in request.options.follow:
        matching = set(present.candidates)
        yield from (f"cluster {name} does not match any more" for name in situation.own if name in snapshot and name not in matching)


def _worth(request: Request, goal: Mapping[str, int | None], current: Mapping[str, int | None], causes: list[str]) -> bool:
    """Aggregated wants few clusters: a new one is a reason only when fewer are enough then."""
    if request.strategy != AGGREGATED or any(cause.endswith("any more") for cause in causes):
        return True
    return len(goal) < len(current)


def _wait(request: Request, moved_at: str, now: datetime) -> float:
    """Seconds until the next step may be made; 0: now.

    With a rate, each workload has its own time within the interval, from its uid: a thousand of them do not move at once.
    """
    options = request.options
    waits = [options.opens_in(now), 0.0 if request.settled else _RECHECK_S]
    if options.rate is not None:
        every = options.rate.every_s
        since = (now.timestamp() - zlib.crc32(request.uid.encode()) % every) % every
        moved = bool(moved_at) and (now - _time(moved_at)).total_seconds() <= since
        if moved or since > max(_PHASE_S, every / 10):
            waits.append(every - since)
    return max(waits)


def _step(current: Mapping[str, int | None], goal: Mapping[str, int | None], most: int | None) -> Shares:
    """As far from here to there as one step goes; the largest differences first."""
    change = {name: (goal.get(name) or 0) - (current.get(name) or 0) for name in {**current, **goal}}
    moving = sum(number for number in change.values() if number > 0)
    if most is None or moving <= most:
        return dict(goal)
    shares = {name: current.get(name) or 0 for name in change}
    for sign in (-1, 1):
        left = most
        for name in sorted(change, key=lambda name: (-sign * change[name], name)):
            part = min(left, max(sign * change[name], 0))
            shares[name], left = shares[name] + sign * part, left - part
    return {name: shares[name] for name in sorted(shares) if shares[name] > 0}


def _without_forgotten(snapshot: Snapshot, known: Standing) -> Standing:
    """A cluster that is gone for good and comes again is a new one."""
    gone = [name for name in known.candidates if name not in snapshot or snapshot.bit(name) & snapshot.forgotten]
    if not gone:
        return known
    return msgspec.structs.replace(known, candidates=tuple(name for name in known.candidates if name not in gone))


def _text(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
