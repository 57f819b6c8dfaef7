"""Real nats-servers for tests: the binary of the environment, a free port, JetStream in a temporary directory."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgspec

from shoal.bus.nats import BusSettings, NatsBus, connect
from shoal.bus.nats.server import find_server, server_command, server_config, server_environment
from shoal.bus.topology import bootstrap
from shoal.messages.catalogue import STREAMS
from shoal.runtime.clock import SystemClock

LIMIT_S = 20.0


class NatsServer:
    """One server. `kill` is -9; `start` after it takes the same port and the same store."""

    def __init__(self, directory: Path, *, encrypted: bool = True, extra: str = "") -> None:
        self.directory, self._encrypted, self._extra = directory, encrypted, extra
        self.port = -1
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.directory / "server.log").read_text()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> NatsServer:
        self.directory.mkdir(parents=True, exist_ok=True)
        config = self.directory / "nats.conf"
        config.write_text(
            server_config(self.directory, self.port, ports_dir=self.directory, encrypted=self._encrypted, name="test") + self._extra
        )
        with (self.directory / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                server_command(find_server(), self.directory, config), stderr=log, env=os.environ | server_environment(self.directory)
            )
        self.port = self._read_port()
        return self

    def _read_port(self) -> int:
        path = self.directory / f"nats-server_{self.pid}.ports"
        limit = time.monotonic() + LIMIT_S
        while time.monotonic() < limit:
            if path.exists() and (text := path.read_bytes()):
                return int(msgspec.json.decode(text)["nats"][0].rpartition(":")[2])
            assert self._process is not None
            assert self._process.poll() is None, self.log
            time.sleep(0.005)
        raise AssertionError(f"nats-server did not start within {LIMIT_S} s: {self.log}")

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)  # The signal is asked for; a busy machine takes its time.

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(LIMIT_S)
            self._process = None

    async def connect(self, name: str = "test") -> NatsBus:
        return await connect(BusSettings(url=self.url), name=name, clock=SystemClock(), timeout_s=LIMIT_S)


@contextmanager
def nats_server(directory: Path, *, encrypted: bool = True, extra: str = "") -> Iterator[NatsServer]:
    """A running server, with more lines of configuration; killed at the end."""
    server = NatsServer(directory, encrypted=encrypted, extra=extra).start()
    try:
        yield server
    finally:
        server.kill()


_KEEPER = {"name": "KEEPER", "subjects": ["keeper"], "storage": "file"}
"""With the last stream the server removes the directory of all, a moment after its answer: the next stream may then find none."""


@asynccontextmanager
async def fresh_streams(server: NatsServer) -> AsyncIterator[NatsBus]:
    """A connection to a server whose streams are all new and empty."""
    bus = await server.connect("fresh")
    try:
        await bus.create_stream(_KEEPER)
        for stream in STREAMS:
            await bus.delete_stream(stream.name)
        await bootstrap(bus, create=True)
        yield bus
    finally:
        await bus.close()


async def until(condition: Callable[[], object], limit_s: float = 10.0) -> None:
    """Until `condition()` is true. Fails with its source position after `limit_s`."""

    async def asked() -> object:
        return condition()

    await eventually(asked, limit_s)


async def eventually(condition: Callable[[], Awaitable[object]], limit_s: float = 10.0) -> None:
    """As `until`, for a question that has to be awaited."""
    limit = time.monotonic() + limit_s
    while not await condition():
        assert time.monotonic() < limit, f"not within {limit_s} s"
        await asyncio.sleep(0.01)
