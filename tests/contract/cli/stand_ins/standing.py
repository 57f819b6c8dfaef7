"""Services that only stand there, so that `shoal up` and `shoal down` are tested without the real ones' start-up time."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import msgspec

from shoal.api.clock import Clock
from shoal.runtime.clock import SystemClock
from shoal.runtime.config import ServiceConfig
from shoal.runtime.health import Answer, Endpoints, HealthServer, Service, announce, withdraw


class Standing:
    """Ready at once; does nothing until it is stopped."""

    def __init__(self, config: ServiceConfig) -> None:
        self.name, self._config, self._end = config.name, config, asyncio.Event()
        if os.environ.get("SHOAL_LOG_LEVEL") == "error":  # How the tests ask for a service that fails.
            raise RuntimeError("this stand-in was told to fail")

    async def start(self) -> None: ...

    async def run(self) -> None:
        await self._end.wait()

    async def stop(self) -> None:
        self._end.set()

    def ready(self) -> tuple[bool, str]:
        return True, ""

    def status(self) -> dict[str, Any]:
        return {}


class Gateway(Standing):
    """Also answers `/api/clusters`: a member is Ready when its process has announced itself."""

    async def start(self) -> None:
        clock = SystemClock()
        endpoints = _WithClusters(self, self._config, clock)
        self._server = HealthServer(endpoints, self._config.http_host, self._config.http_port)
        announce(self._config, await self._server.start(), clock)

    async def stop(self) -> None:
        await super().stop()
        await self._server.stop()
        withdraw(self._config)


class _WithClusters(Endpoints):
    def __init__(self, service: Service, config: ServiceConfig, clock: Clock) -> None:
        super().__init__(service, config, clock)
        self._run = Path(config.state_dir) / "run"

    async def answer(self, path: str) -> Answer | None:
        if path == "/api/clusters":
            names = [place.stem.removeprefix("member-") for place in self._run.glob("member-*.json")]
            return Answer(200, "application/json", msgspec.json.encode([{"name": name, "state": "Ready", "ready": True} for name in names]))
        return await super().answer(path)
