"""The queue on a clock moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest

from shoal.api.errors import BusUnavailable, ManifestRejected, Retryable, RevisionConflict
from shoal.api.meta import Ref
from shoal.bus.work_queue import Backoff, WorkQueue
from support.clock import ManualClock, settle

REF = Ref("", "Service", "a", "b")


class Recorder:
    """A handler that notes its calls and does what the test says: waits at `gate`, raises what `errors` hold, returns `wrote`."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.at: list[float] = []
        self.clock = ManualClock()
        self.errors: list[BaseException] = []
        self.gate: asyncio.Event | None = None
        self.running: set[str] = set()
        self.wrote = 0

    async def __call__(self, key: str) -> int:
        assert key not in self.running, "the same key twice at once"
        self.running.add(key)
        self.calls.append(key)
        self.at.append(self.clock.monotonic())
        try:
            if self.gate is not None:
                await self.gate.wait()
            if self.errors:
                raise self.errors.pop(0)
            return self.wrote
        finally:
            self.running.discard(key)


@asynccontextmanager
async def running(handle: Callable[[str], Awaitable[int]], clock: ManualClock, **more: Any) -> AsyncIterator[WorkQueue[str]]:
    queue = WorkQueue("test", handle, clock=clock, random=lambda: 1.0, backoff=Backoff(first_s=1.0, max_s=8.0, conflict_s=0.1), **more)
    task = asyncio.create_task(queue.run())
    yield queue
    await queue.stop()
    await task


async def test_a_key_added_many_times_runs_once() -> None:
    handle, clock = Recorder(), ManualClock()
    async with running(handle, clock) as queue:
        for _ in range(5):
            queue.add("a")
        queue.add("b")
        await queue.drained()
    assert handle.calls == ["a", "b"]


async def test_a_key_never_runs_twice_at_once_and_what_changed_meanwhile_runs_again() -> None:
    handle, clock = Recorder(), ManualClock()
    handle.gate = asyncio.Event()
    async with running(handle, clock) as queue:
        queue.add("a")
        await settle()
        for _ in range(3):
            queue.add("a")
        await settle()
        assert handle.calls == ["a"]
        assert not queue.idle
        handle.gate.set()
        await queue.drained()
    assert handle.calls == ["a", "a"]


async def test_fresh_keys_overtake_the_bulk() -> None:
    handle, clock = Recorder(), ManualClock()
    async with running(handle, clock, workers=1) as queue:
        for key in ("bulk1", "bulk2", "bulk3"):
            queue.add(key)
        queue.add("fresh", fresh=True)
        queue.add("bulk3", fresh=True)
        await queue.drained()
    assert handle.calls == ["fresh", "bulk3", "bulk1", "bulk2"]


async def test_at_most_so_many_run_at_once() -> None:
    handle, clock = Recorder(), ManualClock()
    handle.gate = asyncio.Event()
    async with running(handle, clock, workers=3) as queue:
        for n in range(10):
            queue.add(str(n))
        await settle()
        assert len(handle.running) == 3
        handle.gate.set()
        await queue.drained()
    assert len(handle.calls) == 10


@pytest.mark.parametrize(
    ("error", "waits_s"),
    [
        pytest.param(Retryable("later"), [1.0, 2.0, 4.0, 8.0, 8.0], id="doubles-up-to-the-limit"),
        pytest.param(BusUnavailable("later", retry_after_s=5.0), [5.0, 5.0, 5.0, 8.0, 8.0], id="not-before-the-other-side-wants"),
        pytest.param(KeyError("bug"), [1.0, 2.0, 4.0, 8.0, 8.0], id="a-bug-backs-off-too"),
        pytest.param(RevisionConflict("s", expected=1), [0.2, 0.4, 0.6, 0.8, 1.0], id="a-conflict-is-tried-soon"),
    ],
)
async def test_failures_back_off(error: Exception, waits_s: list[float]) -> None:
    handle, clock = Recorder(), ManualClock()
    handle.clock = clock
    handle.errors = [error] * len(waits_s)
    async with running(handle, clock) as queue:
        queue.add("a")
        await settle()
        assert queue.behind == ("a",)
        await clock.advance(100)
        assert queue.behind == ()
        gaps = [later - earlier for earlier, later in pairwise(handle.at)]
        assert gaps == pytest.approx(waits_s)
        # A success starts the count anew.
        handle.errors = [Retryable("later")]
        queue.add("a")
        await clock.advance(100)
        assert handle.at[-1] - handle.at[-2] == pytest.approx(1.0)


async def test_a_change_ends_the_back_off() -> None:
    handle, clock = Recorder(), ManualClock()
    handle.errors = [Retryable("later")]
    async with running(handle, clock) as queue:
        queue.add("a")
        await settle()
        queue.add("a")
        await queue.drained()
        assert handle.calls == ["a", "a"]
        await clock.advance(100)
        assert handle.calls == ["a", "a"], "the old delay no longer counts"


