"""Rounds of descheduling: who is asked, how often, and what comes of the answers."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shoal.api.errors import MemberUnavailable
from shoal.api.meta import Ref
from shoal.api.status import LOST, Belief
from shoal.api.unschedulable import Unschedulable
from shoal.bus.entries import Draft
from shoal.bus.requests import ask, serve
from shoal.messages.catalogue import (
    BELIEF,
    BINDING,
    EXPLAIN_SUBJECT,
    REPLAY_SUBJECT,
    STATUS,
    UnschedulableCounted,
    UnschedulableRequest,
)
from shoal.messages.planning import Explained, ExplainRequest, Replayed, ReplayRequest
from support import build
from support.deciding import Hub, app, play, policy

EVERY_S = 120.0
SETTINGS: dict[str, Any] = {"deschedule_interval_s": EVERY_S, "estimates": "never"}


class Agents:
    """What they say of pods that no node takes: (cluster, workload) -> (pods, replicas)."""

    def __init__(self, hub: Hub, *clusters: str) -> None:
        self.hub, self.clusters = hub, clusters
        self.stuck: dict[tuple[str, str], tuple[int, int]] = {}
        self.asked: list[tuple[str, list[str]]] = []
        self.down: set[str] = set()

    async def start(self) -> None:
        for name in self.clusters:
            await serve(self.hub.bus.client(f"agent-{name}"), f"ask.id-{name}.unschedulable", UnschedulableRequest, self._answer)

    async def _answer(self, subject: str, request: UnschedulableRequest) -> UnschedulableCounted:
        cluster = subject.split(".")[1].removeprefix("id-")
        self.asked.append((cluster, [ref.name for ref in request.refs]))
        assert request.longer_than_s == 300.0
        if cluster in self.down:
            raise MemberUnavailable("no answer")
        found = [(ref, self.stuck[cluster, ref.name]) for ref in request.refs if (cluster, ref.name) in self.stuck]
        return UnschedulableCounted(counts=tuple(Unschedulable(ref=ref, pods=pods, replicas=replicas) for ref, (pods, replicas) in found))


async def runs(hub: Hub, name: str, **ready: int) -> None:
    """What health-monitor says of the copies that were decided last."""
    binding = await hub.binding(name)
    assert binding is not None
    copies = tuple(
        msgspec.structs.replace(
            build.copy(target.name, epoch=target.epoch), status={"replicas": target.replicas, "readyReplicas": ready[target.name]}
        )
        for target in binding.clusters
    )
    status = build.status(*copies, uid=binding.template_uid)
    await hub.write(Draft(family=STATUS, ref=Ref("apps", "Deployment", "shop", name), body=status, author="test"))


async def revision(hub: Hub, name: str) -> int:
    found = await hub.entries.read(BINDING, Ref("apps", "Deployment", "shop", name))
    assert found is not None
    return found.revision


@pytest.mark.spec("R15.4", "Q05", "KA03")
def test_what_no_node_takes_moves_on_once() -> None:
    async def story(hub: Hub) -> None:
        agents = Agents(hub, "m1", "m2")
        await agents.start()
        await hub.objects(policy())
        await hub.join(m1=50, m2=0)
        await hub.objects(app("a", 5), app("b", 2))
        await hub.until(lambda: hub.placed("a"), {"m1": 5})
        await runs(hub, "a", m1=2)
        await runs(hub, "b", m1=2)
        agents.stuck["m1", "a"] = (3, 5)
        await hub.room(m1=50, m2=50)
        await hub.until(lambda: hub.placed("a"), {"m1": 2, "m2": 3}, limit_s=EVERY_S + 1)
        assert agents.asked == [("m1", ["a"])], "b lacks nothing"
        # What was counted is of the decision before, whatever has it decided again.
        await runs(hub, "a", m1=1, m2=0)
        await hub.join(m3=10)
        await hub.clock.sleep(EVERY_S / 2)
        assert await hub.placed("a") == {"m1": 2, "m2": 3}
        assert len(agents.asked) == 1
        # As long as the member is behind it speaks of other replicas.
        for _ in range(3):
            await hub.clock.sleep(EVERY_S)
            assert await hub.placed("a") == {"m1": 2, "m2": 3}
        assert agents.asked[1:] == [("m1", ["a"]), ("m2", ["a"])] * 3
        told = await ask(hub.bus.client("asker"), REPLAY_SUBJECT, ReplayRequest(ref=Ref("apps", "Deployment", "shop", "a")), Replayed)
        assert told.same, (told.recorded, told.replayed)

    play(story, **SETTINGS)


@pytest.mark.spec("R15.4", "Q05")
def test_each_agent_is_asked_once_in_a_round_and_who_is_silent_changes_nothing() -> None:
    async def story(hub: Hub) -> None:
        agents = Agents(hub, "m1", "m2")
        await agents.start()
        await hub.objects(policy(division="dynamic"))
        await hub.join(m1=40, m2=40)
        names = [f"w{number}" for number in range(10)]
        await hub.objects(*(app(name, 4) for name in names))
        await hub.until(lambda: hub.placed("w9"), {"m1": 2, "m2": 2})
        for name in names:
            await runs(hub, name, m1=0, m2=0)
            agents.stuck["m1", name] = agents.stuck["m2", name] = (2, 2)
        agents.down = {"m1", "m2"}
        before = await revision(hub, "w0")
        await hub.clock.sleep(EVERY_S + 1)
        assert sorted(agents.asked) == [("m1", names), ("m2", names)]
        assert await revision(hub, "w0") == before

    play(story, **SETTINGS)


@pytest.mark.spec("R15.4", "Q05")
def test_explain_says_why_nothing_moves() -> None:
    async def story(hub: Hub) -> None:
        agents = Agents(hub, "m1")
        await agents.start()
        await hub.objects(policy())
        await hub.join(m1=50)
        await hub.objects(app("a", 5))
        await hub.until(lambda: hub.placed("a"), {"m1": 5})
        await runs(hub, "a", m1=2)
        agents.stuck["m1", "a"] = (3, 5)
        before = await revision(hub, "a")
        await hub.clock.sleep(EVERY_S + 1)
        assert await revision(hub, "a") == before
        told = await ask(hub.bus.client("asker"), EXPLAIN_SUBJECT, ExplainRequest(ref=Ref("apps", "Deployment", "shop", "a")), Explained)
        assert (told.reason, told.changed) == ("Unschedulable", False)
        assert told.message.startswith("unschedulable replicas stay, no other cluster takes them (3 in m1)")
        # Some minutes later there is another cluster.
        await hub.join(m2=10)
        await hub.until(lambda: hub.placed("a"), {"m1": 2, "m2": 3}, limit_s=EVERY_S + 1)

    play(story, **SETTINGS)


@pytest.mark.spec("R15.4", "Q05")
def test_only_who_is_active_asks() -> None:
    async def story(hub: Hub) -> None:
        agents = Agents(hub, "m1")
        await agents.start()
        hub.run("standby")
        await hub.objects(policy())
        await hub.join(m1=50)
        await hub.objects(app("a", 5))
        await hub.until(lambda: hub.placed("a"), {"m1": 5})
        await runs(hub, "a", m1=2)
        await hub.clock.sleep(3 * EVERY_S)
        assert len(agents.asked) in (2, 3), "one scheduler's rounds, not two"

    play(story, **SETTINGS)


@pytest.mark.spec("R15.4", "Q05")
def test_who_is_not_heard_is_not_asked() -> None:
    async def story(hub: Hub) -> None:
        agents = Agents(hub, "m1", "m2")
        await agents.start()
        await hub.objects(policy(division="dynamic"))
        await hub.join(m1=40, m2=40)
        await hub.objects(app("a", 4))
        await hub.until(lambda: hub.placed("a"), {"m1": 2, "m2": 2})
        await runs(hub, "a", m1=0, m2=0)
        lost = Belief(member="id-m1", state=LOST, since="")
        await hub.write(Draft(family=BELIEF, ref=Ref("cluster.karmada.io", "Cluster", "", "m1"), body=lost, author="test"))
        await hub.clock.sleep(EVERY_S + 1)
        assert agents.asked == [("m2", ["a"])]

    play(story, **SETTINGS)


@pytest.mark.spec("R15.4", "Q05")
def test_it_is_off_unless_it_is_asked_for() -> None:
    async def story(hub: Hub) -> None:
        agents = Agents(hub, "m1")
        await agents.start()
        await hub.objects(policy())
        await hub.join(m1=50)
        await hub.objects(app("a", 5))
        await hub.until(lambda: hub.placed("a"), {"m1": 5})
        await runs(hub, "a", m1=2)
        await hub.clock.sleep(10 * EVERY_S)
        assert agents.asked == []

    play(story)
