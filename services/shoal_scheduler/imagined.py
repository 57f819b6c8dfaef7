"""A state that is only supposed: entries of now or of the past, with what a plan lays over them. Same triggers, same reading, no bus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, TypeVar

from shoal.api.binding import Binding
from shoal.api.meta import Ref
from shoal.bus.entries import Entry, supposed
from shoal.bus.work_queue import Waiting
from shoal.domain.deciding import Inputs, Known, Outcome, Wanted
from shoal.domain.scheduling import Ledger
from shoal.messages.catalogue import BINDING, OBJECT, STATE_FAMILIES, Family
from shoal_scheduler.knowledge import Knowledge
from shoal_scheduler.reading import Reading, State, draft_of
from shoal_scheduler.triggers import Triggers

T = TypeVar("T")


class Picture:
    """Entries at one position; a `State` that stands still unless something is put on it."""

    def __init__(self, entries: Iterable[Entry[Any]], position: int) -> None:
        self.position, self.complete = position, False
        self._entries: dict[tuple[str, Ref], Entry[Any]] = {}
        self._kinds: dict[tuple[str, str, str], dict[Ref, None]] = {}
        for entry in entries:
            self.put(entry)

    @classmethod
    def of(cls, state: State) -> Picture:
        """What a state holds now. Entries never change, so this copies only where they are."""
        return cls((entry for family in STATE_FAMILIES for entry in state.entries(family)), state.position)

    def put(self, entry: Entry[Any]) -> Entry[Any] | None:
        """The entry that it replaces."""
        key = (entry.family.name, entry.ref)
        previous = self._entries.get(key)
        self._entries[key] = entry
        self._kinds.setdefault((key[0], entry.ref.group, entry.ref.kind), {})[entry.ref] = None
        self.position = max(self.position, entry.revision)
        return previous

    def get(self, family: Family[T], ref: Ref, member: str = "") -> Entry[T] | None:
        return self._entries.get((family.name, ref))

    def entries(
        self, family: Family[T], *, group: str | None = None, kind: str | None = None, namespace: str | None = None
    ) -> Iterator[Entry[T]]:
        if group is not None and kind is not None:
            found = [self._entries[family.name, ref] for ref in self._kinds.get((family.name, group, kind), ())]
        else:
            found = [entry for (name, _), entry in self._entries.items() if name == family.name]
        for entry in found:
            ref = entry.ref
            if (group is None or ref.group == group) and (kind is None or ref.kind == kind) and namespace in (None, ref.namespace):
                yield entry


class Imagined:
    """A scheduler over a picture. Implements `domain.planning.World`."""

    def __init__(
        self, picture: Picture, *, now: datetime, ledger: Ledger | None = None, quotas: bool = False, known: Known | None = None
    ) -> None:
        """`ledger`: reservations of now, where this is about now; it goes its own way from here. `known`: estimates, where some are asked."""
        self.picture, self.knowledge, self._now = picture, Knowledge(ledger, quotas=quotas), now
        self.known = known or Known()
        self.replaced: dict[Ref, Entry[Binding] | None] = {}
        """Bindings that were decided anew: the entry that stood before."""
        self._due: Waiting[Ref] = Waiting()
        self._waiting: dict[Ref, Wanted] = {}
        self._looked: dict[Ref, int] = {}
        """What was decided here, and at which position last."""
        self._triggers = Triggers(picture, self.knowledge, self)
        self._reading = Reading(picture, self.knowledge)

    def load(self) -> Iterator[None]:
        """Takes in the picture, as a view tells its list; a generator, so that it may be done in slices."""
        for family in STATE_FAMILIES:
            for entry in list(self.picture.entries(family)):
                self._triggers.heard(entry, None)
                yield
        self.picture.complete = True

    def add(self, key: Ref, *, fresh: bool = False, sequence: int | None = None) -> None:
        """In the order of the scheduler's own queue: of those that want the same room the first one gets it."""
        self._due.put(key, self.knowledge.priority(key, self.picture.get(OBJECT, key)), fresh=fresh)

    def suppose(self, entries: list[Entry[Any]]) -> None:
        """Lays entries over the picture, together, as a view takes in an atomic batch."""
        told = [(entry, self.picture.put(entry)) for entry in entries]
        for entry, previous in told:
            self._triggers.heard(entry, previous)

    def wanted(self) -> list[Wanted]:
        """What those that were put aside wait for; they are due again."""
        found, self._waiting = self._waiting, {}
        for ref in found:
            self.add(ref, fresh=True)
        return list(found.values())

    def look_again(self) -> bool:
        """Makes due what was decided here, is not placed, and might be by now: the scheduler looks at it again after some time (R3.10)."""
        found = [ref for ref in self.knowledge.unplaced if self._looked.get(ref, self.picture.position) < self.picture.position]
        for ref in found:
            self.add(ref)
        return bool(found)

    # --- planning.World ---

    def due(self) -> Ref | None:
        return self._due.pop()

    def inputs(self, ref: Ref) -> Inputs:
        self._looked[ref] = self.picture.position
        return self._reading.inputs(ref, now=self._now)

    def wait(self, ref: Ref, wanted: Wanted) -> None:
        self._waiting[ref] = wanted

    def accept(self, ref: Ref, outcome: Outcome) -> None:
        if outcome.binding is None:
            return
        template, previous = self.picture.get(OBJECT, ref), self.picture.get(BINDING, ref)
        self.replaced.setdefault(ref, previous)
        draft = draft_of(ref, outcome.binding, template=template, previous=previous, tombstone=outcome.tombstone)
        self.suppose([supposed(draft, sequence=self.picture.position + 1)])
        self._looked[ref] = self.picture.position
