"""The scheduler as a whole over the memory bus, on virtual time: what wakes it, what it heeds, and what it never gives away twice."""

from __future__ import annotations

import asyncio

import pytest

from shoal.api.meta import ref_of
from shoal.bus.entries import Draft
from shoal.bus.requests import serve
from shoal.messages.catalogue import OBJECT, STATE, Estimated, EstimateRequest
from support.deciding import Hub, app, edit, play, policy, quota


@pytest.mark.spec("E11")
@pytest.mark.parametrize("division", ["aggregated", "dynamic"])
def test_two_that_come_together_do_not_get_the_same_room(division: str) -> None:
    async def story(hub: Hub) -> None:
        await hub.objects(policy(division=division))
        await hub.join(m1=4, m2=4)
        await hub.objects(app("a", 5), app("b", 5))
        await hub.until(lambda: hub.reason("a"), "Success")
        await hub.until(lambda: hub.reason("b"), "Unschedulable")
        binding = await hub.binding("b")
        assert binding is not None
        assert sum(binding.explanation.reserved.values()) == 5

    play(story)


@pytest.mark.spec("Q02", "R4.15")
def test_agents_are_asked_where_sums_say_nothing_and_silence_is_no_answer() -> None:
    asked: list[tuple[str, EstimateRequest]] = []

    async def answer(subject: str, request: EstimateRequest) -> Estimated:
        asked.append((subject, request))
        return Estimated(room=1)

    async def story(hub: Hub) -> None:
        await serve(hub.bus.client("agent"), "ask.id-m1.estimate", EstimateRequest, answer)
        await hub.objects(policy())
        await hub.join(m1=8, m2=4)
        await hub.objects(app("plain", 2))
        await hub.until(lambda: hub.placed("plain"), {"m1": 2})
        assert asked == []
        await hub.objects(app("picky", 3, nodeSelector={"disk": "ssd"}))
        await hub.until(lambda: hub.placed("picky"), {"m2": 3})
        assert [(subject, request.namespace) for subject, request in asked] == [("ask.id-m1.estimate", "shop")]
        binding = await hub.binding("picky")
        assert binding is not None
        assert binding.explanation.estimates == {"m1": 0}, "the answer, without what is promised to the other"

    play(story)


@pytest.mark.spec("Q02", "E11")
def test_two_that_ask_at_the_same_time_do_not_get_the_same_nodes() -> None:
    """Both are told of room for four; whoever is decided second knows what the first one took meanwhile."""

    async def answer(subject: str, request: EstimateRequest) -> Estimated:
        return Estimated(room=4)

    async def story(hub: Hub) -> None:
        await serve(hub.bus.client("agent"), "ask.id-m1.estimate", EstimateRequest, answer)
        await hub.objects(policy())
        await hub.join(m1=100)
        await hub.objects(app("a", 3, nodeSelector={"disk": "ssd"}), app("b", 3, nodeSelector={"disk": "ssd"}))
        await hub.until(lambda: hub.reasons("a", "b"), ["Success", "Unschedulable"])

    play(story)


@pytest.mark.spec("Q02", "E11")
def test_room_that_was_given_away_while_nobody_answered_is_gone() -> None:
    async def silence(subject: str, request: EstimateRequest) -> Estimated:
        await asyncio.sleep(3600)
        return Estimated(room=1)

    async def story(hub: Hub) -> None:
        await serve(hub.bus.client("agent"), "ask.id-m1.estimate", EstimateRequest, silence)
        await hub.objects(policy())
        await hub.join(m1=4)
        await hub.objects(app("picky", 3, nodeSelector={"disk": "ssd"}))
        await hub.clock.sleep(1)
        await hub.objects(app("plain", 3))
        await hub.until(lambda: hub.reasons("plain", "picky"), ["Success", "Unschedulable"])

    play(story)


@pytest.mark.spec("E06", "E07")
def test_more_room_wakes_what_waits_for_it() -> None:
    async def story(hub: Hub) -> None:
        await hub.objects(policy())
        await hub.join(m1=2)
        await hub.objects(app("a", 5))
        await hub.until(lambda: hub.reason("a"), "Unschedulable")
        await hub.room(m1=6)
        await hub.until(lambda: hub.placed("a"), {"m1": 5}, limit_s=2)

    play(story)


@pytest.mark.spec("E07")
def test_a_cluster_that_joins_wakes_what_waits() -> None:
    async def story(hub: Hub) -> None:
        await hub.objects(policy())
        await hub.objects(app("a", 5))
        await hub.until(lambda: hub.reason("a"), "NoClusterFit")
        await hub.join(m1=6)
        await hub.until(lambda: hub.placed("a"), {"m1": 5}, limit_s=2)

    play(story)


@pytest.mark.spec("R05", "R3.10")
def test_the_more_important_one_gets_the_room() -> None:
    async def story(hub: Hub) -> None:
        value = {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": "high", "uid": "uid-high"},
            "value": 900,
        }
        wanted = {"priorityClassSource": "KubePriorityClass", "priorityClassName": "high"}
        await hub.objects(value, policy("p", selector={"name": "a"}), policy("q", selector={"name": "b"}, schedulePriority=wanted))
        await hub.join(m1=0)
        await hub.objects(app("a", 3), app("b", 3))
        for name in "ab":
            await hub.until(lambda name=name: hub.reason(name), "Unschedulable")
        await hub.room(m1=3)
        await hub.until(lambda: hub.placed("b"), {"m1": 3})
        assert await hub.reason("a") == "Unschedulable"

    play(story)


