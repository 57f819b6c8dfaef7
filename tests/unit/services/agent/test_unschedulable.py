"""Pods that no node takes, counted in a simulated member: whose they are, since when, and of how many replicas."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from shoal.api.errors import MemberUnavailable
from shoal.api.meta import Manifest, Ref
from shoal.api.unschedulable import Unschedulable
from shoal.kube.client.member import Member
from shoal.messages.catalogue import UnschedulableRequest
from shoal_agent.unschedulable import UnschedulablePods
from support import build
from support.member import VirtualMember, play_in

WEB = Ref("apps", "Deployment", "shop", "web")
NOWHERE = {"nodeSelector": {"disk": "none-has-this"}}


class Cluster(VirtualMember):
    def __init__(self) -> None:
        super().__init__()
        self._agent = UnschedulablePods(Member(self.api), self.clock)

    async def counted(self, *refs: Ref, longer_than_s: float = 300.0) -> dict[str, tuple[int, int]]:
        """Name -> (pods, replicas)."""
        answer = await self._agent.answer("", UnschedulableRequest(refs=refs or (WEB,), longer_than_s=longer_than_s))
        return {one.ref.name: (one.pods, one.replicas) for one in answer.counts}


def play(story: Callable[[Cluster], Awaitable[None]]) -> None:
    play_in(Cluster, story)


def web(replicas: int, cpu: str = "4", name: str = "web", **pod: Any) -> Manifest:
    return build.deployment(name, replicas=replicas, requests={"cpu": cpu}, **pod)


@pytest.mark.spec("R15.4", "Q05", "KA03")
def test_those_that_wait_for_long_enough() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.apply(web(6))
        await cluster.clock.sleep(280)
        assert await cluster.counted() == {}, "not for so long yet"
        assert await cluster.counted(longer_than_s=60) == {"web": (2, 6)}
        await cluster.clock.sleep(20)
        assert await cluster.counted() == {"web": (2, 6)}
        await cluster.apply(web(5))
        assert await cluster.counted() == {"web": (1, 5)}, "pods without a node are the first to go"
        await cluster.apply(web(9))
        assert await cluster.counted() == {"web": (1, 9)}, "the new ones wait since now"
        await cluster.apply(web(4))
        assert await cluster.counted() == {}
        await cluster.apply(web(0))
        assert await cluster.counted() == {}

    play(story)


@pytest.mark.spec("R15.4", "Q05")
def test_a_node_that_is_cordoned_takes_none() -> None:
    async def story(cluster: Cluster) -> None:
        for stored in [one for one in cluster.member.store if one.ref.kind == "Node"]:
            await cluster.apply(
                {"apiVersion": "v1", "kind": "Node", "metadata": {"name": stored.ref.name}, "spec": {"unschedulable": True}}
            )
        await cluster.apply(web(3, cpu="1"))
        await cluster.clock.sleep(300)
        assert await cluster.counted() == {"web": (3, 3)}

    play(story)


@pytest.mark.spec("R15.4", "Q05")
def test_only_those_that_were_asked_for() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.apply(build.namespace("other"))
        for name in ("a", "b", "c"):
            await cluster.apply(web(2, name=name, **NOWHERE))
        elsewhere = web(1, name="a", **NOWHERE)
        elsewhere["metadata"]["namespace"] = "other"
        await cluster.apply(elsewhere)
        alone = build.manifest("v1", "Pod", "alone", spec={"containers": [{"name": "main", "image": "i"}], **NOWHERE})
        await cluster.apply(alone)
        await cluster.clock.sleep(600)
        a, c = (Ref("apps", "Deployment", "shop", name) for name in ("a", "c"))
        assert await cluster.counted(c, a, Ref("apps", "Deployment", "shop", "missing")) == {"a": (2, 2), "c": (2, 2)}
        answer = await cluster._agent.answer("", UnschedulableRequest(refs=(Ref("apps", "Deployment", "other", "a"),)))
        assert answer.counts == (Unschedulable(ref=Ref("apps", "Deployment", "other", "a"), replicas=1, pods=1),)

    play(story)


@pytest.mark.spec("R15.4", "Q05")
def test_what_a_rollout_has_beyond_the_replicas_is_not_counted() -> None:
    """4 old pods fill the nodes; those of the new ReplicaSet that fit nowhere are more than there will be."""

    async def story(cluster: Cluster) -> None:
        await cluster.apply(web(4))
        await cluster.apply(web(4, **NOWHERE))
        await cluster.clock.sleep(600)
        live = await cluster.api.get(WEB)
        assert live is not None
        surge = live["status"]["replicas"] - 4
        waiting = live["status"]["replicas"] - live["status"]["readyReplicas"]
        assert surge > 0, live["status"]
        assert waiting > surge, live["status"]
        assert await cluster.counted() == {"web": (waiting - surge, 4)}

    play(story)


@pytest.mark.spec("R15.4", "Q05")
def test_what_the_members_controllers_have_not_seen_yet_is_not_counted() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.apply(web(6))
        await cluster.clock.sleep(300)
        await cluster.member.controllers.stop()
        assert await cluster.counted() == {"web": (2, 6)}
        await cluster.apply(web(7))
        assert await cluster.counted() == {}

    play(story)


@pytest.mark.spec("R15.4", "Q05")
def test_no_answer_is_better_than_an_old_one() -> None:
    async def story(cluster: Cluster) -> None:
        cluster.member.reachable = False
        with pytest.raises(MemberUnavailable):
            await cluster.counted()

    play(story)
