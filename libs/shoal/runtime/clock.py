"""The only reader of time. Everything else takes a `Clock` or `now` as an argument, so that tests and the simulation move it."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime


class SystemClock:
    """The machine's clock; implements `shoal.api.clock.Clock`."""

    def now(self) -> datetime:
        """The wall clock, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Waits at least `seconds`; a negative or zero wait gives the loop one turn."""
        await asyncio.sleep(max(seconds, 0.0))


class Deadline:
    """A limit for code that blocks: the command line, and whoever ends processes. Everything else waits on a `Clock`."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._until = time.monotonic() + limit_s

    @property
    def passed(self) -> bool:
        return time.monotonic() >= self._until

    @property
    def left_s(self) -> float:
        return max(self._until - time.monotonic(), 0.0)

    @property
    def spent_s(self) -> float:
        return self.limit_s - self.left_s

    def pause(self, seconds: float) -> None:
        """Blocks that long, but not past the limit."""
        time.sleep(min(seconds, self.left_s))
