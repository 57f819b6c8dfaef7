"""An API server as a plain ASGI application, to be served by uvicorn or mounted beside other routes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from shoal.kube.apiserver.errors import too_large
from shoal.kube.apiserver.store import encode
from shoal.kube.wire import Handler, Request, Response

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_BYTES_MAX = 3 * 1024 * 1024
"""A longer body is refused while it is read, so that it never fills the memory."""


def asgi(server: Handler, *, stop: Callable[[], None] | None = None, body_bytes_max: int = BODY_BYTES_MAX) -> Application:
    """The application. `stop` is called when the front door shuts down its lifespan; uvicorn does that only after open answers ended, so
    whoever stops a server calls `ApiServer.stop` first (watches end) and sets uvicorn's `timeout_graceful_shutdown` as a last limit."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send, stop)
        elif scope["type"] == "http":
            await _exchange(server, scope, receive, send, body_bytes_max)

    return application


async def _lifespan(receive: Receive, send: Send, stop: Callable[[], None] | None) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        else:
            if stop is not None:
                stop()
            await send({"type": "lifespan.shutdown.complete"})
            return


async def _exchange(server: Handler, scope: Scope, receive: Receive, send: Send, body_bytes_max: int) -> None:
    body = await _body(receive, body_bytes_max)
    if body is None:
        error = too_large(body_bytes_max)
        response = Response(status=error.code, body=encode(error.status()), headers={"connection": "close"})
    else:
        response = await server(request_of(scope, body))
    await send({"type": "http.response.start", "status": response.status, "headers": _headers(response)})
    if response.stream is None:
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else response.body})
    else:
        await _stream(response.stream, receive, send)


def request_of(scope: Scope, body: bytes) -> Request:
    """The request of an ASGI scope. The path stays encoded where it was, so that a name may hold a slash."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    root = str(scope.get("root_path", ""))
    path = raw.partition(b"?")[0].decode("latin-1").removeprefix(root)
    query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True))
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    return Request(method=scope["method"], path=path, query=query, headers=headers, body=body)


def _headers(response: Response) -> list[tuple[bytes, bytes]]:
    out = [(b"content-type", response.content_type.encode("latin-1"))]
    if response.stream is None:
        out.append((b"content-length", str(len(response.body)).encode()))
    return out + [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in response.headers.items()]


async def _body(receive: Receive, limit: int) -> bytes | None:
    """The whole body; None when it is longer than the limit."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(parts)
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            return None
        parts.append(part)
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def _stream(stream: AsyncIterator[bytes], receive: Receive, send: Send) -> None:
    """Sends chunks until the stream ends or the client is gone."""
    gone = asyncio.ensure_future(_disconnected(receive))
    try:
        while True:
            chunk = asyncio.ensure_future(anext(stream, None))
            try:
                await asyncio.wait((chunk, gone), return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    return
                part = chunk.result()
            finally:
                await _cancelled(chunk)
            if part is None:
                await send({"type": "http.response.body", "body": b""})
                return
            await send({"type": "http.response.body", "body": part, "more_body": True})
    finally:
        await _cancelled(gone)
        await stream.aclose()  # type: ignore[attr-defined]  # `Response.stream` promises it.


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _cancelled(task: asyncio.Future[Any]) -> None:
    """Ends a task that may run still, and waits until it has."""
    if not task.done():
        task.cancel()
        await asyncio.wait((task,))
