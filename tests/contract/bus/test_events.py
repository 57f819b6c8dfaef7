"""Deploy events until they are answered, dead letters, the event log: on both adapters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from shoal.api.errors import BusUnavailable, DeployRefused, Retryable
from shoal.bus.events import DELIVERIES, REASON, DeployInbox, EventLog, Handle, send_deploy
from shoal.bus.memory import MemoryClient, MemoryInbox
from shoal.bus.nats import BusSettings
from shoal.bus.nats.inbox import FastStreamInbox
from shoal.bus.port import Append, Bus
from shoal.messages.catalogue import CloudEvent
from support.servers import eventually, until


async def inbox_of(world: Any, name: str) -> DeployInbox:
    client = await world.client(name)
    if isinstance(client, MemoryClient):
        return MemoryInbox(client, clock=world.clock)
    return FastStreamInbox(BusSettings(url=world.server.url), client, clock=world.clock)


@asynccontextmanager
async def running(world: Any, handle: Handle, name: str = "gateway") -> AsyncIterator[DeployInbox]:
    inbox = await inbox_of(world, name)
    task = asyncio.create_task(inbox.run(handle))
    yield inbox
    await inbox.stop()
    await task


async def left(bus: Bus) -> int:
    return (await bus.info("DEPLOY")).messages


async def test_an_event_is_answered_and_gone(world: Any, bus: Bus) -> None:
    async def handle(source: str, event: bytes) -> bytes:
        return f"{source} {event.decode()}".encode()

    async with running(world, handle):
        assert await send_deploy(bus, "ci.example/shop", b"one", timeout_s=5) == b"ci.example/shop one"
        answers = await asyncio.gather(*(send_deploy(bus, "ci", b"%d" % n, timeout_s=10) for n in range(20)))
        assert answers == [b"ci %d" % n for n in range(20)]
        await eventually(lambda: empty(bus))


async def empty(bus: Bus) -> bool:
    return await left(bus) == 0


async def test_events_wait_for_a_gateway_and_keep_their_order(world: Any, bus: Bus) -> None:
    for n in range(10):
        await bus.append("DEPLOY", Append("deploy.ci", b"%d" % n))
    seen: list[bytes] = []

    async def handle(source: str, event: bytes) -> None:
        seen.append(event)

    async with running(world, handle):
        await until(lambda: len(seen) == 10)
        await eventually(lambda: empty(bus))
    assert seen == [b"%d" % n for n in range(10)]


async def test_what_cannot_be_handled_now_comes_again_and_holds_nobody_up(world: Any, bus: Bus) -> None:
    seen: list[bytes] = []

    async def handle(source: str, event: bytes) -> bytes:
        seen.append(event)
        if event == b"hard" and seen.count(b"hard") < 3:
            raise Retryable("later") if seen.count(b"hard") == 1 else KeyError("a bug")
        return b"done"

    async with running(world, handle):
        hard = asyncio.create_task(send_deploy(bus, "ci", b"hard", timeout_s=10))
        await until(lambda: seen)
        assert await send_deploy(bus, "ci", b"easy", timeout_s=10) == b"done"
        assert await hard == b"done"
        await eventually(lambda: empty(bus))
    assert seen.count(b"hard") == 3
    assert (await bus.info("DEAD")).messages == 0


async def test_what_can_never_be_handled_is_kept_for_an_operator(world: Any, bus: Bus) -> None:
    async def handle(source: str, event: bytes) -> None:
        raise DeployRefused("Unreadable", "not JSON,\nat all")

    async with running(world, handle):
        await bus.append("DEPLOY", Append("deploy.ci", b"{", {"Shoal-Reply": "$JS.API.STREAM.DELETE.WORK"}))
        await eventually(lambda: empty(bus))
    dead = await bus.last("DEAD", "dead.deploy.ci")
    assert dead is not None
    assert (dead.data, dead.headers[REASON], dead.headers[DELIVERIES]) == (b"{", "Unreadable: not JSON, at all", "1")


async def test_replicas_share_the_work(world: Any, bus: Bus) -> None:
    seen: list[tuple[str, bytes]] = []

    def handling(name: str) -> Handle:
        async def handle(source: str, event: bytes) -> None:
            seen.append((name, event))
            await asyncio.sleep(0.005)

        return handle

    async with running(world, handling("a"), "gateway-a"), running(world, handling("b"), "gateway-b"):
        for n in range(40):
            await bus.append("DEPLOY", Append("deploy.ci", b"%d" % n))
        await eventually(lambda: empty(bus))
    assert sorted(int(event) for _, event in seen) == list(range(40))
    assert {name for name, _ in seen} == {"a", "b"}


async def test_no_answer_in_time_is_told(bus: Bus) -> None:
    with pytest.raises(BusUnavailable, match="is stored"):
        await send_deploy(bus, "ci", b"one", timeout_s=0.05)


async def test_event_log(world: Any, bus: Bus) -> None:
    def event(n: int, type_: str = "deploy.accepted") -> CloudEvent:
        return CloudEvent(id=f"STATE/{n}", source="hub", type=type_, subject="web/shop 1.0", time="", data={"n": n})

    events = EventLog(bus, world.clock)
    assert await events.publish(event(1)) == 1
    assert await events.publish(event(1)) == 1, "the same id is stored once"
    await events.publish(event(2, "cluster.lost"))
    await events.publish(event(3))
    found = []
    async for sequence, item in events.follow("deploy.>", after=0):
        found.append((sequence, item.id))
        if len(found) == 2:
            break
    assert found == [(1, "STATE/1"), (3, "STATE/3")]
    assert await events.last("cluster.lost", "web/shop 1.0") == event(2, "cluster.lost")
    assert await events.last("cluster.lost", "other") is None
