"""Who may connect, and under which subjects: a real server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from shoal.api.errors import BusUnavailable
from shoal.bus.nats import BusSettings, connect
from shoal.bus.port import Message
from shoal.runtime.clock import SystemClock
from support.servers import NatsServer, nats_server, until

CLOCK = SystemClock()


@pytest.mark.parametrize(
    ("server_says", "file", "fits"),
    [
        pytest.param("authorization { user: shoal, password: secret }", "shoal\nsecret\n", True, id="user-and-password"),
        pytest.param("authorization { user: shoal, password: secret }", "shoal\nwrong\n", False, id="wrong-password"),
        pytest.param("authorization { token: secret }", "secret\n", True, id="token"),
        pytest.param("authorization { token: secret }", "", False, id="nothing"),
    ],
)
async def test_credentials(tmp_path: Path, server_says: str, file: str, fits: bool) -> None:
    credentials = tmp_path / "credentials"
    credentials.write_text(file)
    with nats_server(tmp_path / "server", extra=server_says) as server:
        settings = BusSettings(url=server.url, credentials_file=str(credentials) if file else "")
        if fits:
            bus = await connect(settings, name="test", clock=CLOCK, timeout_s=5)
            assert bus.connected
            await bus.close()
            return
        with pytest.raises(BusUnavailable, match=r"(?i)authorization"):
            await connect(settings, name="test", clock=CLOCK, timeout_s=1.5)


async def test_a_refusal_is_told_though_resets_follow_it() -> None:
    """A server that refuses the password may reset the next attempt: CI once saw only `Connection reset by peer`."""
    attempts = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            writer.write(b'INFO {"server_id":"x","version":"2.15.1","headers":true,"max_payload":1048576,"auth_required":true}\r\n')
            await reader.readline()
            writer.write(b"-ERR 'Authorization Violation'\r\n")
            await writer.drain()
        writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    try:
        with pytest.raises(BusUnavailable, match=r"Authorization Violation.*then"):
            await connect(BusSettings(url=f"nats://127.0.0.1:{port}"), name="test", clock=CLOCK, timeout_s=1.5)
    finally:
        listener.close()
    assert attempts > 1


async def test_a_server_that_is_not_there_is_told() -> None:
    with pytest.raises(BusUnavailable, match="no bus at"):
        await connect(BusSettings(url="nats://127.0.0.1:9"), name="test", clock=CLOCK, timeout_s=0.3)


async def test_the_prefix_is_outside_only(server: NatsServer) -> None:
    plain = await server.connect("plain")
    agent = await connect(BusSettings(url=server.url, prefix="hub."), name="agent", clock=CLOCK, timeout_s=5)
    outside: list[str] = []

    async def answer(message: Message) -> None:
        outside.append(message.subject)
        await plain.respond(message, b"yes")

    await plain.subscribe("hub.beat.*", answer)
    await plain.request("hub.beat.m0", timeout_s=5)  # The subscription is in force once this is answered.
    assert (await agent.request("beat.m1", timeout_s=5)).data == b"yes"
    assert outside == ["hub.beat.m0", "hub.beat.m1"]
    inside: list[str] = []

    async def hear(message: Message) -> None:
        inside.append(message.subject)

    await agent.subscribe("live.m1.>", hear)
    assert (await agent.request("beat.m1", timeout_s=5)).data == b"yes"
    await plain.publish("hub.live.m1.x")
    await until(lambda: inside == ["live.m1.x"])
    await agent.close()
    await plain.close()
