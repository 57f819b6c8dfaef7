"""Field managers: server-side apply with its conflicts, and the tracking of who wrote which field by other means.

`metadata.managedFields` is the only memory of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from shoal.api.meta import Manifest
from shoal.kube.apiserver.errors import StatusError
from shoal.kube.apiserver.fieldset import (
    SYSTEM_METADATA,
    FieldSet,
    changes,
    check_keys,
    difference,
    intersection,
    merge,
    of_value,
    ordered,
    path_text,
    paths,
    prune,
    union,
    without_nothing,
)
from shoal.kube.apiserver.schema import Node

UPDATE_ENTRIES_MAX = 10
"""As the real server's: beyond it the oldest updaters are summed up, so that many one-time writers cannot bloat an object."""

MANAGER_CHARS_MAX = 128


@dataclass(frozen=True)
class Writer:
    """Who writes, and through which door."""

    manager: str
    subresource: str = ""


@dataclass(frozen=True)
class _Entry:
    manager: str
    operation: str
    api_version: str
    subresource: str
    time: str
    fields: FieldSet

    @property
    def key(self) -> tuple[str, str, str, str]:
        # An applier keeps its identity when it moves to another version of the kind.
        return (self.manager, self.operation, "" if self.operation == "Apply" else self.api_version, self.subresource)

    def told(self) -> str:
        """How a conflict names it."""
        with_ = f' with subresource "{self.subresource}"' if self.subresource else ""
        using = f" using {self.api_version}" if self.operation == "Update" else ""
        return f'"{self.manager}"{with_}{using}'


_Managers = dict[tuple[str, str, str, str], _Entry]


def apply(live: Manifest | None, applied: Manifest, node: Node, writer: Writer, *, force: bool, now: str) -> Manifest:
    """Server-side apply. Returns the new object (`live` itself when nothing changed). Both inputs conform to the schema already; `applied`
    names only what its manager wants. Raises a 409 with every field that another manager owns with another value, unless `force`."""
    check_keys(applied, node)
    managers = _managers(live) if live is not None else {}
    if live is not None and not managers:
        managers = _of_unmanaged(live, node, now)
    mine = _owned(applied, node)
    me = (writer.manager, "Apply", "", writer.subresource)
    last = managers[me].fields if me in managers else {}
    others = {key: entry for key, entry in managers.items() if key != me}
    merged = _merged(live, applied, node)
    if last and last != mine:
        managed = mine
        for entry in others.values():
            managed = union(managed, entry.fields)
        merged = _pruned(merged, last, managed, node)
    changed, removed = _content_changes(live or {}, merged, node)
    merged = without_nothing(merged)
    if changed and not force:
        _refuse_conflicts(others, changed)
    if live is not None and not changed and not removed and last == mine:
        return live
    others = _without(_without(others, changed), removed)
    if mine:
        others = {**others, me: _Entry(writer.manager, "Apply", applied["apiVersion"], writer.subresource, now, mine)}
    return _with_managers(merged, others)


def track(live: Manifest | None, new: Manifest, node: Node, writer: Writer, *, now: str) -> Manifest:
    """Records an update, a create or a patch: changed fields move to the writer, removed ones leave everybody. Returns the object with
    its `managedFields`; entries that the writer sent itself count (that is how `kubectl apply --server-side` migrates)."""
    managers = _managers(new) or (_managers(live) if live is not None else {})
    if (new["metadata"].get("managedFields") or None) == [{}]:
        managers = {}  # The documented way to reset them.
    changed, removed = _content_changes(_blank(new) if live is None else live, new, node)
    managers = _without(_without(managers, changed), removed)
    if changed:
        entry = _Entry(writer.manager, "Update", new["apiVersion"], writer.subresource, now, changed)
        before = managers.get(entry.key)
        if before is not None:
            entry = _Entry(entry.manager, "Update", entry.api_version, entry.subresource, now, union(before.fields, changed))
        managers = _capped({**managers, entry.key: entry})
    return _with_managers(new, managers)


def _merged(live: Manifest | None, applied: Manifest, node: Node) -> Manifest:
    metadata = {key: value for key, value in applied["metadata"].items() if key not in SYSTEM_METADATA or live is None}
    out: Manifest = merge(live or {}, {**applied, "metadata": metadata}, node)
    return out


def _pruned(merged: Manifest, last: FieldSet, managed: FieldSet, node: Node) -> Manifest:
    """The merged object without what nobody manages any more. What nobody owns at all (the name, the uid) stays."""
    kept = ("apiVersion", "kind", "metadata")
    content = {key: value for key, value in merged.items() if key not in kept}
    out: Manifest = {key: merged[key] for key in kept if key in merged} | (prune(content, last, managed, node) or {})
    metadata, below = merged["metadata"], last.get("f:metadata")
    if below:
        free = {key: value for key, value in metadata.items() if key not in SYSTEM_METADATA}
        left = prune(free, below, managed.get("f:metadata") or {}, node.at("metadata")) or {}
        out["metadata"] = {key: value for key, value in metadata.items() if key in SYSTEM_METADATA} | left
    return out


def _owned(applied: Manifest, node: Node) -> FieldSet:
    """The set of an applied object without what nobody owns."""
    out: FieldSet = {}
    for key, value in applied.items():
        if key in ("apiVersion", "kind"):
            continue
        if key == "metadata":
            value = {name: item for name, item in value.items() if name not in SYSTEM_METADATA}
            if not value:
                continue
        inner = of_value({key: value}, node)
        out.update(inner)
    return out


