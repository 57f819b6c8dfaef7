"""Marker and syncer at a real bus: both are off by default, and each is a setting of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shoal.api.meta import Ref
from shoal.api.policy import Placement, ReplicaSchedulingStrategy
from shoal.api.status import CopyStatus
from support.servers import NatsServer

from .conftest import Hub, running

WEB = Ref("apps", "Deployment", "default", "web")
LABELLED = Ref("apps", "Deployment", "default", "labelled")
HPA = Ref("autoscaling", "HorizontalPodAutoscaler", "default", "web")
PATH = "/apis/apps/v1/namespaces/default/deployments/web"
LABEL = "resourcetemplate.karmada.io/retain-replicas"
DIVIDED = Placement(replica_scheduling=ReplicaSchedulingStrategy(replica_scheduling_type="Divided"))
AUTOSCALER = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "maxReplicas": 9},
}


def deployment(**labels: str) -> dict[str, Any]:
    pod = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": pod}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default", "labels": labels},
        "spec": spec,
    }


OTHER = deployment(**{LABEL: "true"})
OTHER["metadata"]["name"] = LABELLED.name


async def make(hub: Hub, *manifests: dict[str, Any]) -> None:
    for manifest in manifests:
        await hub.kubectl("create", "-f", "-", stdin=msgspec.json.encode(manifest).decode())


def labelled(value: str | None) -> Callable[[dict[str, Any]], bool]:
    return lambda told: told["metadata"].get("labels", {}).get(LABEL) == value


async def report(hub: Hub, replicas: int, ref: Ref = WEB) -> None:
    """Of the only copy, which has taken in the present generation."""
    generation = (await hub.object(ref)).body["metadata"]["generation"]
    told = {"replicas": replicas, "updatedReplicas": replicas, "observedGeneration": 1}
    copy = CopyStatus(cluster="m1", applied=True, template_generation=generation, generation=1, status=told)
    await hub.tell(ref, copy, status=told)


@pytest.mark.spec("R15.10", "Q08")
async def test_the_target_is_marked_while_the_autoscaler_goes_to_members(server: NatsServer, tmp_path: Path) -> None:
    async with running(server, tmp_path, hpa_scale_target_marker=True) as hub:
        await make(hub, deployment(), AUTOSCALER)
        await hub.bind(HPA, "m1")
        await hub.eventually(PATH, labelled("true"))
        assert (await hub.object(WEB)).author == "gateway/autoscaled"
        await hub.bind(WEB, "m1", placement=DIVIDED)
        await report(hub, 5)
        await hub.bind(HPA, "m1", deleted=True)
        told = await hub.eventually(PATH, labelled(None))
        assert (told["spec"]["replicas"], told["metadata"].get("annotations")) == (2, None), "the number is the other setting's"


@pytest.mark.spec("R15.10", "Q07")
async def test_the_number_follows_what_the_members_have(server: NatsServer, tmp_path: Path) -> None:
    async with running(server, tmp_path, deployment_replicas_syncer=True) as hub:
        await make(hub, deployment(**{LABEL: "true"}))
        await hub.bind(WEB, "m1", placement=DIVIDED)
        await report(hub, 5)
        await hub.eventually(PATH, lambda told: told["spec"]["replicas"] == 5)
        await hub.kubectl("scale", "deployment", "web", "--replicas=3")
        assert (await hub.object(WEB)).body["spec"]["replicas"] == 3, "what a user writes stands until the members have reported on it"


@pytest.mark.spec("Q07", "Q08")
async def test_both_are_off_by_default(hub: Hub) -> None:
    await make(hub, deployment(), AUTOSCALER, OTHER)
    before = [(await hub.object(ref)).content for ref in (WEB, LABELLED)]
    await hub.bind(HPA, "m1")
    for ref in (WEB, LABELLED):
        await hub.bind(ref, "m1", placement=DIVIDED)
        await report(hub, 5, ref)
    await hub.eventually(PATH.replace("web", "labelled"), lambda told: told.get("status", {}).get("replicas") == 5)
    await hub.stop()  # With whatever it had begun.
    assert [(await hub.object(ref)).content for ref in (WEB, LABELLED)] == before
