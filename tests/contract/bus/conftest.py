"""Every contract test runs on both adapters: `world.client(name)` gives one service's connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Protocol

import pytest

from shoal.bus.memory import MemoryBus
from shoal.bus.port import Admin, Bus
from shoal.bus.topology import bootstrap
from shoal.runtime.clock import SystemClock
from support.servers import NatsServer, fresh_streams, nats_server


class World(Protocol):
    """The same bus with as many connections as a test wants."""

    admin: Admin
    clock: SystemClock

    async def client(self, name: str) -> Bus: ...


class MemoryWorld:
    def __init__(self) -> None:
        self.clock = SystemClock()
        self.bus = MemoryBus(self.clock)
        self.admin: Admin = self.bus

    async def client(self, name: str) -> Bus:
        return self.bus.client(name)


class NatsWorld:
    def __init__(self, server: NatsServer, admin: Admin) -> None:
        self.clock, self.server, self.admin = SystemClock(), server, admin
        self.clients: list[Bus] = []

    async def client(self, name: str) -> Bus:
        bus = await self.server.connect(name)
        self.clients.append(bus)
        return bus


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with nats_server(tmp_path_factory.mktemp("nats")) as running:
        yield running


@pytest.fixture(params=["memory", "nats"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "memory":
        memory = MemoryWorld()
        await bootstrap(memory.admin, create=True)
        yield memory
        return
    running: NatsServer = request.getfixturevalue("server")
    async with fresh_streams(running) as admin:
        real = NatsWorld(running, admin)
        yield real
        for client in real.clients:
            await client.close()


@pytest.fixture
async def bus(world: World) -> Bus:
    return await world.client("one")
