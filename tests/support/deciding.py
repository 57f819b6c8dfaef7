"""The scheduler as a whole over the memory bus, on virtual time: objects and clusters are what the test says they are."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

from shoal.api.binding import Binding
from shoal.api.cluster import APIEnablement, APIResource, ClusterStatus, ResourceSummary
from shoal.api.meta import Manifest, Ref
from shoal.api.status import READY, Belief
from shoal.bus.entries import Draft
from shoal.messages.catalogue import BELIEF, BINDING
from shoal.runtime.config import SchedulerConfig
from shoal.runtime.reconciling import Parts
from shoal_scheduler.wire import parts
from support.hub import VirtualHub, play_on

APIS = (APIEnablement(group_version="apps/v1", resources=(APIResource(name="deployments", kind="Deployment"),)),)
DIVISIONS = {
    "aggregated": {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated"},
    "dynamic": {
        "replicaSchedulingType": "Divided",
        "replicaDivisionPreference": "Weighted",
        "weightPreference": {"dynamicWeight": "AvailableReplicas"},
    },
}


def cluster(name: str) -> Manifest:
    return {"apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster", "metadata": {"name": name, "uid": f"uid-{name}"}, "spec": {}}


def policy(name: str = "p", *, division: str = "aggregated", selector: dict[str, Any] | None = None, **spec: Any) -> Manifest:
    return {
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": "PropagationPolicy",
        "metadata": {"name": name, "namespace": "shop", "uid": f"uid-{name}"},
        "spec": {
            "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment", **(selector or {})}],
            "placement": {"replicaScheduling": DIVISIONS[division]},
            **spec,
        },
    }


def app(name: str, replicas: int, *, cpu: str = "1", **pod: Any) -> Manifest:
    container = {"name": "main", "image": "i", "resources": {"requests": {"cpu": cpu}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop", "uid": f"uid-{name}"},
        "spec": {"replicas": replicas, "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container], **pod}}},
    }


def quota(cpu: str) -> Manifest:
    metadata = {"name": "q", "namespace": "shop", "uid": "uid-q"}
    return {
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": "FederatedResourceQuota",
        "metadata": metadata,
        "spec": {"overall": {"cpu": cpu}},
    }


def edit(name: str, **spec: Any) -> Manifest:
    """What the gateway stores of an edit of a binding."""
    about = {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": name}
    return {
        "apiVersion": "work.karmada.io/v1alpha2",
        "kind": "ResourceBinding",
        "metadata": {"name": f"{name}-deployment", "namespace": "shop", "uid": f"uid-{name}"},
        "spec": {"resource": about, **spec},
    }


class Hub(VirtualHub):
    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self._settings = settings

    async def assemble(self, name: str) -> Parts:
        return parts(SchedulerConfig(name=name, **self._settings), self.bus.client(name), self.clock, random.Random(1).random)

    async def start(self) -> None:
        await super().start()
        self.run("scheduler")

    async def room(self, **cpus: int) -> None:
        """What the clusters say of themselves."""
        for name, cpu in cpus.items():
            summary = ResourceSummary(allocatable={"cpu": str(cpu), "pods": "110"})
            belief = Belief(
                member=f"id-{name}", state=READY, since="", status=ClusterStatus(api_enablements=APIS, resource_summary=summary)
            )
            await self.write(Draft(family=BELIEF, ref=Ref("cluster.karmada.io", "Cluster", "", name), body=belief, author="test"))

    async def join(self, **cpus: int) -> None:
        await self.objects(*(cluster(name) for name in cpus))
        await self.room(**cpus)

    async def binding(self, name: str) -> Binding | None:
        found = await self.entries.read(BINDING, Ref("apps", "Deployment", "shop", name))
        return found.body if found is not None else None

    async def placed(self, name: str) -> dict[str, int | None]:
        binding = await self.binding(name)
        return {target.name: target.replicas for target in binding.clusters} if binding else {}

    async def reason(self, name: str) -> str:
        binding = await self.binding(name)
        return next((one.reason for one in binding.conditions if one.type == "Scheduled"), "") if binding else ""

    async def reasons(self, *names: str) -> list[str]:
        """In alphabetical order."""
        return sorted([await self.reason(name) for name in names])

    async def until(self, ask: Callable[[], Awaitable[Any]], wanted: Any, *, limit_s: float = 20.0) -> None:
        deadline = self.clock.monotonic() + limit_s
        while (last := await ask()) != wanted:
            assert self.clock.monotonic() < deadline, f"{last} and not {wanted} after {limit_s} s"
            await self.clock.sleep(0.05)


def play(story: Callable[[Hub], Awaitable[None]], **settings: Any) -> None:
    play_on(lambda: Hub(**settings), story)
