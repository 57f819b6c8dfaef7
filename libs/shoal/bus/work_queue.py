"""A queue of keys for a reconciler: one key never runs twice at once, what changes while it runs runs again, failures back off."""

from __future__ import annotations

import asyncio
from bisect import insort
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from itertools import count
from typing import Generic, TypeVar

import msgspec
import structlog
from prometheus_client import Counter, Gauge, Histogram

from shoal.api.clock import Clock
from shoal.api.errors import Retryable, RevisionConflict, Terminal

log = structlog.get_logger(__name__)
K = TypeVar("K", bound=Hashable)

_depth = Gauge("shoal_queue_depth", "Keys waiting", ["queue"])
_oldest = Gauge("shoal_queue_oldest_s", "How long the key that runs next has waited", ["queue"])
_retries = Counter("shoal_queue_retries_total", "Failures that were put off", ["queue", "reason"])
_duration = Histogram("shoal_queue_duration_s", "Time to handle one key", ["queue"], buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10))


class Backoff(msgspec.Struct, frozen=True):
    """Delay after the n-th failure in a row: `first_s` doubled up to `max_s`, times 0.5 to 1 by chance."""

    first_s: float = 0.2
    max_s: float = 60.0
    conflict_s: float = 0.05
    """After a compare-and-set that met a newer revision: the view is about to have it."""

    def delay_s(self, failures: int, chance: float) -> float:
        return float(min(self.max_s, self.first_s * 2 ** min(failures - 1, 30)) * (0.5 + chance / 2))


class _State(msgspec.Struct):
    """Of one key that waits, runs, cools or backs off; forgotten when it rests without failures."""

    since: float = 0.0
    """Monotonic time of the first add that is not handled yet."""
    sequence: int | None = None
    """Lowest position at which it was touched and is not decided yet."""
    running_sequence: int | None = None
    fresh: bool = False
    priority: int = 0
    queued: bool = False
    running: bool = False
    again: bool = False
    failures: int = 0
    backing_off: bool = False
    ticket: int = 0
    """Of the delay that counts; an older one that ends does nothing."""
    due: float = 0.0
    """Monotonic time at which that delay ends."""
    told: str = ""
    """Text of the terminal error that was logged."""


class Waiting(Generic[K]):
    """Keys that wait: the highest priority first, of these what is fresh, of these the oldest."""

    def __init__(self) -> None:
        self._lanes: dict[tuple[int, bool], dict[K, None]] = {}
        """(priority negated, not fresh) -> keys in order; none is empty."""
        self._order: list[tuple[int, bool]] = []
        self._lane_of: dict[K, tuple[int, bool]] = {}

    def __len__(self) -> int:
        return len(self._lane_of)

    def put(self, key: K, priority: int, *, fresh: bool) -> None:
        """A key that is there moves when it has become more important, and keeps its place otherwise."""
        lane, before = (-priority, not fresh), self._lane_of.get(key)
        if before is not None:
            if before <= lane:
                return
            self._take(key, before)
        if lane not in self._lanes:
            self._lanes[lane] = {}
            insort(self._order, lane)
        self._lanes[lane][key] = None
        self._lane_of[key] = lane

    def pop(self) -> K | None:
        """The next one; None when nobody waits."""
        if not self._order:
            return None
        lane = self._order[0]
        key = next(iter(self._lanes[lane]))
        self._take(key, lane)
        return key

    def _take(self, key: K, lane: tuple[int, bool]) -> None:
        del self._lanes[lane][key], self._lane_of[key]
        if not self._lanes[lane]:
            del self._lanes[lane]
            self._order.remove(lane)


