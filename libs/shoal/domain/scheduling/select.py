"""How many and which candidates are used: spread constraints by cluster, by region and by any other topology (R3.11 to R3.19, GX09, GX11)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from shoal.api.binding import SCHEDULER_ERROR, UNSCHEDULABLE
from shoal.api.policy import SpreadConstraint
from shoal.domain.scheduling.candidates import LOCALITY_SCORE, Candidate
from shoal.domain.scheduling.request import STATIC, Request
from shoal.domain.scheduling.snapshot import Snapshot
from shoal.domain.scheduling.spreading import choose_in_groups
from shoal.domain.scheduling.topology import key_of
from shoal.domain.scheduling.unplaced import Unplaced

_ORDER = {"provider": 0, "region": 1, "zone": 2}
"""From wide to narrow; labels last."""
ONE_CLUSTER = SpreadConstraint(spread_by_field="cluster", min_groups=1)


class Spread(NamedTuple):
    """What a placement spreads over."""

    cluster: SpreadConstraint | None
    topologies: tuple[tuple[str, SpreadConstraint], ...]
    """Those that group clusters, the widest first."""


def spread_of(request: Request) -> Spread:
    """Zone and provider only ask for the property, as in Karmada (C12), unless the policy says that they group (GX09)."""
    cluster, found = None, []
    for constraint in request.placement.spread_constraints:
        key = key_of(constraint.spread_by_field, constraint.spread_by_label)
        if not key:
            cluster = constraint
        elif key == "region" or constraint.spread_by_label or request.options.group_spread:
            found.append((key, constraint))
    return Spread(cluster, tuple(sorted(found, key=lambda item: _ORDER.get(item[0], len(_ORDER)))))


def needs_ranking(request: Request) -> bool:
    """Whether a constraint takes some candidates and leaves others (R3.11)."""
    return bool(request.placement.spread_constraints) and not (request.divided and request.strategy == STATIC)


def topology_of(request: Request) -> str:
    """The topology by which candidates are to be grouped."""
    topologies = spread_of(request).topologies if request.placement.spread_constraints else ()
    return topologies[0][0] if topologies else "region"


def select(request: Request, ranked: Sequence[Candidate], snapshot: Snapshot) -> Sequence[Candidate] | Unplaced:
    """The candidates that take part, out of all of them, best first (R3.12)."""
    if not needs_ranking(request):
        return ranked
    spread = spread_of(request)
    if spread.topologies:
        return choose_in_groups(request, ranked, snapshot, spread.topologies, spread.cluster or ONE_CLUSTER)
    if spread.cluster is not None:
        return _by_cluster(request, ranked, spread.cluster)
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