def _content_changes(old: Manifest, new: Manifest, node: Node) -> tuple[FieldSet, FieldSet]:
    return changes(_content(old), _content(new), node)


_ALWAYS_THERE: dict[str, Any] = {
    "containers": [],
    "involvedObject": {},
    "jobTemplate": {},
    "metadata": {},
    "podSelector": {},
    "resources": {},
    "roleRef": {},
    "scaleTargetRef": {},
    "source": {},
    "spec": {},
    "status": {},
    "strategy": {},
    "template": {},
    "updateStrategy": {},
}
"""Fields that even an empty object of a built-in kind has: a create does not make them appear, so nobody owns them as such."""


def _blank(new: dict[str, Any]) -> dict[str, Any]:
    """What a created object is compared with: an empty one of its kind."""
    out: dict[str, Any] = {}
    for key, value in new.items():
        if key in _ALWAYS_THERE:
            out[key] = _blank(value) if isinstance(value, dict) else _ALWAYS_THERE[key]
    return out


def _content(object_: Manifest) -> Manifest:
    out = {key: value for key, value in object_.items() if key not in ("apiVersion", "kind")}
    out["metadata"] = {key: value for key, value in (object_.get("metadata") or {}).items() if key not in SYSTEM_METADATA}
    return out


def _managers(object_: Manifest) -> _Managers:
    out: _Managers = {}
    for entry in object_["metadata"].get("managedFields") or ():
        if not entry:
            continue
        one = _Entry(
            entry.get("manager", ""),
            entry.get("operation", "Update"),
            entry.get("apiVersion", ""),
            entry.get("subresource", ""),
            entry.get("time", ""),
            entry.get("fieldsV1") or {},
        )
        out[one.key] = one
    return out


def _of_unmanaged(live: Manifest, node: Node, now: str) -> _Managers:
    """An object from before anybody was recorded belongs to a made-up manager, so that a first apply cannot silently take it over."""
    owned = _owned({key: value for key, value in live.items() if key != "status"}, node)
    entry = _Entry("before-first-apply", "Update", live["apiVersion"], "", now, owned)
    return {entry.key: entry}


def _without(managers: _Managers, fields: FieldSet) -> _Managers:
    """The managers with these fields taken from all of them; those with nothing left are gone."""
    if not fields:
        return managers
    out: _Managers = {}
    for key, entry in managers.items():
        left = difference(entry.fields, fields)
        if left:
            out[key] = (
                entry
                if left == entry.fields
                else _Entry(entry.manager, entry.operation, entry.api_version, entry.subresource, entry.time, left)
            )
    return out


def _capped(managers: _Managers) -> _Managers:
    """At most so many updaters: the oldest ones of one version become one entry."""
    updaters = sorted((entry for entry in managers.values() if entry.operation == "Update"), key=lambda entry: entry.time)
    surplus = len(updaters) - UPDATE_ENTRIES_MAX
    if surplus <= 0:
        return managers
    out = dict(managers)
    for entry in updaters[: surplus + 1]:
        del out[entry.key]
        summed = _Entry("ancient-changes", "Update", entry.api_version, entry.subresource, entry.time, entry.fields)
        before = out.get(summed.key)
        if before is not None:
            summed = _Entry(
                "ancient-changes", "Update", entry.api_version, entry.subresource, entry.time, union(before.fields, entry.fields)
            )
        out[summed.key] = summed
    return out


def _with_managers(object_: Manifest, managers: _Managers) -> Manifest:
    """The object with these entries, in the order of the real server."""
    entries = sorted(managers.values(), key=lambda one: (one.operation, one.time, one.manager, one.api_version, one.subresource))
    metadata = {key: value for key, value in object_["metadata"].items() if key != "managedFields"}
    if entries:
        metadata["managedFields"] = [_encoded(entry) for entry in entries]
    return {**object_, "metadata": metadata}


def _encoded(entry: _Entry) -> dict[str, Any]:
    out: dict[str, Any] = {"manager": entry.manager, "operation": entry.operation, "apiVersion": entry.api_version}
    if entry.time:
        out["time"] = entry.time
    out |= {"fieldsType": "FieldsV1", "fieldsV1": ordered(entry.fields)}
    if entry.subresource:
        out["subresource"] = entry.subresource
    return out


def same_managers(one: Manifest, other: Manifest) -> bool:
    """True when both objects say the same of their managers, times aside."""

    def told(object_: Manifest) -> list[dict[str, Any]]:
        return [{key: value for key, value in entry.items() if key != "time"} for entry in object_["metadata"].get("managedFields") or ()]

    ours, theirs = told(one), told(other)
    return ours == theirs or (len(ours) == len(theirs) and all(entry in theirs for entry in ours))


def _refuse_conflicts(others: _Managers, changed: FieldSet) -> None:
    found: list[tuple[str, str]] = []
    for entry in others.values():
        found += [(entry.told(), path_text(path)) for path in paths(intersection(entry.fields, changed))]
    if not found:
        return
    if len(found) == 1:
        message = f"Apply failed with 1 conflict: conflict with {found[0][0]}: {found[0][1]}"
    else:
        lines: list[str] = []
        for manager in sorted({manager for manager, _ in found}):
            lines += [f"conflicts with {manager}:", *(f"- {path}" for one, path in found if one == manager)]
        message = f"Apply failed with {len(found)} conflicts: " + "\n".join(lines)
    causes = [{"reason": "FieldManagerConflict", "message": f"conflict with {manager}", "field": path} for manager, path in found]
    raise StatusError(409, "Conflict", message, {"causes": causes})
