"""A lease: one holder at a time, by compare-and-set and a TTL on the stream LEASE.

The expiry marker is a hint that wakes those who wait. Whoever holds counts by its own monotonic clock from before it asked, so that it
stops believing before anybody else may begin. A paused holder may still wake up and write: compare-and-set on what it writes is the fence.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

import msgspec
import structlog

from shoal.api.clock import Clock
from shoal.api.errors import BusUnavailable, RevisionConflict, ShoalError
from shoal.bus.port import TTL, Append, Bus, Stored
from shoal.messages import subject as subjects
from shoal.messages.catalogue import LEASE, LeaseHolder

log = structlog.get_logger(__name__)


class Lease:
    """`run()` keeps trying to hold it, and holds it, until cancelled or `release`d. One `holder` name for each process, never reused."""

    def __init__(self, bus: Bus, name: str, *, holder: str, ttl_s: float, clock: Clock) -> None:
        """`ttl_s` is a whole number of seconds, at least 2; it is renewed three times within it."""
        if ttl_s < 2 or ttl_s != int(ttl_s):
            raise ValueError("a lease lasts a whole number of seconds, at least 2")
        self._bus, self._holder, self._ttl_s, self._clock = bus, holder, ttl_s, clock
        self._subject = f"lease.{subjects.encode_token(name)}"
        self._name = name
        self._revision = 0
        self._valid_until = -math.inf
        self._since: float | None = None
        self._wake = asyncio.Event()
        self._released = False
        self._callbacks: list[Callable[[bool], None]] = []
        bus.on_reconnect(self._on_reconnect)

    @property
    def held(self) -> bool:
        """True while nobody else can hold it. A lost connection ends it at once: a restarted server may have forgotten the last renewals."""
        return self._bus.connected and self._clock.monotonic() < self._valid_until

    @property
    def held_since(self) -> float | None:
        """Monotonic time at which this holder got it; None while it has it not."""
        return self._since if self.held else None

    def on_change(self, callback: Callable[[bool], None]) -> None:
        """`callback(held)` when it is won or lost."""
        self._callbacks.append(callback)

    async def run(self) -> None:
        watching = asyncio.get_running_loop().create_task(self._watch())
        try:
            while not self._released:
                await self._turn()
                await self._pause()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def release(self) -> None:
        """Gives it up, so that another may have it at once. `run` ends."""
        self._released = True
        self._wake.set()
        if not self.held:
            return
        self._lost("released")
        try:
            await self._append("", self._revision, 1.0)
        except ShoalError as error:
            log.info("lease not given back, it will expire", lease=self._name, error=str(error))

    async def _turn(self) -> None:
        """One try to renew, or to take over."""
        self._wake.clear()
        asked_at = self._clock.monotonic()
        try:
            if self.held:
                await self._renew(asked_at)
            else:
                await self._take(asked_at)
        except RevisionConflict:
            # Somebody was faster, or an answer of ours got lost; what is stored says which.
            await self._adopt(asked_at)
        except ShoalError as error:
            log.warning("lease not renewed", lease=self._name, error=str(error))
        if self._since is not None and not self.held:
            self._lost("expired")

    async def _renew(self, asked_at: float) -> None:
        self._revision = await self._append(self._holder, self._revision, self._ttl_s)
        self._have(asked_at)

    async def _take(self, asked_at: float) -> None:
        found = await self._bus.last(LEASE.name, self._subject)
        holder = _holder(found)
        if holder is None or holder.holder in ("", self._holder):
            self._revision = await self._append(self._holder, found.sequence if found is not None else 0, self._ttl_s)
            self._have(asked_at)

    async def _adopt(self, asked_at: float) -> None:
        try:
            found = await self._bus.last(LEASE.name, self._subject)
        except BusUnavailable as error:
            log.warning("lease not read", lease=self._name, error=str(error))
            return
        holder = _holder(found)
        if found is not None and holder is not None and holder.holder == self._holder:
            self._revision = found.sequence  # The next renewal counts; this one's time is not known.
            self._wake.set()
        elif self.held or self._since is not None:
            self._lost("taken by another")

    async def _append(self, holder: str, expected: int, ttl_s: float) -> int:
        body = msgspec.json.encode(LeaseHolder(holder=holder, ttl_s=self._ttl_s, since=self._clock.now().isoformat()))
        item = Append(self._subject, body, {TTL: f"{ttl_s:g}s"}, expected)
        return await self._bus.append(LEASE.name, item, timeout_s=self._ttl_s / 3)

    def _have(self, asked_at: float) -> None:
        self._valid_until = asked_at + self._ttl_s
        if self._since is None:
            self._since = asked_at
            log.info("lease held", lease=self._name, holder=self._holder)
            self._tell(True)

    def _lost(self, why: str) -> None:
        self._valid_until, self._since = -math.inf, None
        log.info("lease lost", lease=self._name, holder=self._holder, why=why)
        self._tell(False)

    def _tell(self, held: bool) -> None:
        for callback in self._callbacks:
            callback(held)

    async def _pause(self) -> None:
        """A third of the TTL; a waiter also wakes when the lease moves, a holder when it is to renew at once."""
        sleeping = asyncio.ensure_future(self._clock.sleep(self._ttl_s / 3))
        waking = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait([sleeping, waking], return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            waking.cancel()

    def _on_reconnect(self) -> None:
        self._valid_until = -math.inf
        if self._since is not None:
            self._lost("connection lost")
        self._wake.set()

    async def _watch(self) -> None:
        watch = self._bus.watch(LEASE.name, (self._subject,))
        try:
            async for event in watch:
                if isinstance(event, Stored) and _free(_holder(event)) and not self.held:
                    self._wake.set()
        finally:
            await watch.aclose()


def _free(holder: LeaseHolder | None) -> bool:
    return holder is None or not holder.holder


def _holder(stored: Stored | None) -> LeaseHolder | None:
    """Who holds it; None when nobody does (never held, or the marker of an expired one)."""
    if stored is None or not stored.data:
        return None
    return msgspec.json.decode(stored.data, type=LeaseHolder)
