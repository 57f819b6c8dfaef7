"""An application that stays unhealthy in one cluster moves to another, as its policy says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import structlog

from shoal.api.binding import Binding
from shoal.api.meta import Manifest, Ref
from shoal.kube.simulated.faults import FaultSettings
from shoal.messages.catalogue import BINDING
from support.shop import shop
from support.virtual import VirtualLoop
from support.world import World

PLACES = {"m1": ("alpha", "eu"), "m2": ("alpha", "eu")}
WEB = Ref("apps", "Deployment", "shop", "web")
BINDING_PATH = "/apis/work.karmada.io/v1alpha2/namespaces/shop/resourcebindings/web-deployment"
TOLERATED_S = 60
BROKEN, WELL = FaultSettings(images={"web:1": "ImagePullBackOff"}), FaultSettings()


def event(application: dict[str, Any]) -> dict[str, Any]:
    manifests: list[Manifest] = [
        *shop(
            propagateDeps=True,
            placement={"spreadConstraints": [{"spreadByField": "cluster", "maxGroups": 1, "minGroups": 1}]},
            failover={"application": {"decisionConditions": {"tolerationSeconds": TOLERATED_S}, **application}},
        ),
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}},
            },
        },
    ]
    return {"id": "v1", "source": "ci", "data": {"application": "shop", "version": "1", "manifests": manifests}}


def decided(world: World) -> Binding | None:
    entry = world.view.get(BINDING, WEB)
    return entry.body if entry is not None and not entry.deleted else None


def targets(world: World) -> list[str]:
    binding = decided(world)
    return [target.name for target in binding.clusters] if binding is not None else []


def copies(world: World) -> set[str]:
    return {name for name, member in world.members.items() if member.objects("Deployment", "shop")}


async def sick(world: World, **application: Any) -> tuple[str, str]:
    """It runs nowhere well; then it would in the other cluster. (Where it is, where it could be.)"""
    for member in world.members.values():
        member.faults.set(BROKEN)
    await world.deploy(event(application))
    await world.until(lambda: len(copies(world)) == 1, limit_s=30, what="it is somewhere")
    (here,) = copies(world)
    (there,) = world.members.keys() - {here}
    world.members[there].faults.set(WELL)
    await world.clock.sleep(TOLERATED_S - 10)
    assert (targets(world), copies(world)) == ([here], {here}), "as long as it is tolerated"
    return here, there


async def gracefully(world: World) -> None:
    """The old copy goes when the new one is ready."""
    here, there = await sick(world)
    await world.until(lambda: targets(world) == [there], limit_s=30, what="it is placed in the other cluster")
    assert copies(world) >= {here}
    await world.until(lambda: copies(world) == {there}, limit_s=30, what="the old copy is gone")


async def while_services_crash(world: World) -> None:
    """Timers are in the status: who forgets everything goes on where it was."""
    here, there = await sick(world)
    for _ in range(3):
        await world.processes["health-monitor"].crash()
        world.processes["health-monitor"].start()
        await world.clock.sleep(5)
    assert targets(world) == [here], "it was not listened to for long enough"
    await world.until(lambda: copies(world) == {there}, limit_s=30, what="it moved")


async def never_without_a_user(world: World) -> None:
    here, there = await sick(world, purgeMode="Never")
    await world.until(lambda: copies(world) == {here, there}, limit_s=30, what="the new copy")
    await world.clock.sleep(3_600)
    assert copies(world) == {here, there}
    await world.patch(BINDING_PATH, {"spec": {"gracefulEvictionTasks": []}})
    await world.until(lambda: copies(world) == {there}, limit_s=30, what="the old copy is gone")


async def directly_with_its_state(world: World) -> None:
    rules = [{"aliasLabelName": "shop/had", "jsonPath": "{.replicas}"}]
    _, there = await sick(world, purgeMode="Directly", statePreservation={"rules": rules})
    both = asyncio.ensure_future(world.until(lambda: len(copies(world)) == 2, limit_s=100, what="two copies"))
    await world.until(lambda: copies(world) == {there}, limit_s=60, what="it moved")
    await world.clock.sleep(30)
    assert not both.done(), "two must never run at once"
    both.cancel()
    assert world.members[there].objects("Deployment", "shop")["web"]["metadata"]["labels"]["shop/had"] == "2"
    binding = decided(world)
    assert binding is not None
    assert (binding.removals, binding.clusters[0].preserved) == ({}, {"shop/had": "2"})


async def what_recovers_stays(world: World) -> None:
    here, _ = await sick(world)
    world.members[here].faults.set(WELL)
    await world.clock.sleep(600)
    assert (targets(world), copies(world)) == ([here], {here})


STORIES = (gracefully, while_services_crash, never_without_a_user, directly_with_its_state, what_recovers_stays)


@pytest.mark.spec("N06", "N07", "N08", "N09", "GX21", "R12.1", "R12.2", "R12.3", "R12.4")
@pytest.mark.parametrize("story", [pytest.param(one, id=one.__name__) for one in STORIES])
def test_failed_applications(story: Callable[[World], Awaitable[None]]) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))

    async def whole() -> None:
        async with World(1, PLACES) as world:
            await world.until(world.clusters_ready, limit_s=60, what="both clusters ready")
            await story(world)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(asyncio.wait_for(whole(), 36_000))
