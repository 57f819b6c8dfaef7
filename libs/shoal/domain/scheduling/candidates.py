"""The feasible clusters with what ranks them: overflow tier, score, room, name (R3.6, R3.7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import repeat
from operator import neg
from typing import NamedTuple

from shoal.api.binding import TargetCluster
from shoal.domain.scheduling.estimate import UNLIMITED
from shoal.domain.scheduling.question import Question
from shoal.domain.scheduling.snapshot import Bits

LOCALITY_SCORE = 100
"""For a cluster that has the workload already (R3.6)."""
_TIER_SCORES = (60, 40, 20)
"""Beside what runs, a replacement goes first to the best tier that failover prefers; later tiers than these count 0."""


class Candidate(NamedTuple):
    tier: int
    """0 = main affinity, i = its i-th overflow group (R4.14)."""
    penalty: int
    """The score, negated."""
    shortage: int
    """Available replicas, negated: room and what is held here already."""
    name: str
    """The first four fields are the rank, smallest first (R3.7): ties break by name, so that two schedulers agree without talking."""
    room: int
    """Further replicas that fit (`alloc` of R4.8)."""
    current: int
    """Replicas of the previous decision that are here (`cur` of R4.8)."""
    region: str
    preference: int
    """Which tier of `Request.prefer` it is in; their number when in none."""

    @property
    def score(self) -> int:
        return -self.penalty

    @property
    def available(self) -> int:
        return -self.shortage


def candidate(
    name: str, *, tier: int = 0, score: int = 0, room: int = 0, current: int = 0, region: str = "", preference: int = 0
) -> Candidate:
    return Candidate(tier, -score, -(room + current), name, room, current, region, preference)


def rank_candidates(question: Question, feasible: Bits, targets: Mapping[str, TargetCluster]) -> list[Candidate]:
    """All feasible clusters, best first."""
    ranked = list(_special(question, feasible, targets)) if _is_special(question, targets) else _plain(question, feasible)
    ranked.sort()
    return ranked


def _is_special(question: Question, targets: Mapping[str, TargetCluster]) -> bool:
    return bool(targets or question.request.prefer or question.request.estimates) or len(question.affinities) > 1


def _plain(question: Question, feasible: Bits) -> list[Candidate]:
    """The first placement of something over many clusters: only names and room tell them apart. Made column by column, for speed."""
    request, snapshot = question.request, question.snapshot
    names, regions = snapshot.chosen(snapshot.names, feasible), snapshot.chosen(snapshot.region_of, feasible)
    if not request.workload:
        same = repeat(UNLIMITED)
        return list(map(Candidate._make, zip(repeat(0), repeat(0), repeat(-UNLIMITED), names, same, repeat(0), regions, repeat(0))))
    room = list(snapshot.chosen(_general(question), feasible))
    return list(map(Candidate._make, zip(repeat(0), repeat(0), map(neg, room), names, room, repeat(0), regions, repeat(0))))


def _special(question: Question, feasible: Bits, targets: Mapping[str, TargetCluster]) -> list[Candidate]:
    request, snapshot = question.request, question.snapshot
    tiers = [snapshot.matching(affinity) for affinity in question.affinities] if len(question.affinities) > 1 else []
    prefer = [snapshot.bits(tier) for tier in request.prefer]
    room = _general(question) if request.workload else ()
    found = []
    for index in snapshot.indexes_in(feasible):
        cluster = snapshot.clusters[index]
        target, bit = targets.get(cluster.name), snapshot.bit(cluster.name)
        preference = next((level for level, tier in enumerate(prefer) if tier & bit), len(prefer)) if prefer else 0
        found.append(
            candidate(
                cluster.name,
                tier=next((level for level, tier in enumerate(tiers) if tier & bit), 0) if tiers else 0,
                score=_score(here=target is not None, preference=preference, preferring=bool(prefer)),
                # What is not heard takes nothing more, whatever it had room for when it was heard last.
                room=UNLIMITED if not room else _room(room[index], request.estimates, cluster.name) if cluster.ready else 0,
                current=(target.replicas or 0) if target else 0,
                region=cluster.region,
                preference=preference,
            )
        )
    return found


def _general(question: Question) -> Sequence[int]:
    """The general estimator's room by position, without what other decisions have taken of it and no inventory knows yet (E11)."""
    request, snapshot = question.request, question.snapshot
    general = snapshot.room(request.requirements, request.components)
    if not request.reserved:
        return general
    left = list(general)
    for name, taken in request.reserved.items():
        place = snapshot.place(name)
        if place is not None:
            left[place] = max(0, left[place] - taken)
    return left


def _score(*, here: bool, preference: int, preferring: bool) -> int:
    if here:
        return LOCALITY_SCORE
    return _TIER_SCORES[preference] if preferring and preference < len(_TIER_SCORES) else 0


def _room(general: int, estimates: dict[str, int] | None, name: str) -> int:
    """The minimum over the estimators that answered (R4.15)."""
    return min(general, estimates[name]) if estimates and name in estimates else general
