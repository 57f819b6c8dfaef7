"""Where the containers of a workload are, for the overriders that name containers (R5.9)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shoal.api.meta import Manifest

_TEMPLATED = ("spec", "template", "spec")
_PATHS: dict[str, tuple[str, ...]] = {
    "Pod": ("spec",),
    **dict.fromkeys(("ReplicaSet", "Deployment", "DaemonSet", "StatefulSet", "Job"), _TEMPLATED),
}
"""By kind name only: the API group is not looked at. Other kinds are left alone; a predicate path or a plaintext patch reaches them."""

Edit = Callable[[Manifest], Manifest]


def each_container(manifest: Manifest, edit: Edit) -> Manifest:
    """A copy with every container of `containers` edited; init containers are not touched."""
    path = _PATHS.get(manifest.get("kind", ""))
    return manifest if path is None else _inside(manifest, path, edit)


def named_container(manifest: Manifest, name: str, edit: Edit) -> Manifest:
    """A copy with the containers of that name edited; none has no effect."""
    return each_container(manifest, lambda container: edit(container) if container.get("name") == name else container)


def _inside(value: Any, path: tuple[str, ...], edit: Edit) -> Any:
    if not isinstance(value, dict):
        return value
    if not path:
        containers = value.get("containers")
        if not isinstance(containers, list):
            return value
        return {**value, "containers": [edit(item) if isinstance(item, dict) else item for item in containers]}
    return {**value, path[0]: _inside(value[path[0]], path[1:], edit)} if path[0] in value else value
