"""Two objects, field by field. What a Secret holds is never told, only that it differs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from shoal.api.meta import Manifest
from shoal.api.plan import PlannedField
from shoal.api.shoal import (
    CHANGE_ANNOTATION,
    EPOCH_ANNOTATION,
    GENERATION_ANNOTATION,
    MANAGED_ANNOTATIONS_ANNOTATION,
    MANAGED_LABEL,
    MANAGED_LABELS_ANNOTATION,
    UID_ANNOTATION,
)

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_IDENTITY = ".karmada.io/permanent-id"
"""End of a label that the hub puts on policies: their uid, which a plan cannot know."""
_MARKS = frozenset(
    {
        CHANGE_ANNOTATION, EPOCH_ANNOTATION, GENERATION_ANNOTATION, MANAGED_ANNOTATIONS_ANNOTATION, MANAGED_LABELS_ANNOTATION,
        UID_ANNOTATION, _LAST_APPLIED, "work.karmada.io/name", "work.karmada.io/namespace", "resourcebinding.karmada.io/name",
        "resourcebinding.karmada.io/namespace", "clusterresourcebinding.karmada.io/name",
    }
)  # fmt: skip
"""Annotations that say where a copy comes from. They differ with every change, and nobody decides by them."""
_NEUTRAL = frozenset({"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"})
_SECRET_FIELDS = ("data", "stringData")
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


def differences(before: Manifest | None, after: Manifest | None) -> tuple[PlannedField, ...]:
    """Every field of an object of the hub that differs, but for status and what the API server keeps for itself; None: no such object."""
    return tuple(_redacted(_walk(_own(before), _own(after), ""), before, after))


def manifest_differences(before: Manifest | None, after: Manifest | None) -> tuple[PlannedField, ...]:
    """Every field of a copy that differs, but for the marks that say where it comes from."""
    return tuple(_redacted(_walk(_unmarked(_own(before)), _unmarked(_own(after)), ""), before, after))


def _own(manifest: Manifest | None) -> Manifest:
    if not manifest:
        return {}
    metadata = {key: value for key, value in (manifest.get("metadata") or {}).items() if key not in _NEUTRAL}
    kept = {
        "annotations": {key: value for key, value in (metadata.get("annotations") or {}).items() if key != _LAST_APPLIED},
        "labels": {key: value for key, value in (metadata.get("labels") or {}).items() if not key.endswith(_IDENTITY)},
    }
    metadata = {key: value for key, value in metadata.items() if key not in kept} | {key: value for key, value in kept.items() if value}
    return {**{key: value for key, value in manifest.items() if key != "status"}, "metadata": metadata}


def _unmarked(manifest: Manifest) -> Manifest:
    metadata = manifest.get("metadata")
    if not isinstance(metadata, dict):
        return manifest
    kept = {
        "annotations": {key: value for key, value in (metadata.get("annotations") or {}).items() if key not in _MARKS},
        "labels": {key: value for key, value in (metadata.get("labels") or {}).items() if key != MANAGED_LABEL},
    }
    rest = {key: value for key, value in metadata.items() if key not in kept}
    return {**manifest, "metadata": rest | {key: value for key, value in kept.items() if value}}


def _redacted(fields: Iterator[PlannedField], before: Manifest | None, after: Manifest | None) -> Iterator[PlannedField]:
    kinds = {(one.get("apiVersion"), one.get("kind")) for one in (before, after) if one}
    secret = ("v1", "Secret") in kinds
    for field in fields:
        hidden = secret and re.match(rf"({'|'.join(_SECRET_FIELDS)})(\.|\[|$)", field.path)
        yield PlannedField(path=field.path, secret=True) if hidden else field


def _walk(before: Any, after: Any, path: str) -> Iterator[PlannedField]:
    if type(before) is type(after) and before == after and not isinstance(before, (dict, list)):
        return  # Not so for a whole map: 1 equals True for Python, and for nobody else.
    if _is_map(before) and _is_map(after) and (before or after):
        for key in sorted({*(before or {}), *(after or {})}):
            yield from _walk((before or {}).get(key), (after or {}).get(key), _join(path, key))
    elif _is_list(before) and _is_list(after) and (before or after):
        yield from _walk_list(before or [], after or [], path)
    elif before or after or type(before) is not type(after):
        yield PlannedField(path=path, before=before, after=after)


def _is_map(value: Any) -> bool:
    return value is None or isinstance(value, dict)


def _is_list(value: Any) -> bool:
    return value is None or isinstance(value, list)


def _walk_list(before: list[Any], after: list[Any], path: str) -> Iterator[PlannedField]:
    """By the items' names where all have one, as Kubernetes merges most of its lists; else by position."""
    old, new = _names(before), _names(after)
    if old is None or new is None:
        for index in range(max(len(before), len(after))):
            yield from _walk(_at(before, index), _at(after, index), f"{path}[{index}]")
        return
    for name in dict.fromkeys((*old, *new)):
        yield from _walk(old.get(name), new.get(name), f"{path}[{name}]")
    if set(old) == set(new) and list(old) != list(new):
        yield PlannedField(path=path, before=list(old), after=list(new))  # Only their order differs, which counts for init containers.


def _names(items: list[Any]) -> dict[str, Any] | None:
    if not all(isinstance(item, dict) and isinstance(item.get("name"), str) for item in items):
        return None
    named = {item["name"]: item for item in items}
    return named if len(named) == len(items) else None


def _at(items: list[Any], index: int) -> Any:
    return items[index] if index < len(items) else None


def _join(path: str, key: str) -> str:
    """`spec.replicas`, `metadata.labels[app.kubernetes.io/name]`."""
    if not _PLAIN.fullmatch(key):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key
