"""The deploy inbox of the memory bus: replicas compete, as at one durable consumer."""

from __future__ import annotations

import asyncio

import structlog

from shoal.api.clock import Clock
from shoal.api.errors import BusUnavailable
from shoal.bus.events import Done, Handle, deliver, delivery_of
from shoal.bus.memory.bus import MemoryClient
from shoal.bus.port import Stored
from shoal.messages.catalogue import DEPLOY

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 1.0
"""How often events are looked for that another replica left behind, or whose delay has ended."""


class MemoryInbox:
    def __init__(self, client: MemoryClient, *, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._stream = client.bus.stream(DEPLOY.name)
        self._wake = asyncio.Event()
        self._stopping = False

    async def run(self, handle: Handle) -> None:
        watching = asyncio.get_running_loop().create_task(self._watch())
        try:
            while not self._stopping:
                entry = self._claim() if self._client.connected else None
                if entry is None:
                    await self._pause()
                else:
                    await self._handle(entry, handle)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    def _claim(self) -> Stored | None:
        """The first event that nobody alive works on and that is not put off."""
        now = self._clock.monotonic()
        for sequence, entry in self._stream.entries.items():
            holder, until, deliveries = self._stream.claims.get(sequence, ("", 0.0, 0))
            alive = holder in self._client.bus.clients and self._client.bus.clients[holder].connected
            if (holder and alive) or until > now:
                continue
            self._stream.claims[sequence] = (self._client.name, now, deliveries + 1)
            return entry
        return None

    async def _handle(self, entry: Stored, handle: Handle) -> None:
        deliveries = self._stream.claims[entry.sequence][2]
        try:
            outcome = await deliver(self._client, delivery_of(entry, deliveries), handle)
        except asyncio.CancelledError:
            self._stream.claims[entry.sequence] = ("", self._clock.monotonic(), deliveries)
            raise
        if not self._client.connected:
            log.info("deploy event not acknowledged", sequence=entry.sequence)
            self._stream.claims[entry.sequence] = ("", self._clock.monotonic(), deliveries)
        elif isinstance(outcome, Done):
            self._stream.delete(entry.sequence)
            self._stream.claims.pop(entry.sequence, None)
        else:
            self._stream.claims[entry.sequence] = ("", self._clock.monotonic() + outcome.delay_s, deliveries)

    async def _pause(self) -> None:
        self._wake.clear()
        sleeping = asyncio.ensure_future(self._clock.sleep(LOOK_EVERY_S))
        waking = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait([sleeping, waking], return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            waking.cancel()

    async def _watch(self) -> None:
        watch = self._client.watch(DEPLOY.name, ("deploy.*",), after=0)
        try:
            async for _ in watch:
                self._wake.set()
        except BusUnavailable as error:
            log.info("deploy inbox interrupted", error=str(error))
        finally:
            await watch.aclose()
