"""Where the owner of a dependency still has, or may have, a copy."""

from __future__ import annotations

import msgspec

from shoal.api.binding import Binding
from shoal.api.meta import Ref
from shoal.api.status import CopyStatus, TemplateStatus


class OwnerState(msgspec.Struct, frozen=True, kw_only=True):
    """One owner as its dependencies see it."""

    ref: Ref
    clusters: frozenset[str]
    """Where a copy is, is to be, or was and is not yet confirmed gone."""
    settled: frozenset[str] = frozenset()
    """Those of them where the copy runs, healthy, the template that its binding was decided on."""


def owner_state(ref: Ref, binding: Binding | None, status: TemplateStatus | None, *, deleted: bool = False) -> OwnerState:
    """Reads it off the owner's binding (also a tombstone's body, `deleted`) and its status.

    An owner without both has nothing anywhere: its entries are purged only when every member confirmed that.
    """
    clusters: set[str] = set()
    if binding is not None:
        clusters |= binding.removals.keys()
        if deleted:
            gone = status.gone if status is not None else {}
            clusters |= {target.name for target in binding.clusters if gone.get(target.name, -1) < target.epoch}
            clusters -= {name for name, removal in binding.removals.items() if gone.get(name, -1) >= removal.epoch}
        else:
            clusters |= {target.name for target in binding.clusters}
    if status is not None:
        clusters |= {copy.cluster for copy in status.copies if status.gone.get(copy.cluster, -1) < copy.epoch}
    settled = {copy.cluster for copy in status.copies if _runs_as_decided(copy, binding)} if status and binding and not deleted else set()
    return OwnerState(ref=ref, clusters=frozenset(clusters), settled=frozenset(settled))


def _runs_as_decided(copy: CopyStatus, binding: Binding) -> bool:
    return copy.applied and copy.health == "Healthy" and copy.template_revision >= binding.template_revision
