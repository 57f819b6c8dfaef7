"""A simulated member on virtual time: minutes pass in milliseconds, and every run is the same."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from shoal.api.meta import Manifest, Ref
from shoal.kube.apiserver import ApiServer, Options, Selection
from shoal.kube.client.api import Api
from shoal.kube.client.transport import LocalTransport
from shoal.kube.simulated.cluster import SimulatedCluster
from shoal.kube.simulated.faults import Faults
from shoal.kube.simulated.metrics import member_registry
from shoal.kube.simulated.world import ObservedStore, Settings
from support.virtual import VirtualClock, VirtualLoop

LIMIT_S = 3600.0
"""Virtual seconds after which a condition that does not come fails the test."""


class Simulated:
    """One member with a client to it."""

    def __init__(self, store: ObservedStore, settings: Settings) -> None:
        numbers, self.clock, self.store = itertools.count(), VirtualClock(), store
        self.faults = Faults(self.clock, random.Random(7).random)

        def new_uid() -> str:
            return f"00000000-0000-4000-8000-{next(numbers):012d}"

        self.server = ApiServer(store, member_registry(), now=self.clock.now, uid=new_uid, options=Options(deletion_finalizers=True))
        self.cluster = SimulatedCluster(
            store, clock=self.clock, faults=self.faults, settings=settings, name="m1", new_uid=lambda: f"c{new_uid()[1:]}"
        )
        self.api = Api(LocalTransport(self.faults.wrap(self.server.handle, breaks=True)), name="m1", clock=self.clock)

    async def apply(self, *manifests: Manifest) -> None:
        for manifest in manifests:
            await self.api.apply(manifest, field_manager="test", force=True)

    def read(self, kind: str, name: str, namespace: str = "default") -> Manifest:
        """The object as stored; empty when there is none. `kind` as in `apps/Deployment`, `Pod`."""
        group, _, word = kind.rpartition("/")
        stored = self.store.get(Ref(group, word, namespace, name))
        return stored.object() if stored else {}

    def status(self, kind: str, name: str, namespace: str = "default") -> Manifest:
        return self.read(kind, name, namespace).get("status") or {}

    def list(self, kind: str, namespace: str | None = "default") -> list[Manifest]:
        group, _, word = kind.rpartition("/")
        return [stored.object() for stored in self.store.list(Selection(group, word, namespace))]

    def waiting(self) -> list[str]:
        """Reasons for which containers wait."""
        statuses = [one for pod in self.list("Pod") for one in (pod.get("status") or {}).get("containerStatuses") or ()]
        return sorted(one["state"]["waiting"]["reason"] for one in statuses if "waiting" in one["state"])

    def phases(self) -> list[str]:
        return sorted(pod["status"]["phase"] for pod in self.list("Pod"))

    async def until(self, condition: Callable[[], Any], what: str = "") -> None:
        """Lets time pass until it holds."""
        started = self.clock.monotonic()
        while not condition():
            assert self.clock.monotonic() - started < LIMIT_S, what or f"does not hold after {LIMIT_S} s: {self.phases()} {self.waiting()}"
            await self.clock.sleep(0.05)

    async def settle(self, seconds: float = 5.0) -> None:
        """Time in which whatever is going to happen happens."""
        await self.clock.sleep(seconds)


Scenario = Callable[[Simulated], Awaitable[None]]


@pytest.fixture
def simulate() -> Callable[..., ObservedStore]:
    """Runs a scenario; gives the store back, with which another member can be started as after a kill."""

    def run(scenario: Scenario, *, store: ObservedStore | None = None, **settings: Any) -> ObservedStore:
        used = store or ObservedStore()

        async def whole() -> None:
            member = Simulated(used, Settings(**settings))
            await member.cluster.start()
            try:
                await scenario(member)
            finally:
                await member.cluster.stop()

        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(whole())
        return used

    return run


def deployment(name: str = "web", *, replicas: int = 3, image: str = "app:1", cpu: str = "100m", **pod: Any) -> Manifest:
    labels = {"app": name}
    container = {"name": "app", "image": image, "resources": {"requests": {"cpu": cpu, "memory": "64Mi"}}, **pod.pop("container", {})}
    spec = pod.pop("spec", {})
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container], **pod}},
            **spec,
        },
    }


@pytest.fixture
def make() -> Callable[..., Manifest]:
    """A Deployment from few words; keywords go into its pod, `container=` into the container, `spec=` into the Deployment."""
    return deployment
