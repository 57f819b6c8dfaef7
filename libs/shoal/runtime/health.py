"""The endpoints that every process has: `/healthz`, `/readyz`, `/metrics`, `/status`; a server for them; the file that says where.

The server is a page of asyncio, not a framework: uvicorn would cost each of ten processes on one machine 100 ms of start and 9 MB. Only the
gateway, which is a web server anyway, serves `Endpoints` from its own application.
"""

from __future__ import annotations

import asyncio
import os
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

import msgspec

from shoal.api.clock import Clock
from shoal.api.errors import AlreadyInUse
from shoal.runtime import telemetry
from shoal.runtime.config import ServiceConfig
from shoal.runtime.files import write_whole

_HEAD_BYTES_MAX = 8192
_HEAD_LIMIT_S = 5.0
"""A client that has not sent its request by then is cut off: nothing may hold sockets of an agent for ever."""


class Service(Protocol):
    """What `run` starts, stops and asks; made by a service's `wire`."""

    name: str

    async def start(self) -> None:
        """Connects and starts views. `Retryable`: stopped and wired anew after a back-off; `Terminal`: exit code 3."""
        ...

    async def run(self) -> None:
        """Works until `stop`. Returning or raising before that is a crash."""
        ...

    async def stop(self) -> None:
        """Ends what runs, writes and acknowledges what is in flight. Also after a failed start; a second call is harmless."""
        ...

    def ready(self) -> tuple[bool, str]:
        """True when the views are complete and it answers truly; else why not."""
        ...

    def status(self) -> dict[str, Any]:
        """What an operator wants to see, as JSON."""
        ...


class Answer(msgspec.Struct, frozen=True):
    """One HTTP answer."""

    status: int
    content_type: str
    body: bytes


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """`<state_dir>/run/<name>.json`: where a process of this machine is found. Written by that process when it listens."""

    name: str
    pid: int
    address: str
    """Base URL of its endpoints."""
    started: str
    """RFC 3339."""


class Endpoints:
    """Answers, independent of the server that carries them."""

    def __init__(self, service: Service, config: ServiceConfig, clock: Clock) -> None:
        self._service, self._name = service, config.name
        self._started = clock.now().isoformat(timespec="seconds")

    async def answer(self, path: str) -> Answer | None:
        """The answer to a GET, None for a path that is not one of the four."""
        match path.partition("?")[0]:
            case "/healthz":
                return Answer(200, "text/plain", b"ok\n")
            case "/readyz":
                ready, why = self._service.ready()
                return Answer(200, "text/plain", b"ok\n") if ready else Answer(503, "text/plain", f"{why or 'not ready'}\n".encode())
            case "/metrics":
                return Answer(200, "text/plain; version=0.0.4", await asyncio.to_thread(telemetry.metrics))
            case "/status":
                return Answer(200, "application/json", msgspec.json.encode(self._status(), enc_hook=str))
        return None

    def _status(self) -> dict[str, Any]:
        ready, why = self._service.ready()
        head = {"name": self._name, "pid": os.getpid(), "started": self._started, "ready": ready, "why": why}
        return {**head, **self._service.status()}


class HealthServer:
    """A small HTTP/1.1 server for `Endpoints`: GET, one request per connection."""

    def __init__(self, endpoints: Endpoints, host: str, port: int) -> None:
        self._endpoints, self._host, self._port = endpoints, host, port
        self._server: asyncio.Server | None = None

    async def start(self) -> str:
        """Listens; returns the base URL. Raises `AlreadyInUse` when the port is taken."""
        try:
            self._server = await asyncio.start_server(self._serve, self._host, self._port, limit=_HEAD_BYTES_MAX)
        except OSError as error:
            raise AlreadyInUse(
                f"cannot listen on {self._host}:{self._port}: {error.strerror}; set SHOAL_HTTP_PORT to a free port or 0"
            ) from error
        return base_url(self._host, self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _HEAD_LIMIT_S)
            writer.write(_response(await self._respond(head)))
            await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass  # The client went away, was too slow or sent too much: there is nobody to tell.
        finally:
            writer.close()

    async def _respond(self, head: bytes) -> Answer:
        method, _, rest = head.partition(b"\r\n")[0].decode("latin-1").partition(" ")
        if method not in ("GET", "HEAD"):
            return Answer(405, "text/plain", b"only GET\n")
        answer = await self._endpoints.answer(rest.partition(" ")[0])
        return answer or Answer(404, "text/plain", b"there are /healthz /readyz /metrics /status\n")


def _response(answer: Answer) -> bytes:
    head = (
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\nContent-Type: {answer.content_type}\r\n"
        f"Content-Length: {len(answer.body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + answer.body


def base_url(host: str, port: int, scheme: str = "http") -> str:
    """`http://127.0.0.1:4711`; an address that means "all" is shown as loopback."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, f"[{host}]" if ":" in host else host)
    return f"{scheme}://{shown}:{port}"


def announce(config: ServiceConfig, address: str, clock: Clock) -> None:
    """Writes where this process is found, for `shoal status` and `shoal up`; without a `state_dir` nothing."""
    if config.state_dir:
        started = clock.now().isoformat(timespec="seconds")
        write_whole(_place(config), msgspec.json.encode(Announcement(name=config.name, pid=os.getpid(), address=address, started=started)))


def withdraw(config: ServiceConfig) -> None:
    """Removes the announcement, when it is still this process's own."""
    if config.state_dir:
        found = announcement(_place(config))
        if found is not None and found.pid == os.getpid():
            _place(config).unlink(missing_ok=True)


def announcement(path: Path) -> Announcement | None:
    """What a process wrote about itself; None when there is none or it is not readable yet."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Announcement)
    except (OSError, msgspec.DecodeError):
        return None


def _place(config: ServiceConfig) -> Path:
    return Path(config.state_dir) / "run" / f"{config.name}.json"
