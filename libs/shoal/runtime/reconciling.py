"""The house's one shape of a service: views -> queue -> reconcile -> write, as an object that `run` can run.

A service's `wire.py` says in `Parts` what it is made of; all about starting, waiting for complete views, working and stopping is here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import structlog

from shoal.api.clock import Clock
from shoal.api.errors import InputsBehindOutput
from shoal.bus.entries import Entry
from shoal.bus.leases import Lease
from shoal.bus.port import Bus, Subscription
from shoal.bus.view import View
from shoal.bus.work_queue import WorkQueue
from shoal.messages.catalogue import Progress

log = structlog.get_logger()
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Parts:
    """What a service is made of, once it has a connection."""

    bus: Bus
    views: Sequence[View] = ()
    """Loaded before anything below starts; the service is ready when all are complete."""
    sound: Sequence[Callable[[], Awaitable[str]]] = ()
    """Asked once the views are complete: a sentence when what stands contradicts itself. Then nothing is written, and the sentence is shown."""
    queues: Sequence[WorkQueue[Any]] = ()
    loops: Sequence[Callable[[], Awaitable[None]]] = ()
    """Coroutines that run until they are cancelled (timers, judges). One that ends or raises ends the service."""
    serve: Sequence[Callable[[], Awaitable[Subscription]]] = ()
    """What it answers on the bus, from the moment its views are complete."""
    close: Sequence[Callable[[], Awaitable[None]]] = ()
    """What has to be let go at the end, in this order, while the bus still stands."""
    status: Callable[[], dict[str, Any]] = field(default=dict)


def resync(interval_s: float, clock: Clock, chance: Callable[[], float], everything: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    """A loop for `Parts.loops`: a jittered full re-scan, so that a lost notification costs minutes and not truth (a tenth up or down)."""

    async def loop() -> None:
        while True:
            await clock.sleep(interval_s * (0.9 + 0.2 * chance()))
            everything()

    return loop


class Decided(Generic[K]):
    """How far a service has decided (`messages.Progress`): everything its view passed, but for what waits or runs in its queue."""

    def __init__(self, service: str, view: View) -> None:
        self._service, self._view = service, view
        self._wrote: int | None = None
        self.queue: WorkQueue[K] | None = None

    def noting(self, reconcile: Callable[[K], Awaitable[int]]) -> Callable[[K], Awaitable[int]]:
        """The same handler; the highest sequence it wrote is noted."""

        async def handle(key: K) -> int:
            sequence = await reconcile(key)
            self._wrote = max(self._wrote or 0, sequence)
            return sequence

        return handle

    def current(self) -> Progress | None:
        """None while it is not known. Before its first write a process answers for what a former one may have written: all there is."""
        if not self._view.complete or self.queue is None:
            return None
        if self._wrote is None:
            self._wrote = self._view.position if self._service == "scheduler" else 0
        oldest = self.queue.oldest_sequence
        return Progress(
            service=self._service,
            read=self._view.position if oldest is None else min(self._view.position, oldest - 1),
            wrote=self._wrote,
            behind=tuple(str(key) for key in self.queue.behind),
        )


def went_back(
    output: Callable[[], Iterable[Entry[Any]]], name: str, inputs: str, last: Callable[[], Awaitable[int]]
) -> Callable[[], Awaitable[str]]:
    """For `Parts.sound`: the bus went back when an output names a revision of its input `name` that the stream `inputs` does not have (yet).

    Whoever goes on then would "correct" members to an older state; somebody has to restore the stream, or say that the older state is meant.
    """

    async def sound() -> str:
        beyond = max((entry.inputs.get(name, 0) for entry in output()), default=0)
        position = await last()  # After the outputs were read: what they name was there by then.
        if beyond <= position:
            return ""
        return f"{inputs} ends at {position}, but what was made from it names revision {beyond}: the bus was restored to an earlier state"

    return sound


class OnlyHolder:
    """Lets a handler run only while a lease is held: others stand by with complete views and full queues, and go on when it is theirs.

    A holder that lost it for a moment (the bus was restarted) goes on as well; compare-and-set is the fence for what was under way. Whoever
    has just got it first lets its view pass all that the one before may have written: what spans several keys has no other fence.
    """

    def __init__(self, lease: Lease, view: View) -> None:
        self._lease, self._view = lease, view
        self._held = asyncio.Event()
        self._caught_up: float | None = None
        """`held_since` of the tenure for which the view has passed everything."""
        lease.on_change(lambda held: self._held.set() if held else self._held.clear())

    def only(self, reconcile: Callable[[K], Awaitable[int]]) -> Callable[[K], Awaitable[int]]:
        async def handle(key: K) -> int:
            while True:
                while not self._lease.held:
                    await self._held.wait()
                since = self._lease.held_since
                if since is not None and since == self._caught_up:
                    return await reconcile(key)
                await self._view.settled()
                self._caught_up = since

        return handle


class Reconciling:
    """A `runtime.health.Service`. `assemble()` connects and returns the parts; nothing is connected before `start()`."""

    def __init__(self, name: str, assemble: Callable[[], Awaitable[Parts]]) -> None:
        self.name = name
        self._assemble = assemble
        self._parts: Parts | None = None
        self._working = False
        self._halted = ""
        self._stop = asyncio.Event()
        self._subscriptions: list[Subscription] = []

    async def start(self) -> None:
        """Connects and begins to load the views. Raises `Retryable` when the bus does not answer, `Terminal` when it cannot be used."""
        self._parts = await self._assemble()
        for view in self._parts.views:
            await view.start()

    async def run(self) -> None:
        """Works until `stop()`. Raises what a queue or a loop could not handle: a process that is half alive helps nobody."""
        parts = self._parts
        assert parts is not None, "start() comes first"
        work = asyncio.create_task(self._work(parts))
        stop = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            self._working = False
            for task in (work, stop):
                task.cancel()
            await asyncio.gather(work, stop, return_exceptions=True)

    async def _work(self, parts: Parts) -> None:
        for view in parts.views:
            await view.completed()
        for sound in parts.sound:
            self._halted = await sound()
            if self._halted:
                log.error("halted, nothing is written", service=self.name, reason=InputsBehindOutput.reason, message=self._halted)
                await self._stop.wait()
                return
        async with asyncio.TaskGroup() as group:
            for queue in parts.queues:
                group.create_task(queue.run())
            for answer in parts.serve:
                self._subscriptions.append(await answer())
            for loop in parts.loops:
                group.create_task(_unending(loop))
            self._working = True
            log.info("service ready", service=self.name)

    async def stop(self) -> None:
        """Stops taking work, finishes what is in hand, lets the connection drain. Twice is harmless."""
        self._stop.set()
        parts, self._parts = self._parts, None
        if parts is None:
            return
        for subscription in self._subscriptions:
            await subscription.unsubscribe()
        for queue in parts.queues:
            await queue.stop()
        for close in parts.close:
            await close()
        for view in parts.views:
            await view.stop()
        await parts.bus.close()

    def ready(self) -> tuple[bool, str]:
        """True once every view is complete and the bus is connected."""
        if self._parts is None:
            return False, "not started"
        if not self._parts.bus.connected:
            return False, "no connection to the bus"
        for view in self._parts.views:
            if not view.complete:
                return False, f"view {view.name} is not complete"
        return (True, "") if self._working else (False, self._halted or "starting")

    def status(self) -> dict[str, Any]:
        parts = self._parts
        if parts is None:
            return {}
        return {
            "views": {view.name: {"position": view.position, "complete": view.complete} for view in parts.views},
            "queues": {queue.name: {"depth": len(queue), "behind": [str(key) for key in queue.behind]} for queue in parts.queues},
            **parts.status(),
        }


async def _unending(loop: Callable[[], Awaitable[None]]) -> None:
    await loop()
    raise RuntimeError(f"{loop.__qualname__} ended though nobody stopped it")
