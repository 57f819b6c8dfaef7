"""Command and args overriders: items of one container's list (R5.14)."""

from __future__ import annotations

from shoal.api.meta import Manifest
from shoal.api.override import CommandArgsOverrider
from shoal.domain.overriding.containers import named_container


def apply_command(manifest: Manifest, overrider: CommandArgsOverrider) -> Manifest:
    return _apply(manifest, overrider, "command")


def apply_args(manifest: Manifest, overrider: CommandArgsOverrider) -> Manifest:
    return _apply(manifest, overrider, "args")


def _apply(manifest: Manifest, overrider: CommandArgsOverrider, field: str) -> Manifest:
    """add appends, remove drops every equal item; other operators and an empty value change nothing."""
    if overrider.operator not in ("add", "remove") or not overrider.value:
        return manifest

    def edit(container: Manifest) -> Manifest:
        items = list(container.get(field) or [])
        kept = [*items, *overrider.value] if overrider.operator == "add" else [item for item in items if item not in overrider.value]
        return {**container, field: kept}

    return named_container(manifest, overrider.container_name, edit)
