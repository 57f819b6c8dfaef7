"""What must hold while a cluster is away, and when it is back: it goes on from the latest, and what may not run twice never does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
import structlog

from shoal.api.meta import Manifest, Ref
from shoal.kube.wire import Request
from shoal.messages.catalogue import BINDING
from support.virtual import VirtualLoop
from support.world import World

PLACES = {"m1": ("alpha", "eu"), "m2": ("alpha", "eu"), "m3": ("beta", "us")}
WEB = Ref("apps", "Deployment", "shop", "web")
IN_MEMBER = "/apis/apps/v1/namespaces/shop/deployments/web"


def manifests(version: int, **spec: Any) -> list[Manifest]:
    metadata = {"name": "web", "namespace": "shop", "labels": {"shoal.dev/application": "shop"}}
    pod = {"containers": [{"name": "web", "image": f"web:{version}"}]}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": pod}
    selectors = [{"apiVersion": "apps/v1", "kind": "Deployment"}]
    placement = {"spreadConstraints": [{"spreadByField": "cluster", "minGroups": 1, "maxGroups": 1}]}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}},
        {
            "apiVersion": "policy.karmada.io/v1alpha1",
            "kind": "PropagationPolicy",
            "metadata": {"name": "shop", "namespace": "shop"},
            "spec": {"resourceSelectors": selectors, "placement": placement, **spec},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template},
        },
    ]


def event(version: int, **spec: Any) -> dict[str, Any]:
    data = {"application": "shop", "version": str(version), "manifests": manifests(version, **spec)}
    return {"id": f"v{version}", "source": "ci", "data": data}


class Watcher:
    """Looks at the members at every write of theirs."""

    def __init__(self, world: World) -> None:
        self.world, self.images, self.twice = world, dict[str, list[str]](), list[str]()
        """`images`: by member, those of the Deployment as they were written; `twice`: times at which two members had it, or its pods."""
        for member in world.members.values():
            self._tap(member)

    def _tap(self, member: Any) -> None:
        write = member.store.write

        async def writing(ref: Ref, manifest: Manifest, *, expected: int) -> Any:
            stored = await write(ref, manifest, expected=expected)
            if ref == WEB:
                image = manifest["spec"]["template"]["spec"]["containers"][0]["image"]
                seen = self.images.setdefault(member.name, [])
                if not seen or seen[-1] != image:
                    seen.append(image)
            if len(running := holders(self.world)) > 1:
                self.twice.append(f"{sorted(running)} at {self.world.clock.monotonic():.1f} s")
            return stored

        member.store.write = writing


def holders(world: World) -> set[str]:
    """Members with the Deployment, or with a pod of it."""
    return {name for name, member in world.members.items() if member.objects("Deployment", "shop") or member.objects("Pod", "shop")}


def running(world: World, version: int) -> set[str]:
    """Members where it is ready."""
    found = set()
    for name, member in world.members.items():
        web = member.objects("Deployment", "shop").get("web") or {}
        if web.get("status", {}).get("availableReplicas") == 2:
            found |= {name} if web["spec"]["template"]["spec"]["containers"][0]["image"] == f"web:{version}" else set()
    return found


def targets(world: World) -> list[str]:
    entry = world.view.get(BINDING, WEB)
    return [target.name for target in entry.body.clusters] if entry is not None else []


def play(story: Callable[[World, Watcher], Awaitable[None]], number: int) -> None:
    async def whole() -> None:
        async with World(number, PLACES) as world:
            await world.until(world.clusters_ready, limit_s=60, what="three clusters ready")
            await story(world, Watcher(world))

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(asyncio.wait_for(whole(), 3600))


# "While the agent is disconnected nothing is applied; on reconnect it converges to the latest Works (intermediate versions are skipped) and
#  reports status." (R6.15)
@pytest.mark.spec("R6.15", "L02")
@pytest.mark.parametrize("number", range(3))
def test_an_agent_that_was_away_goes_on_from_the_latest(number: int) -> None:
    async def story(world: World, watcher: Watcher) -> None:
        await world.deploy(event(1))
        (where,) = await world.until(lambda: running(world, 1), limit_s=60, what="version 1 in one member")
        world.bus.disconnect(f"agent-{where}")
        await world.deploy(event(2))
        await world.clock.sleep(20)
        third = await world.deploy(event(3))
        await world.clock.sleep(20)
        assert (running(world, 1), watcher.images[where]) == ({where}, ["web:1"]), "what runs goes on, and nothing is applied"
        assert world.change_state(third) != "ready"
        world.bus.reconnect(f"agent-{where}")
        await world.until(lambda: running(world, 3) == {where}, limit_s=60, what="version 3 in the same member")
        await world.until(lambda: world.change_state(third) == "ready", limit_s=30, what="the change says that it is ready")
        assert watcher.images == {where: ["web:1", "web:3"]}

    play(story, number)


DIRECTLY = {"failover": {"cluster": {"purgeMode": "Directly"}}}


@pytest.mark.spec("R6.2", "R13.4", "N05")
@pytest.mark.parametrize("number", range(3))
def test_directly_a_lost_cluster_is_not_replaced_while_it_may_run_the_workload(number: int) -> None:
    async def story(world: World, watcher: Watcher) -> None:
        await world.deploy(event(1, **DIRECTLY))
        (where,) = await world.until(lambda: running(world, 1), limit_s=60, what="version 1 in one member")
        world.lose(where)
        await world.until(lambda: targets(world) not in ([], [where]), limit_s=60, what="a decision to leave it")
        await world.clock.sleep(900)
        assert holders(world) == {where}, "nobody hears of it, and it may well run"
        world.bring_back(where)
        await world.until(lambda: running(world, 1) == set(targets(world)), limit_s=120, what="the replacement, once the old copy is gone")
        assert where not in running(world, 1)
        assert watcher.twice == []

    play(story, number)


@pytest.mark.spec("R6.2", "R13.4", "N05")
@pytest.mark.parametrize("number", range(3))
def test_directly_a_cluster_that_answers_gives_its_copy_up_pods_included_before_the_next_one_is_made(number: int) -> None:
    async def story(world: World, watcher: Watcher) -> None:
        await world.deploy(event(1, **DIRECTLY))
        (where,) = await world.until(lambda: running(world, 1), limit_s=60, what="version 1 in one member")
        pod = f"/api/v1/namespaces/shop/pods/{min(world.members[where].objects('Pod', 'shop'))}"
        await finalizers(world, where, pod, ["example.org/slow-to-stop"])
        taints = [{"key": "maintenance", "effect": "NoExecute"}]
        await world.patch(f"/apis/cluster.karmada.io/v1alpha1/clusters/{where}", {"spec": {"taints": taints}})
        await world.clock.sleep(60)
        assert holders(world) == {where}, "one of its pods has not stopped"
        await finalizers(world, where, pod, None)
        await world.until(lambda: running(world, 1) - {where}, limit_s=60, what="another member that runs it")
        assert watcher.twice == []

    play(story, number)


@pytest.mark.spec("R6.2", "B18")
def test_a_copy_that_is_held_in_its_member_is_looked_at_until_it_is_gone() -> None:
    """The agent died meanwhile, and nothing of that kind is wanted any more: no watch tells that the finalizer went."""

    async def story(world: World, watcher: Watcher) -> None:
        await world.deploy(event(1))
        (where,) = await world.until(lambda: running(world, 1), limit_s=60, what="version 1 in one member")
        await finalizers(world, where, IN_MEMBER, ["example.org/hold"])
        await world.delete(WEB)
        await world.until(lambda: going(world, where), limit_s=30, what="it is being deleted")
        await world.processes[f"agent-{where}"].crash()
        world.processes[f"agent-{where}"].start()
        await world.clock.sleep(30)
        assert not world.is_gone(WEB)
        await finalizers(world, where, IN_MEMBER, None)
        await world.until(lambda: world.is_gone(WEB), limit_s=60, what="the hub hears of it")

    play(story, 1)


async def finalizers(world: World, where: str, path: str, names: list[str] | None) -> None:
    """Sets those of an object in a member."""
    headers, change = {"content-type": "application/merge-patch+json"}, {"metadata": {"finalizers": names}}
    answer = await world.members[where].handle(Request(method="PATCH", path=path, headers=headers, body=msgspec.json.encode(change)))
    assert answer.status == 200, answer.body


def going(world: World, where: str) -> bool:
    web = world.members[where].objects("Deployment", "shop").get("web")
    return web is not None and bool(web["metadata"].get("deletionTimestamp"))
