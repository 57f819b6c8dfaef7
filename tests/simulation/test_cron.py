"""Rules of a CronFederatedHPA while gateways die at any of their writes: every moment is carried out, and carried out once."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from typing import Any

import pytest
import structlog

from shoal.api.autoscaling import CronFederatedHPAStatus, ExecutionHistory
from shoal.api.meta import Manifest, Ref
from shoal.bus.entries import Entry
from shoal.messages.catalogue import OBJECT
from shoal_gateway.cron import AUTHOR, status_of
from support.shop import shop
from support.virtual import START, VirtualLoop
from support.world import World

WEB = Ref("apps", "Deployment", "shop", "web")
CRON = Ref("autoscaling.karmada.io", "CronFederatedHPA", "shop", "waves")
MINUTES = 12


def rule(name: str, schedule: str, replicas: int) -> dict[str, Any]:
    return {"name": name, "schedule": schedule, "targetReplicas": replicas, "successfulHistoryLimit": 32}


def manifests() -> list[Manifest]:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}
    scaled = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    return [
        *shop(),
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
        },
        {
            "apiVersion": "autoscaling.karmada.io/v1alpha1",
            "kind": "CronFederatedHPA",
            "metadata": {"name": "waves", "namespace": "shop"},
            "spec": {"scaleTargetRef": scaled, "rules": [rule("up", "*/2 * * * *", 4), rule("down", "1-59/2 * * * *", 2)]},
        },
    ]


def histories(world: World) -> dict[str, ExecutionHistory]:
    entry = world.view.get(OBJECT, CRON)
    status = status_of(entry.body) if entry is not None else CronFederatedHPAStatus()
    return {one.rule_name: one for one in status.execution_histories}


def replicas_in(world: World) -> set[Any]:
    return {member.objects("Deployment", "shop").get("web", {}).get("spec", {}).get("replicas") for member in world.members.values()}


async def scenario(seed: int) -> None:
    chance = random.Random(seed)
    async with World(seed, {"m1": ("alpha", "eu"), "m2": ("beta", "us")}, losing=0.02) as world:
        await world.start_gateway("gateway-2")
        written: list[int] = []

        def note(new: Entry[Any], previous: Entry[Any] | None) -> None:
            if new.ref == WEB and new.author == AUTHOR:
                written.append(new.body["spec"]["replicas"])

        world.view.subscribe(note)
        await world.until(world.clusters_ready, limit_s=60, what="both clusters ready")
        change = await world.deploy({"id": "1", "source": "ci", "data": {"application": "shop", "version": "1", "manifests": manifests()}})
        await world.until(lambda: world.change_state(change) == "ready", limit_s=30, what="a deploy may hold the kind")
        await world.until(lambda: len(histories(world)) == 2, limit_s=30, what="both rules know their next moment")
        first = min(one.next_execution_time for one in histories(world).values() if one.next_execution_time)
        for minute in range(MINUTES):
            comes = first + timedelta(minutes=minute)
            await world.clock.sleep((comes - world.clock.now()).total_seconds() - 5)
            world.crash_some(chance)
            if minute % 4 == 3:
                await world.processes["gateway"].crash()  # Nobody is there when the moment comes.
                await world.processes["gateway-2"].crash()
                await world.clock.sleep(15)
                world.processes["gateway"].start()
                world.processes["gateway-2"].start()
            number = minute + 1
            await world.until(lambda number=number: len(carried(world)) == number, limit_s=30, what=f"moment {number} is carried out")
        assert carried(world) == [first + timedelta(minutes=minute) for minute in range(MINUTES)]
        assert not any(one.failed_executions for one in histories(world).values())
        begin = 4 if (first - START).total_seconds() % 120 == 0 else 2
        assert written == [begin, 6 - begin] * (MINUTES // 2), "each moment is one write, in the order of the moments"
        await world.until(lambda: replicas_in(world) == {written[-1]}, limit_s=50, what="the members have it")


def carried(world: World) -> list[Any]:
    return sorted(done.schedule_time for one in histories(world).values() for done in one.successful_executions)


@pytest.mark.spec("R15.7", "T04")
@pytest.mark.parametrize("number", range(4))
def test_every_moment_is_carried_out_once(number: int) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(asyncio.wait_for(scenario(number), 7200))
