"""From shares to targets and removals: who stays keeps its epoch, who comes gets a new one, who leaves is listed with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from shoal.api.binding import (
    CLUSTER_CHANGED,
    CLUSTER_DELETED,
    DESCHEDULED,
    POLICY_CHANGED,
    REBALANCED,
    REPLACEMENT_READY,
    REPLICAS_CHANGED,
    TEMPLATE_REPLACED,
    Binding,
    Removal,
    TargetCluster,
    TargetComponent,
)
from shoal.domain.scheduling.ladder import asks_otherwise
from shoal.domain.scheduling.request import Request
from shoal.domain.scheduling.snapshot import Snapshot


def merge_targets(
    request: Request,
    snapshot: Snapshot,
    previous: Binding | None,
    shares: Mapping[str, int | None],
    *,
    own: Mapping[str, TargetCluster],
    now: datetime,
    position: int,
    fresh: bool = False,
    placed: bool = True,
    moving: bool = False,
) -> tuple[tuple[TargetCluster, ...], dict[str, Removal]]:
    """The new own targets by name, and all removals.

    A cluster that is forgotten is in neither: nobody there can confirm anything. A cluster that comes back leaves the removals with a new
    epoch, above the one its copy was ended with. Removals of an earlier object of that name get the present epoch: only a higher one lets
    an agent delete a copy that bears another uid. `placed`: decided now, and not only kept. `moving`: nobody's edit asked for it, so who
    leaves waits for the replacement.
    """
    sets = tuple(TargetComponent(name=one.name, replicas=one.replicas) for one in request.components) if len(request.components) > 1 else ()
    forgotten = frozenset(snapshot.names_in(snapshot.forgotten)) if snapshot.forgotten else frozenset()
    clusters = tuple(
        _target(name, shares[name], own.get(name), position, sets if placed else None) for name in sorted(shares) if name not in forgotten
    )
    staying = shares.keys() - forgotten if forgotten else shares.keys()
    removals = {name: removal for name, removal in (previous.removals if previous else {}).items() if name not in staying}
    same_object = previous is not None and previous.template_uid == request.uid
    if not same_object:
        removals = {name: msgspec.structs.replace(removal, epoch=position) for name, removal in removals.items()}
    for target in previous.clusters if previous else ():
        if target.name in staying or target.name in forgotten:
            continue
        if same_object and previous is not None and target.name in previous.attached:
            continue
        ended = target if same_object else msgspec.structs.replace(target, epoch=position)
        removals[target.name] = _removal(request, snapshot, previous, ended, now=now, fresh=fresh, moving=moving)
    return clusters, {name: removals[name] for name in sorted(removals)}


def _target(
    name: str, replicas: int | None, before: TargetCluster | None, position: int, sets: tuple[TargetComponent, ...] | None
) -> TargetCluster:
    """One own target; the one of `before` where it says the same. `sets` None: as before."""
    if before is None:
        return TargetCluster(name=name, replicas=replicas, epoch=position, components=sets or ())
    components = before.components if sets is None else sets
    if before.replicas == replicas and before.components == components:
        return before
    return TargetCluster(name=name, replicas=replicas, epoch=before.epoch, components=components, preserved=before.preserved)


def _removal(
    request: Request, snapshot: Snapshot, previous: Binding | None, target: TargetCluster, *, now: datetime, fresh: bool, moving: bool
) -> Removal:
    """Why the cluster leaves, by the strongest cause, and what its copy has to wait for."""
    since = now.strftime("%Y-%m-%dT%H:%M:%SZ")

    assert previous is not None
    preserve = previous.preserve_resources_on_deletion

    def removal(reason: str, author: str, wait_for: str = "") -> Removal:
        return Removal(reason=reason, author=author, epoch=target.epoch, since=since, wait_for=wait_for, preserve=preserve)

    if previous.template_uid != request.uid:
        return removal(TEMPLATE_REPLACED, request.author or "scheduler")
    if (eviction := request.evictions.get(target.name)) is not None:
        return msgspec.structs.replace(eviction, epoch=target.epoch, since=since, preserve=False)
    if snapshot.bit(target.name) & snapshot.deleting:
        return removal(CLUSTER_DELETED, f"cluster/{target.name}", REPLACEMENT_READY if request.workload else "")
    if fresh:
        return removal(REBALANCED, request.author or "scheduler")
    if moving:
        return removal(REBALANCED, request.author or "scheduler", REPLACEMENT_READY if request.workload else "")
    if target.name in request.unschedulable:
        return removal(DESCHEDULED, f"cluster/{target.name}", REPLACEMENT_READY)
    if asks_otherwise(request, previous):
        return removal(POLICY_CHANGED, request.author or "scheduler")
    if request.divided and sum(item.replicas or 0 for item in previous.clusters) != request.replicas:
        return removal(REPLICAS_CHANGED, request.author or "scheduler")
    return removal(CLUSTER_CHANGED, f"cluster/{target.name}")
