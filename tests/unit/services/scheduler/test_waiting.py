"""What waits for something, and is decided when it comes or when its time is over, without anybody touching the template."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.api.meta import Manifest, Ref, ref_of
from shoal.api.status import CopyStatus, TemplateStatus
from shoal.bus.entries import Draft
from shoal.bus.requests import ask
from shoal.messages.catalogue import OBJECT, REPLAY_SUBJECT, STATE, STATUS
from shoal.messages.planning import Replayed, ReplayRequest
from support.deciding import Hub, app, cluster, edit, play, policy

A = Ref("apps", "Deployment", "shop", "a")


def priority_class(name: str, value: int) -> Manifest:
    metadata = {"name": name, "uid": f"uid-{name}"}
    return {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": metadata, "value": value}


def override(name: str) -> Manifest:
    metadata = {"name": name, "namespace": "shop", "uid": f"uid-{name}"}
    return {"apiVersion": "policy.karmada.io/v1alpha1", "kind": "OverridePolicy", "metadata": metadata, "spec": {"overrideRules": []}}


def gone(manifest: Manifest) -> Draft[Any]:
    return Draft(family=OBJECT, ref=ref_of(manifest), body=None, uid=manifest["metadata"]["uid"], author="test", deleted=True)


GOLD = {"priorityClassSource": "KubePriorityClass", "priorityClassName": "gold"}


async def held(hub: Hub) -> str:
    """Why the policy of `a` is not applied; empty while it is."""
    binding = await hub.binding("a")
    return next((one.reason for one in binding.conditions if one.type == "Claimed"), "") if binding else ""


async def again(hub: Hub) -> bool:
    """Whether the last decision about `a` comes out the same when it is made again."""
    return (await ask(hub.bus.client("asker"), REPLAY_SUBJECT, ReplayRequest(ref=A), Replayed)).same


@pytest.mark.spec("R2.6", "B29")
def test_a_missing_priority_class_holds_the_template_until_it_comes() -> None:
    async def story(hub: Hub) -> None:
        await hub.objects(policy(schedulePriority=GOLD), priority_class("silver", 5))
        await hub.join(m1=8)
        await hub.objects(app("a", 2))
        await hub.clock.sleep(5)
        assert await hub.binding("a") is None
        await hub.objects(priority_class("gold", 900))
        await hub.until(lambda: hub.placed("a"), {"m1": 2}, limit_s=2)
        binding = await hub.binding("a")
        assert binding is not None
        assert binding.schedule_priority == 900
        assert await again(hub), "a replay finds the class as it was"
        await hub.write(gone(priority_class("gold", 900)))
        await hub.until(lambda: held(hub), "WaitingForPriorityClass", limit_s=2)
        await hub.objects(app("a", 5))
        await hub.clock.sleep(5)
        assert await hub.placed("a") == {"m1": 2}, "what runs stays, and edits wait"
        await hub.objects(priority_class("gold", 901))
        await hub.until(lambda: hub.placed("a"), {"m1": 5}, limit_s=2)
        assert await held(hub) == ""

    play(story)


@pytest.mark.spec("R2.6")
def test_the_classes_of_every_kubernetes_are_known() -> None:
    async def story(hub: Hub) -> None:
        critical = {"priorityClassSource": "KubePriorityClass", "priorityClassName": "system-cluster-critical"}
        await hub.objects(policy(schedulePriority=critical))
        await hub.join(m1=8)
        await hub.objects(app("a", 2))
        await hub.until(lambda: hub.placed("a"), {"m1": 2})
        binding = await hub.binding("a")
        assert binding is not None
        assert binding.schedule_priority == 2_000_000_000

    play(story)


@pytest.mark.spec("B20", "R1.4")
def test_an_override_policy_that_comes_is_all_that_was_missing() -> None:
    async def story(hub: Hub) -> None:
        await hub.objects(policy(dependentOverrides=["o"]), override("another"))
        await hub.join(m1=8)
        await hub.objects(app("a", 2))
        await hub.clock.sleep(5)
        assert await hub.binding("a") is None
        await hub.objects(override("o"))
        await hub.until(lambda: hub.placed("a"), {"m1": 2}, limit_s=2)
        await hub.write(gone(override("o")))
        await hub.until(lambda: held(hub), "WaitingForOverrides", limit_s=2)

    play(story)


@pytest.mark.spec("R1.13", "R6.14")
def test_a_write_of_status_alone_makes_no_decision() -> None:
    async def story(hub: Hub) -> None:
        await hub.objects(policy())
        await hub.join(m1=8)
        await hub.objects(app("a", 2))
        await hub.until(lambda: hub.placed("a"), {"m1": 2})
        entry = await hub.entries.read(OBJECT, A)
        assert entry is not None
        noted = {**app("a", 2), "status": {"replicas": 2}}
        stood = hub.bus.streams[STATE.name].last
        await hub.write(Draft(family=OBJECT, ref=A, body=noted, uid="uid-a", author="test", content=entry.content))
        await hub.clock.sleep(30)
        assert hub.bus.streams[STATE.name].last == stood + 1, "the status, and nothing because of it"

    play(story)


def tainted(name: str) -> Manifest:
    return {**cluster(name), "spec": {"taints": [{"key": "fail", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z"}]}}


@pytest.mark.spec("N04", "R13.2")
def test_an_eviction_is_overdue_by_the_clock_alone() -> None:
    async def story(hub: Hub) -> None:
        await hub.objects(policy())
        await hub.join(m1=8)
        await hub.objects(app("a", 4))
        await hub.until(lambda: hub.placed("a"), {"m1": 4})
        await hub.join(m2=2, m3=2)
        await hub.objects(tainted("m1"))
        await hub.until(lambda: hub.placed("a"), {"m2": 2, "m3": 2})
        copies = (
            CopyStatus(cluster="m2", applied=True, health="Healthy", epoch=10_000),
            CopyStatus(cluster="m3", applied=True, health="Unhealthy", epoch=10_000),
        )
        await hub.write(
            Draft(family=STATUS, ref=A, body=TemplateStatus(template_uid="uid-a", copies=copies), uid="uid-a", author="health-monitor")
        )

        async def waits() -> str:
            binding = await hub.binding("a")
            return binding.removals["m1"].wait_for if binding else "?"

        await hub.clock.sleep(590)
        assert await waits() == "ReplacementReady"
        await hub.until(waits, "", limit_s=15)
        assert await again(hub), "a replay knows the time and the copies of then"

    play(story)


@pytest.mark.spec("N05", "N08", "R13.2", "R13.4")
@pytest.mark.parametrize(
    ("task", "expected"),
    [
        pytest.param({}, ("ReplacementReady", False, None), id="nothing-said"),
        pytest.param({"gracePeriodSeconds": 60}, ("ReplacementReady", False, 60), id="grace"),
        pytest.param({"purgeMode": "Gracefully"}, ("ReplacementReady", False, None), id="gracefully"),
        pytest.param({"purgeMode": "Directly"}, ("", True, None), id="directly"),
        pytest.param({"purgeMode": "Immediately"}, ("", True, None), id="its-older-name"),
    ],
)
def test_what_a_users_task_says_is_heeded(task: dict[str, Any], expected: tuple[str, bool, int | None]) -> None:
    async def story(hub: Hub) -> None:
        await hub.objects(policy())
        await hub.join(m1=8, m2=4)
        await hub.objects(app("a", 2))
        await hub.until(lambda: hub.placed("a"), {"m1": 2})
        position = hub.bus.streams[STATE.name].last
        await hub.objects(edit("a", gracefulEvictionTasks=[{"fromCluster": "m1", "position": position, **task}]))
        await hub.until(lambda: hub.placed("a"), {"m2": 2})
        binding = await hub.binding("a")
        assert binding is not None
        removal = binding.removals["m1"]
        assert (removal.wait_for, removal.first, removal.grace_period_s) == expected

    play(story)


# Ex 11-b has the last of 40 evicted 80 s after the first (0.5 per second). Here a cluster is left at once, as far as there is room elsewhere.
@pytest.mark.spec("R11.3", "R11.6")
def test_all_that_runs_on_a_cluster_leaves_it_at_once_as_far_as_there_is_room() -> None:
    names = [f"a{number}" for number in range(40)]

    async def story(hub: Hub) -> None:
        await hub.objects(policy())
        await hub.join(m1=40)
        await hub.objects(*(app(name, 1) for name in names))
        for name in names:
            await hub.until(lambda name=name: hub.placed(name), {"m1": 1})
        await hub.join(m2=30)
        await hub.objects(tainted("m1"))

        async def moved() -> int:
            return sum([await hub.placed(name) == {"m2": 1} for name in names])

        await hub.until(moved, 30, limit_s=3)
        await hub.clock.sleep(20)
        assert await moved() == 30, "no room is given away twice, and nobody loses what runs"
        stay = [name for name in names if await hub.placed(name) == {"m1": 1}]
        assert len(stay) == 10
        assert {await hub.reason(name) for name in stay} == {"Unschedulable"}

    play(story)
