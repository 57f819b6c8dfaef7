"""`http.py`: the ASGI application, driven by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shoal.kube.apiserver import asgi
from shoal.kube.wire import Request, Response
from support.apiserver import CONFIG_MAPS, Client, config_map

LIMIT_S = 10


class Connection:
    """One exchange as uvicorn would drive it."""

    def __init__(self, method: str, path: str, *parts: bytes, query: str = "", headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": headers,
        }
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        bodies = parts or (b"",)
        for index, part in enumerate(bodies):
            self.incoming.put_nowait({"type": "http.request", "body": part, "more_body": index < len(bodies) - 1})

    async def receive(self) -> dict[str, Any]:
        return await self.incoming.get()

    async def send(self, message: Any) -> None:
        await self.sent.put(message)

    async def next(self) -> dict[str, Any]:
        return await asyncio.wait_for(self.sent.get(), LIMIT_S)


async def exchange(application: Any, connection: Connection) -> tuple[int, dict[bytes, bytes], bytes]:
    await asyncio.wait_for(application(connection.scope, connection.receive, connection.send), LIMIT_S)
    start, body = await connection.next(), await connection.next()
    return start["status"], dict(start["headers"]), body["body"]


async def test_a_request_arrives_whole() -> None:
    seen: list[Request] = []

    async def handler(request: Request) -> Response:
        seen.append(request)
        return Response(status=201, body=b"{}", headers={"warning": '299 - "x"'})

    connection = Connection("POST", "/a%2Fb", b"{", b"}", query="x=1&y=&z=%2C", headers=((b"Content-Type", b"application/json"),))
    status, headers, body = await exchange(asgi(handler), connection)
    assert (status, body) == (201, b"{}")
    assert headers == {b"content-type": b"application/json", b"content-length": b"2", b"warning": b'299 - "x"'}
    assert seen[0].path == "/a%2Fb"
    assert seen[0].query == {"x": "1", "y": "", "z": ","}
    assert (seen[0].headers, seen[0].body) == ({"content-type": "application/json"}, b"{}")


async def test_a_long_body_is_refused_unread(api: Client) -> None:
    connection = Connection("POST", CONFIG_MAPS, b"x" * 60, b"x" * 60, b"x" * 60)
    status, headers, body = await exchange(asgi(api.server.handle, body_bytes_max=100), connection)
    assert (status, headers[b"connection"]) == (413, b"close")
    assert b"RequestEntityTooLarge" in body
    assert connection.incoming.qsize() == 1


async def test_head_has_no_body(api: Client) -> None:
    status, headers, body = await exchange(asgi(api.server.handle), Connection("HEAD", "/version"))
    assert (status, body) == (200, b"")
    assert int(headers[b"content-length"]) > 0


async def test_mounted_below_a_path(api: Client) -> None:
    connection = Connection("GET", "/hub/version")
    connection.scope["root_path"] = "/hub"
    assert (await exchange(asgi(api.server.handle), connection))[0] == 200


async def test_a_watch_streams_until_the_client_goes(api: Client) -> None:
    connection = Connection("GET", CONFIG_MAPS, query="watch=true")
    serving = asyncio.ensure_future(asgi(api.server.handle)(connection.scope, connection.receive, connection.send))
    assert (await connection.next())["status"] == 200
    await api("POST", CONFIG_MAPS, config_map("a"))
    message = await connection.next()
    assert message["more_body"]
    assert message["body"].startswith(b'{"type":"ADDED"')
    connection.incoming.put_nowait({"type": "http.disconnect"})
    await asyncio.wait_for(serving, LIMIT_S)
    assert api.store.watchers == 0


async def test_stopping_ends_the_stream_properly(api: Client) -> None:
    connection = Connection("GET", CONFIG_MAPS, query="watch=true&resourceVersion=" + str(api.store.revision()))
    serving = asyncio.ensure_future(asgi(api.server.handle)(connection.scope, connection.receive, connection.send))
    await connection.next()
    api.server.stop()
    assert await connection.next() == {"type": "http.response.body", "body": b""}
    await asyncio.wait_for(serving, LIMIT_S)


async def test_a_failing_stream_is_closed() -> None:
    closed = asyncio.Event()

    async def lines() -> AsyncIterator[bytes]:
        try:
            yield b"one\n"
            raise RuntimeError("broken")
        finally:
            closed.set()

    async def handler(request: Request) -> Response:
        return Response(status=200, stream=lines())

    connection = Connection("GET", "/x")
    with pytest.raises(RuntimeError, match="broken"):
        await asgi(handler)(connection.scope, connection.receive, connection.send)
    assert closed.is_set()


async def test_the_lifespan_stops_the_server() -> None:
    stopped: list[bool] = []

    async def handler(request: Request) -> Response:
        return Response(status=200)

    connection = Connection("GET", "/")
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> dict[str, Any]:
        return next(messages)

    await asgi(handler, stop=lambda: stopped.append(True))({"type": "lifespan"}, receive, connection.send)
    assert [(await connection.next())["type"] for _ in range(2)] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert stopped == [True]
