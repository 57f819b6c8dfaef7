"""The feasible clusters with what ranks them: overflow tier, score, room, name (R3.6, R3.7)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import compress, repeat
from operator import itemgetter, neg
from typing import NamedTuple

import msgspec

from shoal.api.binding import TargetCluster
from shoal.domain.scheduling.estimate import UNLIMITED, size_of
from shoal.domain.scheduling.question import Question
from shoal.domain.scheduling.snapshot import Bits, Snapshot

LOCALITY_SCORE = 100
"""For a cluster that has the workload already (R3.6)."""
_TIER_SCORES = (60, 40, 20)
"""Beside what runs, a replacement goes first to the best tier that failover prefers; later tiers than these count 0."""
PREFERENCE_MAX = 19
"""Best score by priority and cost (KA02): below every tier of failover, so that it only tells equals apart."""


class Candidate(msgspec.Struct, frozen=True, order=True, gc=False):
    """One cluster in a decision. Thousands of them live in a snapshot's memory: they hold no references that a collector has to follow."""

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
    group: str
    """Of the topology that copies are spread over: the region, unless the placement says otherwise."""
    preference: int
    """Which tier of `Request.prefer` it is in; their number when in none."""

    @property
    def score(self) -> int:
        return -self.penalty

    @property
    def available(self) -> int:
        return -self.shortage


def candidate(
    name: str, *, tier: int = 0, score: int = 0, room: int = 0, current: int = 0, group: str = "", preference: int = 0
) -> Candidate:
    return Candidate(tier, -score, -(room + current), name, room, current, group, preference)


class _Ranking(NamedTuple):
    """All clusters as a first placement of some size sees them, best first: what most decisions start from."""

    candidates: tuple[Candidate, ...]
    order: tuple[int, ...]
    """Position of each."""


def rank_candidates(question: Question, feasible: Bits, targets: Mapping[str, TargetCluster], topology: str = "region") -> list[Candidate]:
    """All feasible clusters, best first, each with its group of `topology`."""
    request = question.request
    if request.prefer or len(question.affinities) > 1:  # Every cluster may be special.
        return sorted(_special(question, feasible, targets, topology))
    ranking = _ranking(question, topology)
    special = _special_names(question, targets)
    bits = feasible & ~special if special else feasible
    ranked = list(_among(ranking, question.snapshot, bits))
    if found := special & feasible:
        own = _singled_out(question, targets)
        # Nearly every cluster has a reservation while much is being decided, and then only that: no need to look for more.
        ranked.extend(_reserved(question, found & ~own, topology))
        ranked.extend(_special(question, found & own, targets, topology))
        ranked.sort()
    return ranked


def _ranking(question: Question, topology: str) -> _Ranking:
    request, snapshot = question.request, question.snapshot
    size = size_of(request.requirements, request.components) if request.workload else ()
    wanted = request.options.prefer
    key = ("ranking", size, wanted, topology)
    return snapshot.kept(key, lambda: _ranked(question, topology), lambda before, places: _reranked(question, topology, before, places))


def _ranked(question: Question, topology: str) -> _Ranking:
    """Made column by column, for speed."""
    request, snapshot = question.request, question.snapshot
    count = len(snapshot.names)
    room: Sequence[int] = snapshot.room(request.requirements, request.components) if request.workload else (UNLIMITED,) * count
    score: Sequence[int] = snapshot.levels(request.options.prefer, PREFERENCE_MAX) if request.options.prefer else (0,) * count
    columns = (repeat(0), map(neg, score), map(neg, room), snapshot.names, room, repeat(0), snapshot.groups(topology), repeat(0))
    unordered = list(map(Candidate, *columns))
    # Names are in order already, and sorting keeps the order of equals.
    order = sorted(range(count), key=room.__getitem__, reverse=True)
    if request.options.prefer:
        order.sort(key=score.__getitem__, reverse=True)
    return _Ranking(tuple([unordered[place] for place in order]), tuple(order))


def _reranked(question: Question, topology: str, before: _Ranking, places: frozenset[int]) -> _Ranking:
    """The ranking of before, but for the clusters at some places."""
    request, snapshot = question.request, question.snapshot
    room: Sequence[int] = snapshot.room(request.requirements, request.components) if request.workload else ()
    levels = snapshot.levels(request.options.prefer, PREFERENCE_MAX) if request.options.prefer else ()
    groups = snapshot.groups(topology)
    candidates, order = list(before.candidates), list(before.order)
    for place in places:
        index = order.index(place)
        del candidates[index], order[index]
    for place in places:
        score, free = levels[place] if levels else 0, room[place] if room else UNLIMITED
        now = candidate(snapshot.names[place], score=score, room=free, group=groups[place])
        index = bisect_left(candidates, now)
        candidates.insert(index, now)
        order.insert(index, place)
    return _Ranking(tuple(candidates), tuple(order))


