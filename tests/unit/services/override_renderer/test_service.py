"""The renderer as a whole over the memory bus, on virtual time: which works stand where, and what has to go before others come."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from shoal.api.binding import Removal
from shoal.api.meta import Ref, ref_of
from shoal.api.status import READY, Belief, TemplateStatus
from shoal.api.work import Work
from shoal.bus.entries import Draft, Entries, Entry
from shoal.bus.memory import MemoryBus
from shoal.bus.topology import bootstrap
from shoal.messages.catalogue import BELIEF, BINDING, OBJECT, STATUS, WORKS
from shoal.runtime.config import RendererConfig
from shoal.runtime.reconciling import Reconciling
from shoal_override_renderer.wire import parts
from support import build
from support.virtual import VirtualClock, VirtualLoop

WEB = build.deployment("web", replicas=3)
REF = ref_of(WEB)
MEMBERS = ("m1", "m2", "m3")


class Hub:
    """A renderer, and a test that plays everybody else."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.bus = MemoryBus(self.clock)
        self.entries = Entries(self.bus.client("test"), self.clock)
        self.content = 0
        """Content revision of the template."""

    async def start(self) -> asyncio.Task[None]:
        await bootstrap(self.bus, create=True)
        for name in MEMBERS:
            metadata = {"name": name, "uid": f"uid-{name}"}
            await self.write(OBJECT, cluster(name), {"apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster", "metadata": metadata})
            await self.write(BELIEF, cluster(name), Belief(member=f"id-{name}", state=READY, since=""))
        self.content = await self.write(OBJECT, REF, WEB)

        async def assemble() -> Any:
            return parts(RendererConfig(), self.bus.client("renderer"), self.clock, random.Random(1).random)

        async def live() -> None:
            service = Reconciling("renderer", assemble)
            await service.start()
            await service.run()

        return asyncio.create_task(live())

    async def write(self, family: Any, ref: Ref, body: Any) -> int:
        previous = await self.entries.read(family, ref)
        draft: Draft[Any] = Draft(family=family, ref=ref, body=body, uid="uid-deployment-web", author="test")
        return await self.entries.write(draft, expected=previous.revision if previous else 0)

    async def bind(self, *targets: str, **fields: Any) -> int:
        binding = build.binding(*(build.target(name, 3, epoch=5) for name in targets), revision=self.content, **fields)
        return await self.write(BINDING, REF, binding)

    async def work(self, name: str) -> Entry[Work] | None:
        return await self.entries.read(WORKS, REF, f"id-{name}")

    async def standing(self) -> dict[str, str]:
        """By cluster: `runs` or `ended`."""
        found = {name: await self.work(name) for name in MEMBERS}
        return {name: "ended" if entry.deleted else "runs" for name, entry in found.items() if entry is not None}

    async def until(self, wanted: dict[str, str]) -> None:
        deadline = self.clock.monotonic() + 20
        while (last := await self.standing()) != wanted:
            assert self.clock.monotonic() < deadline, f"{last} and not {wanted}"
            await self.clock.sleep(0.05)

    async def stays(self, wanted: dict[str, str]) -> None:
        await self.clock.sleep(30)
        assert await self.standing() == wanted


def cluster(name: str) -> Ref:
    return Ref("cluster.karmada.io", "Cluster", "", name)


def play(story: Callable[[Hub], Awaitable[None]]) -> None:
    async def whole() -> None:
        hub = Hub()
        task = await hub.start()
        try:
            await story(hub)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(whole())


def leaving(reason: str = "ClusterLost", *, epoch: int = 5, **fields: Any) -> Removal:
    return Removal(reason=reason, author="test", epoch=epoch, **fields)


PURGED = leaving(first=True)


# "spec.clusters, then clusters of requiredBy snapshots not already present": the scheduler notes both in `clusters`, each once.
@pytest.mark.spec("R6.1", "R9.2")
def test_a_work_for_every_target_its_own_and_its_owners() -> None:
    async def story(hub: Hub) -> None:
        await hub.bind("m1", "m2", attached=("m2",))
        await hub.until({"m1": "runs", "m2": "runs"})
        await hub.stays({"m1": "runs", "m2": "runs"})

    play(story)


@pytest.mark.spec("R6.2", "H10")
def test_the_work_of_a_cluster_that_leaves_is_ended_with_the_write_that_makes_the_new_one() -> None:
    async def story(hub: Hub) -> None:
        await hub.bind("m1")
        await hub.until({"m1": "runs"})
        await hub.bind("m2", removals={"m1": leaving("PolicyChanged")})
        await hub.until({"m1": "ended", "m2": "runs"})
        ended, made = await hub.work("m1"), await hub.work("m2")
        assert ended is not None
        assert made is not None
        assert abs(ended.revision - made.revision) == 1, "one batch: nobody sees the one without the other"

    play(story)


@pytest.mark.spec("R6.2", "R13.4", "N05")
def test_directly_makes_no_new_copy_while_the_old_one_may_run() -> None:
    async def story(hub: Hub) -> None:
        await hub.bind("m1", "m2")
        await hub.until({"m1": "runs", "m2": "runs"})
        await hub.bind("m2", "m3", removals={"m1": PURGED})
        await hub.until({"m1": "ended", "m2": "runs"})
        await hub.stays({"m1": "ended", "m2": "runs"})
        second = await hub.work("m2")
        await hub.bind("m2", "m3", removals={"m1": PURGED}, conflict_resolution="Overwrite")
        await hub.stays({"m1": "ended", "m2": "runs"})
        changed = await hub.work("m2")
        assert second is not None
        assert changed is not None
        assert changed.revision > second.revision, "copies that are there follow their template meanwhile"
        await hub.bind("m2", "m3")
        await hub.until({"m1": "ended", "m2": "runs", "m3": "runs"})

    play(story)


@pytest.mark.spec("R6.2")
def test_nobody_waits_for_a_cluster_that_was_never_told() -> None:
    async def story(hub: Hub) -> None:
        await hub.bind("m2", removals={"m1": PURGED})
        await hub.until({"m1": "ended", "m2": "runs"})

    play(story)


@pytest.mark.spec("R6.2", "R13.4")
def test_gracefully_makes_the_new_copy_first() -> None:
    async def story(hub: Hub) -> None:
        await hub.bind("m1")
        await hub.until({"m1": "runs"})
        await hub.bind("m2", removals={"m1": leaving(wait_for="ReplacementReady")})
        await hub.until({"m1": "runs", "m2": "runs"})
        await hub.stays({"m1": "runs", "m2": "runs"})
        status = TemplateStatus(template_uid="uid-deployment-web", copies=(build.copy("m2", epoch=5, revision=hub.content),))
        await hub.write(STATUS, REF, status)
        await hub.until({"m1": "ended", "m2": "runs"})

    play(story)


@pytest.mark.spec("B18", "H10")
def test_a_cluster_that_was_never_told_is_asked_to_confirm() -> None:
    """Otherwise nobody would ever say that nothing is there, and a removal, or a deletion, would wait for ever."""

    async def story(hub: Hub) -> None:
        await hub.bind("m1", removals={"m3": leaving("PolicyChanged", epoch=4)})
        await hub.until({"m1": "runs", "m3": "ended"})
        told = await hub.work("m3")
        assert told is not None
        assert (told.body.epoch, told.body.manifest) == (4, {})

    play(story)