async def test_a_terminal_error_waits_for_the_next_change() -> None:
    handle, clock = Recorder(), ManualClock()
    handle.errors = [ManifestRejected("c", REF, "no"), ManifestRejected("c", REF, "no")]
    async with running(handle, clock) as queue:
        queue.add("a")
        await clock.advance(1000)
        assert handle.calls == ["a"]
        assert queue.behind == ()
        queue.add("a")
        await clock.advance(1)
        queue.add("a")
        await clock.advance(1)
    assert handle.calls == ["a"] * 3


async def test_after_its_own_write_a_key_waits_for_the_view() -> None:
    handle, clock, seen = Recorder(), ManualClock(), asyncio.Event()
    handle.wrote = 7
    asked: list[int] = []

    async def passed(sequence: int) -> None:
        asked.append(sequence)
        await seen.wait()

    async with running(handle, clock, workers=1, passed=passed) as queue:
        queue.add("a")
        await settle()
        queue.add("a")
        queue.add("b")
        await settle()
        assert handle.calls == ["a", "b"], "others go on"
        assert not queue.idle
        handle.wrote = 0
        seen.set()
        await queue.drained()
    assert handle.calls == ["a", "b", "a"]
    assert asked == [7, 7]


async def test_a_write_that_the_view_does_not_show_is_looked_at_again() -> None:
    handle, clock = Recorder(), ManualClock()
    handle.wrote = 7

    async def passed(sequence: int) -> None:
        raise BusUnavailable("the view is behind")

    async with running(handle, clock, passed=passed) as queue:
        queue.add("a")
        await settle()
        assert queue.behind == ("a",)
        handle.wrote = 0
        await clock.advance(2)
    assert handle.calls == ["a", "a"]


@pytest.mark.parametrize(
    ("adds", "moments"),
    [
        pytest.param([("a", 5.0)], [0, 1], id="later"),
        pytest.param([("a", 5.0), ("a", 0.0)], [1, 1], id="now-wins"),
    ],
)
async def test_delayed_adds(adds: list[tuple[str, float]], moments: list[int]) -> None:
    handle, clock = Recorder(), ManualClock()
    async with running(handle, clock) as queue:
        for key, after_s in adds:
            queue.add(key, after_s=after_s)
        counts = []
        for step_s in (4.9, 0.2):
            await clock.advance(step_s)
            counts.append(len(handle.calls))
    assert counts == moments


async def test_the_earlier_of_two_delays_counts() -> None:
    handle, clock = Recorder(), ManualClock()
    async with running(handle, clock) as queue:
        queue.add("a", after_s=10.0)
        queue.add("a", after_s=2.0)
        queue.add("a", after_s=30.0)
        await clock.advance(2.1)
        assert handle.calls == ["a"]
        await clock.advance(100)
    assert handle.calls == ["a"]


async def test_oldest_sequence_names_what_is_not_decided() -> None:
    handle, clock = Recorder(), ManualClock()
    handle.gate = asyncio.Event()
    async with running(handle, clock, workers=1) as queue:
        assert queue.oldest_sequence is None
        queue.add("a", sequence=5)
        queue.add("b", sequence=6)
        await settle()
        queue.add("a", sequence=9)
        assert queue.oldest_sequence == 5, "a runs, and may have read before 9"
        handle.errors = [Retryable("later")]
        handle.gate.set()
        await queue.drained()
        assert queue.oldest_sequence is None
        handle.errors = [Retryable("later")]
        queue.add("c", sequence=11)
        await settle()
        assert (queue.oldest_sequence, queue.behind) == (None, ("c",)), "back-off is told apart"


async def test_stop_waits_for_what_runs_and_takes_nothing_new() -> None:
    handle, clock = Recorder(), ManualClock()
    handle.gate = asyncio.Event()
    queue = WorkQueue("test", handle, clock=clock, random=lambda: 1.0, workers=1)
    task = asyncio.create_task(queue.run())
    queue.add("a")
    queue.add("b")
    await settle()
    stopping = asyncio.create_task(queue.stop())
    await settle()
    assert not stopping.done()
    handle.gate.set()
    await stopping
    await task
    assert handle.calls == ["a"]


@pytest.mark.spec("R05", "R3.10")
async def test_a_higher_priority_goes_first_then_what_is_fresh_then_the_oldest() -> None:
    handle, clock = Recorder(), ManualClock()
    queue = WorkQueue("test", handle, clock=clock, random=lambda: 1.0, workers=1)
    for key, fresh, priority in (("a", False, 0), ("b", True, 0), ("c", False, 5), ("d", False, 0), ("e", True, 5), ("f", False, -1)):
        queue.add(key, fresh=fresh, priority=priority)
    queue.add("d", priority=9)
    queue.add("c", priority=1)
    task = asyncio.create_task(queue.run())
    await queue.drained()
    assert handle.calls == ["d", "e", "c", "b", "a", "f"]
    await queue.stop()
    await task
