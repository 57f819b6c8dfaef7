"""Which removals are over."""

from __future__ import annotations

from collections.abc import Mapping, Set

from shoal.api.binding import Removal
from shoal.api.status import TemplateStatus


def settle(removals: Mapping[str, Removal], status: TemplateStatus | None, forgotten: Set[str]) -> dict[str, Removal]:
    """The removals that still have to happen.

    One is over when its member has reported that no copy of that assignment is left (at its epoch or above), or when the cluster is
    `forgotten`: its Cluster object is a tombstone. A cluster that is merely not known is no reason (absence is never intent).
    """
    gone = status.gone if status is not None else {}
    return {
        name: removal for name, removal in removals.items() if name not in forgotten and not (name in gone and gone[name] >= removal.epoch)
    }
