"""Leases, TTL markers and progress on both adapters. Their shortest TTL is 1 to 2 s, so these tests take that long."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from shoal.bus.leases import Lease
from shoal.bus.port import MARKER, TTL, Append, Bus, Stored
from shoal.bus.progress import ProgressReader, ProgressReporter
from shoal.messages.catalogue import Progress
from support.servers import until


async def test_an_expired_entry_is_told_by_a_marker(bus: Bus) -> None:
    watch = bus.watch("LEASE", ("lease.>",))
    await bus.append("LEASE", Append("lease.m1", b"x", {TTL: "1s"}))
    stored: list[Stored] = []
    async for event in watch:
        if isinstance(event, Stored):
            stored.append(event)
        if len(stored) == 2:
            break
    await watch.aclose()
    assert [(entry.data, entry.headers.get(MARKER)) for entry in stored] == [(b"x", None), (b"", "MaxAge")]
    found = await bus.last("LEASE", "lease.m1")
    assert found is not None
    assert found.sequence == stored[1].sequence


async def test_a_renewed_entry_does_not_expire(bus: Bus) -> None:
    for n in range(4):
        await bus.append("LEASE", Append("lease.m1", b"%d" % n, {TTL: "1s"}))
        await asyncio.sleep(0.4)
    found = await bus.last("LEASE", "lease.m1")
    assert found is not None
    assert found.data == b"3"


async def test_one_holds_and_the_next_takes_over(world: Any) -> None:
    leases: list[Lease] = []
    tasks: list[asyncio.Task[None]] = []
    changes: list[tuple[int, bool]] = []
    for number, name in enumerate(("a", "b", "c")):
        lease = Lease(await world.client(name), "projector", holder=name, ttl_s=2, clock=world.clock)
        lease.on_change(lambda held, number=number: changes.append((number, held)))  # type: ignore[misc]
        leases.append(lease)
        tasks.append(asyncio.create_task(lease.run()))

    def holders() -> list[int]:
        held = [number for number, lease in enumerate(leases) if lease.held]
        assert len(held) <= 1, "two hold at once"
        return held

    await until(holders)
    first = holders()[0]
    # It is renewed: beyond its TTL the same one holds it.
    since = leases[first].held_since
    limit = time.monotonic() + 2.5
    while time.monotonic() < limit:
        assert holders() == [first]
        await asyncio.sleep(0.05)
    assert leases[first].held_since == since
    # Given back: another has it at once.
    began = time.monotonic()
    await leases[first].release()
    await until(lambda: holders() not in ([], [first]))
    assert time.monotonic() - began < 1.5
    # Dead: another has it when the TTL has run out.
    second = holders()[0]
    tasks[second].cancel()
    await until(lambda: holders() not in ([], [second]), 8)
    assert changes == [(first, True), (first, False), (second, True), (holders()[0], True)]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("ttl_s", [1, 2.5])
async def test_the_ttl_is_whole_seconds(world: Any, bus: Bus, ttl_s: float) -> None:
    with pytest.raises(ValueError):
        Lease(bus, "x", holder="a", ttl_s=ttl_s, clock=world.clock)


async def test_progress_is_told_when_it_moves(world: Any, bus: Bus) -> None:
    now = Progress(service="scheduler", read=1, wrote=0, behind=tuple(str(n) for n in range(200)))
    known: list[Progress | None] = [None]
    reporter = ProgressReporter(bus, lambda: known[0], clock=world.clock)
    reader = ProgressReader(await world.client("two"), clock=world.clock)
    await reader.start()
    assert not await reporter.report()
    known[0] = now
    assert await reporter.report()
    await until(lambda: reader.get("scheduler"))
    seen = reader.get("scheduler")
    assert seen is not None
    assert (seen.read, len(seen.behind)) == (1, 100)
    known[0] = Progress(service="scheduler", read=5, wrote=5)
    assert await reporter.report()
    assert not await reporter.report(), "nothing moved"
    await until(lambda: reader.get("scheduler") == known[0])
    assert reader.get("renderer") is None
    await reader.stop()
