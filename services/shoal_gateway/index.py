"""What is looked up by something else than a ref: applications, changes, cluster names, names of shown bindings and works.

Kept from the views' callbacks, so that no question reads every object.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from shoal.api.cluster import MEMBER_ID_ANNOTATION
from shoal.api.meta import Ref
from shoal.bus.entries import Entry
from shoal.bus.view import View
from shoal.messages.catalogue import BINDING, OBJECT, WORKS
from shoal_gateway import bodies, edits, merge, shapes
from shoal_gateway.kinds import APPLICATION, CHANGE, is_template


class _Metadata(msgspec.Struct):
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class _Head(msgspec.Struct):
    metadata: _Metadata


class _ChangeSpec(msgspec.Struct):
    change: str = ""


class _ChangeHead(msgspec.Struct):
    spec: _ChangeSpec


_head = msgspec.json.Decoder(_Head).decode
_change_head = msgspec.json.Decoder(_ChangeHead).decode


class Index:
    """Fed by the views of STATE and WORK."""

    def __init__(self, state: View, works: View) -> None:
        self._application: dict[Ref, str] = {}
        self._members_of: dict[str, dict[Ref, None]] = {}
        self._change: dict[Ref, str] = {}
        self._changed_by: dict[str, dict[Ref, None]] = {}
        self._records: dict[str, Ref] = {}
        self._templates: dict[Ref, Ref] = {}
        self._works: dict[Ref, tuple[str, Ref]] = {}
        self._member_of: dict[str, str] = {}
        self._cluster_of: dict[str, str] = {}
        state.subscribe(self._on_state)
        works.subscribe(self._on_work)

    def application_of(self, ref: Ref) -> str:
        """Empty for what belongs to none: system kinds, and objects that are gone."""
        return self._application.get(ref, "")

    def objects_of(self, application: str) -> tuple[Ref, ...]:
        return tuple(self._members_of.get(application, ()))

    def applications(self) -> Iterator[str]:
        return iter(sorted(self._members_of))

    def objects_changed_by(self, change: str) -> tuple[Ref, ...]:
        """Objects whose content is of that change now; what a newer change wrote since is not among them."""
        return tuple(self._changed_by.get(change, ()))

    def record_of(self, change: str) -> Ref | None:
        """The Change object of a deploy; None for a change that kubectl made."""
        return self._records.get(change)

    def member_of(self, cluster: str) -> str:
        """The id under which a cluster speaks on the bus; empty when it never joined."""
        return self._member_of.get(cluster, "")

    def cluster_of(self, member: str) -> str:
        return self._cluster_of.get(member, "")

    def template_of(self, shown: Ref) -> Ref | None:
        """The template that a shown binding is about."""
        return self._templates.get(shown)

    def work_of(self, shown: Ref) -> tuple[str, Ref] | None:
        """(member, template) of a shown work."""
        return self._works.get(shown)

    def _on_state(self, new: Entry[Any], previous: Entry[Any] | None) -> None:
        if new.family is BINDING:
            self._templates[shapes.binding_ref(new.ref)] = new.ref
            return
        if new.family is not OBJECT:
            return
        ref = new.ref
        if (ref.group, ref.kind) == CHANGE:
            self._take_record(new)
            return
        if (ref.group, ref.kind) == APPLICATION or edits.is_binding(ref):
            return
        _move(self._changed_by, self._change, ref, new.change)  # Also of a tombstone: "is my deletion everywhere" is a question, too.
        if merge.is_cluster(ref):
            self._take_cluster(new)
        else:
            placed = is_template(ref) and ref.kind != "Namespace"
            name = "" if new.deleted or not placed else merge.application_of(_head(new.raw).metadata.labels or {}, ref)
            _move(self._members_of, self._application, ref, name)

    def _take_record(self, new: Entry[Any]) -> None:
        if not new.deleted:
            self._records[_change_head(new.raw).spec.change] = new.ref
            return
        for change in [change for change, ref in self._records.items() if ref == new.ref]:
            del self._records[change]

    def _take_cluster(self, new: Entry[Any]) -> None:
        old = self._member_of.pop(new.ref.name, "")
        self._cluster_of.pop(old, None)
        member = "" if new.deleted else (_head(new.raw).metadata.annotations or {}).get(MEMBER_ID_ANNOTATION, "")
        if member:
            self._member_of[new.ref.name] = member
            self._cluster_of[member] = new.ref.name

    def _on_work(self, new: Entry[Any], previous: Entry[Any] | None) -> None:
        if new.family is WORKS and not new.deleted:
            self._works[shapes.work_ref(bodies.work_head(new).cluster, new.ref)] = (new.member, new.ref)


def _move(by_name: dict[str, dict[Ref, None]], names: dict[Ref, str], ref: Ref, name: str) -> None:
    """Puts a ref under another name, or under none."""
    old = names.get(ref, "")
    if old == name:
        return
    if old:
        by_name[old].pop(ref, None)
        if not by_name[old]:
            del by_name[old]
        del names[ref]
    if name:
        names[ref] = name
        by_name.setdefault(name, {})[ref] = None
