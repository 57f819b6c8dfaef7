"""The hub's objects as the API server stores them: one `View` of STATE and compare-and-set writes (port: `shoal.kube.apiserver.store`).

A shown object is its object entry with aggregated status or belief laid over it; bindings and works are shown in Karmada's shapes and are
read only, but for what `edits` lets users say on a binding. `resourceVersion` is the highest sequence among the families shown, the token
of a write that of the object entry alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import structlog
from opentelemetry import propagate

from shoal.api.binding import Binding
from shoal.api.errors import BusUnavailable, RevisionConflict
from shoal.api.meta import Manifest, Ref
from shoal.api.status import Belief, TemplateStatus
from shoal.bus.entries import Draft, Entries, Entry
from shoal.bus.view import View
from shoal.kube.apiserver.registry import Registry
from shoal.kube.apiserver.store import Event, EventType, Selection, Stored, encode_at
from shoal.messages.catalogue import BELIEF, BINDING, OBJECT, STATUS, WORKS
from shoal_gateway import bodies, edits, merge, origin, shapes
from shoal_gateway.index import Index
from shoal_gateway.kinds import BINDING_KINDS, WORK_GROUP
from shoal_gateway.overlay import ObjectChange, Overlay, OverlayChange
from shoal_gateway.window import Change, Window, WindowWatch

log = structlog.get_logger()


class HubStore:
    """Implements `kube.apiserver.store.Store`. Reads never wait; writes return once the view has seen them."""

    def __init__(
        self, view: View, works: View, entries: Entries, registry: Registry, index: Index, *, new_change: Callable[[], str], window: int
    ) -> None:
        self._view, self._works, self._entries, self._registry, self._index = view, works, entries, registry, index
        self._new_change = new_change
        self.window = Window(window)
        self._loaded = False
        view.subscribe(self._on_state)
        works.subscribe(self._on_work)
        view.on_rebuilt(self._on_rebuilt)

    # --- reads ------------------------------------------------------------------------------------------------------------------------

    def revision(self) -> int:
        return self._view.position

    async def settled(self) -> int:
        return await self._view.settled()

    def get(self, ref: Ref) -> Stored | None:
        if ref.group == WORK_GROUP:
            return self._get_derived(ref)
        entry = self._view.get(OBJECT, ref)
        return None if entry is None or entry.deleted else self._shown(entry)

    def list(self, selection: Selection) -> Iterable[Stored]:
        if selection.group == WORK_GROUP:
            return self._list_derived(selection)
        found = [
            entry
            for entry in self._view.entries(OBJECT, group=selection.group, kind=selection.kind, namespace=selection.namespace)
            if not entry.deleted
        ]
        found.sort(key=lambda entry: (entry.ref.namespace, entry.ref.name))
        return (self._shown(entry) for entry in found)

    def conflicts(self, stored: Stored, seen: int) -> bool:
        # Whoever saw the object's own last write missed at most status, which is not his to write.
        return not stored.token <= seen <= self.revision()

    def watch(self, since: int, selection: Selection) -> WindowWatch:
        return self.window.watch(since, selection, inclusive=selection.kind == "Work")

    # --- writes -----------------------------------------------------------------------------------------------------------------------

    async def write(self, ref: Ref, object_: Manifest, *, expected: int) -> Stored:
        if edits.is_binding(ref):
            return await self._write_edit(ref, object_, expected)
        current = self._expected(ref, expected)
        draft = self.draft(ref, object_, current)
        if draft is None:
            return self._shown(current) if current is not None else self.shown(ref, object_, expected, expected)
        revision = await self._write(draft, current)
        return self.shown(ref, draft.body or {}, revision, revision)

    async def remove(self, ref: Ref, object_: Manifest, *, expected: int) -> Stored:
        current = self._expected(ref, expected)
        revision = await self._write(self.tombstone(ref, str(object_["metadata"].get("uid", ""))), current)
        return Stored(ref, encode_at(object_, revision), revision, revision)

    def draft(self, ref: Ref, object_: Manifest, current: Entry[Manifest] | None) -> Draft[Manifest] | None:
        """The entry that a write of this object is, in the name of the current origin; None when it changes nothing."""
        live = current if current is not None and not current.deleted else None
        stored = live.body if live is not None else None
        who = origin.current()
        keep_status = not who.status and self._has_status(ref)
        body = merge.owned(object_, stored, belief=self._belief(ref), keep_status=keep_status)
        if live is not None and stored is not None:
            if merge.same_but_times(stored, body):
                return None
            if merge.same_content(stored, body):
                return Draft(family=OBJECT, ref=ref, body=body, uid=live.uid, change=live.change, author=who.author, content=live.content)
        uid = str(body["metadata"].get("uid", ""))
        return Draft(
            family=OBJECT, ref=ref, body=body, uid=uid, change=who.change or self._new_change(), author=who.author, headers=_trace()
        )

    def tombstone(self, ref: Ref, uid: str) -> Draft[Manifest]:
        who = origin.current()
        return Draft(
            family=OBJECT,
            ref=ref,
            body=None,
            uid=uid,
            change=who.change or self._new_change(),
            author=who.author,
            deleted=True,
            headers=_trace(),
        )

    def entry(self, ref: Ref) -> Entry[Manifest] | None:
        """The object entry, tombstones included."""
        return self._view.get(OBJECT, ref)

    def _expected(self, ref: Ref, expected: int) -> Entry[Manifest] | None:
        current = self._view.get(OBJECT, ref)
        actual = current.revision if current is not None and not current.deleted else 0
        if actual != expected:
            raise RevisionConflict(str(ref), expected=expected, actual=actual)
        return current

    async def _write(self, draft: Draft[Manifest], current: Entry[Manifest] | None) -> int:
        """Writes on top of `current`, a tombstone included; one that the view has not seen yet is read from the leader."""
        try:
            revision = await self._entries.write(draft, expected=current.revision if current is not None else 0)
        except RevisionConflict:
            # A tombstone may have been written without the view having heard of it; anything else is somebody's newer write.
            newest = await self._entries.read(OBJECT, draft.ref)
            if (current is not None and not current.deleted) or (newest is not None and not newest.deleted):
                raise
            revision = await self._entries.write(draft, expected=newest.revision if newest is not None else 0)
        await self.passed(revision)
        return revision

    async def _write_edit(self, ref: Ref, object_: Manifest, expected: int) -> Stored:
        """Stores what a user says on a binding; when nothing is left to say, a tombstone."""
        template = self._index.template_of(ref)
        shown = self._binding(template) if template is not None else None
        if template is None or shown is None or shown.token != expected:
            raise RevisionConflict(str(ref), expected=expected, actual=shown.token if shown is not None else 0)
        current, binding = self._view.get(OBJECT, ref), self._view.get(BINDING, template)
        before = self._edits(template, binding.uid if binding is not None else "")
        body = edits.overlay(shown.object(), object_, before.body if before is not None else None, position=self._view.position)
        nothing, who = edits.says_nothing(body), origin.current()
        if nothing and before is None:
            return shown
        draft: Draft[Manifest] = Draft(
            family=OBJECT,
            ref=ref,
            body=None if nothing else body,
            uid=binding.uid if binding is not None else "",
            change=who.change or self._new_change(),
            author=who.author,
            deleted=nothing,
            headers=_trace(),
        )
        await self._write(draft, current)
        return self._binding(template) or shown

    def _edits(self, template: Ref, uid: str) -> Entry[Manifest] | None:
        """What users said on the binding of this very object."""
        entry = self._view.get(OBJECT, shapes.binding_ref(template))
        return entry if entry is not None and not entry.deleted and entry.uid == uid else None

    async def passed(self, revision: int) -> None:
        """Waits until reads reflect an own write. Too slow a view does not make the write fail: it is stored."""
        try:
            await self._view.passed(revision)
        except BusUnavailable:
            log.warning("view is behind an own write", revision=revision, position=self._view.position)

    def _has_status(self, ref: Ref) -> bool:
        found = self._registry.of(ref.group, ref.kind)
        return found is not None and found.status

    # --- what is shown ----------------------------------------------------------------------------------------------------------------

    def _belief(self, ref: Ref) -> Belief | None:
        entry = self._view.get(BELIEF, ref) if merge.is_cluster(ref) else None
        return bodies.belief(entry) if entry is not None and not entry.deleted else None

    def _shown(self, entry: Entry[Manifest]) -> Stored:
        return self.shown(entry.ref, entry.body, entry.revision, entry.revision)

    def shown(self, ref: Ref, own: Manifest, token: int, revision: int) -> Stored:
        """The object as users see it, made from the user's own part."""
        overlay = Overlay.of(self._view, ref, str(own["metadata"].get("uid", "")))
        revision = max(revision, overlay.revision)
        return Stored(ref, encode_at(overlay.over(own), revision), revision, token)

    # --- bindings and works -----------------------------------------------------------------------------------------------------------

    def _get_derived(self, ref: Ref) -> Stored | None:
        if ref.kind in BINDING_KINDS:
            template = self._index.template_of(ref)
            return self._binding(template) if template is not None else None
        found = self._index.work_of(ref)
        entry = self._works.get(WORKS, found[1], found[0]) if found is not None else None
        return self._work(entry) if entry is not None and not entry.deleted else None

    def _list_derived(self, selection: Selection) -> Iterator[Stored]:
        if selection.kind in BINDING_KINDS:
            made = (self._binding(entry.ref) for entry in self._view.entries(BINDING) if not entry.deleted)
        else:
            made = (self._work(entry) for entry in self._works.entries(WORKS) if not entry.deleted)
        found = [one for one in made if one is not None and selection.covers(one.ref)]
        return iter(sorted(found, key=lambda one: (one.ref.namespace, one.ref.name)))

    def _binding(self, template: Ref) -> Stored | None:
        entry = self._view.get(BINDING, template)
        if entry is None or entry.deleted:
            return None
        return self._binding_of(entry, self._view.get(STATUS, template), self._view.get(OBJECT, template), self._edits(template, entry.uid))

    def _binding_of(
        self,
        entry: Entry[Binding],
        status: Entry[TemplateStatus] | None,
        template: Entry[Manifest] | None,
        said: Entry[Manifest] | None,
    ) -> Stored:
        ref, binding = entry.ref, bodies.binding(entry)
        spoken = status is not None and not status.deleted and status.uid == entry.uid
        revision = max(entry.revision, status.revision if status is not None and spoken else 0)
        made = shapes.binding_object(
            ref,
            binding,
            api_version=self._api_version(ref, template),
            revision=entry.revision,
            created=_rfc3339(entry.time),
            change=entry.change,
            status=bodies.status(status) if status is not None and spoken else None,
            errors=self._override_errors(ref, binding),
        )
        token = entry.revision
        if said is not None:
            made = edits.over(made, said.body, binding)
            revision, token = max(revision, said.revision), max(token, said.revision)
        return Stored(shapes.binding_ref(ref), encode_at(made, revision), revision, token)

    def _override_errors(self, ref: Ref, binding: Binding) -> dict[str, str]:
        """By cluster. A work is told here before its cluster has reported on it, and when it never will."""
        told: dict[str, str] = {}
        for target in binding.clusters:
            entry = self._works.get(WORKS, ref, self._index.member_of(target.name))
            if entry is not None and not entry.deleted and (error := bodies.override_error(entry)):
                told[target.name] = error
        return told

    def _api_version(self, ref: Ref, template: Entry[Manifest] | None) -> str:
        if template is not None and not template.deleted:
            return str(template.body["apiVersion"])
        known = self._registry.of(ref.group, ref.kind)
        return known.api_version(known.versions[0]) if known is not None else ref.group

    def _work(self, entry: Entry[Any]) -> Stored:
        status = self._view.get(STATUS, entry.ref)
        work = bodies.work(entry)
        copy = bodies.status(status).copy(work.cluster) if status is not None and not status.deleted and status.uid == entry.uid else None
        made = shapes.work_object(entry.ref, work, revision=entry.revision, created=_rfc3339(entry.time), change=entry.change, copy=copy)
        # A sequence of WORK is no place in STATE: what is shown is where the hub stands, so that a watch can start there.
        revision = self._view.position
        return Stored(shapes.work_ref(work.cluster, entry.ref), encode_at(made, revision), revision, entry.revision)

    # --- changes ----------------------------------------------------------------------------------------------------------------------

    def _on_rebuilt(self) -> None:
        self._loaded = True
        self.window.reset(self._view.position)

    def _on_state(self, new: Entry[Any], previous: Entry[Any] | None) -> None:
        if not self._loaded:
            return
        ref, at = new.ref, new.revision
        if new.family is OBJECT and edits.is_binding(ref):
            template = self._index.template_of(ref)
            if template is not None:
                self._publish_binding(template, at, new, previous)
            return
        if new.family is OBJECT:
            self.window.publish(Change(at, ref, ObjectChange(self._view, new, previous)))
            return
        if new.family in (STATUS, BELIEF, BINDING):
            entry = self._view.get(OBJECT, ref)
            if entry is not None and not entry.deleted:
                self.window.publish(Change(at, ref, OverlayChange(self._view, entry, new, previous)))
        if new.family in (STATUS, BINDING):
            self._publish_binding(ref, at, new, previous)

    def _publish_binding(self, ref: Ref, at: int, new: Entry[Any], previous: Entry[Any] | None) -> None:
        entry = new if new.family is BINDING else self._view.get(BINDING, ref)
        if entry is None:
            return
        status = new if new.family is STATUS else self._view.get(STATUS, ref)
        template, said = self._view.get(OBJECT, ref), self._edits(ref, entry.uid)

        def build() -> Event | None:
            if entry.family is new.family and new.deleted:
                if previous is None or previous.deleted:
                    return None
                last = self._binding_of(previous, status, template, said)
                return Event(EventType.DELETED, Stored(last.ref, last.body, at, last.token), last)
            if entry.deleted:
                return None
            fresh = new.family is BINDING and (previous is None or previous.deleted)
            shown = self._binding_of(entry, status, template, said)
            return Event(EventType.ADDED if fresh else EventType.MODIFIED, shown, None if fresh else shown)

        self.window.publish(Change(at, shapes.binding_ref(ref), build))

    def _on_work(self, new: Entry[Any], previous: Entry[Any] | None) -> None:
        if not self._loaded:
            return
        shown = new if not new.deleted else previous
        if shown is None or shown.deleted:
            return
        fresh = previous is None or previous.deleted

        def build() -> Event | None:
            stored = self._work(shown)
            if new.deleted:
                return Event(EventType.DELETED, stored, stored)
            return Event(EventType.ADDED if fresh else EventType.MODIFIED, stored, None if fresh else stored)

        self.window.publish(Change(self._view.position, shapes.work_ref(bodies.work_head(shown).cluster, shown.ref), build))


def _trace() -> dict[str, str]:
    """The trace that the write belongs to; empty while nothing is traced."""
    headers: dict[str, str] = {}
    propagate.inject(headers)
    return headers


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
