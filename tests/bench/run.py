"""The figures that the product promises, measured from outside: by users' requests, and by watches on the members' own APIs.

`python tests/bench/run.py [latency] [thousand] [start] [agent] [failover]`; all of them without a name. Every line says its conditions. Absolute times
depend on the machine; nothing here judges.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shoal.bus.nats import BusSettings
from shoal.bus.nats import connect as connect_bus
from shoal.kube.client.api import Api, Kind
from shoal.kube.client.transport import connect
from shoal.runtime.clock import SystemClock
from support.machine import Machine, eventually, machine

TICKS = os.sysconf("SC_CLK_TCK")


def say(name: str, figure: str, conditions: str) -> None:
    print(f"{name:<44} {figure:<34} {conditions}", flush=True)


def conditions() -> str:
    model = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "unknown")
    return (
        f"{os.cpu_count()} cores ({model}), Python {sys.version.split()[0]}, everything on this machine, STATE and WORK fsynced per write"
    )


def rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def app(name: str, image: str = "registry.example/app:1") -> list[dict[str, Any]]:
    """One small application: a Deployment."""
    labels = {"shoal.dev/application": name}
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": "bench", "labels": labels},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": {"app": name}},
                "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "app", "image": image}]}},
            },
        }
    ]


def policy(members: Iterable[str], **spec: Any) -> list[dict[str, Any]]:
    selectors = [{"apiVersion": "apps/v1", "kind": "Deployment"}]
    placement = {"clusterAffinity": {"clusterNames": list(members)}}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "bench"}},
        {
            "apiVersion": "policy.karmada.io/v1alpha1",
            "kind": "PropagationPolicy",
            "metadata": {"name": "bench", "namespace": "bench"},
            "spec": {"resourceSelectors": selectors, "placement": placement, **spec},
        },
    ]


def deploy(it: Machine, name: str, manifests: list[dict[str, Any]], version: str = "1") -> str:
    event = {"id": f"{name}-{version}", "source": "bench", "data": {"application": name, "version": version, "manifests": manifests}}
    answer = it.deploy(event)
    assert answer.get("accepted"), answer
    return str(answer["change"])


class Arrivals:
    """Watches Deployments on members' own APIs; when each name was first seen there, by this process's clock."""

    def __init__(self, it: Machine, members: Iterable[str]) -> None:
        self.seen: dict[tuple[str, str], float] = {}
        self._it, self._members = it, tuple(members)
        self._tasks: list[asyncio.Task[None]] = []
        self._apis: list[Api] = []

    async def start(self) -> None:
        for member in self._members:
            api = Api(
                await connect(str(self._it.state / "members" / f"{member}.kubeconfig"), clock=SystemClock()),
                name=member,
                clock=SystemClock(),
            )
            self._apis.append(api)
            listing = await api.list(Kind("apps", "Deployment"))
            self._tasks.append(asyncio.create_task(self._watch(api, member, listing.resource_version)))
        await asyncio.sleep(0)

    async def _watch(self, api: Api, member: str, version: str) -> None:
        async for line in api.watch(Kind("apps", "Deployment"), resource_version=version):
            event = json.loads(line)
            self.seen.setdefault((member, event["object"]["metadata"]["name"]), time.monotonic())

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for api in self._apis:
            await api.close()


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def latency(apps: int = 40) -> None:
    """accepted -> present in 3 embedded members, at one application per second."""

    async def measure(it: Machine) -> list[float]:
        members = ("m1", "m2", "m3")
        arrivals = Arrivals(it, members)
        await arrivals.start()
        deploy(it, "policies", policy(members))
        await asyncio.sleep(2)
        accepted: dict[str, float] = {}
        for number in range(apps):
            name = f"app-{number}"
            await asyncio.to_thread(deploy, it, name, app(name))
            accepted[name] = time.monotonic()
            await asyncio.sleep(1)
        await arrivals.stop()
        return [max(arrivals.seen[member, name] for member in members) - at for name, at in accepted.items()]

    with bench_machine("--members", "3") as it:
        times = [max(0.0, t) * 1000 for t in asyncio.run(measure(it))]
    figure = f"P50 {percentile(times, 0.5):.0f} ms, P99 {percentile(times, 0.99):.0f} ms"
    say("accepted -> present in 3 members", figure, f"{apps} applications at 1/s, one Deployment each; from the answer to the last member")


def thousand(apps: int = 1000) -> None:
    """1,000 applications on 2 members: how long, how many durable writes, how much memory."""
    with bench_machine("--members", "2") as it:
        deploy(it, "policies", policy(("m1", "m2")))
        eventually(
            lambda: all("bench" in it.objects(m, "namespaces") for m in ("m1", "m2")), limit_s=20, what="the namespace in both members"
        )
        before = sequences(it)
        started = time.monotonic()
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda number: deploy(it, f"app-{number}", app(f"app-{number}")), range(apps)))
        answered = time.monotonic() - started
        for member in ("m1", "m2"):
            eventually(lambda m=member: count(it, m) >= apps, limit_s=180, what=f"{apps} Deployments in {member}", pause_s=0.3)
        took = time.monotonic() - started
        eventually(lambda: settled(it), limit_s=120, what="status of everything", pause_s=1.0)
        after = sequences(it)
        writes = ", ".join(f"{stream} {(after[stream] - before[stream]) / apps:.1f}" for stream in ("STATE", "WORK", "REPORT"))
        say(
            f"{apps} applications x 2 members",
            f"{took:.1f} s (answered after {answered:.1f} s)",
            "16 deploys in flight, one Deployment each",
        )
        say("writes per application, until its status rests", writes, "STATE and WORK are fsynced, REPORT is not")
        for name, pid in sorted(it.processes().items()):
            say(f"RSS of {name}", f"{rss_mb(pid):.0f} MB", f"after {apps} applications")


def count(it: Machine, member: str) -> int:
    return len(it.kubectl("get", "deployments", "-n", "bench", "-o", "name", member=member).split())


def settled(it: Machine) -> bool:
    first = sequences(it)
    time.sleep(1.5)
    return first == sequences(it)


def sequences(it: Machine) -> dict[str, int]:
    """Last sequence of each stream, asked of the bus itself."""

    async def ask() -> dict[str, int]:
        port = json.loads((it.state / "ports.json").read_text())["nats"]
        bus = await connect_bus(BusSettings(url=f"nats://127.0.0.1:{port}"), name="bench", clock=SystemClock())
        try:
            return {stream: (await bus.info(stream)).last for stream in ("STATE", "WORK", "REPORT")}
        finally:
            await bus.close()

    return asyncio.run(ask())


def start() -> None:
    """`shoal up` until it returns."""
    for members in ("3", "6"):
        times = []
        for _ in range(3):
            with tempfile.TemporaryDirectory(prefix="shoal-bench-") as directory:
                it = Machine(Path(directory))
                begun = time.monotonic()
                try:
                    it.up("--members", members)
                    times.append(time.monotonic() - begun)
                finally:
                    it.down()
        say(
            f"shoal up, {members} members",
            f"median {statistics.median(times):.1f} s of {len(times)}",
            "until it returns with everything ready, empty directory",
        )


def agent() -> None:
    """Memory and idle CPU of an agent in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="shoal-bench-") as directory:
        member = Path(directory) / "member"
        embedded = subprocess.Popen(
            [sys.executable, "-m", "shoal.kube.simulated", "--name", "apart", "--dir", str(member), "--port", "0", "--nodes", "3"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            kubeconfig = eventually(lambda: next(iter(member.glob("*kubeconfig*")), None), limit_s=20, what="the member's kubeconfig")
            with bench_machine("--members", "1", "--member", f"apart={kubeconfig}") as it:
                deploy(it, "policies", policy(("apart",)))
                for number in range(100):
                    deploy(it, f"app-{number}", app(f"app-{number}"))
                time.sleep(10)
                pid = it.processes()["member-apart"]
                before = cpu_s(pid)
                time.sleep(30)
                used = (cpu_s(pid) - before) / 30 * 100
                say("agent, RSS", f"{rss_mb(pid):.0f} MB", "own process, 100 Deployments applied")
                say("agent, idle CPU", f"{used:.2f} % of a core", "30 s, 100 Deployments, beat every 2 s")
        finally:
            embedded.terminate()
            embedded.wait(10)


def failover(rounds: int = 3) -> None:
    """A cluster is killed -> its workloads are ready elsewhere."""
    times = []
    for _ in range(rounds):
        with bench_machine("--members", "3", "--member-restart", "120") as it:
            spread = {"spreadConstraints": [{"spreadByField": "cluster", "minGroups": 1, "maxGroups": 1}]}
            parts = policy((), failover={"cluster": {"purgeMode": "Gracefully"}}, placement=spread)
            deploy(it, "policies", parts)
            for number in range(5):
                deploy(it, f"app-{number}", app(f"app-{number}"))
            victim = eventually(lambda: placed(it, 5, ""), limit_s=30, what="5 applications ready")
            begun = time.monotonic()
            it.kill(f"member-{victim}")
            eventually(lambda v=victim: placed(it, 5, v), limit_s=60, what="5 applications ready elsewhere", pause_s=0.2)
            times.append(time.monotonic() - begun)
    say(
        "cluster killed -> workloads ready elsewhere",
        f"median {statistics.median(times):.1f} s, slowest {max(times):.1f} s",
        f"{rounds} rounds, 5 Deployments, SIGKILL of the member",
    )


def placed(it: Machine, apps: int, without: str) -> str:
    """The cluster that runs all applications, ready; empty while there is none such."""
    clusters: set[str] = set()
    for number in range(apps):
        (found,) = it.hub.get(f"/api/where/app-{number}")["objects"]
        ready = {c["cluster"] for c in found["clusters"] if c["health"] == "Healthy" and c["cluster"] != without}
        if not ready:
            return ""
        clusters |= ready
    return sorted(clusters)[0]


@contextmanager
def bench_machine(*arguments: str) -> Any:
    with tempfile.TemporaryDirectory(prefix="shoal-bench-") as directory, machine(Path(directory), *arguments) as it:
        yield it


MEASUREMENTS: dict[str, Callable[[], None]] = {
    "latency": latency,
    "thousand": thousand,
    "start": start,
    "agent": agent,
    "failover": failover,
}


def main() -> int:
    print(conditions())
    for name in sys.argv[1:] or MEASUREMENTS:
        MEASUREMENTS[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
