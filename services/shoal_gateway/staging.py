"""A store for one deploy: reads what is stored with the deploy's own writes laid over it, and keeps the writes for one batch.

So a deploy goes through the same API server as kubectl, object by object, and nothing of it is stored when one object is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from shoal.api.errors import RevisionConflict
from shoal.api.meta import Manifest, Ref
from shoal.bus.entries import Draft, Entry
from shoal.kube.apiserver.store import Selection, Stored, encode_at
from shoal_gateway.store import HubStore
from shoal_gateway.window import WindowWatch


class Staged(NamedTuple):
    draft: Draft[Manifest]
    expected: int
    """Revision of the entry that it replaces, a tombstone included; 0 for none."""


class _Held(NamedTuple):
    base: Entry[Manifest] | None
    """The entry as it was when the deploy first wrote the object."""
    stored: Stored | None
    """As the deploy left it; None: it removes it."""
    draft: Draft[Manifest] | None


class Staging:
    """Implements `kube.apiserver.store.Store`; nothing reaches the bus."""

    def __init__(self, store: HubStore) -> None:
        self._store = store
        # It stands still: a definition that is staged must not become a kind that is served before the deploy is accepted.
        self._revision = store.revision()
        self._held: dict[Ref, _Held] = {}

    @property
    def staged(self) -> list[Staged]:
        """What there is to write, in the order in which the deploy first touched it."""
        return [
            Staged(held.draft, held.base.revision if held.base is not None else 0) for held in self._held.values() if held.draft is not None
        ]

    def revision(self) -> int:
        return self._revision

    async def settled(self) -> int:
        await self._store.settled()
        return self._revision

    def get(self, ref: Ref) -> Stored | None:
        held = self._held.get(ref)
        return held.stored if held is not None else self._store.get(ref)

    def list(self, selection: Selection) -> Iterable[Stored]:
        found = {one.ref: one for one in self._store.list(selection)}
        for ref, held in self._held.items():
            if selection.covers(ref):
                if held.stored is None:
                    found.pop(ref, None)
                else:
                    found[ref] = held.stored
        return sorted(found.values(), key=lambda one: (one.ref.namespace, one.ref.name))

    def conflicts(self, stored: Stored, seen: int) -> bool:
        return self._store.conflicts(stored, seen)

    async def write(self, ref: Ref, object_: Manifest, *, expected: int) -> Stored:
        base = self._base(ref, expected)
        token = base.revision if base is not None and not base.deleted else 0
        draft = self._store.draft(ref, object_, base)
        revision = max(token, self._store.revision())
        if draft is None:
            stored = self._store.get(ref) or Stored(ref, encode_at(object_, revision), revision, token)
        else:
            stored = self._store.shown(ref, draft.body or {}, token, revision)
        self._held[ref] = _Held(base, stored, draft)
        return stored

    async def remove(self, ref: Ref, object_: Manifest, *, expected: int) -> Stored:
        base = self._base(ref, expected)
        draft = self._store.tombstone(ref, str(object_["metadata"].get("uid", ""))) if base is not None and not base.deleted else None
        self._held[ref] = _Held(base, None, draft)
        revision = self._store.revision()
        return Stored(ref, encode_at(object_, revision), revision, expected)

    def watch(self, since: int, selection: Selection) -> WindowWatch:
        return self._store.watch(since, selection)

    def _base(self, ref: Ref, expected: int) -> Entry[Manifest] | None:
        """The entry that the deploy builds on: as it was at the first touch. Raises `RevisionConflict`."""
        held = self._held.get(ref)
        base = held.base if held is not None else self._store.entry(ref)
        seen = held.stored.token if held is not None and held.stored is not None else None
        actual = seen if seen is not None else (base.revision if held is None and base is not None and not base.deleted else 0)
        if actual != expected:
            raise RevisionConflict(str(ref), expected=expected, actual=actual)
        return base
