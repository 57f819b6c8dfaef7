"""The gateway as a process of its own: it says where it is, is killed without loss, and stops though streams are open."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import aiohttp
import msgspec

from shoal.runtime.health import Announcement
from support.servers import NatsServer, eventually, fresh_streams, until


class Process:
    def __init__(self, server: NatsServer, home: Path) -> None:
        self._server, self._home = server, home
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> str:
        """Its address, once it is ready."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "shoal_gateway",
            env=os.environ | {"SHOAL_BUS_URL": self._server.url, "SHOAL_STATE_DIR": str(self._home), "SHOAL_LOG_LEVEL": "warning"},
        )  # fmt: skip
        place, pid = self._home / "run" / "gateway.json", self._process.pid
        await until(lambda: place.exists() and msgspec.json.decode(place.read_bytes(), type=Announcement).pid == pid)
        address = msgspec.json.decode(place.read_bytes(), type=Announcement).address
        async with aiohttp.ClientSession() as http:

            async def ready() -> bool:
                async with http.get(address + "/readyz") as answer:
                    return answer.status == 200

            await eventually(ready)
        return address

    async def __aenter__(self) -> Process:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing stays behind, also when the test fails."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def end(self, number: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return await asyncio.wait_for(self._process.wait(), 8)


async def test_killed_between_deploys_and_stopped_with_open_streams(server: NatsServer, tmp_path: Path) -> None:
    async with fresh_streams(server), aiohttp.ClientSession() as http, Process(server, tmp_path) as process:
        address = await process.start()
        manifests = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}]
        event = msgspec.json.encode({"id": "1", "source": "ci", "data": {"application": "shop", "version": "1", "manifests": manifests}})
        async with http.post(address + "/deploy", data=event) as answer:
            first = await answer.json()
        assert await process.end(signal.SIGKILL) == -signal.SIGKILL
        address = await process.start()
        async with http.post(address + "/deploy", data=event) as answer:
            assert await answer.json() == first | {"repeated": True}
        events = await http.get(address + "/api/events", headers={"accept": "text/event-stream"})
        watch = await http.get(address + "/api/v1/namespaces?watch=1")
        assert await process.end(signal.SIGTERM) == 0
        events.close()
        watch.close()
