"""The `EVENT` projection: one lease holder reads STATE, WORK and REPORT in order and stores what they say as facts.

Ids name the source position, so a fact that is projected twice is stored once. Each fact carries, in a header, how far every source was
projected when it was stored; the next holder goes on from there. STATE stands in for HISTORY: its sequences are the ids, and it keeps the
last ten revisions of every key, more than a restart misses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from shoal.api import cluster
from shoal.api.clock import Clock
from shoal.api.errors import Retryable, Terminal
from shoal.api.meta import Ref
from shoal.bus.entries import Entry, read_entry
from shoal.bus.leases import Lease
from shoal.bus.port import Bus, Stored
from shoal.messages.catalogue import BELIEF, BINDING, EVENT, OBJECT, REPORT, REPORTS, STATE, WORK, WORKS, CloudEvent, Stream
from shoal_gateway import bodies, narrate
from shoal_gateway.index import Index
from shoal_gateway.narrate import Fact, Spoken

log = structlog.get_logger()

POSITIONS = "Shoal-Projected"
"""Header of a projected fact: `STATE=12 WORK=3 REPORT=7`."""
_EXPECTED = "Nats-Expected-Last-Subject-Sequence"
_LOOK_BACK_MAX = 10_000
"""Answers to deploys stand between projected facts; beyond this many of them the projection begins at what is there now."""
_RETRY_S = 1.0

Publish = Callable[[CloudEvent, dict[str, str]], Awaitable[int]]


def positions_of(header: str) -> dict[str, int]:
    """`{"STATE": 12, ...}` of the header; empty when it is missing or garbled."""
    out: dict[str, int] = {}
    for part in header.split():
        name, _, number = part.partition("=")
        if number.isdigit():
            out[name] = int(number)
    return out


class Projector:
    """`run()` until cancelled; projects while the lease is held."""

    def __init__(self, bus: Bus, index: Index, publish: Publish, lease: Lease, *, clock: Clock) -> None:
        self._bus, self._index, self._publish, self._lease, self._clock = bus, index, publish, lease, clock
        self._positions: dict[str, int] = {}
        self._spoken: dict[tuple[str, Ref], Spoken] = {}
        self._changed = asyncio.Event()
        lease.on_change(lambda held: self._changed.set())

    @property
    def positions(self) -> dict[str, int]:
        """How far each source is projected; of no meaning while another one holds the lease."""
        return dict(self._positions)

    async def run(self) -> None:
        while True:
            self._changed.clear()
            if not self._lease.held:
                await self._changed.wait()
                continue
            projecting = asyncio.ensure_future(self._project())
            lost = asyncio.ensure_future(self._changed.wait())
            try:
                await asyncio.wait((projecting, lost), return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (projecting, lost):
                    task.cancel()
                await asyncio.gather(projecting, lost, return_exceptions=True)
            if not self._lease.held or self._changed.is_set():
                continue
            await self._clock.sleep(_RETRY_S)  # It ended by an error, which is logged.

    async def _project(self) -> None:
        try:
            self._positions = await self._resume()
            log.info("projection begins", **{name.lower(): at for name, at in self._positions.items()})
            async with asyncio.TaskGroup() as group:
                for stream in (STATE, WORK, REPORT):
                    group.create_task(self._follow(stream))
        except* (Retryable, Terminal) as errors:
            log.warning("projection interrupted", errors=[str(error) for error in errors.exceptions])
        except* Exception:
            log.exception("projection failed")

    async def _resume(self) -> dict[str, int]:
        """Where the last holder stopped, read from its last fact; the beginning when there never was one."""
        info = await self._bus.info(EVENT.name)
        found: dict[str, int] = {}
        for sequence in range(info.last, max(info.first - 1, info.last - _LOOK_BACK_MAX, 0), -1):
            stored = await self._bus.at(EVENT.name, sequence)
            if stored is not None and POSITIONS in stored.headers:
                found = positions_of(stored.headers[POSITIONS])
                break
        out: dict[str, int] = {}
        for stream in (STATE, WORK, REPORT):
            last = (await self._bus.info(stream.name)).last
            # A source that lost its end (REPORT is not synced) goes on below where it was.
            out[stream.name] = min(found.get(stream.name, 0), last)
        return out

    async def _follow(self, stream: Stream) -> None:
        watch = self._bus.watch(stream.name, list(stream.subjects), after=self._positions[stream.name])
        try:
            async for event in watch:
                if isinstance(event, Stored):
                    await self._take(stream, event)
        finally:
            await watch.aclose()

    async def _take(self, stream: Stream, stored: Stored) -> None:
        made = await self._narrate(stream, stored)
        self._positions[stream.name] = stored.sequence
        if made is None:
            return
        header = " ".join(f"{name}={at}" for name, at in self._positions.items())
        while self._lease.held:
            try:
                await self._publish(made, {POSITIONS: header})
                return
            except Retryable as error:
                log.info("fact not stored yet", id=made.id, error=str(error))
                await self._clock.sleep(_RETRY_S)

    async def _narrate(self, stream: Stream, stored: Stored) -> CloudEvent | None:
        try:
            entry = read_entry(stored, stream)
        except Terminal as error:
            log.error("entry unreadable", subject=stored.subject, sequence=stored.sequence, error=str(error))
            return None
        if entry is None:
            return None
        fact, id_ = await self._fact(entry, stored)
        return narrate.event(fact, id_=id_, ref=entry.ref, change=entry.change, time=entry.time) if fact is not None else None

    async def _fact(self, entry: Entry[Any], stored: Stored) -> tuple[Fact | None, str]:
        id_ = f"{entry.family.stream.name}/{stored.sequence}"
        if entry.family is OBJECT:
            before = await self._previous(stored)
            first = before is None or before.deleted
            return narrate.of_object(entry.ref, revision=entry.revision, content=entry.content, deleted=entry.deleted, first=first), id_
        if entry.family is BINDING:
            before = await self._previous(stored)
            old = bodies.binding(before) if before is not None and not before.deleted else None
            return narrate.of_binding(None if entry.deleted else bodies.binding(entry), old), id_
        if entry.family is BELIEF and entry.ref.kind == cluster.KIND:
            before = await self._previous(stored)
            known = bodies.belief(before) if before is not None and not before.deleted else None
            return narrate.of_belief(entry.ref.name, None if entry.deleted else bodies.belief(entry), known), id_
        if entry.family is WORKS:
            head = bodies.work_head(entry) if entry.has_body else bodies.WorkHead(cluster=self._index.cluster_of(entry.member))
            return narrate.of_work(head, revision=entry.revision, deleted=entry.deleted), id_
        if entry.family is REPORTS:
            return self._of_report(entry)
        return None, id_

    def _of_report(self, entry: Entry[Any]) -> tuple[Fact | None, str]:
        key = (entry.member, entry.ref)
        if not entry.has_body:
            self._spoken.pop(key, None)
            return None, ""
        report = bodies.report(entry)  # Also a tombstone's: that the copy is gone is the last thing a report says.
        fact, self._spoken[key] = narrate.of_report(self._index.cluster_of(entry.member), report, self._spoken.get(key))
        if report.gone:
            self._spoken.pop(key, None)
        return fact, f"REPORT/{entry.member}/{report.work_revision}/{entry.digest}"

    async def _previous(self, stored: Stored) -> Entry[Any] | None:
        """What the entry replaced: the revision that its compare-and-set expected."""
        expected = stored.headers.get(_EXPECTED, "0")
        before = await self._bus.at(STATE.name, int(expected)) if expected.isdigit() and expected != "0" else None
        return read_entry(before, STATE) if before is not None and before.subject == stored.subject else None
