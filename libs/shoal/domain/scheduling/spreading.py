"""Clusters out of groups: the groups first, one cluster of each, then the best of the rest (R3.16 to R3.19).

Beyond Karmada, when the policy asks for it: any topology groups (GX09), several at once, and the chosen clusters have room (GX11).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from shoal.api.binding import SCHEDULER_ERROR
from shoal.api.policy import SpreadConstraint
from shoal.domain.scheduling.candidates import Candidate
from shoal.domain.scheduling.groups import Fits, Group, combinations, group_candidates
from shoal.domain.scheduling.request import Request
from shoal.domain.scheduling.snapshot import Snapshot
from shoal.domain.scheduling.unplaced import Unplaced

_TRIES_MAX = 50
"""Combinations of groups whose clusters are looked at one by one."""
Topologies = Sequence[tuple[str, SpreadConstraint]]


def choose_in_groups(
    request: Request, ranked: Sequence[Candidate], snapshot: Snapshot, topologies: Topologies, cluster: SpreadConstraint
) -> Sequence[Candidate] | Unplaced:
    """The clusters, within the limits of every topology and of the number of clusters."""
    (key, constraint), *later = topologies
    word = "regions" if key == "region" else f"groups by {key}"
    roomy = request.options.check_capacity and request.workload
    if roomy and not request.divided:
        ranked = [candidate for candidate in ranked if candidate.available >= request.replicas]
    least = max(constraint.min_groups, 1)
    groups = group_candidates(request, ranked, group_min=least, cluster_min=cluster.min_groups)
    if len(groups) < constraint.min_groups:
        return Unplaced(SCHEDULER_ERROR, f"the number of feasible {word} is {len(groups)}, fewer than minGroups {constraint.min_groups}")
    chooser = _Chooser(request, snapshot, later, cluster, need=request.replicas if roomy and request.divided else 0)
    found = combinations(
        groups, least=least, most=constraint.max_groups or len(groups), clusters_least=cluster.min_groups, fits=chooser.fits(groups)
    )
    refused: Unplaced | None = None
    for combination in islice(found, _TRIES_MAX):
        chosen = chooser.choose(combination)
        if not isinstance(chosen, Unplaced):
            return chosen
        refused = refused or chosen
    return refused or Unplaced(
        SCHEDULER_ERROR, f"no combination of {word} has {cluster.min_groups} feasible clusters within the limits{chooser.also}"
    )


class _Chooser:
    """Takes clusters out of chosen groups."""

    def __init__(self, request: Request, snapshot: Snapshot, later: Topologies, cluster: SpreadConstraint, *, need: int) -> None:
        self._request, self._cluster, self._need = request, cluster, need
        self._later = [(dict(zip(snapshot.names, snapshot.groups(key), strict=True)), key, constraint) for key, constraint in later]
        asked = [f"{constraint.min_groups} groups by {key}" for key, constraint in later] + ([f"room for {need} replicas"] if need else [])
        self.also = f" with {' and '.join(asked)}" if asked else ""

    def fits(self, groups: Sequence[Group]) -> Fits | None:
        """What a combination can be sorted out by, before its clusters are looked at."""
        if not self._later and not self._need:
            return None
        available = {group.name: sum(candidate.available for candidate in group.clusters) for group in groups}
        reach = {group.name: [{of[one.name] for one in group.clusters} for of, _, _ in self._later] for group in groups}

        def fits(combination: Sequence[Group]) -> bool:
            if sum(available[group.name] for group in combination) < self._need:
                return False
            together = zip(*(reach[group.name] for group in combination), strict=True)
            return all(
                len(set().union(*sets)) >= constraint.min_groups for sets, (_, _, constraint) in zip(together, self._later, strict=True)
            )

        return fits

    def choose(self, groups: Sequence[Group]) -> Sequence[Candidate] | Unplaced:
        """R3.19: the first of each group is kept, even above the maximum of clusters."""
        if not self._later and not self._need:
            first = [group.clusters[0] for group in groups]
            rest = heapq.merge(*(group.clusters[1:] for group in groups))
            total = sum(group.value for group in groups)
            count = min(total, self._cluster.max_groups or total)
            return first + list(islice(rest, max(0, count - len(first))))
        return self._carefully(groups)

    def _carefully(self, groups: Sequence[Group]) -> Sequence[Candidate] | Unplaced:
        everybody = list(heapq.merge(*(group.clusters for group in groups)))
        most = max(self._cluster.max_groups or len(everybody), len(groups))
        chosen: dict[str, Candidate] = {}
        used: list[set[str]] = [set() for _ in self._later]
        for group in groups:
            self._take(group.clusters, chosen, used, most=len(chosen) + 1)
        for place, (of, _, constraint) in enumerate(self._later):
            while len(used[place]) < constraint.min_groups and len(chosen) < most:
                if not self._take([one for one in everybody if of[one.name] not in used[place]], chosen, used, most=len(chosen) + 1):
                    break
        kept = len(chosen)
        self._take(everybody, chosen, used, most=most)
        if wrong := self._wrong(groups, chosen, used):
            return wrong
        return _roomier(list(chosen.values()), kept, everybody, self._need) if not self._later else list(chosen.values())

    def _take(self, members: Iterable[Candidate], chosen: dict[str, Candidate], used: list[set[str]], *, most: int) -> bool:
        """Adds the best of the members, up to so many in all, that open no group beyond a maximum."""
        took = False
        for one in members:
            if len(chosen) >= most:
                break
            if one.name in chosen or not self._allowed(one, used):
                continue
            chosen[one.name], took = one, True
            for place, (of, _, _) in enumerate(self._later):
                used[place].add(of[one.name])
        return took

    def _allowed(self, one: Candidate, used: Sequence[set[str]]) -> bool:
        return all(
            of[one.name] in used[place] or not constraint.max_groups or len(used[place]) < constraint.max_groups
            for place, (of, _, constraint) in enumerate(self._later)
        )

    def _wrong(self, groups: Sequence[Group], chosen: Mapping[str, Candidate], used: Sequence[set[str]]) -> Unplaced | None:
        for place, (_, key, constraint) in enumerate(self._later):
            if len(used[place]) < constraint.min_groups:
                text = f"the chosen clusters are in {len(used[place])} groups by {key}, fewer than minGroups {constraint.min_groups}"
                return Unplaced(SCHEDULER_ERROR, text)
        if len({one.group for one in chosen.values()}) < len(groups) or len(chosen) < self._cluster.min_groups:
            return Unplaced(SCHEDULER_ERROR, "no choice of clusters is within the limits of every spread constraint")
        room = sum(one.available for one in chosen.values())
        if self._later and room < self._need:
            return Unplaced(SCHEDULER_ERROR, _short(len(chosen), room, self._need))
        return None


def _roomier(chosen: list[Candidate], kept: int, everybody: Sequence[Candidate], need: int) -> Sequence[Candidate] | Unplaced:
    """As R3.15, from the last to the first; the first `kept` are replaced only within their group."""
    names = {one.name for one in chosen}
    others = sorted((one for one in everybody if one.name not in names), key=lambda one: one.shortage)
    room = sum(one.available for one in chosen)
    for position in range(len(chosen) - 1, -1, -1):
        if room >= need:
            return chosen
        now = chosen[position]
        better = next((one for one in others if position >= kept or one.group == now.group), None)
        if better is not None and better.available > now.available:
            room += better.available - now.available
            chosen[position] = better
            others.remove(better)
    return chosen if room >= need else Unplaced(SCHEDULER_ERROR, _short(len(chosen), room, need))


def _short(clusters: int, room: int, need: int) -> str:
    return f"no enough resource: the chosen {clusters} cluster(s) have room for {room} of {need} replicas"
