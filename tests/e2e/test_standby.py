"""Two schedulers on one hub: the active one is killed in the middle of its work, the other goes on within seconds, nothing is decided twice."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shoal.api.cluster import APIEnablement, APIResource, ClusterStatus, ResourceSummary
from shoal.api.meta import Manifest, Ref, ref_of
from shoal.api.status import READY, Belief
from shoal.bus.entries import Draft, Entries, Entry, read_entry
from shoal.bus.nats import NatsBus
from shoal.bus.port import Loaded, Stored
from shoal.messages.catalogue import BELIEF, LEASE, OBJECT, STATE, LeaseHolder
from shoal.runtime.clock import SystemClock
from support.servers import NatsServer, eventually, fresh_streams, nats_server

APPS, LIMIT_S = 400, 10.0
NAMES = ("one", "other")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with nats_server(tmp_path / "nats") as running:
        yield running


class Schedulers:
    """Processes by name; which of them is active stands in the lease."""

    def __init__(self, server: NatsServer, home: Path) -> None:
        self._server, self._home = server, home
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        directory = self._home / name
        directory.mkdir()
        kept = {key: value for key, value in os.environ.items() if not key.startswith("SHOAL_")}
        settings = {"SHOAL_BUS_URL": self._server.url, "SHOAL_NAME": name, "SHOAL_STATE_DIR": str(directory), "SHOAL_LOG_LEVEL": "warning"}
        with (directory / "log").open("wb") as log:
            self._processes[name] = subprocess.Popen([sys.executable, "-m", "shoal_scheduler"], env=kept | settings, stderr=log)

    def kill(self, name: str) -> None:
        self._processes[name].kill()
        self._processes[name].wait()

    def stop(self) -> None:
        for name in self._processes:
            self.kill(name)


def template(number: int) -> Manifest:
    container = {"name": "main", "image": "i", "resources": {"requests": {"cpu": "1"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"app-{number}", "namespace": "shop", "uid": f"uid-{number}"},
        "spec": {"replicas": 2, "template": {"spec": {"containers": [container]}}},
    }


def surroundings() -> list[Draft[Any]]:
    """A policy, and three clusters with room for all but one of the apps."""
    policy = {
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": "PropagationPolicy",
        "metadata": {"name": "p", "namespace": "shop", "uid": "uid-p"},
        "spec": {
            "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment"}],
            "placement": {"replicaScheduling": {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated"}},
        },
    }
    apis = (APIEnablement(group_version="apps/v1", resources=(APIResource(name="deployments", kind="Deployment"),)),)
    rooms = {"m1": APPS, "m2": APPS // 2, "m3": APPS // 2 - 1}
    drafts = [_object(policy)]
    for name, cpus in rooms.items():
        drafts.append(_object({"apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster", "metadata": {"name": name, "uid": name}}))
        summary = ResourceSummary(allocatable={"cpu": str(cpus), "pods": "10000"})
        belief = Belief(member=name, state=READY, since="", status=ClusterStatus(api_enablements=apis, resource_summary=summary))
        drafts.append(Draft(family=BELIEF, ref=Ref("cluster.karmada.io", "Cluster", "", name), body=belief, author="test"))
    return drafts


def _object(manifest: Manifest) -> Draft[Any]:
    return Draft(family=OBJECT, ref=ref_of(manifest), body=manifest, uid=manifest["metadata"]["uid"], author="test")


async def _active(bus: NatsBus) -> str:
    found = await bus.last(LEASE.name, "lease.scheduler")
    holder = msgspec.json.decode(found.data, type=LeaseHolder).holder if found is not None and found.data else ""
    return holder.partition("@")[0]


async def _written(bus: NatsBus) -> list[Entry[Any]]:
    """Every revision of every binding, in order."""
    found, watch = [], bus.watch(STATE.name, ("state.binding.>",), after=0)
    async for event in watch:
        if isinstance(event, Loaded):
            break
        if isinstance(event, Stored) and (entry := read_entry(event, STATE)) is not None:
            found.append(entry)
    await watch.aclose()
    return found


@pytest.mark.spec("E11")
async def test_the_standby_goes_on_and_decides_nothing_twice(server: NatsServer, tmp_path: Path) -> None:
    schedulers = Schedulers(server, tmp_path)
    async with fresh_streams(server) as bus:
        entries = Entries(bus, SystemClock())
        try:
            for name in NAMES:
                schedulers.start(name)

            async def somebody() -> bool:
                return await _active(bus) in NAMES

            await eventually(somebody, 30)
            active = await _active(bus)
            (standby,) = set(NAMES) - {active}
            await entries.write_all([(draft, 0) for draft in surroundings()])
            await entries.write_all([(_object(template(number)), 0) for number in range(APPS // 2)])

            async def begun() -> bool:
                return len(await _written(bus)) > 0

            await eventually(begun, 30)
            schedulers.kill(active)
            killed = time.monotonic()
            before = len(await _written(bus))
            await entries.write_all([(_object(template(number)), 0) for number in range(APPS // 2, APPS)])

            async def goes_on() -> bool:
                return len(await _written(bus)) > before

            await eventually(goes_on, LIMIT_S)
            assert time.monotonic() - killed < LIMIT_S
            assert await _active(bus) == standby

            async def all_decided() -> bool:
                return len({entry.ref for entry in await _written(bus)}) == APPS

            await eventually(all_decided, 30)
            await _nothing_moves(bus)
            written = await _written(bus)
            assert Counter(entry.ref for entry in written).most_common(1)[0][1] == 1, "each object changed once and was decided once"
            spent: Counter[str] = Counter()
            for entry in written:
                spent.update({target.name: target.replicas or 0 for target in entry.body.clusters})
            assert spent["m1"] <= APPS
            assert spent["m2"] <= APPS // 2
            assert spent["m3"] <= APPS // 2 - 1
            assert sum(not entry.body.clusters for entry in written) == 1, "all but one found room"
        finally:
            schedulers.stop()


async def _nothing_moves(bus: NatsBus) -> None:
    """Three looks in a row, a moment apart, see the same."""
    seen: list[int] = []

    async def still() -> bool:
        seen.append((await bus.info(STATE.name)).last)
        await asyncio.sleep(0.3)
        return len(seen) >= 3 and len(set(seen[-3:])) == 1

    await eventually(still, 20)
