"""The web server around the door: a socket of our own, uvicorn without its signal handlers, a stop that does not hang."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator

import uvicorn

from shoal.api.errors import AlreadyInUse
from shoal.kube.apiserver.http import Application
from shoal.runtime.config import GatewayConfig
from shoal.runtime.health import base_url

GRACE_S = 2
"""Open answers get this long at a stop; streams were ended before."""
BACKLOG = 1024


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Signals belong to `runtime.run`, which stops the whole service."""
        yield


class Listener:
    def __init__(self, application: Application, config: GatewayConfig) -> None:
        self._application, self._config = application, config
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Listens; returns the base URL. Raises `AlreadyInUse`."""
        config = self._config
        try:
            bound = socket.create_server((config.http_host, config.http_port), backlog=BACKLOG, family=_family(config.http_host))
        except OSError as error:
            raise AlreadyInUse(
                f"cannot listen on {config.http_host}:{config.http_port}: {error.strerror}; set SHOAL_HTTP_PORT to a free port or 0"
            ) from error
        self._server = _Server(
            uvicorn.Config(
                self._application,
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE_S,
                ssl_certfile=config.tls_cert_file or None,
                ssl_keyfile=config.tls_key_file or None,
            )
        )
        self._task = asyncio.get_running_loop().create_task(self._server.serve(sockets=[bound]))
        return base_url(config.http_host, bound.getsockname()[1], "https" if config.tls_cert_file else "http")

    async def ended(self) -> None:
        """Until the server ends, which it does by `stop` alone; raises what ended it otherwise."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def stop(self) -> None:
        if self._server is None or self._task is None:
            return
        self._server.should_exit = True
        await asyncio.gather(self._task, return_exceptions=True)
        self._server = self._task = None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
