"""One affinity, or one ordered group after the other, tried: filter, rank, select, assign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from shoal.api.binding import EVICTIONS, NO_CLUSTER_FIT, Binding, Removal, TargetCluster
from shoal.api.policy import ClusterAffinity
from shoal.domain.scheduling.assign import Division, whole
from shoal.domain.scheduling.candidates import Candidate, rank_candidates
from shoal.domain.scheduling.estimate import UNLIMITED
from shoal.domain.scheduling.filter import run_filters, summary
from shoal.domain.scheduling.plugins import Plugin
from shoal.domain.scheduling.question import Question, Refusal
from shoal.domain.scheduling.request import Request
from shoal.domain.scheduling.select import needs_ranking, select, topology_of
from shoal.domain.scheduling.snapshot import Snapshot
from shoal.domain.scheduling.unplaced import Unplaced

_SHOWN_MAX = 5
"""Clusters that one sentence names."""


class Attempt(NamedTuple):
    """One affinity, tried."""

    question: Question
    shares: dict[str, int | None] | Unplaced
    refusals: tuple[Refusal, ...]
    affinity_name: str = ""
    ranked: Sequence[Candidate] = ()
    rounds: tuple[str, ...] = ()


class Term(NamedTuple):
    """One ordered group; a plain affinity is a list of one without a name."""

    name: str
    affinities: tuple[ClusterAffinity | None, ...]
    """Its own, then those of its overflow groups."""


class Situation(NamedTuple):
    """What every attempt of one decision shares."""

    request: Request
    snapshot: Snapshot
    own: Mapping[str, TargetCluster]
    """Targets that are not there for owners alone."""
    removals: Mapping[str, Removal]
    plugins: Mapping[str, Plugin]

    def question(self, term: Term) -> Question:
        leaving = self.snapshot.bits(self.request.evictions) | self.snapshot.bits(
            name for name, removal in self.removals.items() if removal.reason in EVICTIONS
        )
        return Question(self.request, self.snapshot, term.affinities, self.snapshot.bits(self.own), leaving)


def terms_of(request: Request) -> list[Term]:
    """Overflow groups count for workloads only."""
    return [
        Term(term.affinity_name, (term.affinity, *(group.affinity for group in term.overflow_affinities if request.workload)))
        for term in request.placement.cluster_affinities
    ] or [Term("", (request.placement.cluster_affinity,))]


def in_use(terms: Sequence[Term], previous: Binding | None, *, placed: bool) -> int:
    """Index of the ordered group that the previous decision is about; 0 without one."""
    names = [term.name for term in terms]
    return names.index(previous.affinity_name) if placed and previous is not None and previous.affinity_name in names else 0


def try_terms(situation: Situation, terms: Sequence[Term], *, fresh: bool) -> Attempt:
    """R3.8: the first group that works, else what the first one says."""
    first: Attempt | None = None
    for term in terms:
        attempt = try_term(situation, term, fresh=fresh)
        if not isinstance(attempt.shares, Unplaced):
            return attempt
        first = first or attempt
    assert first is not None  # There is always at least one term.
    return first


def try_term(situation: Situation, term: Term, *, fresh: bool) -> Attempt:
    """Filter, rank, select, assign under one affinity."""
    question = situation.question(term)
    request, snapshot = situation.request, situation.snapshot
    filtered = run_filters(question, situation.plugins)
    if not filtered.feasible:
        return Attempt(question, Unplaced(NO_CLUSTER_FIT, summary(snapshot, filtered.refusals)), filtered.refusals, term.name)
    if not request.divided and not needs_ranking(request):
        everybody = whole(request, snapshot.names_in(filtered.feasible))
        return Attempt(question, everybody, filtered.refusals, term.name, rounds=("every feasible cluster gets it",))
    ranked = rank_candidates(question, filtered.feasible, situation.own, topology_of(request))
    selected = select(request, ranked, snapshot)
    if isinstance(selected, Unplaced):
        return Attempt(question, selected, filtered.refusals, term.name, ranked)
    division = Division(request, snapshot, fresh=fresh)
    shares = division.assign(selected)
    return Attempt(question, shares, filtered.refusals, term.name, ranked, (*_passed_over(ranked, selected), *division.rounds))


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
