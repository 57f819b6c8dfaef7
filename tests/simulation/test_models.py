"""Counts of nodes by grade follow the Cluster's resource models, the member's pods, and neither vanish nor mix while agents and monitors come and go."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
import structlog

from shoal.api.meta import Ref
from shoal.kube.wire import Request
from shoal.messages.catalogue import BELIEF
from support.virtual import VirtualLoop
from support.world import World

CLUSTER = Ref("cluster.karmada.io", "Cluster", "", "m1")
PATH = "/apis/cluster.karmada.io/v1alpha1/clusters/m1"
Seen = tuple[tuple[tuple[int, str], int], ...]
"""((grade, its lower bound of cpu), nodes), as a decision has them side by side."""


def models(*bounds: str) -> dict[str, Any]:
    """A patch of the Cluster: one grade per lower bound of cpu."""
    ends = (*bounds[1:], str(2**63 - 1))
    found = [{"grade": n, "ranges": [{"name": "cpu", "min": low, "max": ends[n]}]} for n, low in enumerate(bounds)]
    return {"spec": {"resourceModels": found or None}}


def seen(world: World) -> Seen:
    """What is believed of m1's nodes now."""
    entry = world.view.get(BELIEF, CLUSTER)
    summary = entry.body.status.resource_summary if entry is not None else None
    counts = summary.allocatable_modelings if summary is not None else ()
    assert entry is not None
    assert len(counts) == len(entry.body.grades), "counts and the grades they were counted by come and go together"
    return tuple(((grade.number, grade.least["cpu"]), item["count"]) for grade, item in zip(entry.body.grades, counts, strict=True))


async def fill(world: World, cpu: str) -> None:
    """A pod of that size on the first of m1's two nodes, which have 8 CPU."""
    node = min(stored.ref.name for stored in world.members["m1"].store if stored.ref.kind == "Node")
    container = {"name": "app", "image": "app:1", "resources": {"requests": {"cpu": cpu}}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "filler"}, "spec": {"nodeName": node, "containers": [container]}}
    request = Request(method="POST", path="/api/v1/namespaces/default/pods", body=msgspec.json.encode(pod))
    answer = await world.members["m1"].handle(request)
    assert answer.status == 201, answer.body


async def scenario(seed: int) -> None:
    async with World(seed, {"m1": ("alpha", "eu"), "m2": ("alpha", "eu")}) as world:
        await world.until(world.clusters_ready, limit_s=60, what="both clusters ready")
        await world.until(lambda: world.view.get(BELIEF, CLUSTER).body.status.resource_summary, limit_s=30, what="an inventory")
        assert seen(world) == ()
        await world.patch(PATH, models("0", "2", "4"))
        full: Seen = (((0, "0"), 0), ((1, "2"), 0), ((2, "4"), 2))
        await world.until(lambda: seen(world) == full, limit_s=10, what="two empty nodes, well before the next inventory is due")
        await fill(world, "5")
        filled: Seen = (((0, "0"), 0), ((1, "2"), 1), ((2, "4"), 1))
        await world.until(lambda: seen(world) == filled, limit_s=20, what="one of them with 3 CPU left, with the next inventory")

        # The agent comes back first, and says what it has before anybody tells it what to count by.
        await world.processes["health-monitor"].crash()
        await world.processes["agent-m1"].crash()
        world.processes["agent-m1"].start()
        await world.clock.sleep(5)
        world.processes["health-monitor"].start()
        for _ in range(400):
            await world.clock.sleep(0.1)
            assert seen(world) == filled

        await world.patch(PATH, models("0", "8"))
        fewer: Seen = (((0, "0"), 1), ((1, "8"), 1))
        between: set[Seen] = set()
        await world.until(lambda: between.add(seen(world)) or fewer in between, limit_s=10, what="other grades")
        assert between == {filled, fewer}
        await world.patch(PATH, models())
        await world.until(lambda: seen(world) == (), limit_s=10, what="no grades, no counts")
        await world.clock.sleep(10)  # The agent hears of it with its next beat.
        before = world.positions()
        await world.clock.sleep(60)
        assert world.positions() == before, "something is still being written"


@pytest.mark.spec("L11", "R4.18")
@pytest.mark.parametrize("number", range(3))
def test_counts_follow_the_models_of_the_cluster(number: int) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(asyncio.wait_for(scenario(number), 3600))
