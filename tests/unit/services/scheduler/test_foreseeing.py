"""What would be decided if something were written, beside what is decided when it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shoal.api.cluster import APIEnablement, APIResource, ClusterStatus, ResourceSummary
from shoal.api.meta import Manifest, Ref, ref_of
from shoal.api.status import LOST, READY, Belief
from shoal.bus.requests import ask, serve
from shoal.messages.catalogue import EXPLAIN_SUBJECT, FORESEE_SUBJECT, STATE, Estimated, EstimateRequest
from shoal.messages.planning import Explained, ExplainRequest, Foresee, Foreseen, ForeseenBinding, Supposed
from support.deciding import Hub, app, cluster, play, policy, quota

PICKY = {"nodeSelector": {"disk": "ssd"}}


class Agents:
    """They say what the test says, and remember who was asked."""

    def __init__(self, hub: Hub, **rooms: int) -> None:
        self.hub, self.rooms, self.asked = hub, rooms, list[str]()

    async def start(self) -> None:
        for name in self.rooms:
            await serve(self.hub.bus.client(f"agent-{name}"), f"ask.id-{name}.estimate", EstimateRequest, self._answer)

    async def _answer(self, subject: str, request: EstimateRequest) -> Estimated:
        name = subject.split(".")[1].removeprefix("id-")
        self.asked.append(name)
        return Estimated(room=self.rooms[name])


async def foreseen(hub: Hub, *manifests: Manifest, same_content: bool = False, **question: Any) -> Foreseen:
    objects = tuple(Supposed(ref=ref_of(one), body=one, uid=one["metadata"]["uid"], same_content=same_content) for one in manifests)
    before = hub.bus.streams[STATE.name].last
    found = await ask(hub.bus.client("asker"), FORESEE_SUBJECT, Foresee(objects=objects, **question), Foreseen, timeout_s=30)
    assert hub.bus.streams[STATE.name].last == before, "it wrote something"
    return found


def of(found: Foreseen, name: str) -> ForeseenBinding:
    return next(one for one in found.bindings if one.ref == Ref("apps", "Deployment", "shop", name))


def placed(found: Foreseen, name: str) -> dict[str, int | None]:
    binding = of(found, name).after
    return {target.name: target.replicas for target in binding.clusters} if binding else {}


@pytest.mark.spec("Q02", "R4.15")
@pytest.mark.parametrize("division", ["aggregated", "dynamic"])
def test_agents_are_asked_once_and_the_decision_comes_out_the_same(division: str) -> None:
    async def story(hub: Hub) -> None:
        agents = Agents(hub, m1=1, m2=2)
        await agents.start()
        await hub.objects(policy(division=division))
        await hub.join(m1=8, m2=8)
        wanted = app("a", 3, **PICKY)
        found = await foreseen(hub, wanted)
        assert sorted(agents.asked) == ["m1", "m2"]
        assert placed(found, "a") == {"m1": 1, "m2": 2}, "by their sums m1 would take all of it, or half of it"
        assert (of(found, "a").estimates, of(found, "a").without, found.assumptions) == ({"m1": 1, "m2": 2}, {}, ())
        await hub.objects(wanted)
        await hub.until(lambda: hub.placed("a"), placed(found, "a"))
        binding = await hub.binding("a")
        assert binding is not None
        assert binding.explanation.estimates == of(found, "a").estimates

    play(story)


@pytest.mark.spec("Q02", "E11")
def test_what_is_promised_to_others_is_taken_off_what_agents_say() -> None:
    async def story(hub: Hub) -> None:
        agents = Agents(hub, m1=4, m2=4)
        await agents.start()
        await hub.objects(policy())
        await hub.join(m1=40, m2=40)
        await hub.objects(app("before", 1, **PICKY))
        await hub.until(lambda: hub.placed("before"), {"m1": 1})
        both = app("a", 3, **PICKY), app("b", 3, **PICKY)
        agents.asked.clear()
        found = await foreseen(hub, *both)
        assert sorted(agents.asked) == ["m1", "m2"], "they want the same size"
        assert (of(found, "a").estimates, placed(found, "a")) == ({"m1": 3, "m2": 4}, {"m2": 3})
        assert (of(found, "b").estimates, placed(found, "b")) == ({"m1": 3, "m2": 1}, {"m1": 3})
        await hub.objects(*both)
        for name in "ab":
            await hub.until(lambda name=name: hub.placed(name), placed(found, name))

    play(story)


def test_nobody_fits_as_the_agents_say() -> None:
    async def story(hub: Hub) -> None:
        agents = Agents(hub, m1=1)
        await agents.start()
        await hub.objects(policy())
        await hub.join(m1=8)
        wanted = app("a", 3, **PICKY)
        found = await foreseen(hub, wanted)
        binding = of(found, "a").after
        assert binding is not None
        assert [one.reason for one in binding.conditions] == ["Unschedulable"]
        await hub.objects(wanted)
        await hub.until(lambda: hub.reason("a"), "Unschedulable")
        again = await foreseen(hub, wanted, same_content=True)
        assert (of(again, "a").changed, of(again, "a").estimates) == (False, {"m1": 1}), "that nothing changes rests on what they say"

    play(story)


@pytest.mark.spec("Q02")
def test_the_reasons_of_now_rest_on_what_agents_say() -> None:
    async def story(hub: Hub) -> None:
        await Agents(hub, m1=1).start()
        await hub.objects(policy())
        await hub.join(m1=8)
        await hub.objects(app("a", 3, **PICKY))
        await hub.until(lambda: hub.reason("a"), "Unschedulable")
        request = ExplainRequest(ref=Ref("apps", "Deployment", "shop", "a"))
        told = await ask(hub.bus.client("asker"), EXPLAIN_SUBJECT, request, Explained)
        assert (told.changed, told.clusters, told.afresh) == (False, (), ()), "by its sums m1 has room for all of them"

    play(story)


def lost(name: str) -> dict[str, Belief]:
    return {name: Belief(member=f"id-{name}", state=LOST, since="", status=_status())}


def supposed(name: str) -> dict[str, Belief]:
    return {name: Belief(member="", state=READY, since="", status=_status())}


def _status() -> ClusterStatus:
    apis = (APIEnablement(group_version="apps/v1", resources=(APIResource(name="deployments", kind="Deployment"),)),)
    return ClusterStatus(api_enablements=apis, resource_summary=ResourceSummary(allocatable={"cpu": "99", "pods": "110"}))


@pytest.mark.parametrize(
    ("beliefs", "more", "where", "without"),
    [
        pytest.param(lambda: lost("m1"), (), {"m2": 3}, {}, id="one-that-would-be-lost"),
        pytest.param(lambda: supposed("m3"), (cluster("m3"),), {"m3": 3}, {"m3": "no agent is there to ask"}, id="one-that-would-join"),
    ],
)
def test_who_is_only_supposed_is_not_asked(
    beliefs: Callable[[], dict[str, Belief]], more: tuple[Manifest, ...], where: dict[str, int], without: dict[str, str]
) -> None:
    async def story(hub: Hub) -> None:
        agents = Agents(hub, m1=9, m2=5)
        await agents.start()
        await hub.objects(policy())
        await hub.join(m1=8, m2=8)
        found = await foreseen(hub, *more, app("a", 3, **PICKY), beliefs=beliefs())
        assert (placed(found, "a"), of(found, "a").without) == (where, without)
        assert agents.asked == (["m2"] if not more else ["m1", "m2"])

    play(story)


def test_who_does_not_answer_keeps_the_general_estimate_and_the_plan_says_so() -> None:
    async def story(hub: Hub) -> None:
        agents = Agents(hub, m1=0)
        await agents.start()
        await hub.objects(policy())
        await hub.join(m1=8, m2=4)
        wanted = app("a", 3, **PICKY)
        found = await foreseen(hub, wanted)
        told = of(found, "a")
        assert (placed(found, "a"), told.estimates, told.without) == ({"m2": 3}, {"m1": 0}, {"m2": "its agent did not answer"})
        said = "m2: its agent did not answer; the general estimate counts"
        assert found.assumptions == (f"{said}, and a deploy may come out otherwise",)
        assert told.after is not None
        assert said in told.after.explanation.rounds
        await hub.objects(wanted)
        await hub.until(lambda: hub.placed("a"), {"m2": 3})
        binding = await hub.binding("a")
        assert binding is not None
        assert said in binding.explanation.rounds, "in the same words"

    play(story)


def test_answers_of_an_earlier_plan_are_not_asked_for_again() -> None:
    async def story(hub: Hub) -> None:
        agents = Agents(hub, m1=1, m2=2)
        await agents.start()
        await hub.objects(policy())
        await hub.join(m1=8, m2=8)
        first = await foreseen(hub, app("a", 3, **PICKY))
        agents.asked.clear()
        again = await foreseen(hub, app("a", 3, **PICKY), app("b", 3, cpu="2", **PICKY), estimates=first.estimates)
        assert agents.asked == []
        assert placed(again, "a") == placed(first, "a")
        assert of(again, "b").without == {"m1": "not asked", "m2": "not asked"}, "pods of another size"

    play(story)


@pytest.mark.parametrize("when", ["never", "constrained", "always"])
def test_a_plan_asks_when_a_decision_would(when: str) -> None:
    async def story(hub: Hub) -> None:
        agents = Agents(hub, m1=9)
        await agents.start()
        await hub.objects(policy())
        await hub.join(m1=8)
        await foreseen(hub, app("a", 1, **PICKY), app("b", 1))
        assert len(agents.asked) == {"never": 0, "constrained": 1, "always": 2}[when]

    play(story, estimates=when)


@pytest.mark.spec("R02", "R15.2")
def test_a_quota_would_be_exceeded() -> None:
    async def story(hub: Hub) -> None:
        await hub.objects(policy(), quota("5"))
        await hub.join(m1=20)
        both = app("a", 3), app("b", 3)
        found = await foreseen(hub, *both)
        assert (placed(found, "a"), placed(found, "b")) == ({"m1": 3}, {})
        binding = of(found, "b").after
        assert binding is not None
        assert [one.reason for one in binding.conditions] == ["QuotaExceeded"]
        await hub.objects(*both)
        await hub.until(lambda: hub.placed("a"), {"m1": 3})
        await hub.until(lambda: hub.reason("b"), "QuotaExceeded")

    play(story, quota_enforcement=True)


@pytest.mark.spec("R05", "R3.10")
def test_the_more_important_one_would_get_the_room() -> None:
    async def story(hub: Hub) -> None:
        value = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "high", "uid": "u"}, "value": 900}
        wanted = {"priorityClassSource": "KubePriorityClass", "priorityClassName": "high"}
        await hub.objects(value, policy("p", selector={"name": "a"}), policy("q", selector={"name": "b"}, schedulePriority=wanted))
        await hub.join(m1=3)
        both = app("a", 3), app("b", 3)
        found = await foreseen(hub, *both)
        assert (placed(found, "a"), placed(found, "b")) == ({}, {"m1": 3})
        await hub.objects(*both)
        await hub.until(lambda: hub.placed("b"), {"m1": 3})
        await hub.until(lambda: hub.reason("a"), "Unschedulable")

    play(story)


@pytest.mark.spec("C15", "R3.10")
def test_who_finds_no_place_is_looked_at_again_when_all_the_rest_is_decided() -> None:
    """As the scheduler does some time later."""

    def grouped(name: str, group: str, replicas: int) -> Manifest:
        found = app(name, replicas)
        found["metadata"]["labels"] = {"group": group}
        return found

    async def story(hub: Hub) -> None:
        alike, apart = {"replicaSchedulingType": "Duplicated"}, {"antiAffinity": {"groupByLabelKey": "group"}}
        await hub.objects(policy(placement={"replicaScheduling": alike, "workloadAffinity": apart}))
        await hub.join(m1=20)
        await hub.objects(grouped("b", "x", 1))
        await hub.until(lambda: hub.placed("b"), {"m1": 1})
        await hub.objects(grouped("a", "x", 1))
        await hub.until(lambda: hub.reason("a"), "NoClusterFit")
        both = grouped("a", "x", 2), grouped("b", "y", 2)
        found = await foreseen(hub, *both)
        assert (placed(found, "a"), placed(found, "b")) == ({"m1": 2}, {"m1": 2})
        await hub.objects(*both)
        await hub.until(lambda: hub.placed("a"), {"m1": 2}, limit_s=310)

    play(story)
