"""Command and args overriders: items of one container's list (R5.14), or the whole list (GX07)."""

from __future__ import annotations

from shoal.api.meta import Manifest
from shoal.api.override import CommandArgsOverrider
from shoal.domain.overriding.containers import items_of, named_container


def apply_command(manifest: Manifest, overrider: CommandArgsOverrider) -> Manifest:
    return _apply(manifest, overrider, "command")


def apply_args(manifest: Manifest, overrider: CommandArgsOverrider) -> Manifest:
    return _apply(manifest, overrider, "args")


def _apply(manifest: Manifest, overrider: CommandArgsOverrider, field: str) -> Manifest:
    """add appends, remove drops every equal item; overwrite sets the whole list, replace does so where there is one.

    Other operators change nothing, nor does an empty value with add and remove. An empty value with overwrite or replace takes the list away,
    so that the image's own entrypoint runs.
    """
    operator, value = overrider.operator, list(overrider.value)
    whole = operator in ("overwrite", "replace")
    if not whole and (operator not in ("add", "remove") or not value):
        return manifest

    def edit(container: Manifest) -> Manifest:
        if operator == "replace" and container.get(field) is None:
            return container
        if whole and not value:
            return {key: item for key, item in container.items() if key != field}
        items = items_of(container, field)
        kept = [item for item in items if item not in value] if operator == "remove" else value if whole else [*items, *value]
        return {**container, field: kept}

    return named_container(manifest, overrider.container_name, edit, overrider.scope)
