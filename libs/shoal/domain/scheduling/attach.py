"""Dependencies follow their owners: targets that owners ask for, beside the binding's own (R9.1 to R9.4)."""

from __future__ import annotations

from collections.abc import Sequence, Set
from datetime import datetime

import msgspec

from shoal.api.binding import OWNERS_GONE, OWNERS_MOVED, Binding, BindingSnapshot, Removal, TargetCluster
from shoal.api.meta import Ref
from shoal.domain.scheduling.snapshot import Snapshot


class Attached(msgspec.Struct, frozen=True, kw_only=True):
    """Own targets and owners' clusters in one."""

    clusters: tuple[TargetCluster, ...]
    removals: dict[str, Removal]
    required_by: tuple[BindingSnapshot, ...]
    attached: tuple[str, ...]
    """Clusters that are there for owners alone."""


def attach(
    own: Sequence[TargetCluster],
    removals: dict[str, Removal],
    owners: Sequence[tuple[Ref, Binding]],
    previous: Binding | None,
    snapshot: Snapshot,
    *,
    uid: str,
    now: datetime,
    position: int,
) -> Attached:
    """The union of own targets and every owner's clusters (R9.2).

    A cluster that no owner asks for any more leaves only after the owners' copies there are gone: a pod must not lose its ConfigMap while
    it runs. Own removals of a cluster that had an owner wait for the same. An owner that stays and no longer names the object has only to
    run there as it is now (R9.4).
    """
    naming = {ref for ref, _ in owners}
    required_by = tuple(
        BindingSnapshot(owner=ref, clusters=tuple(sorted(target.name for target in binding.clusters)))
        for ref, binding in sorted(owners, key=lambda item: item[0])
        if binding.clusters
    )
    before = {target.name: target for target in previous.clusters} if previous and previous.template_uid == uid else {}
    targets = {target.name: target for target in own}
    attached = sorted({name for item in required_by for name in item.clusters} - targets.keys())
    for name in attached:
        if not snapshot.bit(name) & snapshot.forgotten:
            targets[name] = before.get(name) or TargetCluster(name=name, epoch=position)
    leaving = {name: removal for name, removal in removals.items() if name not in targets}
    if before and previous is not None:
        for name in previous.attached:
            if name not in targets and not snapshot.bit(name) & snapshot.forgotten:
                leaving[name] = _owners_moved(previous, before[name], naming, now)
        for name in leaving.keys() & before.keys() - set(previous.attached):
            if owned_by := _owners_there(previous, name):
                unnamed = tuple(owner for owner in owned_by if owner not in naming)
                leaving[name] = msgspec.structs.replace(leaving[name], wait_for=OWNERS_GONE, owners=owned_by, unnamed=unnamed)
    return Attached(
        clusters=tuple(targets[name] for name in sorted(targets, key=str.encode)),
        removals={name: leaving[name] for name in sorted(leaving)},
        required_by=required_by,
        attached=tuple(name for name in attached if name in targets),
    )


def _owners_moved(previous: Binding, target: TargetCluster, naming: Set[Ref], now: datetime) -> Removal:
    owners = _owners_there(previous, target.name)
    return Removal(
        reason=OWNERS_MOVED,
        author=", ".join(str(owner) for owner in owners) or "scheduler",
        epoch=target.epoch,
        since=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        wait_for=OWNERS_GONE,
        owners=owners,
        unnamed=tuple(owner for owner in owners if owner not in naming),
        preserve=previous.preserve_resources_on_deletion,
    )


def _owners_there(previous: Binding, cluster: str) -> tuple[Ref, ...]:
    return tuple(item.owner for item in previous.required_by if cluster in item.clusters)
