"""The small HTTP server of every process, on real sockets, also with clients that misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shoal.api.errors import AlreadyInUse
from shoal.runtime.clock import SystemClock
from shoal.runtime.config import SchedulerConfig
from shoal.runtime.health import Endpoints, HealthServer

LIMIT_S = 10.0


class Ready:
    name = "scheduler"

    async def start(self) -> None: ...

    async def run(self) -> None: ...

    async def stop(self) -> None: ...

    def ready(self) -> tuple[bool, str]:
        return True, ""

    def status(self) -> dict[str, Any]:
        return {}


def endpoints() -> Endpoints:
    return Endpoints(Ready(), SchedulerConfig(), SystemClock())


@pytest.fixture
async def port() -> AsyncIterator[int]:
    server = HealthServer(endpoints(), "127.0.0.1", 0)
    address = await server.start()
    yield int(address.rpartition(":")[2])
    await server.stop()


async def sent(port: int, request: bytes) -> bytes:
    """Everything that comes back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        return await asyncio.wait_for(reader.read(), LIMIT_S)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"200 OK", id="get"),
        pytest.param(b"GET /readyz HTTP/1.0\r\n\r\n", b"200 OK", id="http-1.0"),
        pytest.param(b"GET /else HTTP/1.1\r\n\r\n", b"404 Not Found", id="other-path"),
        pytest.param(b"POST /healthz HTTP/1.1\r\nContent-Length: 0\r\n\r\n", b"405 Method Not Allowed", id="post"),
        pytest.param(b"\r\n\r\n", b"405 Method Not Allowed", id="no-request-line"),
    ],
)
async def test_answers(port: int, request_: bytes, status: bytes) -> None:
    answer = await sent(port, request_)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status)
    assert f"Content-Length: {len(body)}".encode() in head


async def test_a_head_that_is_too_long_is_cut_off(port: int) -> None:
    assert await sent(port, b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 100_000 + b"\r\n\r\n") == b""
    assert (await sent(port, b"GET /healthz HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200")


async def test_a_silent_client_holds_nobody_up(port: int) -> None:
    _, silent = await asyncio.open_connection("127.0.0.1", port)
    assert (await sent(port, b"GET /healthz HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200")
    silent.close()


async def test_a_port_in_use(port: int) -> None:
    with pytest.raises(AlreadyInUse, match=f"cannot listen on 127.0.0.1:{port}"):
        await HealthServer(endpoints(), "127.0.0.1", port).start()
