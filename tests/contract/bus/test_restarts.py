"""What a real server may do: die, come back, refuse, close the connection. A server of its own for each test."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shoal.api.errors import BusUnavailable, StreamDrifted
from shoal.api.meta import Ref
from shoal.bus.entries import Draft, Entries
from shoal.bus.events import send_deploy
from shoal.bus.leases import Lease
from shoal.bus.nats import BusSettings, NatsBus
from shoal.bus.nats.inbox import FastStreamInbox
from shoal.bus.port import Append, Loaded, Message, Stored
from shoal.bus.topology import bootstrap, check
from shoal.bus.view import View
from shoal.messages.catalogue import OBJECT, STATE
from shoal.runtime.clock import SystemClock
from support.servers import NatsServer, eventually, fresh_streams, nats_server, until

CLOCK = SystemClock()


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[tuple[NatsServer, NatsBus]]:
    with nats_server(tmp_path) as server:
        async with fresh_streams(server) as bus:
            yield server, bus


def draft(name: str, body: Any) -> Draft[Any]:
    return Draft(family=OBJECT, ref=Ref("apps", "Deployment", "web", name), body=body)


async def test_no_view_is_complete_from_before_a_reconnect(own: tuple[NatsServer, NatsBus]) -> None:
    """What was written while the connection was away is in no view yet: an answer out of one would keep it from who asks."""
    server, bus = own
    view, rebuilt, complete = View(bus, STATE, [OBJECT], name="t", clock=CLOCK), list[int](), list[bool]()
    view.on_rebuilt(lambda: rebuilt.append(view.position))
    await view.start()
    await view.completed()
    loop = asyncio.get_running_loop()
    bus.on_reconnect(lambda: loop.call_soon(lambda: complete.append(view.complete)))
    server.kill()
    await until(lambda: not bus.connected)
    server.start()
    await until(lambda: len(rebuilt) == 2 and view.complete)
    assert complete == [False]


async def test_view_is_rebuilt_at_once_after_kill_9(own: tuple[NatsServer, NatsBus]) -> None:
    server, bus = own
    entries, view, rebuilt = Entries(bus, CLOCK), View(bus, STATE, [OBJECT], name="t", clock=CLOCK), list[int]()
    await entries.write_all([(draft(f"n{n}", {"n": n}), 0) for n in range(200)])
    view.on_rebuilt(lambda: rebuilt.append(view.position))
    await view.start()
    await view.completed()
    server.kill()
    await until(lambda: not bus.connected)
    assert bus.silent_since is not None
    server.start()
    began = time.monotonic()
    revision = await entries.write(draft("n0", {"n": -1}), expected=1)
    await until(lambda: len(rebuilt) == 2 and view.complete)
    await view.passed(revision)
    found = view.get(OBJECT, Ref("apps", "Deployment", "web", "n0"))
    assert found is not None
    assert (found.revision, found.body, len(view)) == (201, {"n": -1}, 200)
    assert time.monotonic() - began < 4
    assert bus.silent_since is None
    await view.stop()


async def test_an_idle_view_notices_by_itself_that_the_server_came_back(own: tuple[NatsServer, NatsBus]) -> None:
    server, bus = own
    view, rebuilt = View(bus, STATE, [OBJECT], name="t", clock=CLOCK), list[int]()
    view.on_rebuilt(lambda: rebuilt.append(view.position))
    await view.start()
    await view.completed()
    server.kill()
    server.start()
    await until(lambda: len(rebuilt) == 2)
    await view.stop()


async def test_a_write_survives_a_restart_and_happens_once(own: tuple[NatsServer, NatsBus]) -> None:
    server, bus = own
    entries = Entries(bus, CLOCK)
    written: list[int] = []

    async def writing() -> None:
        for n in range(60):
            written.append(await entries.write(draft("n", {"n": n}), expected=written[-1] if written else 0))

    task = asyncio.create_task(writing())
    for target in (15, 40):
        await until(lambda: len(written) >= target)  # noqa: B023  # Awaited in the same turn of the loop.
        server.kill()
        server.start()
    await task
    assert written == list(range(1, 61))


async def test_batches_survive_restarts_as_a_whole(own: tuple[NatsServer, NatsBus]) -> None:
    server, bus = own
    entries, done = Entries(bus, CLOCK), list[tuple[int, ...]]()

    async def writing() -> None:
        for n in range(30):
            done.append(await entries.write_all([(draft(f"b{n}-{i}", {"i": i}), 0) for i in range(20)]))

    task = asyncio.create_task(writing())
    await until(lambda: len(done) >= 10)
    server.kill()
    server.start()
    await task
    assert [revision for batch in done for revision in batch] == list(range(1, 601))


async def test_an_err_that_closes_the_client_for_good_is_survived(own: tuple[NatsServer, NatsBus]) -> None:
    _, bus = own
    heard: list[bytes] = []
    reconnects: list[float] = []

    async def hear(message: Message) -> None:
        heard.append(message.data)

    await bus.subscribe("beat.x", hear)
    bus.on_reconnect(lambda: reconnects.append(time.monotonic()))
    watch = bus.watch("STATE", ("state.>",))
    events: list[Any] = []

    async def watching() -> None:
        async for event in watch:
            events.append(event)

    task = asyncio.create_task(watching())
    await until(lambda: Loaded(0) in events)
    # Past the adapter's own check, as a bug would do it.
    await bus.client.publish("x" * 5000, b"")
    await until(lambda: reconnects)
    assert bus.connected
    await bus.publish("beat.x", b"again")
    await until(lambda: heard == [b"again"])
    await bus.append("STATE", Append("state.object.a.b.c.d", b"x"))
    await until(lambda: any(isinstance(event, Stored) for event in events))
    await watch.aclose()
    await task


async def test_nothing_is_kept_for_later_while_there_is_no_bus(own: tuple[NatsServer, NatsBus]) -> None:
    server, bus = own
    server.kill()
    await until(lambda: not bus.connected)
    with pytest.raises(BusUnavailable):
        await bus.publish("beat.x", b"")
    with pytest.raises(BusUnavailable):
        await bus.append("STATE", Append("state.object.a.b.c.d", b"x"), timeout_s=0.1)
    server.start()
    await until(lambda: bus.connected)
    assert (await bus.info("STATE")).last == 0


async def test_entries_give_up_with_a_clear_word(own: tuple[NatsServer, NatsBus]) -> None:
    server, bus = own
    server.kill()
    await until(lambda: not bus.connected)

    class Impatient(SystemClock):
        async def sleep(self, seconds: float) -> None:
            await asyncio.sleep(0)

    class Short:
        """The bus with short time-outs."""

        async def append_all(self, stream: str, items: list[Append]) -> int:
            return await bus.append_all(stream, items, timeout_s=0.01)

        async def last(self, stream: str, subject: str) -> Stored | None:
            raise BusUnavailable("no answer")

    with pytest.raises(BusUnavailable, match="written or not"):
        await Entries(Short(), Impatient()).write(draft("n", {}), expected=0)  # type: ignore[arg-type]


async def test_a_watch_survives_a_paused_server(own: tuple[NatsServer, NatsBus]) -> None:
    server, bus = own
    entries, view = Entries(bus, CLOCK), View(bus, STATE, [OBJECT], name="t", clock=CLOCK)
    await view.start()
    await view.completed()
    server.pause()
    with pytest.raises(BusUnavailable):
        await bus.append("STATE", Append("state.object.a.b.c.ghost", b"", expected=0), timeout_s=0.2)
    server.resume()
    await view.passed(await entries.write(draft("n", {}), expected=0))
    assert view.get(OBJECT, Ref("apps", "Deployment", "web", "n")) is not None
    await view.stop()


async def test_a_store_with_another_key_is_not_taken_for_an_empty_one(own: tuple[NatsServer, NatsBus]) -> None:
    server, bus = own
    server.stop()
    await until(lambda: not bus.connected)
    key = server.directory / "store.key"
    key.write_text("another key")
    server.start()
    await until(lambda: bus.connected)
    with pytest.raises(StreamDrifted, match="SHOAL_STORE_KEY"):
        await bootstrap(bus, create=True, expected={"STATE", "WORK"})
    with pytest.raises(StreamDrifted, match="missing"):
        await check(bus)


async def test_closing_lets_handlers_finish(own: tuple[NatsServer, NatsBus]) -> None:
    server, bus = own
    other, finished = await server.connect("other"), list[int]()
    began = asyncio.Event()

    async def reached(bus: NatsBus, began: asyncio.Event) -> bool:
        if not began.is_set():
            await bus.publish("beat.x", b"")
        return began.is_set()

    async def slow(message: Message) -> None:
        began.set()
        await asyncio.sleep(0.1)
        finished.append(await other.append("STATE", Append("state.object.a.b.c.d", b"x")))

    await other.subscribe("beat.x", slow)
    await eventually(lambda: reached(bus, began))
    await other.close()
    assert finished
    assert (await bus.info("STATE")).last == finished[-1]


async def test_what_is_subscribed_without_a_connection_is_heard_after_it(own: tuple[NatsServer, NatsBus]) -> None:
    server, bus = own
    heard: list[bytes] = []

    async def hear(message: Message) -> None:
        heard.append(message.data)

    server.kill()
    await until(lambda: not bus.connected)
    await bus.subscribe("beat.x", hear)
    server.start()
    await until(lambda: bus.connected)
    await bus.publish("beat.x", b"1")
    await until(lambda: heard == [b"1"])


async def test_closing_without_a_server_does_not_wait(own: tuple[NatsServer, NatsBus]) -> None:
    server, _ = own
    other = await server.connect("other")
    view = View(other, STATE, [OBJECT], name="t", clock=CLOCK)
    await view.start()
    await view.completed()
    await other.subscribe("beat.x", lambda message: asyncio.sleep(0))
    server.kill()
    await until(lambda: not other.connected)
    began = time.monotonic()
    await view.stop()
    await other.close()
    assert time.monotonic() - began < 2
    server.start()


async def test_more_batches_at_once_than_the_server_opens(own: tuple[NatsServer, NatsBus]) -> None:
    _, bus = own
    entries = Entries(bus, CLOCK)
    await asyncio.gather(*(entries.write_all([(draft(f"b{n}-{i}", {}), 0) for i in range(3)]) for n in range(120)))
    assert (await bus.info("STATE")).last == 360


async def test_the_deploy_inbox_survives_kill_9_and_an_err(own: tuple[NatsServer, NatsBus]) -> None:
    server, bus = own
    seen: list[bytes] = []

    async def handle(source: str, event: bytes) -> bytes:
        seen.append(event)
        return b"done " + event

    inbox = FastStreamInbox(BusSettings(url=server.url), bus, clock=CLOCK)
    task = asyncio.create_task(inbox.run(handle))
    assert await send_deploy(bus, "ci", b"1", timeout_s=10) == b"done 1"
    server.kill()
    await until(lambda: not bus.connected)
    server.start()
    await until(lambda: bus.connected)
    assert await send_deploy(bus, "ci", b"2", timeout_s=20) == b"done 2"
    await inbox.stop()
    await task
    assert set(seen) == {b"1", b"2"}


async def test_the_deploy_inbox_stops_while_the_server_is_down(own: tuple[NatsServer, NatsBus]) -> None:
    server, bus = own
    started = asyncio.Event()

    async def handle(source: str, event: bytes) -> bytes:
        started.set()
        return b""

    inbox = FastStreamInbox(BusSettings(url=server.url), bus, clock=CLOCK)
    task = asyncio.create_task(inbox.run(handle))
    await send_deploy(bus, "ci", b"1", timeout_s=10)
    server.kill()
    await until(lambda: not bus.connected)
    await inbox.stop()
    await asyncio.wait_for(task, 10)
    server.start()


async def test_leases_do_not_have_two_holders_over_a_restart(own: tuple[NatsServer, NatsBus]) -> None:
    """A server that comes back may have forgotten the last renewals, so a holder gives up with its connection."""
    server, bus = own
    other = await server.connect("other")
    leases = [Lease(client, "x", holder=str(n), ttl_s=4, clock=CLOCK) for n, client in enumerate((bus, other))]
    tasks = [asyncio.create_task(lease.run()) for lease in leases]
    await until(lambda: any(lease.held for lease in leases))
    server.kill()
    await until(lambda: not any(lease.held for lease in leases))
    server.start()
    await until(lambda: any(lease.held for lease in leases))
    limit = time.monotonic() + 1
    while time.monotonic() < limit:
        assert sum(lease.held for lease in leases) <= 1
        await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await other.close()
