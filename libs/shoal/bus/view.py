"""A view: the entries of some families of one stream, held in memory, in the order of the stream (as a Kubernetes informer)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import structlog
from prometheus_client import Counter, Gauge

from shoal.api.clock import Clock
from shoal.api.errors import BusUnavailable, ShoalError
from shoal.api.meta import Ref
from shoal.bus.entries import Entry, read_entry
from shoal.bus.port import BATCH, BATCH_COMMIT, Bus, Event, Passed, Reset, Stored, Watch
from shoal.messages import subject as subjects
from shoal.messages.catalogue import STATE, Family, Stream

log = structlog.get_logger(__name__)
T = TypeVar("T")
Key = tuple[str, str, Ref]
"""Family name, member, ref."""

SYNC_AFTER_S, SYNC_EVERY_S = 0.003, 0.2
"""When a waiter first asks how far the stream is (a delivery takes 1 ms), and how often again: for what concerns another view."""
SLICE = 200
"""Entries taken in before others get their turn on the loop: about 5 ms."""

BATCH_WAIT_S = 0.05
"""How long the begin of an atomic batch waits for its end, which may concern another view and then never comes."""

_size = Gauge("shoal_view_entries", "Entries held by a view", ["view"])
_position = Gauge("shoal_view_position", "Last sequence a view has passed", ["view"])
_missing = Counter("shoal_view_missing_total", "Entries that were held and that a rebuilt list lacks", ["view"])
_unreadable = Counter("shoal_view_unreadable_total", "Entries that could not be read", ["view"])


class View:
    """Reads may happen at any time; they see one consistent moment, since nothing here awaits between two entries of a batch."""

    def __init__(self, bus: Bus, stream: Stream, families: Sequence[Family[Any]], *, name: str, clock: Clock, member: str = "*") -> None:
        self._bus, self._stream, self._name, self._clock = bus, stream, name, clock
        self._families = {family.name: family for family in families}
        self._subjects = _filters(stream, families, member)
        self._entries: dict[Key, Entry[Any]] = {}
        self._groups: dict[tuple[str, str, str], dict[Key, None]] = {}  # (family, group, kind)
        self._by_family: dict[str, dict[Key, None]] = {name: {} for name in self._families}
        self._by_member: dict[tuple[str, str], dict[Key, None]] = {}  # (family, member)
        self._callbacks: list[Callable[[Entry[Any], Entry[Any] | None], None]] = []
        self._rebuilt: list[Callable[[], None]] = []
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self._settling: asyncio.Future[int] | None = None
        self._watch: Watch | None = None
        self._task: asyncio.Task[None] | None = None
        self._seen: set[Key] | None = set()  # While a list is built: what it had.
        self._complete = asyncio.Event()
        self._held: list[Stored] = []  # The part of an atomic batch that has arrived.
        self._release_timer: asyncio.TimerHandle | None = None
        self._gauges = (_position.labels(name), _size.labels(name))
        self.position = 0
        """The last sequence that was passed: delivered, or known not to concern this view."""

    # --- life ---

    async def start(self) -> None:
        """Begins to load and returns at once."""
        self._watch = self._bus.watch(self._stream.name, self._subjects)
        self._task = asyncio.get_running_loop().create_task(self._run(self._watch))

    async def stop(self) -> None:
        if self._watch is not None:
            await self._watch.aclose()
        if self._release_timer is not None:
            self._release_timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for _, waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(BusUnavailable(f"view {self._name} was stopped"))
        self._waiters.clear()

    @property
    def name(self) -> str:
        """As in metrics and logs."""
        return self._name

    @property
    def complete(self) -> bool:
        """False before the first list is whole, and again while it is built anew: conclude nothing from what is not there."""
        return self._complete.is_set()

    async def completed(self) -> None:
        await self._complete.wait()

    # --- reading ---

    def get(self, family: Family[T], ref: Ref, member: str = "") -> Entry[T] | None:
        """The entry; a tombstone too, with `deleted` set."""
        return self._entries.get((family.name, member, ref))

    def entries(
        self,
        family: Family[T],
        *,
        group: str | None = None,
        kind: str | None = None,
        namespace: str | None = None,
        member: str | None = None,
    ) -> Iterator[Entry[T]]:
        """Those that match, as of now: what changes while iterating does not disturb. Group and kind together, or a member, are indexed."""
        keys: dict[Key, None]
        if group is not None and kind is not None:
            keys = self._groups.get((family.name, group, kind), {})
        elif member is not None:
            keys = self._by_member.get((family.name, member), {})
        else:
            keys = self._by_family[family.name]
        for key in tuple(keys):
            entry = self._entries.get(key)
            if entry is None:
                continue
            ref = entry.ref
            if (
                (kind is None or ref.kind == kind)
                and (group is None or ref.group == group)
                and (namespace is None or ref.namespace == namespace)
                and (member is None or entry.member == member)
            ):
                yield entry

    def __len__(self) -> int:
        return len(self._entries)

    # --- being told ---

    def subscribe(self, callback: Callable[[Entry[Any], Entry[Any] | None], None]) -> None:
        """`callback(new, previous)` for each entry in order, during the load too. It must not await, and its errors are logged."""
        self._callbacks.append(callback)

    def on_rebuilt(self, callback: Callable[[], None]) -> None:
        """`callback()` after each complete list: what was missed in between may concern any key."""
        self._rebuilt.append(callback)

    def drop(self, entry: Entry[Any]) -> None:
        """Forgets a tombstone that its owner has purged (a purge tells nobody)."""
        key = (entry.family.name, entry.member, entry.ref)
        held = self._entries.get(key)
        if held is not None and held.deleted and held.revision <= entry.revision:
            self._remove(key)

    # --- waiting ---

    async def passed(self, sequence: int, *, timeout_s: float = 10.0) -> None:
        """Until the view has passed that sequence of its stream. Raises `BusUnavailable` after `timeout_s`."""
        if self.position >= sequence and self.complete:
            return
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters.append((sequence, waiter))
        try:
            # The sequence may be of a family that is not in this view, and then never arrives; so the watch is asked, but not at once.
            wait_s = SYNC_AFTER_S
            while not waiter.done():
                await asyncio.wait([waiter], timeout=min(wait_s, max(0.0, deadline - loop.time())))
                if not waiter.done() and loop.time() >= deadline:
                    raise BusUnavailable(f"view {self._name} is at {self.position} and has not reached {sequence} within {timeout_s:g} s")
                if not waiter.done() and self._watch is not None:
                    self._watch.sync()
                    wait_s = SYNC_EVERY_S
            waiter.result()
        finally:
            self._waiters = [(number, other) for number, other in self._waiters if other is not waiter]

    async def settled(self) -> int:
        """The stream's last sequence of now, once the view has passed it. Callers of the same moment share one question."""
        if self._settling is None:
            self._settling = asyncio.ensure_future(self._ask_last())
        last = await asyncio.shield(self._settling)
        await self.passed(last)
        return last

    async def _ask_last(self) -> int:
        await asyncio.sleep(0)  # Whoever comes in this turn joins; a later one must not be told of an earlier moment.
        self._settling = None
        return (await self._bus.info(self._stream.name)).last

    # --- taking in ---

    async def _run(self, watch: Watch) -> None:
        async for event in watch:
            events = [event, *watch.take()]
            for start in range(0, len(events), SLICE):
                self._take_in(events[start : start + SLICE])
                if len(events) > SLICE:
                    await asyncio.sleep(0)

    def _take_in(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, Stored):
                self._hold(event)
                continue
            self._release()
            if isinstance(event, Reset):
                self._complete.clear()
                self._seen = set()
            elif isinstance(event, Passed):
                self.position = max(self.position, event.position)
            else:
                self.position = event.position
                self._finish()
        self._report()

    def _report(self) -> None:
        self._wake()
        self._gauges[0].set(self.position)
        self._gauges[1].set(len(self._entries))

    def _hold(self, stored: Stored) -> None:
        """Entries of one atomic batch are taken in together: no reader sees, and no callback hears, a half of it."""
        batch = stored.headers.get(BATCH)
        if self._held and batch != self._held[-1].headers.get(BATCH):
            self._release()
        if batch is None:
            self._take(stored)
            return
        self._held.append(stored)
        if BATCH_COMMIT in stored.headers:
            self._release()
        elif self._release_timer is None:
            self._release_timer = asyncio.get_running_loop().call_later(BATCH_WAIT_S, self._release_late)

    def _release(self) -> None:
        if self._release_timer is not None:
            self._release_timer.cancel()
            self._release_timer = None
        held, self._held = self._held, []
        told = [taken for stored in held if (taken := self._store(stored)) is not None]
        for entry, previous in told:
            self._tell(entry, previous)

    def _release_late(self) -> None:
        self._release()
        self._report()

    def _take(self, stored: Stored) -> None:
        taken = self._store(stored)
        if taken is not None:
            self._tell(*taken)

    def _store(self, stored: Stored) -> tuple[Entry[Any], Entry[Any] | None] | None:
        """What to tell of it: (new, previous)."""
        self.position = max(self.position, stored.sequence)
        try:
            entry = read_entry(stored, self._stream)
        except ShoalError as error:
            _unreadable.labels(self._name).inc()
            log.error("entry unreadable", view=self._name, subject=stored.subject, sequence=stored.sequence, error=str(error))
            return None
        if entry is None or entry.family.name not in self._families:
            return None
        key = (entry.family.name, entry.member, entry.ref)
        if self._seen is not None:
            self._seen.add(key)
        previous = self._entries.get(key)
        if previous is not None and previous.revision == entry.revision and previous.write == entry.write:
            return None  # Told again by a rebuilt list.
        self._entries[key] = entry
        if previous is None:
            self._add(key)
        return entry, previous

    def _tell(self, entry: Entry[Any], previous: Entry[Any] | None) -> None:
        for callback in self._callbacks:
            try:
                callback(entry, previous)
            except Exception:
                log.exception("view callback failed", view=self._name, entry=repr(entry))

    def _finish(self) -> None:
        """The list is whole. What it lacks is forgotten, but absence is nobody's intent, so nobody is told to delete."""
        seen, self._seen = self._seen, None
        if seen is not None:
            missing = [key for key, entry in self._entries.items() if key not in seen and not entry.deleted]
            for key in [key for key in self._entries if key not in seen]:
                self._remove(key)
            if missing:
                _missing.labels(self._name).inc(len(missing))
                log.warning("entries missing after a rebuild", view=self._name, count=len(missing), first=str(missing[0]))
        self._complete.set()
        for callback in self._rebuilt:
            try:
                callback()
            except Exception:
                log.exception("view callback failed", view=self._name)

    def _wake(self) -> None:
        if not self._waiters or not self.complete:
            return
        for sequence, waiter in self._waiters:
            if sequence <= self.position and not waiter.done():
                waiter.set_result(None)

    def _add(self, key: Key) -> None:
        family, member, ref = key
        self._by_family[family][key] = None
        self._groups.setdefault((family, ref.group, ref.kind), {})[key] = None
        if member:
            self._by_member.setdefault((family, member), {})[key] = None

    def _remove(self, key: Key) -> None:
        family, member, ref = key
        self._entries.pop(key, None)
        self._by_family[family].pop(key, None)
        self._groups.get((family, ref.group, ref.kind), {}).pop(key, None)
        self._by_member.get((family, member), {}).pop(key, None)


async def up_to_date(view: View) -> bool:
    """Whether a view has all that was written before this question. False while it is not complete, or the bus is away."""
    if not view.complete:
        return False
    try:
        await view.settled()
    except BusUnavailable as error:
        log.info("view is behind", view=view.name, position=view.position, error=str(error))
        return False
    return view.complete


def _filters(stream: Stream, families: Sequence[Family[Any]], member: str) -> tuple[str, ...]:
    if stream is STATE:
        return tuple(f"state.{family.name}.>" for family in families)
    scope = member if member == "*" else subjects.encode_token(member)
    return (f"{stream.name.lower()}.{scope}.>",)
