"""One deploy, one change, one lost cluster, its return and one deletion, with a crash at some hop; properties hold at every step and at rest.

The seed decides delays, lost answers, which process crashes at which of its writes, and whether that write still happened. `uv run just simulate SEED`
replays one.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

import structlog

from shoal.api.meta import Ref
from shoal.api.shoal import EPOCH_ANNOTATION
from support.shop import shop
from support.virtual import VirtualLoop
from support.world import World

PLACES = {"m1": ("alpha", "eu"), "m2": ("alpha", "eu"), "m3": ("beta", "us")}
WEB = Ref("apps", "Deployment", "shop", "web")
SETTINGS = Ref("", "ConfigMap", "shop", "settings")


def manifests(version: int) -> list[dict[str, Any]]:
    labels = {"shoal.dev/application": "shop"}
    pod = {"containers": [{"name": "web", "image": f"web:{version}", "envFrom": [{"configMapRef": {"name": "settings"}}]}]}
    return [
        *shop(
            propagateDeps=True,
            failover={"cluster": {"purgeMode": "Gracefully"}},
            placement={"spreadConstraints": [{"spreadByField": "cluster", "minGroups": 1, "maxGroups": 1}]},
        ),
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "settings", "namespace": "shop", "labels": labels},
            "data": {"v": str(version)},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop", "labels": labels},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod},
            },
        },
    ]


def event(version: int) -> dict[str, Any]:
    return {"id": f"v{version}", "source": "ci", "data": {"application": "shop", "version": str(version), "manifests": manifests(version)}}


class Watcher:
    """Looks at the members after every write of theirs, and keeps what must never happen."""

    def __init__(self, world: World) -> None:
        self.world, self.broken, self.placed, self.ending = world, [], False, False
        self._epochs: dict[tuple[str, Ref], int] = {}
        for member in world.members.values():
            self._tap(member)

    def _tap(self, member: Any) -> None:
        write, remove = member.store.write, member.store.remove

        async def writing(ref: Ref, manifest: Any, *, expected: int) -> Any:
            stored = await write(ref, manifest, expected=expected)
            self._written(member.name, ref, manifest)
            return stored

        async def removing(ref: Ref, manifest: Any, *, expected: int) -> Any:
            stored = await remove(ref, manifest, expected=expected)
            self._removed(member.name, ref)
            return stored

        member.store.write, member.store.remove = writing, removing

    def _written(self, member: str, ref: Ref, manifest: Any) -> None:
        epoch = int((manifest["metadata"].get("annotations") or {}).get(EPOCH_ANNOTATION) or 0)
        if epoch < self._epochs.get((member, ref), 0):
            self.broken.append(f"I5: {ref} in {member} went back to epoch {epoch}")
        self._epochs[member, ref] = epoch
        if ref == WEB:
            self.placed = True

    def _removed(self, member: str, ref: Ref) -> None:
        left = [name for name, other in self.world.members.items() if "web" in other.objects("Deployment", "shop")]
        if ref == WEB and not left and not self.ending:
            self.broken.append(f"I2: the last copy of {ref} was deleted in {member}")
        if ref == SETTINGS and member in left:
            self.broken.append(f"K: {ref} left {member} before the workload that names it")


async def scenario(seed: int) -> None:
    chance = random.Random(seed)
    async with World(seed, PLACES, losing=chance.choice((0.0, 0.02, 0.1))) as world:
        watcher = Watcher(world)
        await world.until(world.clusters_ready, limit_s=60, what="three clusters ready")
        world.crash_some(chance)
        change = await world.deploy(event(1))
        where = await world.until(lambda: copies(world, "1"), limit_s=120, what="version 1 in one member, ready")
        assert len(where) == 1, where
        world.crash_some(chance)
        change = await world.deploy(event(2))
        await world.until(lambda: copies(world, "2") == where, limit_s=120, what="version 2 in the same member")
        await world.until(lambda: world.change_state(change) == "ready", limit_s=120, what="the change says that it is ready")
        (lost,) = where
        world.lose(lost)
        world.crash_some(chance)
        moved = await world.until(lambda: copies(world, "2") - {lost}, limit_s=120, what=f"moved away from {lost}")
        assert world.places_of(moved) == world.places_of({lost}) or lost == "m3", f"{lost} -> {moved}: not the same region"
        await world.clock.sleep(chance.uniform(0, 20))
        world.bring_back(lost)
        world.crash_some(chance)
        await world.until(lambda: copies(world, "2", any_health=True) == moved, limit_s=180, what=f"only {moved} runs it")
        await world.until(lambda: holding_settings(world) == moved, limit_s=60, what="the ConfigMap only where the Deployment is")
        await at_rest(world)
        watcher.ending = True
        world.crash_some(chance)
        await world.delete(WEB)
        await world.until(lambda: not copies(world, "2", any_health=True) and world.is_gone(WEB), limit_s=180, what="deleted everywhere")
        await at_rest(world)
        assert watcher.broken == []


def copies(world: World, version: str, *, any_health: bool = False) -> set[str]:
    """Members that run the version (ready, and with its ConfigMap, unless `any_health`)."""
    found = set()
    for name, member in world.members.items():
        web = member.objects("Deployment", "shop").get("web")
        settings = member.objects("ConfigMap", "shop").get("settings")
        if web is None:
            continue
        current = web["spec"]["template"]["spec"]["containers"][0]["image"] == f"web:{version}"
        ready = web.get("status", {}).get("availableReplicas") == 2 and settings is not None and settings["data"]["v"] == version
        if any_health or (current and ready):
            found.add(name)
    return found


def holding_settings(world: World) -> set[str]:
    """Members that hold the ConfigMap, which stands where the Deployment that names it stands."""
    return {name for name, member in world.members.items() if "settings" in member.objects("ConfigMap", "shop")}


async def at_rest(world: World) -> None:
    """When faults stop, everybody converges, and then nothing is written any more (I4)."""
    world.bus.faults.lose_answers = 0.0
    await world.clock.sleep(30)
    before = world.positions()
    await world.clock.sleep(60)
    assert world.positions() == before, "something is still being written"


def test_one_deploy_one_failover_one_crash_at_some_hop(seed: int) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(asyncio.wait_for(scenario(seed), 3600))
