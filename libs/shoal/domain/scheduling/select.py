"""How many and which candidates are used: spread constraints by cluster and by region (R3.11 to R3.19)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from shoal.api.binding import SCHEDULER_ERROR, UNSCHEDULABLE
from shoal.api.policy import SpreadConstraint
from shoal.domain.scheduling.candidates import LOCALITY_SCORE, Candidate
from shoal.domain.scheduling.regions import choose_regions, group_regions
from shoal.domain.scheduling.request import STATIC, Request


class Unplaced(NamedTuple):
    """No placement under the affinity that was tried, and why."""

    reason: str
    """Reason of the Scheduled condition."""
    message: str


def needs_ranking(request: Request) -> bool:
    """Whether a constraint takes some candidates and leaves others (R3.11)."""
    return bool(request.placement.spread_constraints) and not (request.divided and request.strategy == STATIC)


def select(request: Request, ranked: Sequence[Candidate]) -> Sequence[Candidate] | Unplaced:
    """The candidates that take part, out of all of them, best first (R3.12)."""
    if not needs_ranking(request):
        return ranked
    by_field = {constraint.spread_by_field: constraint for constraint in request.placement.spread_constraints}
    cluster = by_field.get("cluster")
    if "region" in by_field:
        return _by_region(request, ranked, by_field["region"], cluster or SpreadConstraint(spread_by_field="cluster", min_groups=1))
    if cluster is not None:
        return _by_cluster(request, ranked, cluster)
    return Unplaced(SCHEDULER_ERROR, "just support cluster and region spread constraint; add one with spreadByField: cluster")


def _by_cluster(request: Request, ranked: Sequence[Candidate], constraint: SpreadConstraint) -> Sequence[Candidate] | Unplaced:
    """R3.13 to R3.15. A maximum of 0 is no maximum (here Karmada fails)."""
    total = len(ranked)
    if total < constraint.min_groups:
        return Unplaced(SCHEDULER_ERROR, f"the number of feasible clusters is {total}, fewer than minGroups {constraint.min_groups}")
    count = min(total, constraint.max_groups) if constraint.max_groups else total
    if len(request.components) > 1 and constraint.min_groups == constraint.max_groups == 1:
        return _one_with_room(ranked)
    if not request.divided:
        return ranked[:count]
    return _with_room(list(ranked[:count]), list(ranked[count:]), request.replicas)


def _one_with_room(ranked: Sequence[Candidate]) -> Sequence[Candidate] | Unplaced:
    """R4.20: a workload of several components goes as a whole to one cluster; where it is, it needs no further room."""
    fitting = [candidate for candidate in ranked if candidate.score >= LOCALITY_SCORE or candidate.room >= 1]
    return fitting[:1] or Unplaced(UNSCHEDULABLE, f"none of {len(ranked)} feasible cluster(s) has room for all components of the workload")


def _with_room(chosen: list[Candidate], others: list[Candidate], replicas: int) -> Sequence[Candidate] | Unplaced:
    """R3.15: from the last position to the first, swap in the roomiest other cluster until the replicas fit."""
    available = sum(candidate.available for candidate in chosen)
    for position in range(len(chosen) - 1, -1, -1):
        if available >= replicas:
            break
        if not others:
            continue
        roomiest = max(range(len(others)), key=lambda index: others[index].available)
        if others[roomiest].available > chosen[position].available:
            available += others[roomiest].available - chosen[position].available
            chosen[position], others[roomiest] = others[roomiest], chosen[position]
    if available < replicas:
        return Unplaced(
            SCHEDULER_ERROR, f"no enough resource: the chosen {len(chosen)} cluster(s) have room for {available} of {replicas} replicas"
        )
    return chosen


def _by_region(
    request: Request, ranked: Sequence[Candidate], region: SpreadConstraint, cluster: SpreadConstraint
) -> Sequence[Candidate] | Unplaced:
    """R3.16 to R3.19: the regions first, one cluster of each, then the best of the rest."""
    groups = group_regions(request, ranked, region_min=max(region.min_groups, 1), cluster_min=cluster.min_groups)
    if len(groups) < region.min_groups:
        return Unplaced(SCHEDULER_ERROR, f"the number of feasible regions is {len(groups)}, fewer than minGroups {region.min_groups}")
    regions = choose_regions(
        groups, least=max(region.min_groups, 1), most=region.max_groups or len(groups), clusters_least=cluster.min_groups
    )
    if regions is None:
        return Unplaced(SCHEDULER_ERROR, f"no combination of regions has {cluster.min_groups} feasible clusters within the region limits")
    first = [group.clusters[0] for group in regions]
    names = {candidate.name for candidate in first}
    within = {group.name for group in regions}
    rest = [candidate for candidate in ranked if candidate.region in within and candidate.name not in names]
    count = min(len(first) + len(rest), cluster.max_groups or len(ranked))
    return first + rest[: max(0, count - len(first))]
