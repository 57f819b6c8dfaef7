"""What users say on a binding, heeded."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from shoal.api.binding import HELD_BY_USER, REPLACEMENT_READY, Removal, TargetCluster
from shoal.domain.deciding.inputs import EvictionTask, Inputs, Wishes

_NONE = Wishes(template_uid="")
_NOTHING_SAID = EvictionTask(position=0)


def wishes_of(inputs: Inputs) -> Wishes:
    """Those that speak of this very object; what was said of one that is gone is not heard."""
    wishes = inputs.wishes
    return wishes if wishes is not None and wishes.template_uid == inputs.template_uid else _NONE


def heeded(removals: Mapping[str, Removal], wishes: Wishes) -> dict[str, Removal]:
    """What users say of evictions that are under way (R13.2, R13.4).

    `suppressDeletion`: true holds the copy, false lets it go now, nothing said waits for the replacement, for `gracePeriodSeconds` at most;
    a removal of purge mode Never is held until false is said, which is also how a task that is taken away is stored (R12.3).
    `purgeMode: Directly`: the copy goes before a new one is made; false then ends that wait too, since the user answers for it that nothing
    runs there any more.
    """
    return {name: _heeded(removal, wishes.tasks.get(name)) for name, removal in removals.items()}


def leaves(target: TargetCluster, wishes: Wishes) -> bool:
    """Whether a user wants this assignment to end."""
    task = wishes.tasks.get(target.name)
    return task is not None and target.epoch < task.position and task.suppress_deletion is not False


def _heeded(removal: Removal, task: EvictionTask | None) -> Removal:
    said = task if task is not None and removal.epoch < task.position else _NOTHING_SAID
    if removal.first and said.suppress_deletion is False:
        return msgspec.structs.replace(removal, first=False)
    if removal.wait_for not in (REPLACEMENT_READY, HELD_BY_USER):
        return removal
    if said.suppress_deletion is None and said.directly:
        return msgspec.structs.replace(removal, wait_for="", first=True)
    waits_on = HELD_BY_USER if removal.confirm else REPLACEMENT_READY
    wait_for = waits_on if said.suppress_deletion is None else HELD_BY_USER if said.suppress_deletion else ""
    grace_period_s = removal.grace_period_s if said.grace_period_s is None else said.grace_period_s
    return msgspec.structs.replace(removal, wait_for=wait_for, grace_period_s=grace_period_s)
