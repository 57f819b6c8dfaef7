"""How far a service has decided, published on LEASE at most five times a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import structlog

from shoal.api.clock import Clock
from shoal.api.errors import ShoalError
from shoal.bus.port import TTL, Append, Bus, Stored
from shoal.messages import subject as subjects
from shoal.messages.catalogue import LEASE, Progress

log = structlog.get_logger(__name__)

INTERVAL_S = 0.2
REPEAT_S = 10.0
"""An unchanged progress is said again: what a reader holds is then never older than the service is dead."""
TTL_S = 30
BEHIND_MAX = 100


def progress_subject(service: str) -> str:
    return f"lease.progress.{subjects.encode_token(service)}"


class ProgressReporter:
    """`current()` gives the progress of now, or None while it is not known (view incomplete, lease not held)."""

    def __init__(self, bus: Bus, current: Callable[[], Progress | None], *, clock: Clock) -> None:
        self._bus, self._current, self._clock = bus, current, clock
        self._sent: Progress | None = None
        self._sent_at = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.report()
            await self._clock.sleep(INTERVAL_S)

    async def report(self) -> bool:
        """Sends it when it has moved or is due again; True when it was sent."""
        progress = self._current()
        now = self._clock.monotonic()
        if progress is None or (progress == self._sent and now - self._sent_at < REPEAT_S):
            return False
        progress = msgspec.structs.replace(progress, behind=progress.behind[:BEHIND_MAX])
        item = Append(progress_subject(progress.service), msgspec.json.encode(progress), {TTL: f"{TTL_S}s"})
        try:
            await self._bus.append(LEASE.name, item)
        except ShoalError as error:
            log.info("progress not sent", service=progress.service, error=str(error))
            return False
        self._sent, self._sent_at = progress, now
        return True


class ProgressReader:
    """The last progress of every service, from a watch; None for one that is silent or dead."""

    def __init__(self, bus: Bus, *, clock: Clock) -> None:
        self._bus, self._clock = bus, clock
        self._known: dict[str, tuple[Progress, float]] = {}
        self._callbacks: list[Callable[[Progress], None]] = []
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def get(self, service: str) -> Progress | None:
        known = self._known.get(service)
        return known[0] if known is not None and self._clock.monotonic() - known[1] < TTL_S else None

    def subscribe(self, callback: Callable[[Progress], None]) -> None:
        self._callbacks.append(callback)

    async def _run(self) -> None:
        watch = self._bus.watch(LEASE.name, ("lease.progress.*",))
        try:
            async for event in watch:
                if isinstance(event, Stored):
                    self._take(event)
        finally:
            await watch.aclose()

    def _take(self, stored: Stored) -> None:
        if not stored.data:
            self._known.pop(subjects.decode_token(stored.subject.rpartition(".")[2]), None)
            return
        progress = msgspec.json.decode(stored.data, type=Progress)
        self._known[progress.service] = (progress, self._clock.monotonic())
        for callback in self._callbacks:
            callback(progress)