class WorkQueue(Generic[K]):
    """`handle(key)` returns the highest sequence it wrote (0: nothing); the key runs again only after `passed(sequence)`, so that a
    reconciler never decides on a view that lacks its own last write."""

    def __init__(
        self,
        name: str,
        handle: Callable[[K], Awaitable[int]],
        *,
        clock: Clock,
        random: Callable[[], float],
        workers: int = 8,
        passed: Callable[[int], Awaitable[None]] | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self._name, self._handle, self._clock, self._random = name, handle, clock, random
        self._workers, self._passed, self._backoff = workers, passed, backoff or Backoff()
        self._states: dict[K, _State] = {}
        self._waiting: Waiting[K] = Waiting()
        self._running = 0
        self._cooling = 0
        self._stopping = False
        self._wake: list[asyncio.Future[None]] = []
        self._idle = asyncio.Event()
        self._idle.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._tickets = count(1)
        self._metrics = (_depth.labels(name), _oldest.labels(name), _duration.labels(name))

    # --- adding ---

    def add(self, key: K, *, fresh: bool = False, after_s: float = 0.0, sequence: int | None = None, priority: int = 0) -> None:
        """Wants the key handled. A higher `priority` goes first, then `fresh` before the bulk; `after_s` waits first (an earlier wish counts);
        `sequence` is the view's position that touched it (for `oldest_sequence`). A key that backs off runs at once: something has changed."""
        state = self._states.get(key)
        if after_s > 0:
            if state is None or not (state.queued or state.again):
                state = self._states.setdefault(key, _State())
                due = self._clock.monotonic() + after_s
                if not state.backing_off and not (state.ticket and state.due <= due):
                    self._later(key, state, after_s)
            return
        if state is None:
            state = self._states[key] = _State()
        if sequence is not None and (state.sequence is None or sequence < state.sequence):
            state.sequence = sequence
        state.fresh = state.fresh or fresh
        state.priority = priority
        state.ticket = 0
        state.backing_off = False
        if state.running:
            state.again = True
        else:
            self._enqueue(key, state)

    def _enqueue(self, key: K, state: _State) -> None:
        self._waiting.put(key, state.priority, fresh=state.fresh)
        if state.queued:
            return
        state.queued, state.since = True, self._clock.monotonic()
        self._idle.clear()
        self._metrics[0].inc()
        if self._wake:
            waiter = self._wake.pop()
            if not waiter.done():
                waiter.set_result(None)

    def _later(self, key: K, state: _State, delay_s: float) -> None:
        state.ticket = ticket = next(self._tickets)
        state.due = self._clock.monotonic() + delay_s
        self._spawn(self._after(key, ticket, delay_s))

    async def _after(self, key: K, ticket: int, delay_s: float) -> None:
        await self._clock.sleep(delay_s)
        state = self._states.get(key)
        if state is None or state.ticket != ticket:
            return
        state.ticket, state.backing_off = 0, False
        if state.running:
            state.again = True
        else:
            self._enqueue(key, state)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- state ---

    @property
    def name(self) -> str:
        """As in metrics and logs."""
        return self._name

    def __len__(self) -> int:
        """Keys that wait for a worker."""
        return len(self._waiting)

    @property
    def behind(self) -> tuple[K, ...]:
        """Keys that failed and wait for their next try."""
        return tuple(key for key, state in self._states.items() if state.backing_off)

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing runs; keys that back off, or wait for a time, do not count."""
        return self._idle.is_set()

    @property
    def oldest_sequence(self) -> int | None:
        """Lowest position whose keys are not all decided; None when they are. Keys in back-off are named by `behind` instead."""
        numbers = [
            number
            for state in self._states.values()
            if not state.backing_off
            for number in (state.sequence, state.running_sequence)
            if number is not None
        ]
        return min(numbers, default=None)

    async def drained(self) -> None:
        """Until `idle`."""
        await self._idle.wait()

    # --- running ---

    async def run(self) -> None:
        """Handles keys until `stop`."""
        self._stopping = False
        try:
            await asyncio.gather(*(self._work() for _ in range(self._workers)))
        finally:
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def stop(self) -> None:
        """Takes no new key and waits for those in flight."""
        self._stopping = True
        for waiter in self._wake:
            if not waiter.done():
                waiter.set_result(None)
        self._wake.clear()
        while self._running:
            finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._wake.append(finished)
            await finished

    async def _work(self) -> None:
        while not self._stopping:
            key = self._next()
            if key is None:
                waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._wake.append(waiter)
                await waiter
                continue
            await self._run_one(key)

    def _next(self) -> K | None:
        return self._waiting.pop()

    async def _run_one(self, key: K) -> None:
        state = self._states[key]
        began = self._clock.monotonic()
        self._metrics[0].dec()
        self._metrics[1].set(began - state.since)
        state.queued, state.running, state.again, state.fresh = False, True, False, False
        state.running_sequence, state.sequence = state.sequence, None
        self._running += 1
        wrote = 0
        try:
            wrote = await self._handle(key)
        except Retryable as error:
            self._put_off(key, state, error)
        except Terminal as error:
            if state.told != str(error):
                log.warning("key cannot be handled", queue=self._name, key=str(key), reason=error.reason, error=str(error))
            state.told, state.failures = str(error), 0
        except Exception as error:
            log.exception("bug while handling a key", queue=self._name, key=str(key))
            self._back_off(key, state, type(error).__name__, 0.0)
        else:
            state.failures, state.told = 0, ""
        finally:
            self._running -= 1
            self._metrics[2].observe(self._clock.monotonic() - began)
        if wrote > 0 and self._passed is not None:
            self._cooling += 1
            self._spawn(self._cool(key, state, wrote, self._passed))
        else:
            self._release(key, state)
        if self._stopping:
            self._finished()

    def _put_off(self, key: K, state: _State, error: Retryable) -> None:
        if isinstance(error, RevisionConflict) and state.failures < 5:
            state.failures += 1
            _retries.labels(self._name, error.reason).inc()
            self._wait(key, state, self._backoff.conflict_s * (1 + self._random()) * state.failures)
            return
        self._back_off(key, state, error.reason, error.retry_after_s or 0.0)
        if state.failures in (1, 5) or state.failures % 20 == 0:
            log.info("key put off", queue=self._name, key=str(key), reason=error.reason, failures=state.failures, error=str(error))

    def _back_off(self, key: K, state: _State, reason: str, at_least_s: float) -> None:
        state.failures += 1
        _retries.labels(self._name, reason).inc()
        self._wait(key, state, max(at_least_s, self._backoff.delay_s(state.failures, self._random())))

    def _wait(self, key: K, state: _State, delay_s: float) -> None:
        # What was touched is not decided yet, and the next run decides it.
        numbers = [number for number in (state.sequence, state.running_sequence) if number is not None]
        state.sequence = min(numbers, default=None)
        if not state.again:
            state.backing_off = True
            self._later(key, state, delay_s)

    async def _cool(self, key: K, state: _State, wrote: int, passed: Callable[[int], Awaitable[None]]) -> None:
        """The key stays taken until the view has its last write."""
        try:
            await passed(wrote)
        except Retryable as error:
            log.warning("own write not seen yet", queue=self._name, key=str(key), sequence=wrote, error=str(error))
            self._back_off(key, state, error.reason, 0.0)
        finally:
            self._cooling -= 1
            self._release(key, state)

    def _release(self, key: K, state: _State) -> None:
        state.running, state.running_sequence = False, None
        if state.again:
            state.again = False
            self._enqueue(key, state)
        elif not state.ticket and not state.told and not state.failures:
            del self._states[key]
        if not (self._waiting or self._running or self._cooling):
            self._idle.set()

    def _finished(self) -> None:
        if not self._running:
            for waiter in self._wake:
                if not waiter.done():
                    waiter.set_result(None)
            self._wake.clear()
