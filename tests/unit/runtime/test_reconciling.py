"""The shape of a service: it stands still when the bus went back, and ends when one of its loops does."""

from __future__ import annotations

import asyncio

import pytest

from shoal.api.meta import Ref
from shoal.api.work import Work
from shoal.bus.entries import Draft, Entries
from shoal.bus.memory import MemoryBus
from shoal.bus.topology import bootstrap
from shoal.bus.view import View
from shoal.messages.catalogue import STATE, STATE_FAMILIES, WORK, WORKS
from shoal.runtime.reconciling import Parts, Reconciling, went_back
from support.clock import ManualClock

CONFIG = Ref("", "ConfigMap", "shop", "settings")


async def service(names_revision: int, *loops: object) -> Reconciling:
    """A renderer in miniature: one work that names a revision of the binding, an empty STATE."""
    clock = ManualClock()
    bus = MemoryBus(clock)
    await bootstrap(bus, create=True)
    client = bus.client("renderer")
    work = Work(cluster="m1", epoch=1, template_uid="u", template_revision=1)
    await Entries(client, clock).write(
        Draft(family=WORKS, ref=CONFIG, body=work, member="m", inputs={"binding": names_revision}), expected=0
    )
    state = View(client, STATE, STATE_FAMILIES, name="state", clock=clock)
    works = View(client, WORK, (WORKS,), name="works", clock=clock)
    sound = went_back(lambda: works.entries(WORKS), "binding", "STATE", state.settled)

    async def assemble() -> Parts:
        return Parts(bus=client, views=(state, works), sound=(sound,), loops=loops)  # type: ignore[arg-type]

    return Reconciling("renderer", assemble)


async def forever() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("names_revision", "ready"),
    [
        pytest.param(0, True, id="its-inputs-are-there"),
        pytest.param(7, False, id="STATE-ends-before-what-the-work-was-made-from"),
    ],
)
async def test_nothing_is_written_after_the_bus_went_back(names_revision: int, ready: bool) -> None:
    it = await service(names_revision, forever)
    await it.start()
    running = asyncio.create_task(it.run())
    for _ in range(50):
        await asyncio.sleep(0)
    answer, why = it.ready()
    assert answer is ready
    if not ready:
        assert "names revision 7" in why
    await it.stop()
    await running


async def test_a_loop_that_ends_ends_the_service() -> None:
    async def ends() -> None:
        return

    it = await service(0, ends, forever)
    await it.start()
    with pytest.raises(ExceptionGroup, match="unhandled"):
        await asyncio.wait_for(it.run(), 5)
    await it.stop()
