"""Small reads and edits of manifests: values at paths, counts in any spelling, copies that share what they do not change; and pruning of metadata."""

from __future__ import annotations

from typing import Any

from shoal.api.meta import Manifest

_SERVER_FILLED = frozenset(
    (
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "managedFields",
        "resourceVersion",
        "selfLink",
        "uid",
        "ownerReferences",
        "finalizers",
    )
)


_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""What somebody applied to the hub. A member's copy is overridden: it would be wrong there, and a second home for Secrets."""


def prune_metadata(manifest: Manifest) -> Manifest:
    """Without `status` and without what the hub's server wrote into the metadata (R6.5)."""
    kept = {key: value for key, value in manifest.items() if key != "status"}
    kept["metadata"] = {key: value for key, value in manifest.get("metadata", {}).items() if key not in _SERVER_FILLED}
    return without(kept, "metadata", "annotations", _LAST_APPLIED)


def at(manifest: Any, *path: str) -> Any:
    """The value at a path of keys; None when a step is missing or no map."""
    for key in path:
        if not isinstance(manifest, dict):
            return None
        manifest = manifest.get(key)
    return manifest


def put(manifest: Manifest, value: Any, *path: str) -> Manifest:
    """A copy with `value` at the path; maps on the way are made where they are missing."""
    key, *rest = path
    inner = manifest.get(key)
    return {**manifest, key: put(inner if isinstance(inner, dict) else {}, value, *rest) if rest else value}


def without(manifest: Manifest, *path: str) -> Manifest:
    """A copy without the key at the path; the same object when it is not there. A map that becomes empty stays."""
    key, *rest = path
    if key not in manifest:
        return manifest
    if not rest:
        return {name: value for name, value in manifest.items() if name != key}
    inner = manifest[key]
    return {**manifest, key: without(inner, *rest)} if isinstance(inner, dict) else manifest


def maps(value: Any) -> list[Manifest]:
    """The maps in a list; empty when it is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def number(value: Any, default: int = 0) -> int:
    """A count, also as text; the default where it is missing or none. Never negative."""
    if isinstance(value, bool):
        return default
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10:
        return int(value)
    return max(0, value) if isinstance(value, int) else default
