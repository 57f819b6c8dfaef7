"""Regions as groups of clusters: what each is worth, and which combination is used (R3.16 to R3.18)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from shoal.domain.scheduling.candidates import Candidate
from shoal.domain.scheduling.request import Request

_STEPS_MAX = 50_000
"""Combinations that are looked at. Twenty regions in threes are 1,140; what lies beyond the bound is worse than what was found before."""


class Region(NamedTuple):
    name: str
    clusters: tuple[Candidate, ...]
    """Best first."""
    weight: int
    """Group score of R3.16."""

    @property
    def value(self) -> int:
        return len(self.clusters)


def group_regions(request: Request, ranked: Sequence[Candidate], *, region_min: int, cluster_min: int) -> list[Region]:
    """The candidates by region, with their group scores."""
    members: dict[str, list[Candidate]] = {}
    for candidate in ranked:
        members.setdefault(candidate.region, []).append(candidate)
    return [Region(name, tuple(clusters), _weight(request, clusters, region_min, cluster_min)) for name, clusters in members.items()]


def _weight(request: Request, clusters: Sequence[Candidate], region_min: int, cluster_min: int) -> int:
    """R3.16: capacity in thousands first, the average score behind it."""
    if not request.divided:
        fitting = [candidate.score for candidate in clusters if candidate.available >= request.replicas]
        return 1000 * len(fitting) + sum(fitting) // len(fitting) if fitting else 0
    share = -(-request.replicas // region_min)
    least = max(cluster_min, region_min)
    room = score = used = 0
    for candidate in clusters:
        room, score, used = room + candidate.available, score + candidate.score, used + 1
        if used >= least and room >= share:
            break
    return 1000 * min(room, share) + score // used


def choose_regions(groups: Sequence[Region], *, least: int, most: int, clusters_least: int) -> list[Region] | None:
    """R3.18: the heaviest feasible combination, cut to a feasible prefix of itself; None when none is feasible."""
    if len(groups) == least:
        combinations = [tuple(_search_order(groups))] if sum(group.value for group in groups) >= clusters_least else []
    else:
        combinations = _combinations(_search_order(groups), least, most, clusters_least)
    if not combinations:
        return None
    # The order in which they were found is the last tie break: sorting is stable.
    combinations.sort(key=lambda combination: (-sum(group.weight for group in combination), -sum(group.value for group in combination)))
    ordered = [tuple(sorted(combination, key=lambda group: (-group.weight, group.name))) for combination in combinations]
    best = ordered[0]
    for combination in ordered[1:]:
        if len(combination) < len(best) and best[: len(combination)] == combination:
            best = combination
    return list(best)


def _search_order(groups: Sequence[Region]) -> list[Region]:
    return sorted(groups, key=lambda group: (group.value, -group.weight, group.name))


def _combinations(groups: Sequence[Region], least: int, most: int, clusters_least: int) -> list[tuple[Region, ...]]:
    """Depth first; a branch ends when it is feasible (kept) or full (dropped)."""
    found: list[tuple[Region, ...]] = []
    steps = 0

    def grow(start: int, path: tuple[Region, ...], value: int) -> None:
        nonlocal steps
        for index in range(start, len(groups)):
            if (steps := steps + 1) > _STEPS_MAX:
                return
            longer, total = (*path, groups[index]), value + groups[index].value
            if total >= clusters_least and least <= len(longer) <= most:
                found.append(longer)
            elif len(longer) < most:
                grow(index + 1, longer, total)

    grow(0, (), 0)
    return found
