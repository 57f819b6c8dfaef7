"""What users say on a binding, heeded."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from shoal.api.binding import HELD_BY_USER, REPLACEMENT_READY, Removal, TargetCluster
from shoal.domain.deciding.inputs import EvictionTask, Inputs, Wishes

_NONE = Wishes(template_uid="")


def wishes_of(inputs: Inputs) -> Wishes:
    """Those that speak of this very object; what was said of one that is gone is not heard."""
    wishes = inputs.wishes
    return wishes if wishes is not None and wishes.template_uid == inputs.template_uid else _NONE


def heeded(removals: Mapping[str, Removal], wishes: Wishes) -> dict[str, Removal]:
    """`suppressDeletion` (R13.2): true holds an eviction's copy, false lets it go now, nothing said waits for the replacement."""
    return {name: _heeded(removal, wishes.tasks.get(name)) for name, removal in removals.items()}


def leaves(target: TargetCluster, wishes: Wishes) -> bool:
    """Whether a user wants this assignment to end."""
    task = wishes.tasks.get(target.name)
    return task is not None and target.epoch < task.position and task.suppress_deletion is not False


def _heeded(removal: Removal, task: EvictionTask | None) -> Removal:
    if removal.wait_for not in (REPLACEMENT_READY, HELD_BY_USER):
        return removal
    suppressed = task.suppress_deletion if task is not None and removal.epoch < task.position else None
    wait_for = REPLACEMENT_READY if suppressed is None else HELD_BY_USER if suppressed else ""
    return removal if removal.wait_for == wait_for else msgspec.structs.replace(removal, wait_for=wait_for)
