"""Members whose own autoscalers set the numbers: each keeps its own, the template's follows, and nobody fights."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
import structlog

from shoal.api.meta import Manifest, Ref
from shoal.bus.entries import Entry
from shoal.kube.wire import Request
from shoal.messages.catalogue import OBJECT
from support.virtual import VirtualLoop
from support.world import World

WEB = Ref("apps", "Deployment", "shop", "web")
PATH = "/apis/apps/v1/namespaces/shop/deployments/web"
AUTOSCALER = "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/web"
LABEL = "resourcetemplate.karmada.io/retain-replicas"
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}


def manifests() -> list[Manifest]:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}
    selectors = [{"apiVersion": "apps/v1", "kind": "Deployment"}, {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"}]
    divided = {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted"}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}},
        {
            "apiVersion": "policy.karmada.io/v1alpha1",
            "kind": "PropagationPolicy",
            "metadata": {"name": "shop", "namespace": "shop"},
            "spec": {"resourceSelectors": selectors, "placement": {"replicaScheduling": divided}},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"replicas": 4, "selector": {"matchLabels": labels}, "template": template},
        },
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"scaleTargetRef": TARGET, "minReplicas": 1, "maxReplicas": 9},
        },
    ]


class Template:
    """What stands in the hub, and how it came about."""

    def __init__(self, world: World) -> None:
        self.replicas, self.marked = list[int](), False
        world.view.subscribe(self._note)

    def _note(self, new: Entry[Any], previous: Entry[Any] | None) -> None:
        if new.family is OBJECT and new.ref == WEB and not new.deleted:
            count = new.body["spec"]["replicas"]
            self.replicas += [] if self.replicas[-1:] == [count] else [count]
            self.marked = (new.body["metadata"].get("labels") or {}).get(LABEL) == "true"


def in_members(world: World) -> list[tuple[Any, Any]]:
    """(replicas wanted, image) by member."""
    found = []
    for member in world.members.values():
        spec = member.objects("Deployment", "shop").get("web", {}).get("spec", {})
        found.append((spec.get("replicas"), spec["template"]["spec"]["containers"][0]["image"] if spec else ""))
    return found


async def autoscale(world: World, name: str, replicas: int) -> None:
    """What an autoscaler in that member does."""
    body = msgspec.json.encode({"spec": {"replicas": replicas}})
    headers = {"content-type": "application/merge-patch+json"}
    answer = await world.members[name].handle(Request(method="PATCH", path=f"{PATH}/scale", headers=headers, body=body))
    assert answer.status == 200, answer.body


async def scenario(seed: int) -> None:
    async with World(seed, {"m1": ("alpha", "eu"), "m2": ("alpha", "eu")}) as world:
        await world.start_gateway("gateway", hpa_scale_target_marker=True, deployment_replicas_syncer=True)
        await world.start_gateway("gateway-2", hpa_scale_target_marker=True, deployment_replicas_syncer=True)
        template = Template(world)
        await world.until(world.clusters_ready, limit_s=60, what="both clusters ready")
        await world.deploy({"id": "1", "source": "ci", "data": {"application": "shop", "version": "1", "manifests": manifests()}})
        first = [(2, "web:1"), (2, "web:1")]
        await world.until(lambda: template.marked and in_members(world) == first, limit_s=60, what="marked, and two in each member")
        await world.clock.sleep(10)

        await autoscale(world, "m1", 5)
        await world.until(lambda: template.replicas == [4, 7], limit_s=60, what="the template's number follows")
        await world.clock.sleep(60)
        assert in_members(world) == [(5, "web:1"), (2, "web:1")], "the member keeps its number"

        image = {"template": {"spec": {"containers": [{"name": "web", "image": "web:2"}]}}}
        await world.patch(PATH, {"spec": {"replicas": 3, **image}})
        await world.until(lambda: in_members(world) == [(5, "web:2"), (2, "web:2")], limit_s=60, what="the new image, with the old numbers")
        await world.until(lambda: template.replicas[-1] == 7, limit_s=120, what="and the members' number again")
        await world.clock.sleep(60)
        assert template.replicas == [4, 7, 3, 7], "no pod that runs twice during a rollout is counted"

        before = world.positions()
        await world.clock.sleep(120)
        assert world.positions() == before, "something is still being written"

        await world.patch(AUTOSCALER, {"spec": {"scaleTargetRef": TARGET | {"name": "x"}}})
        await world.until(lambda: not template.marked, limit_s=60, what="the mark goes when the autoscaler scales something else")
        await world.until(lambda: sorted(count for count, _ in in_members(world)) == [3, 4], limit_s=60, what="members follow the template")
        await world.patch(AUTOSCALER, {"spec": {"scaleTargetRef": TARGET}})
        await world.until(lambda: template.marked, limit_s=60, what="it is back")
        await world.delete(Ref("autoscaling", "HorizontalPodAutoscaler", "shop", "web"), version="v2")
        await world.until(lambda: not template.marked, limit_s=60, what="the mark goes with the autoscaler")
        assert template.replicas == [4, 7, 3, 7]


@pytest.mark.spec("R15.10", "Q07", "Q08")
@pytest.mark.parametrize("number", range(3))
def test_members_own_the_numbers(number: int) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(asyncio.wait_for(scenario(number), 7200))
