"""A watch of the memory bus."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from shoal.bus.memory.store import MemoryStream
from shoal.bus.port import Event, Loaded, Passed, Reset, Stored, subject_matches

if TYPE_CHECKING:
    from shoal.bus.memory.bus import MemoryClient


class MemoryWatch:
    """Events come through the client's line, so that they keep their order and share its faults."""

    def __init__(self, client: MemoryClient, stream: MemoryStream, subjects: tuple[str, ...], after: int | None) -> None:
        self._client, self.stream, self._subjects, self._after = client, stream, subjects, after
        self._queue: deque[Event] = deque()
        self._arrived = asyncio.Event()
        self._closed = self._began = False
        self._position = after or 0

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        while not self._queue:
            if self._closed:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._queue.popleft()

    def take(self) -> list[Event]:
        taken, self._queue = list(self._queue), deque()
        return taken

    def sync(self) -> None:
        self._send(Passed(self.stream.last))

    async def aclose(self) -> None:
        self._closed = True
        self._arrived.set()
        if self in self._client.watches:
            self._client.watches.remove(self)

    def begin(self) -> None:
        """The list, at the first connection and at each that follows."""
        if self._closed:
            return
        if self._after is not None:
            entries = self.stream.above(self._position, self._subjects)
        else:
            if self._began:
                self._send(Reset())
            entries = self.stream.last_entries(self._subjects)
        self._began = True
        for entry in entries:
            self._send(entry)
        self._send(Loaded(self.stream.last))

    def offer(self, entry: Stored) -> None:
        if self._began and (not self._subjects or any(subject_matches(pattern, entry.subject) for pattern in self._subjects)):
            self._send(entry)

    def _send(self, event: Event) -> None:
        self._client.deliver(lambda: self._put(event))

    def _put(self, event: Event) -> None:
        if isinstance(event, Stored):
            self._position = max(self._position, event.sequence)
        self._queue.append(event)
        self._arrived.set()
