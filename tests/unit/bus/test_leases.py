"""Leases in virtual time: long runs with lost answers, cuts and deaths never have two holders."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from shoal.bus.leases import Lease
from shoal.bus.memory import Faults, MemoryBus
from shoal.bus.topology import bootstrap
from support.virtual import VirtualClock, VirtualLoop


def simulate(seed: int, *, seconds: float = 300.0) -> dict[str, float]:
    """Holder -> seconds it held; asserts at each tenth of a second that at most one does."""
    random = Random(seed)

    async def run() -> dict[str, float]:
        faults = Faults(Random(seed + 1000))
        faults.delay_s, faults.lose_answers, faults.lose_questions = (0.0, 0.3), 0.1, 0.1
        bus, clock = MemoryBus(VirtualClock(), faults=faults), VirtualClock()
        await bootstrap(bus, create=True)
        leases = {name: Lease(bus.client(name), "x", holder=name, ttl_s=6, clock=clock) for name in "abc"}
        tasks = {name: asyncio.create_task(lease.run()) for name, lease in leases.items()}
        held = dict.fromkeys(leases, 0.0)
        for _ in range(int(seconds * 10)):
            await asyncio.sleep(0.1)
            holders = [name for name, lease in leases.items() if lease.held]
            assert len(holders) <= 1, holders
            for name in holders:
                held[name] += 0.1
            if random.random() < 0.005:
                victim = random.choice(sorted(leases))
                bus.disconnect(victim)
                asyncio.get_running_loop().call_later(random.uniform(0.1, 12), bus.reconnect, victim)
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        return held

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(run())


@pytest.mark.parametrize("seed", range(8))
def test_never_two_and_mostly_one(seed: int) -> None:
    held = simulate(seed)
    assert sum(held.values()) > 200
