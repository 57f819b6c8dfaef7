"""Where the containers of a workload are, for the overriders that edit containers (R5.9), and for those that ask for all of them (GX05)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shoal.api.meta import Manifest
from shoal.api.override import ALL_CONTAINERS, CONTAINERS
from shoal.domain.overriding.failed import Unusable

_TEMPLATED = ("spec", "template", "spec")
_PATHS: dict[str, tuple[str, ...]] = {
    "Pod": ("spec",),
    **dict.fromkeys(("ReplicaSet", "Deployment", "DaemonSet", "StatefulSet", "Job"), _TEMPLATED),
}
"""By kind name only: the API group is not looked at. Other kinds are left alone; `AllContainers` or a predicate path reaches them."""
_ALL_LISTS = ("initContainers", "containers", "ephemeralContainers")
_MAX_DEPTH = 40
"""Maps and lists above a pod spec; a real one is about ten deep."""

Edit = Callable[[Manifest], Manifest]


def each_container(manifest: Manifest, edit: Edit, scope: str = CONTAINERS) -> Manifest:
    """A copy with every container in scope edited; the same object when nothing changed.

    `Containers`: those in `containers` of the known kinds. `AllContainers`: also init and ephemeral ones, in every pod spec that is anywhere
    in the object. Raises `Unusable` for another scope.
    """
    if scope == ALL_CONTAINERS:
        return {key: value if key in ("metadata", "status") else _everywhere(value, edit, _MAX_DEPTH) for key, value in manifest.items()}
    if scope != CONTAINERS:
        raise Unusable(f"scope {scope!r} is not one of {CONTAINERS}, {ALL_CONTAINERS}")
    path = _PATHS.get(manifest.get("kind", ""))
    return manifest if path is None else _inside(manifest, path, edit)


def named_container(manifest: Manifest, name: str, edit: Edit, scope: str = CONTAINERS) -> Manifest:
    """A copy with the containers of that name edited; none has no effect."""
    return each_container(manifest, lambda container: edit(container) if container.get("name") == name else container, scope)


def _inside(value: Any, path: tuple[str, ...], edit: Edit) -> Any:
    if not isinstance(value, dict):
        return value
    if not path:
        return _edited(value, ("containers",), edit)
    return {**value, path[0]: _inside(value[path[0]], path[1:], edit)} if path[0] in value else value


def _everywhere(value: Any, edit: Edit, depth: int) -> Any:
    """Pod specs at any place: `spec.jobTemplate`, tasks of a batch job, groups of a cluster of workers."""
    if not depth:
        return value
    if isinstance(value, list):
        return [_everywhere(item, edit, depth - 1) for item in value]
    if not isinstance(value, dict):
        return value
    if _is_pod_spec(value):
        return _edited(value, _ALL_LISTS, edit)
    return {key: _everywhere(item, edit, depth - 1) for key, item in value.items()}


def _is_pod_spec(value: Manifest) -> bool:
    containers = value.get("containers")
    return isinstance(containers, list) and all(isinstance(item, dict) and isinstance(item.get("name"), str) for item in containers)


def _edited(pod: Manifest, lists: tuple[str, ...], edit: Edit) -> Manifest:
    found = {field: items for field in lists if isinstance(items := pod.get(field), list)}
    return {**pod, **{field: [edit(item) if isinstance(item, dict) else item for item in items] for field, items in found.items()}}


def items_of(container: Manifest, field: str) -> list[Any]:
    """The container's list; empty where there is none. Raises `Unusable` when something else stands there."""
    items = container.get(field)
    if items is not None and not isinstance(items, list):
        raise Unusable(f"{field} of container {container.get('name')!r} is no list")
    return list(items or [])
