"""The scheduler alone on a real bus: how many decisions a second, and what one event costs ten thousand bindings.

`python tests/bench/scheduler.py [decisions] [event] [policy]`; all of them without a name. The scheduler is a process of its own, the
nats-server another one; this process plays gateway and monitor, and watches STATE. Every line says its conditions; nothing here judges.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import msgspec

from shoal.api.cluster import APIEnablement, APIResource, ClusterStatus, ResourceSummary
from shoal.api.meta import Manifest, Ref, ref_of
from shoal.api.status import READY, Belief
from shoal.bus.entries import Draft, Entries
from shoal.bus.nats import NatsBus
from shoal.bus.port import Stored
from shoal.messages.catalogue import BELIEF, LEASE, OBJECT, STATE, Progress
from shoal.runtime.clock import SystemClock
from support.servers import NatsServer, fresh_streams, nats_server

CLUSTERS = 100
BATCH = 500
LIMIT_S = 300.0
APIS = (APIEnablement(group_version="apps/v1", resources=(APIResource(name="deployments", kind="Deployment"),)),)
ROOMY = ResourceSummary(allocatable={"cpu": "100000", "memory": "1000Ti", "pods": "100000"})
DYNAMIC = {
    "replicaSchedulingType": "Divided",
    "replicaDivisionPreference": "Weighted",
    "weightPreference": {"dynamicWeight": "AvailableReplicas"},
}


def say(name: str, figure: str, conditions: str) -> None:
    print(f"{name:<44} {figure:<44} {conditions}", flush=True)


def conditions() -> str:
    return f"{os.cpu_count()} cores for nats-server, scheduler and this, Python {sys.version.split()[0]}, STATE fsynced per write"


def cluster(number: int, **labels: str) -> Manifest:
    return {
        "apiVersion": "cluster.karmada.io/v1alpha1",
        "kind": "Cluster",
        "metadata": {"name": f"c{number:04}", "uid": f"cluster-{number}", "labels": {"site": f"s{number % 10}", **labels}},
        "spec": {"provider": "p", "region": f"r{number % 5}"},
    }


def policy(name: str, placement: dict[str, Any], *selectors: dict[str, Any]) -> Manifest:
    return {
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": "ClusterPropagationPolicy",
        "metadata": {"name": name, "uid": f"policy-{name}"},
        "spec": {
            "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment", **one} for one in selectors or ({},)],
            "placement": placement,
        },
    }


def app(number: int, *, replicas: int = 3) -> Manifest:
    name, namespace = f"app-{number:05}", f"team-{number % 10}"
    container = {"name": "app", "image": "registry.example/app:1", "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{number}", "labels": {"app": name}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}},
        },
    }


class Hub:
    """What stands around the scheduler."""

    def __init__(self, server: NatsServer, bus: NatsBus, home: Path) -> None:
        self.server, self.bus, self.home = server, bus, home
        self.entries = Entries(bus, SystemClock())
        self.revisions: dict[str, int] = {}
        self.bindings: dict[str, float] = {}
        """Subject -> time of the last write, by the server."""
        self.writes = 0
        self.read = 0
        self._tasks: list[asyncio.Task[None]] = []

    async def watch(self) -> None:
        self._tasks = [asyncio.create_task(self._watch(STATE.name, "state.binding.>", self._bound))]
        self._tasks.append(asyncio.create_task(self._watch(LEASE.name, "lease.progress.scheduler", self._progressed)))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _watch(self, stream: str, subject: str, take: Callable[[Stored], None]) -> None:
        async for event in self.bus.watch(stream, (subject,)):
            if isinstance(event, Stored) and event.data:
                take(event)

    def _bound(self, stored: Stored) -> None:
        self.bindings[stored.subject] = stored.time
        self.writes += 1

    def _progressed(self, stored: Stored) -> None:
        self.read = msgspec.json.decode(stored.data, type=Progress).read

    async def write(self, drafts: list[Draft[Any]]) -> int:
        """All of them; the last sequence."""
        last = 0
        for start in range(0, len(drafts), BATCH):
            part = drafts[start : start + BATCH]
            written = await self.entries.write_all([(draft, self.revisions.get(draft.subject, 0)) for draft in part])
            self.revisions.update((draft.subject, revision) for draft, revision in zip(part, written, strict=True))
            last = written[-1]
        return last

    async def objects(self, *manifests: Manifest) -> int:
        return await self.write(
            [
                Draft(family=OBJECT, ref=ref_of(one), body=one, uid=one["metadata"]["uid"], change="bench", author="bench")
                for one in manifests
            ]
        )

    async def believe(self, *numbers: int, summary: ResourceSummary = ROOMY) -> int:
        status = ClusterStatus(api_enablements=APIS, resource_summary=summary)
        since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return await self.write(
            [
                Draft(
                    family=BELIEF,
                    ref=Ref("cluster.karmada.io", "Cluster", "", f"c{number:04}"),
                    body=Belief(member=f"id-{number}", state=READY, since=since, status=status),
                    author="bench",
                )
                for number in numbers
            ]
        )

    async def until(self, condition: Callable[[], bool], what: str) -> float:
        """Seconds until it holds."""
        began = time.perf_counter()
        while not condition():
            if time.perf_counter() - began > LIMIT_S:
                raise RuntimeError(f"not within {LIMIT_S} s: {what}; {len(self.bindings)} bindings, read {self.read}")
            await asyncio.sleep(0.005)
        return time.perf_counter() - began

    async def decided(self, sequence: int) -> float:
        """Seconds until the scheduler says that everything up to that sequence is decided (it says so five times a second)."""
        return await self.until(lambda: self.read >= sequence, f"progress up to {sequence}")

    def scheduler(self, name: str = "scheduler") -> subprocess.Popen[bytes]:
        environment = os.environ | {
            "SHOAL_BUS_URL": self.server.url, "SHOAL_NAME": name, "SHOAL_LOG_LEVEL": "warning", "SHOAL_STATE_DIR": str(self.home / name),
        }  # fmt: skip
        (self.home / name).mkdir(exist_ok=True)
        return subprocess.Popen([sys.executable, "-m", "shoal_scheduler"], env=environment)


@asynccontextmanager
async def hub() -> AsyncIterator[Hub]:
    with tempfile.TemporaryDirectory(prefix="shoal-bench-") as home, nats_server(Path(home) / "nats") as server:
        async with fresh_streams(server) as bus:
            one = Hub(server, bus, Path(home))
            await one.watch()
            try:
                yield one
            finally:
                await one.stop()


async def _running(one: Hub, count: int, placement: dict[str, Any], *, clusters: int = CLUSTERS) -> subprocess.Popen[bytes]:
    """A scheduler that has decided so many apps."""
    await one.objects(*(cluster(number) for number in range(clusters)))
    await one.believe(*range(clusters))
    await one.objects(policy("all", placement, *({"namespace": f"team-{number}"} for number in range(10))))
    process = one.scheduler()
    last = await one.objects(*(app(number) for number in range(count)))
    await one.until(lambda: len(one.bindings) == count, f"{count} bindings")
    await one.decided(last)
    return process


async def decisions() -> None:
    """New workloads, divided by free replicas: template written -> binding stored."""
    count, clusters = 3000, CLUSTERS
    async with hub() as one:
        process = await _running(one, 1, {"replicaScheduling": DYNAMIC}, clusters=clusters)
        try:
            began, cpu = time.perf_counter(), cpu_s(process.pid)
            await one.objects(*(app(number) for number in range(1, count + 1)))
            await one.until(lambda: len(one.bindings) == count + 1, f"{count} bindings")
            took, used = time.perf_counter() - began, cpu_s(process.pid) - cpu
            say(
                "decisions, dynamic weights",
                f"{count / took:.0f}/s end to end, {used / count * 1e3:.2f} ms of CPU each",
                f"{count} new Deployments in batches of {BATCH}, {clusters} clusters",
            )
            began, cpu, wrote = time.perf_counter(), cpu_s(process.pid), one.writes
            await one.objects(*(app(number, replicas=5) for number in range(1, count + 1)))
            await one.until(lambda: one.writes >= wrote + count, f"{count} bindings anew")
            took, used = time.perf_counter() - began, cpu_s(process.pid) - cpu
            say(
                "decisions, scaled up",
                f"{count / took:.0f}/s end to end, {used / count * 1e3:.2f} ms of CPU each",
                f"{count} Deployments from 3 to 5 replicas, {clusters} clusters",
            )
        finally:
            process.kill()
            process.wait()


async def event() -> None:
    """One cluster changes under 10,000 bindings."""
    count = 10_000
    async with hub() as one:
        process = await _running(one, count, {"replicaScheduling": DYNAMIC})
        try:
            for what, changed in (
                ("a label that nobody asks for", one.objects(cluster(7, color="blue"))),
                ("an inventory", one.believe(7, summary=ResourceSummary(allocatable={"cpu": "90000", "memory": "900Ti", "pods": "9000"}))),
            ):
                wrote, cpu = one.writes, cpu_s(process.pid)
                began = time.perf_counter()
                await one.decided(await changed)
                say(
                    f"one event: {what}",
                    f"{time.perf_counter() - began:.2f} s, {one.writes - wrote} written, {cpu_s(process.pid) - cpu:.2f} s of CPU",
                    f"{count} bindings, {CLUSTERS} clusters, until the scheduler's progress (5/s) has passed it",
                )
            gone = cluster(7)
            gone["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            wrote, cpu, began = one.writes, cpu_s(process.pid), time.perf_counter()
            await one.decided(await one.objects(gone))
            say(
                "one event: the cluster is being deleted",
                f"{time.perf_counter() - began:.2f} s, {one.writes - wrote} written, {cpu_s(process.pid) - cpu:.2f} s of CPU",
                f"{count} bindings, {CLUSTERS} clusters; those that are there move",
            )
        finally:
            process.kill()
            process.wait()


async def policies() -> None:
    """A policy lets a tenth of its workloads go."""
    count = 1000
    async with hub() as one:
        process = await _running(one, count, {})
        try:
            wrote, cpu, began = one.writes, cpu_s(process.pid), time.perf_counter()
            narrowed = policy("all", {}, *({"namespace": f"team-{number}"} for number in range(9)))
            await one.decided(await one.objects(narrowed))
            say(
                "a policy change, 10 % concerned",
                f"{time.perf_counter() - began:.2f} s, {one.writes - wrote} of {count} written, {cpu_s(process.pid) - cpu:.2f} s of CPU",
                f"{count} Deployments on each of {CLUSTERS} clusters; one of ten namespaces is no longer selected",
            )
        finally:
            process.kill()
            process.wait()


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def main(names: list[str]) -> None:
    print(conditions(), flush=True)
    known = {"decisions": decisions, "event": event, "policy": policies}
    for name in names or known:
        await known[name]()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
