"""A workload that scales by what its pods use in two clusters: up with the load, divided, and down again when the window is over."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
import structlog

from shoal.api.autoscaling import FederatedHPAStatus
from shoal.api.meta import Manifest, Ref
from shoal.bus.entries import Entry
from shoal.messages.catalogue import OBJECT
from shoal_gateway.federated_hpa import status_of
from support.shop import shop
from support.virtual import VirtualLoop
from support.world import World

WEB = Ref("apps", "Deployment", "shop", "web")
HPA = Ref("autoscaling.karmada.io", "FederatedHPA", "shop", "web")
PATH = "/apis/apps/v1/namespaces/shop/deployments/web"
LOAD = "shoal.dev/simulated-cpu-load"
SCALING = "autoscaling.karmada.io/v1alpha1"


def manifests() -> list[Manifest]:
    labels = {"app": "web"}
    container = {"name": "web", "image": "web:1", "resources": {"requests": {"cpu": "100m"}}}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    divided = {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted"}
    half = {"type": "Utilization", "averageUtilization": 50}
    return [
        *shop(placement={"replicaScheduling": divided}),
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop", "annotations": {LOAD: "50m"}},
            "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template},
        },
        {
            "apiVersion": SCALING,
            "kind": "FederatedHPA",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
                "minReplicas": 2,
                "maxReplicas": 12,
                "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": half}}],
            },
        },
        {
            "apiVersion": SCALING,
            "kind": "CronFederatedHPA",
            "metadata": {"name": "evening", "namespace": "shop"},
            "spec": {
                "scaleTargetRef": {"apiVersion": SCALING, "kind": "FederatedHPA", "name": "web"},
                "rules": [{"name": "more", "schedule": "30 * * * *", "targetMinReplicas": 5}],
            },
        },
    ]


class Numbers:
    """What the template was set to, one after the other, and how often the status was written."""

    def __init__(self, world: World) -> None:
        self.replicas, self.statuses = list[int](), 0
        world.view.subscribe(self._note)

    def _note(self, new: Entry[Any], previous: Entry[Any] | None) -> None:
        if new.family is OBJECT and new.ref == WEB and not new.deleted:
            count = new.body["spec"]["replicas"]
            self.replicas += [] if self.replicas[-1:] == [count] else [count]
        self.statuses += new.family is OBJECT and new.ref == HPA


def status(world: World) -> FederatedHPAStatus:
    entry = world.view.get(OBJECT, HPA)
    return status_of(entry.body) if entry is not None else FederatedHPAStatus()


def condition(world: World, type_: str) -> tuple[str, str, str]:
    """(status, reason, message)."""
    return next(((one.status, one.reason, one.message) for one in status(world).conditions if one.type == type_), ("", "", ""))


def ready(world: World) -> list[int]:
    """Ready pods by member."""
    found = []
    for member in world.members.values():
        told = member.objects("Deployment", "shop").get("web", {}).get("status") or {}
        found.append(told.get("readyReplicas", 0))
    return found


async def load(world: World, amount: str) -> None:
    """In each cluster."""
    await world.patch(PATH, {"metadata": {"annotations": {LOAD: amount}}})


async def scenario(seed: int, *, crashes: bool) -> None:
    chance = random.Random(seed)
    async with World(seed, {"m1": ("alpha", "eu"), "m2": ("beta", "us")}) as world:
        await world.start_gateway("gateway-2")
        numbers = Numbers(world)
        await world.until(world.clusters_ready, limit_s=60, what="both clusters ready")
        change = await world.deploy({"id": "1", "source": "ci", "data": {"application": "shop", "version": "1", "manifests": manifests()}})
        await world.until(lambda: world.change_state(change) == "ready", limit_s=60, what="a deploy may hold the kind")
        await world.until(lambda: condition(world, "ScalingActive")[0] == "True", limit_s=120, what="it is measured")
        await world.clock.sleep(120)
        assert numbers.replicas == [2], "half of the request is what was asked for"

        await load(world, "200m")
        if crashes:
            world.crash_some(chance)
        await world.until(lambda: ready(world) == [4, 4], limit_s=300, what="twice four times as many, divided")
        assert numbers.replicas == [2, 4, 8], "no step is made twice, and none is more than a doubling"
        await world.clock.sleep(120)
        assert (numbers.replicas[-1], status(world).current_replicas, status(world).desired_replicas) == (8, 8, 8)
        assert condition(world, "ScalingActive")[1] == "ValidMetricFound"
        (metric,) = status(world).current_metrics
        assert metric.resource is not None
        assert (metric.resource.current.average_utilization, metric.resource.current.average_value) == (50, "50m")

        before, positions = numbers.statuses, world.positions()
        await world.clock.sleep(300)
        assert (numbers.statuses, world.positions()) == (before, positions), "nothing moves, nothing is written"

        await load(world, "50m")
        fell = world.clock.monotonic()
        if crashes:
            await world.processes["gateway"].crash()
            world.processes["gateway"].start()
        await world.until(lambda: numbers.replicas[-1] < 8, limit_s=600, what="fewer again")
        assert world.clock.monotonic() - fell >= 290, "not before the window is over, whoever has forgotten"
        await world.until(lambda: ready(world) == [1, 1], limit_s=300, what="as many as at first")
        assert numbers.replicas == [2, 4, 8, 2]

        await world.until(lambda: ready(world) in ([3, 2], [2, 3]), limit_s=3600, what="the other autoscaler raises the least")
        assert numbers.replicas == [2, 4, 8, 2, 5]


@pytest.mark.spec("R15.6", "T01", "T03", "R15.7", "A14")
@pytest.mark.parametrize(("number", "crashes"), [pytest.param(0, False, id="calm"), pytest.param(1, True, id="with-crashes")])
def test_replicas_follow_the_load(number: int, crashes: bool) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(asyncio.wait_for(scenario(number, crashes=crashes), 20_000))
