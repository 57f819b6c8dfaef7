"""One HTTP exchange with a Kubernetes API, without a socket: what `client` sends and `apiserver` answers.

Both sides speak through these, so that a client reaches an API server over HTTP or, in the simulation, by a function call.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

import msgspec


class Request(msgspec.Struct, frozen=True, kw_only=True):
    method: str
    """GET, POST, PUT, PATCH or DELETE."""
    path: str
    """Decoded path without the query, such as `/apis/apps/v1/namespaces/shop/deployments/web`."""
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    """Lower-case names."""
    body: bytes = b""


class Response(msgspec.Struct, frozen=True, kw_only=True):
    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = {}
    stream: AsyncIterator[bytes] | None = None
    """Chunks of an answer that does not end by itself (a watch); `body` is empty then. The reader closes it with `aclose()`."""


Handler = Callable[[Request], Awaitable[Response]]
"""An API server without a socket: `ApiServer.handle`."""


class Transport(Protocol):
    """How a client reaches one API server: over HTTP, or by calling a `Handler` in this process."""

    async def send(self, request: Request, *, timeout_s: float) -> Response:
        """One exchange. Raises `MemberUnavailable` when no answer came; any HTTP status is an answer."""
        ...

    async def open(self, request: Request) -> Response:
        """A watch: the answer's `stream` is set when the status is 200. Raises `MemberUnavailable` when no answer came."""
        ...

    async def close(self) -> None: ...
