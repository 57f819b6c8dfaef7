"""The memory bus in virtual time: faults, order, and that the same seed gives the same run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, TypeVar

import pytest

from shoal.api.errors import BusUnavailable
from shoal.bus.memory import Faults, MemoryBus, MemoryInbox
from shoal.bus.port import Append, Loaded, Message, Reset, Stored
from shoal.bus.topology import bootstrap
from support.virtual import VirtualClock, VirtualLoop

KEY = "state.object.a.b.c.d"
T = TypeVar("T")


def in_virtual_time(scenario: Callable[[MemoryBus], Awaitable[T]], faults: Faults | None = None) -> T:
    async def run() -> T:
        bus = MemoryBus(VirtualClock(), faults=faults)
        await bootstrap(bus, create=True)
        return await scenario(bus)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(run())


def test_one_that_is_cut_off_hears_nothing_and_starts_again_afterwards() -> None:
    async def scenario(bus: MemoryBus) -> list[Any]:
        a, b = bus.client("a"), bus.client("b")
        seen: list[Any] = []
        reconnects: list[int] = []
        a.on_reconnect(lambda: reconnects.append(1))
        watch = a.watch("STATE", ("state.>",))

        async def watching() -> None:
            async for event in watch:
                seen.append(event.sequence if isinstance(event, Stored) else event)

        task = asyncio.create_task(watching())
        await b.append("STATE", Append(KEY, b"1"))
        await asyncio.sleep(1)
        bus.disconnect("a")
        assert (a.connected, a.silent_since, b.connected) == (False, 1.0, True)
        await b.append("STATE", Append(KEY, b"2"))
        with pytest.raises(BusUnavailable):
            await a.append("STATE", Append(KEY, b"x"), timeout_s=2)
        with pytest.raises(BusUnavailable):
            await a.publish("beat.x")
        assert asyncio.get_running_loop().time() == 3.0
        bus.reconnect("a")
        await b.append("STATE", Append(KEY, b"3"))
        await asyncio.sleep(1)
        assert (a.connected, a.silent_since, reconnects) == (True, None, [1])
        await watch.aclose()
        await task
        return seen

    # The first is written before the watch begins, and so is in its list.
    seen = in_virtual_time(scenario)
    assert [event for event in seen if not isinstance(event, Loaded)] == [1, Reset(), 2, 3]
    assert seen.count(Reset()) == 1
    assert sum(isinstance(event, Loaded) for event in seen) == 2


def test_a_question_that_waits_is_asked_when_the_connection_is_back() -> None:
    async def scenario(bus: MemoryBus) -> int:
        bus.disconnect("a")
        asyncio.get_running_loop().call_later(2, bus.reconnect, "a")
        return await bus.client("a").append("STATE", Append(KEY, b""), timeout_s=5)

    assert in_virtual_time(scenario) == 1


def test_delays_keep_the_order_of_each_client() -> None:
    async def scenario(bus: MemoryBus) -> list[bytes]:
        heard: list[bytes] = []

        async def hear(message: Message) -> None:
            heard.append(message.data)

        await bus.client("a").subscribe("beat.*", hear)
        for n in range(50):
            await bus.client("b").publish("beat.x", b"%d" % n)
        await asyncio.sleep(10)
        return heard

    faults = Faults(Random(3))
    faults.delay_s = (0.0, 1.0)
    assert in_virtual_time(scenario, faults) == [b"%d" % n for n in range(50)]


def test_the_same_seed_gives_the_same_run() -> None:
    def history(seed: int) -> list[tuple[float, str]]:
        async def scenario(bus: MemoryBus) -> list[tuple[float, str]]:
            told: list[tuple[float, str]] = []
            loop = asyncio.get_running_loop()

            async def writer(name: str) -> None:
                for n in range(20):
                    try:
                        await bus.client(name).append("STATE", Append(f"{KEY}{n}", b""))
                    except BusUnavailable:
                        told.append((loop.time(), f"{name} lost {n}"))

            async def reader() -> None:
                async for event in bus.client("r").watch("STATE", ("state.>",)):
                    told.append((loop.time(), str(event)))

            task = asyncio.create_task(reader())
            await asyncio.gather(writer("a"), writer("b"))
            await asyncio.sleep(5)
            task.cancel()
            return told

        faults = Faults(Random(seed))
        faults.delay_s, faults.lose_answers, faults.lose_questions = (0.0, 0.1), 0.2, 0.1
        return in_virtual_time(scenario, faults)

    assert history(1) == history(1)
    assert history(1) != history(2)


def test_what_a_killed_gateway_held_is_taken_by_another() -> None:
    async def scenario(bus: MemoryBus) -> list[str]:
        handled: list[str] = []
        clock = VirtualClock()

        async def stuck(source: str, event: bytes) -> None:
            handled.append("stuck")
            await asyncio.sleep(1000)

        async def fine(source: str, event: bytes) -> None:
            handled.append("fine")

        first, second = MemoryInbox(bus.client("g1"), clock=clock), MemoryInbox(bus.client("g2"), clock=clock)
        one = asyncio.create_task(first.run(stuck))
        await bus.client("ci").append("DEPLOY", Append("deploy.ci", b"x"))
        await asyncio.sleep(1)
        two = asyncio.create_task(second.run(fine))
        await asyncio.sleep(5)
        assert handled == ["stuck"]
        bus.kill("g1")
        one.cancel()
        await asyncio.sleep(5)
        await second.stop()
        await two
        assert (await bus.client("ci").info("DEPLOY")).messages == 0
        return handled

    assert in_virtual_time(scenario) == ["stuck", "fine"]


def test_an_expired_entry_leaves_a_marker_that_goes_by_itself() -> None:
    async def scenario(bus: MemoryBus) -> list[int]:
        client = bus.client("a")
        await client.append("LEASE", Append("lease.x", b"", {"Nats-TTL": "2s"}))
        counts = []
        for _ in range(3):
            await asyncio.sleep(1.5)
            counts.append((await client.info("LEASE")).last)
        await asyncio.sleep(61)
        counts.append((await client.info("LEASE")).messages)
        return counts

    assert in_virtual_time(scenario) == [1, 2, 2, 0]
