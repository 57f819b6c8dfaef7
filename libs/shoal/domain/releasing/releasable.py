"""Which removals may become tombstones now."""

from __future__ import annotations

from collections.abc import Iterable

from shoal.api.binding import OWNERS_GONE, REPLACEMENT_READY, Binding, Removal
from shoal.api.meta import Ref
from shoal.api.status import TemplateStatus
from shoal.domain.releasing.owners import OwnerState

_HEALTHY = "Healthy"


def releasable(binding: Binding, status: TemplateStatus | None, owners: Iterable[OwnerState] = ()) -> frozenset[str]:
    """Clusters of `binding.removals` whose copy may be deleted.

    Without `wait_for` at once. `ReplacementReady`: there are targets and all of them run the template as decided, healthy; the last copy
    never goes because nothing replaced it. `OwnersGone`: no owner that the removal names has, or may have, a copy there; one that no longer
    names the object has only to run as it is now.
    """
    by_ref = {owner.ref: owner for owner in owners}
    ready = _replacement_ready(binding, status)
    return frozenset(name for name, removal in binding.removals.items() if _may_go(name, removal, by_ref, ready=ready))


def _may_go(cluster: str, removal: Removal, owners: dict[Ref, OwnerState], *, ready: bool) -> bool:
    if removal.wait_for == REPLACEMENT_READY:
        return ready
    if removal.wait_for == OWNERS_GONE:
        return not any(_needs(owners[owner], cluster, removal) for owner in removal.owners if owner in owners)
    return not removal.wait_for  # What a newer version wants to wait for is not known here, so it waits.


def _needs(owner: OwnerState, cluster: str, removal: Removal) -> bool:
    """The owner may still run there with what is to go."""
    return cluster in owner.clusters and not (owner.ref in removal.unnamed and cluster in owner.settled)


def _replacement_ready(binding: Binding, status: TemplateStatus | None) -> bool:
    if status is None or not binding.clusters or status.template_uid != binding.template_uid:
        return False
    for target in binding.clusters:
        copy = status.copy(target.name)
        if copy is None or not copy.applied or copy.health != _HEALTHY:
            return False
        if copy.epoch < target.epoch or copy.template_revision < binding.template_revision:
            return False
    return True
