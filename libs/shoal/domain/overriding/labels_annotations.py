"""Labels and annotations overriders: the object's own metadata only (R5.15)."""

from __future__ import annotations

from shoal.api.meta import Manifest
from shoal.api.override import LabelAnnotationOverrider
from shoal.domain.overriding.failed import Unusable


def apply_labels(manifest: Manifest, overrider: LabelAnnotationOverrider) -> Manifest:
    return _apply(manifest, overrider, "labels")


def apply_annotations(manifest: Manifest, overrider: LabelAnnotationOverrider) -> Manifest:
    return _apply(manifest, overrider, "annotations")


def _apply(manifest: Manifest, overrider: LabelAnnotationOverrider, field: str) -> Manifest:
    """add sets, replace sets what exists, remove deletes whatever the value given."""
    old: dict[str, str] = manifest.get("metadata", {}).get(field) or {}
    if overrider.operator == "add":
        new = {**old, **overrider.value}
    elif overrider.operator == "replace":
        new = {**old, **{key: value for key, value in overrider.value.items() if key in old}}
    elif overrider.operator == "remove":
        new = {key: value for key, value in old.items() if key not in overrider.value}
    else:
        raise Unusable(f"operator {overrider.operator!r} is not one of add, replace, remove")
    if new == old:
        return manifest
    return {**manifest, "metadata": {**manifest.get("metadata", {}), field: new}}
