"""What this member should run, as far as the agent has heard: keys and revisions by list and notification, contents by get."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import structlog

from shoal.api.errors import BusUnavailable
from shoal.api.meta import Ref
from shoal.api.work import Work
from shoal.bus.entries import Entries, Entry
from shoal.bus.port import Bus, Message
from shoal.bus.requests import ask
from shoal.messages import subject
from shoal.messages.catalogue import WORKS, ListWorks, WorkList

log = structlog.get_logger()

_ASK_TIMEOUT_S = 5.0


class Works:
    """Level, not edge: a notification only says that a key is at least at a revision; its content is fetched when it is needed."""

    def __init__(self, bus: Bus, entries: Entries, member: str, changed: Callable[[Ref], None]) -> None:
        self._bus, self._entries, self._member, self._changed = bus, entries, member, changed
        self._wanted: dict[Ref, int] = {}
        """Highest revision heard of, by ref; a key stays, as its tombstone does."""
        self._held: dict[Ref, Entry[Work]] = {}
        self.highest = 0
        """Highest `WORK` sequence heard of, for the beat."""
        self.listed = False

    def refs(self) -> Iterator[Ref]:
        return iter(tuple(self._wanted))

    def __contains__(self, ref: Ref) -> bool:
        return ref in self._wanted

    async def notified(self, message: Message) -> None:
        """`live.<member>.<ref>`, headers only."""
        sequence = int(message.headers.get("Nats-Sequence", "0"))
        _, _, ref = subject.split(message.subject[message.subject.index("live.") :])
        self._heard(ref, sequence)

    def _heard(self, ref: Ref, sequence: int) -> None:
        self.highest = max(self.highest, sequence)
        if sequence > self._wanted.get(ref, 0):
            self._wanted[ref] = sequence
            self._changed(ref)

    async def list(self) -> None:
        """Asks for all keys. Raises `BusUnavailable` while the hub cannot answer completely: nothing is concluded from less."""
        after = ""
        while True:
            page = await ask(self._bus, f"ask.{self._member}.works", ListWorks(after=after), WorkList, timeout_s=_ASK_TIMEOUT_S)
            if not page.complete:
                raise BusUnavailable("the hub's list of works is not complete yet")
            for item in page.items:
                self._heard(subject.decode_ref(item.key), item.revision)
            self.highest = max(self.highest, page.sequence)
            after = page.next
            if not after:
                break
        self.listed = True

    async def get(self, ref: Ref) -> Entry[Work] | None:
        """The entry, at least as new as what was heard of; None when there is none."""
        wanted, held = self._wanted.get(ref, 0), self._held.get(ref)
        if held is not None and held.revision >= wanted:
            return held
        entry = await self._entries.read_direct(WORKS, ref, self._member)
        if entry is None or entry.revision < wanted:
            entry = await self._entries.read(WORKS, ref, self._member)  # A direct get may be stale; the leader is not.
        if entry is None:
            self._wanted.pop(ref, None)
            self._held.pop(ref, None)
            return None
        self._held[ref] = entry
        return entry
