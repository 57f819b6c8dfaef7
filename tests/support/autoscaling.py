"""Gateways over the memory bus, on virtual time, for what scales by usage: decisions, beliefs and agents are what the test says they are."""

from __future__ import annotations

import itertools
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import msgspec

from shoal.api.autoscaling import FederatedHPAStatus
from shoal.api.binding import Removal
from shoal.api.errors import MemberUnavailable
from shoal.api.meta import Manifest, Ref
from shoal.api.pod_usage import PodUsage, TargetUsage
from shoal.api.policy import ReplicaSchedulingStrategy
from shoal.api.status import READY, Belief
from shoal.bus.entries import Draft, Entry
from shoal.bus.port import Subscription
from shoal.bus.requests import serve
from shoal.messages.catalogue import BELIEF, BINDING, OBJECT, STATUS
from shoal.messages.measuring import MetricsMeasured, MetricsRequest
from shoal.runtime.config import GatewayConfig
from shoal.runtime.reconciling import Parts
from shoal_gateway.federated_hpa import status_of
from shoal_gateway.wire import assemble
from support import build
from support.hub import VirtualHub, play_on

WEB, HPA = Ref("apps", "Deployment", "shop", "web"), Ref("autoscaling.karmada.io", "FederatedHPA", "shop", "web")
SYNC_S = 15.0


def hpa(name: str = "web", target: str = "web", **spec: Any) -> Manifest:
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
    told = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
        "minReplicas": 2,
        "maxReplicas": 20,
        "metrics": [{"type": "Resource", "resource": cpu}],
    }
    return build.manifest("autoscaling.karmada.io/v1alpha1", "FederatedHPA", name, spec=told | spec)


class Hub(VirtualHub):
    """The gateways, and what agents say: (cluster, workload) -> (pods, thousandths of CPU that each uses of 100), or a sentence."""

    def __init__(self, *clusters: str) -> None:
        super().__init__()
        self.clusters, numbers = clusters, itertools.count(1)
        self.uses: dict[tuple[str, str], tuple[int, int] | str] = {}
        self.asked: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = []
        self.down: set[str] = set()
        self.meanwhile: list[Manifest] = []
        """Written while an agent answers, once."""
        self._served: list[Subscription] = []
        self._new_uid = lambda: f"00000000-0000-4000-8000-{next(numbers):012d}"

    async def assemble(self, name: str) -> Parts:
        config = GatewayConfig(name=name)
        found, _ = await assemble(config, self.bus.client(name), self.clock, random.Random(1).random, new_uid=self._new_uid)
        return found

    async def start(self) -> None:
        await super().start()
        for name in self.clusters:
            self._served.append(await serve(self.bus.client(f"agent-{name}"), f"ask.id-{name}.metrics", MetricsRequest, self._answer))
            await self.believe(name)

    async def stop(self) -> None:
        await super().stop()
        for subscription in self._served:
            await subscription.unsubscribe()

    async def _answer(self, subject: str, request: MetricsRequest) -> MetricsMeasured:
        cluster = subject.split(".")[1].removeprefix("id-")
        self.asked.append((cluster, tuple(ref.name for ref in request.refs), request.resources))
        if self.meanwhile:
            await self.objects(*self.meanwhile)
            self.meanwhile = []
        if cluster in self.down:
            raise MemberUnavailable("no answer")
        return MetricsMeasured(at=self.clock.now(), targets=tuple(self._usage(cluster, ref) for ref in request.refs))

    def _usage(self, cluster: str, ref: Ref) -> TargetUsage:
        told = self.uses.get((cluster, ref.name), (0, 0))
        missing = told if isinstance(told, str) else ""
        pods, milli = (2, 0) if isinstance(told, str) else told
        since = self.clock.now() - timedelta(hours=1)
        one = PodUsage(
            name="p", phase="Running", started_at=since, ready=True, ready_since=since, sampled_at=self.clock.now(), window_s=15.0,
            requests={"main": {"cpu": 100}}, usage=None if missing else {"main": {"cpu": milli}},
        )  # fmt: skip
        return TargetUsage(ref=ref, pods=tuple(msgspec.structs.replace(one, name=f"p{number}") for number in range(pods)), missing=missing)

    async def believe(self, name: str, state: str = READY) -> None:
        belief = Belief(member=f"id-{name}", state=state, since="")
        await self.write(Draft(family=BELIEF, ref=Ref("cluster.karmada.io", "Cluster", "", name), body=belief, author="test"))

    async def place(
        self, name: str = "web", *, division: ReplicaSchedulingStrategy | None = build.EQUAL, leaving: str = "", **replicas: int
    ) -> None:
        """What scheduler and monitor say: so many replicas in each cluster."""
        ref, uid = WEB._replace(name=name), f"uid-deployment-{name}"
        targets = tuple(build.target(cluster, count) for cluster, count in replicas.items() if cluster != leaving)
        removals = {leaving: Removal(reason="Rebalanced", author="test")} if leaving else {}
        binding = build.binding(*targets, uid=uid, placement=build.placement(division=division), removals=removals)
        copies = (msgspec.structs.replace(build.copy(cluster), status={"replicas": count}) for cluster, count in replicas.items())
        status = build.status(*copies, uid=uid)
        await self.write(
            Draft(family=BINDING, ref=ref, body=binding, uid=uid, author="test"),
            Draft(family=STATUS, ref=ref, body=status, uid=uid, author="test"),
        )

    async def entry(self, ref: Ref) -> Entry[Manifest]:
        found = await self.entries.read(OBJECT, ref)
        assert found is not None
        return found

    async def replicas(self, name: str = "web") -> int:
        return int((await self.entry(WEB._replace(name=name))).body["spec"]["replicas"])

    async def status(self, name: str = "web") -> FederatedHPAStatus:
        return status_of((await self.entry(HPA._replace(name=name))).body)

    async def said(self, type_: str) -> tuple[str, str, str]:
        """(status, reason, message) of a condition."""
        return next(((one.status, one.reason, one.message) for one in (await self.status()).conditions if one.type == type_), ("", "", ""))

    async def rounds(self, number: int = 1) -> None:
        """So many; the first one is that of a gateway's start."""
        if not self.tasks:
            self.run("gateway")
            number -= 1
            await self.clock.sleep(1)
        await self.clock.sleep(number * SYNC_S)


Story = Callable[[Hub], Awaitable[None]]


def play(story: Story, *clusters: str) -> None:
    play_on(lambda: Hub(*clusters), story, limit_s=7200)
