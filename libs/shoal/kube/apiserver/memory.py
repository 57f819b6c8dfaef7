"""The store of an embedded member: dictionaries of encoded objects, a bounded window of changes, and optionally a journal on disk."""

from __future__ import annotations

import asyncio
import bisect
from collections import deque
from collections.abc import Iterator

from shoal.api.errors import RevisionConflict
from shoal.api.meta import Manifest, Ref
from shoal.kube.apiserver.journal import Journal, Record
from shoal.kube.apiserver.store import Event, EventType, Expired, Selection, Stored, encode_at

WINDOW_EVENTS = 2000
"""Changes kept for watches that resume. Unchanged parts are shared with the objects themselves, so it costs little while objects live."""

LAG_EVENTS_MAX = 10_000
"""A watcher further behind than this is told to list again, so that one that stopped reading cannot fill the memory."""


class MemoryStore:
    """All objects of one cluster. Not safe for threads; every write is complete when the call returns, so reads are always settled."""

    def __init__(self, journal: Journal | None = None, *, window: int = WINDOW_EVENTS) -> None:
        """With a journal its content is loaded, and every write is on disk (flushed to the kernel) before it is acknowledged: a killed
        process loses nothing that it acknowledged. After a restart watches of earlier revisions are `Expired`."""
        self._kinds: dict[tuple[str, str], dict[tuple[str, str], Stored]] = {}
        self._order: dict[tuple[str, str], list[tuple[str, str]]] = {}
        self._window: deque[Event] = deque(maxlen=window)
        self._watches: dict[tuple[str, str], dict[MemoryWatch, None]] = {}
        # Dictionaries keep the order of subscription, so that a seeded run replays.
        self._revision = 1
        self._journal = journal
        if journal is not None:
            for record in journal.load():
                self._replay(record)
        self._oldest = self._revision
        """Watches can start at this revision or later."""

    def revision(self) -> int:
        return self._revision

    async def settled(self) -> int:
        return self._revision

    def get(self, ref: Ref) -> Stored | None:
        return self._kinds.get((ref.group, ref.kind), {}).get((ref.namespace, ref.name))

    def list(self, selection: Selection) -> Iterator[Stored]:
        kind = (selection.group, selection.kind)
        objects, order = self._kinds.get(kind), self._order.get(kind)
        if not objects or not order:
            return iter(())
        if selection.namespace is None:
            return iter([objects[key] for key in order])
        first = bisect.bisect_left(order, (selection.namespace, ""))
        last = bisect.bisect_left(order, (selection.namespace + "\0", ""))
        return iter([objects[key] for key in order[first:last]])

    def __iter__(self) -> Iterator[Stored]:
        """Every object there is."""
        for objects in list(self._kinds.values()):
            yield from list(objects.values())

    def conflicts(self, stored: Stored, seen: int) -> bool:
        return stored.revision != seen

    async def write(self, ref: Ref, object_: Manifest, *, expected: int) -> Stored:
        old = self._expect(ref, expected)
        revision = self._revision + 1
        new = Stored(ref, encode_at(object_, revision), revision, revision)
        if self._journal is not None:
            self._journal.append(Record(ref, revision, new.body), self)
        self._put(new)
        self._publish(Event(EventType.MODIFIED if old else EventType.ADDED, new, old))
        return new

    async def remove(self, ref: Ref, object_: Manifest, *, expected: int) -> Stored:
        old = self._expect(ref, expected)
        revision = self._revision + 1
        last = Stored(ref, encode_at(object_, revision), revision, revision)
        if self._journal is not None:
            self._journal.append(Record(ref, revision, None), self)
        self._drop(ref)
        self._publish(Event(EventType.DELETED, last, old))
        return last

    def watch(self, since: int, selection: Selection) -> MemoryWatch:
        if since < self._oldest:
            raise Expired(since, self._oldest)
        missed = [event for event in self._window if event.revision > since and selection.covers(event.object.ref)]
        return MemoryWatch(self, selection, missed)

    @property
    def watchers(self) -> int:
        """How many watches are open."""
        return sum(len(watches) for watches in self._watches.values())

    def close(self) -> None:
        """Closes the journal; the store must not be written to afterwards."""
        if self._journal is not None:
            self._journal.close()

    def _expect(self, ref: Ref, expected: int) -> Stored | None:
        old = self.get(ref)
        actual = old.token if old else 0
        if actual != expected:
            raise RevisionConflict(str(ref), expected=expected, actual=actual)
        return old

    def _put(self, stored: Stored) -> None:
        ref = stored.ref
        kind, key = (ref.group, ref.kind), (ref.namespace, ref.name)
        objects = self._kinds.setdefault(kind, {})
        if key not in objects:
            bisect.insort(self._order.setdefault(kind, []), key)
        objects[key] = stored
        self._revision = stored.revision

    def _drop(self, ref: Ref) -> None:
        kind, key = (ref.group, ref.kind), (ref.namespace, ref.name)
        if self._kinds.get(kind, {}).pop(key, None) is not None:
            order = self._order[kind]
            del order[bisect.bisect_left(order, key)]

    def _publish(self, event: Event) -> None:
        self._revision = event.revision
        if len(self._window) == self._window.maxlen:
            self._oldest = self._window[0].revision
        self._window.append(event)
        ref = event.object.ref
        for watch in self._watches.get((ref.group, ref.kind), ()):
            watch.push(event)

    def _replay(self, record: Record) -> None:
        if record.body is None:
            self._drop(record.ref)
        else:
            self._put(Stored(record.ref, record.body, record.revision, record.revision))
        self._revision = max(self._revision, record.revision)

    def attach(self, watch: MemoryWatch) -> None:
        self._watches.setdefault((watch.selection.group, watch.selection.kind), {})[watch] = None

    def detach(self, watch: MemoryWatch) -> None:
        self._watches.get((watch.selection.group, watch.selection.kind), {}).pop(watch, None)


class MemoryWatch:
    """One reader of changes; the store pushes, the reader takes them in batches."""

    def __init__(self, store: MemoryStore, selection: Selection, missed: list[Event]) -> None:
        self.selection = selection
        self._store = store
        self._pending = missed
        self._lagging = False
        self._arrived = asyncio.Event()
        if missed:
            self._arrived.set()
        store.attach(self)

    @property
    def position(self) -> int:
        # Writes push at once: with nothing pending, everything up to the store's revision was handed out.
        return self._pending[0].revision - 1 if self._pending else self._store.revision()

    def push(self, event: Event) -> None:
        if not self.selection.covers(event.object.ref):
            return
        if len(self._pending) >= LAG_EVENTS_MAX:
            self._lagging = True
            self._pending = []
        if not self._lagging:
            self._pending.append(event)
        self._arrived.set()

    async def next(self, timeout_s: float) -> list[Event]:
        if not self._pending and not self._lagging:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._arrived.wait()
            except TimeoutError:
                return []
        if self._lagging:
            raise Expired(0, self._store.revision())
        out, self._pending = self._pending, []
        self._arrived.clear()
        return out

    def close(self) -> None:
        self._store.detach(self)
