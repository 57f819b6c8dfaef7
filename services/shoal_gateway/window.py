"""The changes of shown objects, for watches: a bounded window that a watch may resume in, and the readers that follow it.

A change is kept as the means to make its event, not as the event: most changes are of kinds that nobody watches.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from shoal.api.meta import Ref
from shoal.kube.apiserver.store import Event, Expired, Selection

LAG_EVENTS_MAX = 10_000
"""A watcher further behind than this is told to list again, so that one that stopped reading cannot fill the memory."""


class Change:
    """One change of one shown object; `event` makes it once, for all readers. None: nothing that is shown has changed."""

    __slots__ = ("_build", "_event", "position", "ref")

    def __init__(self, position: int, ref: Ref, build: Callable[[], Event | None]) -> None:
        self.position, self.ref = position, ref
        self._build: Callable[[], Event | None] | None = build
        self._event: Event | None = None

    def event(self) -> Event | None:
        if self._build is not None:
            self._event, self._build = self._build(), None
        return self._event


class Window:
    """Changes in order of the view's position. Nothing older than `oldest` can be resumed from."""

    def __init__(self, size: int) -> None:
        self._changes: deque[Change] = deque(maxlen=size)
        self._watches: dict[tuple[str, str], dict[WindowWatch, None]] = {}
        self.position = 0
        """Of the view: everything at or below it was published."""
        self.oldest = 0
        """Watches can start at this position or later."""

    def reset(self, position: int) -> None:
        """The view was loaded (anew): what happened before its end cannot be told any more, so every reader lists again."""
        self._changes.clear()
        self.oldest = self.position = position
        for watches in self._watches.values():
            for watch in watches:
                watch.expire()

    def publish(self, change: Change) -> None:
        if len(self._changes) == self._changes.maxlen:
            self.oldest = self._changes[0].position
        self.position = max(self.position, change.position)
        self._changes.append(change)
        for watch in self._watches.get((change.ref.group, change.ref.kind), ()):
            watch.push(change)

    def watch(self, since: int, selection: Selection, *, inclusive: bool = False) -> WindowWatch:
        """Changes after `since`; with `inclusive` also those at it (objects of another stream have no place of their own in this one, so
        the last ones may be told twice rather than not at all). Raises `Expired`."""
        if since < self.oldest:
            raise Expired(since, self.oldest)
        first = since if inclusive else since + 1
        return WindowWatch(self, selection, [one for one in self._changes if one.position >= first and selection.covers(one.ref)])

    def attach(self, watch: WindowWatch) -> None:
        self._watches.setdefault((watch.selection.group, watch.selection.kind), {})[watch] = None

    def detach(self, watch: WindowWatch) -> None:
        self._watches.get((watch.selection.group, watch.selection.kind), {}).pop(watch, None)

    def end(self) -> None:
        """Wakes every reader, which then lists again elsewhere: this process stops."""
        self.reset(self.position)


class WindowWatch:
    """One reader of changes; the window pushes, the reader takes them in batches."""

    def __init__(self, window: Window, selection: Selection, missed: list[Change]) -> None:
        self.selection = selection
        self._window, self._pending, self._expired = window, missed, False
        self._arrived = asyncio.Event()
        if missed:
            self._arrived.set()
        window.attach(self)

    @property
    def position(self) -> int:
        return self._pending[0].position - 1 if self._pending else self._window.position

    def push(self, change: Change) -> None:
        if self._expired or not self.selection.covers(change.ref):
            return
        if len(self._pending) >= LAG_EVENTS_MAX:
            self.expire()
            return
        self._pending.append(change)
        self._arrived.set()

    def expire(self) -> None:
        self._expired, self._pending = True, []
        self._arrived.set()

    async def next(self, timeout_s: float) -> list[Event]:
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    await self._arrived.wait()
                    if self._expired:
                        raise Expired(0, self._window.oldest)
                    taken, self._pending = self._pending, []
                    self._arrived.clear()
                    events = [event for change in taken if (event := change.event()) is not None]
                    if events:
                        return events
        except TimeoutError:
            return []

    def close(self) -> None:
        self._window.detach(self)
