"""Labels and annotations overriders: the object's own metadata (R5.15), or another map of texts in it (GX08)."""

from __future__ import annotations

from typing import Any

from shoal.api.meta import Manifest
from shoal.api.override import LabelAnnotationOverrider
from shoal.domain.overriding import pointer
from shoal.domain.overriding.failed import Unusable


def apply_labels(manifest: Manifest, overrider: LabelAnnotationOverrider) -> Manifest:
    return _apply(manifest, overrider, "labels")


def apply_annotations(manifest: Manifest, overrider: LabelAnnotationOverrider) -> Manifest:
    return _apply(manifest, overrider, "annotations")


def _apply(manifest: Manifest, overrider: LabelAnnotationOverrider, field: str) -> Manifest:
    """The map at the overrider's path, or the object's own, edited.

    Every step of a path must exist but the last one, and a `metadata` before it: a pod template may have none yet. Nothing else is made on the
    way, since a slip of the pen would make it in the wrong place.
    """
    path = overrider.path or f"/metadata/{field}"
    *above, last = pointer.steps_of(path)
    if above and above[-1] == "metadata":
        holder = _map(pointer.resolve(manifest, above[:-1], path), path)
        metadata = _map(holder.get("metadata") or {}, path)
        edited = _edited(_map(metadata.get(last) or {}, path), overrider)
        changed = {**holder, "metadata": {**metadata, last: edited}}
        above = above[:-1]
    else:
        holder = _map(pointer.resolve(manifest, above, path), path)
        edited = _edited(_map(holder.get(last) or {}, path), overrider)
        changed = {**holder, last: edited}
    result: Manifest = manifest if edited is None else pointer.replaced(manifest, above, changed, path)
    return result


def _map(value: Any, path: str) -> Manifest:
    if not isinstance(value, dict):
        raise Unusable(f"path {path} leads to no map")
    return value


def _edited(before: Manifest, overrider: LabelAnnotationOverrider) -> Manifest | None:
    """add sets, replace sets what exists, remove deletes whatever the value given; None when nothing changes."""
    if overrider.operator == "add":
        after = {**before, **overrider.value}
    elif overrider.operator == "replace":
        after = {**before, **{key: value for key, value in overrider.value.items() if key in before}}
    elif overrider.operator == "remove":
        after = {key: value for key, value in before.items() if key not in overrider.value}
    else:
        raise Unusable(f"operator {overrider.operator!r} is not one of add, replace, remove")
    return None if after == before else after
