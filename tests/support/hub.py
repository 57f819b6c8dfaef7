"""A memory bus on virtual time: a test writes what some services would say, and runs the others as processes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from shoal.api.meta import Manifest, ref_of
from shoal.bus.entries import Draft, Entries
from shoal.bus.memory import MemoryBus
from shoal.bus.topology import bootstrap
from shoal.messages.catalogue import OBJECT
from shoal.runtime.reconciling import Parts, Reconciling
from support.virtual import VirtualClock, VirtualLoop


class VirtualHub:
    """Subclasses say which services run (`assemble`) and what else there is."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.bus = MemoryBus(self.clock)
        self.entries = Entries(self.bus.client("test"), self.clock)
        self.tasks: list[asyncio.Task[None]] = []

    async def assemble(self, name: str) -> Parts:
        """The parts of the process of that name."""
        raise NotImplementedError

    async def start(self) -> None:
        await bootstrap(self.bus, create=True)

    def run(self, name: str) -> asyncio.Task[None]:
        async def live() -> None:
            service = Reconciling(name, lambda: self.assemble(name))
            await service.start()
            await service.run()

        task = asyncio.create_task(live())
        self.tasks.append(task)
        return task

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def write(self, *drafts: Draft[Any]) -> None:
        """On top of what stands."""
        wanted = []
        for draft in drafts:
            previous = await self.entries.read(draft.family, draft.ref)
            wanted.append((draft, previous.revision if previous else 0))
        await self.entries.write_all(wanted)

    async def objects(self, *manifests: Manifest) -> None:
        await self.write(*(Draft(family=OBJECT, ref=ref_of(one), body=one, uid=one["metadata"]["uid"], author="test") for one in manifests))


H = TypeVar("H", bound=VirtualHub)


def play_on(hub: Callable[[], H], story: Callable[[H], Awaitable[None]], *, limit_s: float | None = None) -> None:
    """The story on a started hub, which is stopped whatever happens. `limit_s` is virtual."""

    async def whole() -> None:
        made = hub()
        await made.start()
        try:
            await story(made)
        finally:
            await made.stop()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(asyncio.wait_for(whole(), limit_s))