def _among(ranking: _Ranking, snapshot: Snapshot, bits: Bits) -> Iterator[Candidate]:
    """Those of the set, in their rank."""
    if bits == snapshot.universe:
        return iter(ranking.candidates)
    return compress(ranking.candidates, _flags_in(ranking.order, snapshot.flags(bits)))


def _flags_in(order: tuple[int, ...], flags: bytes) -> Sequence[int]:
    return itemgetter(*order)(flags) if len(order) > 1 else flags


def _special_names(question: Question, targets: Mapping[str, TargetCluster]) -> Bits:
    """Clusters of which more is known than their free room."""
    request, snapshot = question.request, question.snapshot
    bits = snapshot.bits(targets) if targets else 0
    if request.workload and request.reserved:
        bits |= snapshot.bits(request.reserved)
    if request.workload and request.estimates:
        bits |= snapshot.bits(request.estimates)
    if request.resting:
        bits |= snapshot.bits(request.resting)
    return bits


def _singled_out(question: Question, targets: Mapping[str, TargetCluster]) -> Bits:
    """Clusters that are looked at one by one: those with a target, those that were estimated, and those that rest."""
    request, snapshot = question.request, question.snapshot
    estimates = request.estimates if request.workload else None
    return snapshot.bits(targets) | (snapshot.bits(estimates) if estimates else 0) | snapshot.bits(request.resting)


def _reserved(question: Question, bits: Bits, topology: str) -> Iterator[Candidate]:
    """Clusters of which nothing is special but what other decisions took of their room (E11)."""
    request, snapshot = question.request, question.snapshot
    room, groups = snapshot.room(request.requirements, request.components), snapshot.groups(topology)
    levels = snapshot.levels(request.options.prefer, PREFERENCE_MAX) if request.options.prefer else ()
    names, taken = snapshot.names, request.reserved
    for index in snapshot.indexes_in(bits):
        left = room[index] - taken[names[index]]
        left = left if left > 0 else 0
        score = levels[index] if levels else 0
        yield Candidate(0, -score, -left, names[index], left, 0, groups[index], 0)


def _special(question: Question, bits: Bits, targets: Mapping[str, TargetCluster], topology: str) -> Iterator[Candidate]:
    """One by one: what is held, estimated, reserved and preferred there."""
    request, snapshot = question.request, question.snapshot
    tiers = [snapshot.matching(affinity) for affinity in question.affinities] if len(question.affinities) > 1 else []
    prefer = [snapshot.bits(tier) for tier in request.prefer]
    room = snapshot.room(request.requirements, request.components) if request.workload else ()
    groups = snapshot.groups(topology)
    levels = snapshot.levels(request.options.prefer, PREFERENCE_MAX) if request.options.prefer else ()
    for index in snapshot.indexes_in(bits):
        cluster = snapshot.clusters[index]
        target, bit = targets.get(cluster.name), snapshot.bit(cluster.name)
        preference = next((level for level, tier in enumerate(prefer) if tier & bit), len(prefer)) if prefer else 0
        yield candidate(
            cluster.name,
            tier=next((level for level, tier in enumerate(tiers) if tier & bit), 0) if tiers else 0,
            score=_score(here=target is not None, preference=preference, preferring=bool(prefer)) + (levels[index] if levels else 0),
            room=_room(question, room[index], cluster.name) if room else UNLIMITED,
            current=max(0, (target.replicas or 0) - request.unschedulable.get(cluster.name, 0)) if target else 0,
            group=groups[index],
            preference=preference,
        )


def _score(*, here: bool, preference: int, preferring: bool) -> int:
    if here:
        return LOCALITY_SCORE
    return _TIER_SCORES[preference] if preferring and preference < len(_TIER_SCORES) else 0


def _room(question: Question, general: int, name: str) -> int:
    """The minimum over the estimators that answered (R4.15), the general one without what other decisions have taken of it (E11)."""
    request = question.request
    if name in request.resting:
        return 0
    if request.reserved:
        general = max(0, general - request.reserved.get(name, 0))
    return min(general, request.estimates[name]) if request.estimates and name in request.estimates else general
