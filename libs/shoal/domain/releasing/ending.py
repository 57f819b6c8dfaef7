"""The tombstone of a binding, seen as a binding that leaves every cluster."""

from __future__ import annotations

import msgspec

from shoal.api.binding import Binding, Removal

TEMPLATE_DELETED = "TemplateDeleted"


def ending(binding: Binding) -> Binding:
    """All targets and removals of a tombstone's body, as removals that wait for nothing: whoever deletes the template means all copies."""
    removals = {name: msgspec.structs.replace(removal, wait_for="", owners=()) for name, removal in binding.removals.items()}
    for target in binding.clusters:
        removals[target.name] = Removal(
            reason=TEMPLATE_DELETED, author="user", epoch=target.epoch, preserve=binding.preserve_resources_on_deletion
        )
    return msgspec.structs.replace(binding, clusters=(), removals=removals)
