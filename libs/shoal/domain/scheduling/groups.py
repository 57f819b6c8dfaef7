"""Groups of clusters that copies are spread over (regions, unless the placement says otherwise): what each is worth, and which are used.

R3.16 to R3.18, for any topology.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from shoal.domain.scheduling.candidates import Candidate
from shoal.domain.scheduling.request import Request

_STEPS_MAX = 20_000
"""Combinations that are looked at. Twenty groups in threes are 1,140; what lies beyond the bound is worse than what was found before."""


class Group(NamedTuple):
    name: str
    clusters: Sequence[Candidate]
    """Best first."""
    weight: int
    """Group score of R3.16."""

    @property
    def value(self) -> int:
        return len(self.clusters)


Fits = Callable[[Sequence[Group]], bool]
"""What a combination has to fulfil beside the number of its clusters."""


def group_candidates(request: Request, ranked: Iterable[Candidate], *, group_min: int, cluster_min: int) -> list[Group]:
    """The candidates by group, with their scores."""
    members: dict[str, list[Candidate]] = {}
    for candidate in ranked:
        try:
            members[candidate.group].append(candidate)
        except KeyError:
            members[candidate.group] = [candidate]
    return [Group(name, clusters, _weight(request, clusters, group_min, cluster_min)) for name, clusters in members.items()]


def _weight(request: Request, clusters: Sequence[Candidate], group_min: int, cluster_min: int) -> int:
    """R3.16: capacity in thousands first, the average score behind it."""
    if not request.divided:
        count, total = 0, 0
        for one in clusters:
            if -one.shortage >= request.replicas:
                count, total = count + 1, total - one.penalty
        return 1000 * count + total // count if count else 0
    share = -(-request.replicas // group_min)
    least = max(cluster_min, group_min)
    room = score = used = 0
    for candidate in clusters:
        room, score, used = room - candidate.shortage, score - candidate.penalty, used + 1
        if used >= least and room >= share:
            break
    return 1000 * min(room, share) + score // used


def combinations(groups: Sequence[Group], *, least: int, most: int, clusters_least: int, fits: Fits | None = None) -> Iterator[list[Group]]:
    """R3.18: feasible combinations, the best first, each with the heaviest group first. Nothing when none is feasible."""
    if fits is None and (best := _heaviest(groups, least, clusters_least)) is not None:
        yield best
        return
    if len(groups) == least:
        whole = tuple(_search_order(groups))
        found = [whole] if sum(group.value for group in groups) >= clusters_least and (fits is None or fits(whole)) else []
    else:
        found = _enumerated(_search_order(groups), least, most, clusters_least, fits)
    # The order in which they were found is the last tie break: sorting is stable.
    found.sort(key=lambda combination: (-sum(group.weight for group in combination), -sum(group.value for group in combination)))
    ordered = [_by_weight(combination) for combination in found]
    if not ordered:
        return
    best = ordered[0]
    for combination in ordered[1:]:
        if len(combination) < len(best) and best[: len(combination)] == combination:
            best = combination
    yield best
    yield from (combination for combination in ordered if combination is not best)


def _heaviest(groups: Sequence[Group], least: int, clusters_least: int) -> list[Group] | None:
    """The answer without a search, when every combination of the least size is feasible; None when that is not sure.

    Then combinations stop growing at that size, and the best is made of the heaviest groups; of equals those with more clusters, then those
    that the search meets first.
    """
    if len(groups) < least or sum(sorted(group.value for group in groups)[:least]) < clusters_least:
        return None
    ranked = sorted(_search_order(groups), key=lambda group: (-group.weight, -group.value))
    return _by_weight(ranked[:least])


def _by_weight(combination: Iterable[Group]) -> list[Group]:
    return sorted(combination, key=lambda group: (-group.weight, group.name))


def _search_order(groups: Iterable[Group]) -> list[Group]:
    return sorted(groups, key=lambda group: (group.value, -group.weight, group.name))


def _enumerated(groups: Sequence[Group], least: int, most: int, clusters_least: int, fits: Fits | None) -> list[tuple[Group, ...]]:
    """Depth first; a branch ends when it is feasible (kept) or full (dropped)."""
    found: list[tuple[Group, ...]] = []
    steps = 0

    def grow(start: int, path: tuple[Group, ...], value: int) -> None:
        nonlocal steps
        for index in range(start, len(groups)):
            if (steps := steps + 1) > _STEPS_MAX:
                return
            longer, total = (*path, groups[index]), value + groups[index].value
            if total >= clusters_least and least <= len(longer) <= most and (fits is None or fits(longer)):
                found.append(longer)
            elif len(longer) < most:
                grow(index + 1, longer, total)

    grow(0, (), 0)
    return found