@pytest.mark.spec("Q06", "D11", "R3.2", "R15.3")
def test_a_rebalancer_has_it_placed_from_zero() -> None:
    async def story(hub: Hub) -> None:
        await hub.objects(policy(division="dynamic"))
        await hub.join(m1=8)
        await hub.objects(app("a", 4))
        await hub.until(lambda: hub.placed("a"), {"m1": 4})
        await hub.join(m2=8)
        await hub.objects({
            "apiVersion": "apps.karmada.io/v1alpha1",
            "kind": "WorkloadRebalancer",
            "metadata": {"name": "r", "uid": "uid-r", "creationTimestamp": "2026-01-01T00:00:30Z"},
            "spec": {"workloads": [{"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "a"}]},
        })  # fmt: skip
        await hub.until(lambda: hub.placed("a"), {"m1": 2, "m2": 2})
        binding = await hub.binding("a")
        assert binding is not None
        assert binding.rescheduled_at == "2026-01-01T00:00:30Z"

    play(story)


@pytest.mark.spec("B24", "R3.1")
def test_users_suspend_the_scheduling_of_one_binding() -> None:
    async def story(hub: Hub) -> None:
        await hub.objects(policy())
        await hub.join(m1=8)
        await hub.objects(app("a", 2))
        await hub.until(lambda: hub.placed("a"), {"m1": 2})
        await hub.objects(edit("a", suspension={"scheduling": True}))
        await hub.objects(app("a", 5))
        await hub.until(lambda: _replicas(hub, "a"), 5)
        assert await hub.placed("a") == {"m1": 2}, "decided on the new content, with the targets of before"
        await hub.write(Draft(family=OBJECT, ref=ref_of(edit("a")), body=None, uid="uid-a", author="test", deleted=True))
        await hub.until(lambda: hub.placed("a"), {"m1": 5}, limit_s=2)

    play(story)


async def _replicas(hub: Hub, name: str) -> int:
    binding = await hub.binding(name)
    return binding.replicas if binding else 0


@pytest.mark.spec("N08")
def test_users_have_a_cluster_left() -> None:
    async def story(hub: Hub) -> None:
        await hub.objects(policy())
        await hub.join(m1=8, m2=4)
        await hub.objects(app("a", 2))
        await hub.until(lambda: hub.placed("a"), {"m1": 2})
        position = hub.bus.streams[STATE.name].last
        await hub.objects(edit("a", gracefulEvictionTasks=[{"fromCluster": "m1", "position": position, "suppressDeletion": True}]))
        await hub.until(lambda: hub.placed("a"), {"m2": 2})
        binding = await hub.binding("a")
        assert binding is not None
        assert (binding.removals["m1"].reason, binding.removals["m1"].wait_for) == ("UserEvicted", "HeldByUser")

    play(story)


@pytest.mark.spec("E11")
def test_the_next_scheduler_decides_nothing_twice_and_knows_what_is_spent() -> None:
    async def story(hub: Hub) -> None:
        standby = hub.run("standby")
        await hub.objects(policy())
        await hub.join(m1=4)
        await hub.objects(app("a", 3))
        await hub.until(lambda: hub.placed("a"), {"m1": 3})
        active = next(task for task in hub.tasks if task is not standby)
        active.cancel()
        hub.bus.kill("scheduler")
        stood = hub.bus.streams[STATE.name].last
        await hub.objects(app("b", 3))
        await hub.until(lambda: hub.reason("b"), "Unschedulable", limit_s=10)
        await hub.clock.sleep(30)
        assert hub.bus.streams[STATE.name].last == stood + 2, "the new object and its one binding"

    play(story)


@pytest.mark.spec("E06", "R02", "AA24", "R15.2")
def test_a_quota_over_all_clusters_is_kept_where_it_is_enforced() -> None:
    async def story(hub: Hub) -> None:
        await hub.objects(policy(), quota("5"))
        await hub.join(m1=20)
        await hub.objects(app("a", 3))
        await hub.until(lambda: hub.placed("a"), {"m1": 3})
        await hub.objects(app("b", 3))
        await hub.until(lambda: hub.reason("b"), "QuotaExceeded")
        assert await hub.placed("b") == {}
        await hub.objects(app("a", 4))
        await hub.until(lambda: hub.placed("a"), {"m1": 4})
        await hub.objects(app("a", 6))
        await hub.until(lambda: hub.reason("a"), "QuotaExceeded")
        assert await hub.placed("a") == {"m1": 4}, "what runs stays"
        await hub.objects(app("a", 1))
        await hub.until(lambda: hub.placed("b"), {"m1": 3}, limit_s=5)
        await hub.objects(app("a", 4))
        await hub.until(lambda: hub.reason("a"), "QuotaExceeded")
        await hub.objects(quota("50"))
        await hub.until(lambda: hub.placed("a"), {"m1": 4}, limit_s=5)

    play(story, quota_enforcement=True)


@pytest.mark.spec("R02")
def test_and_elsewhere_it_is_not() -> None:
    async def story(hub: Hub) -> None:
        await hub.objects(policy(), quota("1"))
        await hub.join(m1=8)
        await hub.objects(app("a", 3))
        await hub.until(lambda: hub.placed("a"), {"m1": 3})

    play(story)
