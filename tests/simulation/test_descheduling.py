"""Pods that no node takes: after a while they run in another cluster, and from then on nothing moves any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
import structlog

from shoal.api.meta import Manifest, Ref
from shoal.kube.wire import Request
from shoal.messages.catalogue import BINDING
from support.shop import shop
from support.virtual import VirtualLoop
from support.world import World

PLACES = {"m1": ("alpha", "eu"), "m2": ("alpha", "eu")}
WEB = Ref("apps", "Deployment", "shop", "web")
EVERY_S, AFTER_S = 120.0, 300.0


def event(version: int, replicas: int) -> dict[str, Any]:
    container = {"name": "web", "image": "web:1", "resources": {"requests": {"cpu": "1"}}}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    dynamic = {
        "replicaSchedulingType": "Divided",
        "replicaDivisionPreference": "Weighted",
        "weightPreference": {"dynamicWeight": "AvailableReplicas"},
    }
    manifests: list[Manifest] = [
        *shop(placement={"replicaScheduling": dynamic}),
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template},
        },
    ]
    return {"id": f"v{version}", "source": "ci", "data": {"application": "shop", "version": str(version), "manifests": manifests}}


async def cordon(world: World, *members: str, unschedulable: bool = True) -> None:
    """No node of theirs takes a new pod; their free room is what it was."""
    for name in members:
        for node in [stored.ref.name for stored in world.members[name].store if stored.ref.kind == "Node"]:
            change = {"spec": {"unschedulable": unschedulable}}
            headers = {"content-type": "application/merge-patch+json"}
            request = Request(method="PATCH", path=f"/api/v1/nodes/{node}", headers=headers, body=msgspec.json.encode(change))
            answer = await world.members[name].handle(request)
            assert answer.status == 200, answer.body


def decided(world: World) -> dict[str, int | None]:
    entry = world.view.get(BINDING, WEB)
    return {target.name: target.replicas for target in entry.body.clusters} if entry is not None and not entry.deleted else {}


def running(world: World) -> dict[str, int]:
    """Ready pods by member."""
    found = {}
    for name, member in world.members.items():
        pods = member.objects("Pod", "shop").values()
        conditions = [{one["type"]: one["status"] for one in (pod.get("status") or {}).get("conditions") or ()} for pod in pods]
        found[name] = sum(one.get("Ready") == "True" for one in conditions)
    return found


async def rests(world: World, rounds: int) -> None:
    """Nothing is written for so many rounds, neither in the hub nor in a member."""
    await world.clock.sleep(60)
    before, places = world.positions(), decided(world)
    for _ in range(rounds):
        await world.clock.sleep(EVERY_S)
        assert decided(world) == places
    assert world.positions() == before, "something is still being written"


async def moved(world: World) -> None:
    await cordon(world, "m1")
    await world.deploy(event(1, 6))
    await world.until(lambda: running(world) == {"m1": 0, "m2": 3}, limit_s=60, what="half of it runs")
    assert decided(world) == {"m1": 3, "m2": 3}
    await world.clock.sleep(AFTER_S - 30)
    assert decided(world) == {"m1": 3, "m2": 3}, "not yet"
    await world.until(lambda: running(world) == {"m1": 0, "m2": 6}, limit_s=EVERY_S + 60, what="all of it runs")
    await world.until(lambda: not world.members["m1"].objects("Deployment", "shop"), limit_s=60, what="m1 is left")
    assert decided(world) == {"m2": 6}
    await rests(world, 20)


async def and_the_round_after(world: World) -> None:
    """The pods that waited in m1 are gone, and it seems roomy again."""
    await moved(world)
    await world.deploy(event(2, 8))
    await world.until(lambda: running(world) == {"m1": 0, "m2": 8}, limit_s=60, what="two more, and not in m1")
    await rests(world, 3)


async def with_nowhere_to_go(world: World) -> None:
    await cordon(world, "m1", "m2")
    await world.deploy(event(1, 6))
    await world.until(lambda: decided(world) == {"m1": 3, "m2": 3}, limit_s=60, what="a decision by sums")
    await world.clock.sleep(600)  # The members say then that the rollout takes too long.
    await rests(world, 30)
    await cordon(world, "m2", unschedulable=False)
    await world.until(lambda: running(world) == {"m1": 0, "m2": 6}, limit_s=2 * EVERY_S, what="all of it where a node is")
    await rests(world, 10)


async def with_crashes(world: World) -> None:
    """Who forgets everything asks again."""
    await cordon(world, "m1")
    await world.deploy(event(1, 6))
    await world.until(lambda: running(world) == {"m1": 0, "m2": 3}, limit_s=60, what="half of it runs")
    deadline = world.clock.monotonic() + AFTER_S + 4 * EVERY_S
    while world.clock.monotonic() < deadline:
        world.crash_some(world.chance)
        await world.clock.sleep(50)
    await world.until(lambda: running(world) == {"m1": 0, "m2": 6}, limit_s=4 * EVERY_S, what="all of it runs")
    await rests(world, 5)


@pytest.mark.spec("R15.4", "Q05", "KA03")
@pytest.mark.parametrize("story", [pytest.param(one, id=one.__name__) for one in (and_the_round_after, with_nowhere_to_go, with_crashes)])
@pytest.mark.parametrize("number", range(2))
def test_what_no_node_takes(story: Callable[[World], Awaitable[None]], number: int) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))

    async def whole() -> None:
        async with World(number, PLACES, descheduling_s=EVERY_S) as world:
            await world.until(world.clusters_ready, limit_s=60, what="both clusters ready")
            await world.clock.sleep(30)
            await story(world)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(asyncio.wait_for(whole(), 36_000))
