"""Env overrider, Shoal's own (GX17): environment variables of one container, by name."""

from __future__ import annotations

from typing import Any

from shoal.api.meta import Manifest
from shoal.api.override import EnvOverrider
from shoal.domain.overriding.containers import items_of, named_container
from shoal.domain.overriding.failed import Unusable


def apply_env(manifest: Manifest, overrider: EnvOverrider) -> Manifest:
    """add sets or appends, replace sets only where the name exists, remove drops. An entry is whole: `value` and `valueFrom` never mix."""
    if overrider.operator not in ("add", "replace", "remove"):
        raise Unusable(f"operator {overrider.operator!r} is not one of add, replace, remove")
    entries: dict[str, dict[str, Any]] = {}
    for entry in overrider.value:
        if not isinstance(name := entry.get("name"), str) or not name:
            raise Unusable("an environment variable needs a name")
        entries[name] = entry

    def edit(container: Manifest) -> Manifest:
        old = [item for item in items_of(container, "env") if isinstance(item, dict)]
        if overrider.operator == "remove":
            kept = [item for item in old if str(item.get("name")) not in entries]
        else:
            kept = [entries.get(str(item.get("name")), item) for item in old]
            if overrider.operator == "add":
                names = [item.get("name") for item in old]
                kept += [entry for name, entry in entries.items() if name not in names]
        return container if kept == old else {**container, "env": kept}

    return named_container(manifest, overrider.container_name, edit, overrider.scope)
