"""When a binding is placed again, and when its result simply stands (R3.2)."""

from __future__ import annotations

from shoal.api.binding import Binding, TargetCluster
from shoal.api.policy import ClusterAffinityTerm, Placement
from shoal.domain.scheduling.request import Request
from shoal.domain.scheduling.snapshot import Snapshot

_SHOWN_MAX = 5
"""Clusters that one sentence names."""


def due(request: Request, snapshot: Snapshot, previous: Binding, own: dict[str, TargetCluster]) -> str:
    """Why the request has to be placed again; empty when what was decided stands. `own` are the targets that are not there for owners."""
    if not own:
        return "nothing is placed yet"
    if asks_otherwise(request, previous):
        return "the placement changed"
    if replicas_changed(request, own):
        return "the number of replicas changed"
    if rebalance_requested(request, previous):
        return "a rebalance was requested"
    if not request.divided:
        return "the object follows its clusters"
    if any(snapshot.bit(name) & snapshot.deleting for name in own):
        return "a cluster is being deleted"
    if any(name in own for name in request.evictions):
        return "a cluster has to be left"
    return _moving_on(request, own) if request.unschedulable else ""


def _moving_on(request: Request, own: dict[str, TargetCluster]) -> str:
    leaving = sorted(request.unschedulable.items())[:_SHOWN_MAX]
    shown = ", ".join(f"{pods} of {own[name].replicas} in {name}" for name, pods in leaving)
    more = len(request.unschedulable) - len(leaving)
    return f"unschedulable replicas move on: {shown}{f' and more in {more} clusters' if more else ''}"


def asks_otherwise(request: Request, previous: Binding) -> bool:
    """The policy asks for something else than what was applied: in its placement, or in the options that say where and how many."""
    placing = ("group_spread", "check_capacity", "cap_static", "balance", "fill", "prefer", "bounds")
    before, after = previous.options, request.options
    if before != after and any(getattr(before, part) != getattr(after, part) for part in placing):
        return True
    return placement_changed(previous.placement, request.placement, previous.affinity_name)


def placement_changed(before: Placement, after: Placement, observed: str) -> bool:
    """R3.2-1: of ordered groups only the one in use counts, so that others can be edited while it runs."""
    if before == after:
        return False
    parts = ("cluster_tolerations", "spread_constraints", "replica_scheduling")
    if any(getattr(before, part) != getattr(after, part) for part in parts):
        return True
    if not after.cluster_affinities:
        return (
            before.cluster_affinity != after.cluster_affinity
            or before.workload_affinity != after.workload_affinity
            or bool(before.cluster_affinities)
        )
    used = _term(after, observed)
    return used is None or used != _term(before, observed)


def _term(placement: Placement, name: str) -> ClusterAffinityTerm | None:
    return next((term for term in placement.cluster_affinities if name and term.affinity_name == name), None)


def replicas_changed(request: Request, own: dict[str, TargetCluster]) -> bool:
    """R3.2-2. Without a replicaScheduling block never: such objects are placed again anyway."""
    if request.placement.replica_scheduling is None or not request.divisible:
        return False
    if not request.divided:
        return any(target.replicas != request.replicas for target in own.values())
    return (
        any(target.replicas is None for target in own.values()) or sum(target.replicas or 0 for target in own.values()) != request.replicas
    )


def rebalance_requested(request: Request, previous: Binding | None) -> bool:
    """R3.2-3; each request is carried out once."""
    return bool(request.reschedule_at) and (previous is None or request.reschedule_at > previous.rescheduled_at)
