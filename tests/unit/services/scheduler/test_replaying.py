"""A decision made again says the same, also where it rested on what no revision of STATE tells."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.api.meta import Manifest, Ref, ref_of
from shoal.bus.entries import Draft
from shoal.bus.requests import ask
from shoal.messages.catalogue import BINDING, OBJECT, REPLAY_SUBJECT
from shoal.messages.planning import Replayed, ReplayRequest, Supposed
from support.deciding import DIVISIONS, Hub, app, cluster, play, policy, quota

REF = Ref("apps", "Deployment", "shop", "a")


async def replayed(hub: Hub, name: str, **question: Any) -> Replayed:
    request = ReplayRequest(ref=Ref("apps", "Deployment", "shop", name), **question)
    return await ask(hub.bus.client("asker"), REPLAY_SUBJECT, request, Replayed)


@pytest.mark.spec("R02", "R15.2")
def test_who_would_exceed_a_quota_would_again() -> None:
    async def story(hub: Hub) -> None:
        await hub.objects(policy(), quota("5"))
        await hub.join(m1=20)
        await hub.objects(app("a", 3))
        await hub.until(lambda: hub.placed("a"), {"m1": 3})
        await hub.objects(app("b", 3))
        await hub.until(lambda: hub.reason("b"), "QuotaExceeded")
        told = await replayed(hub, "b")
        assert told.same, (told.recorded.conditions, told.replayed)
        refused = told.revision
        await hub.objects(quota("50"))
        await hub.until(lambda: hub.placed("b"), {"m1": 3})
        assert (await replayed(hub, "b")).same
        assert (await replayed(hub, "b", at=refused)).same, "as the quota was then"

    play(story, quota_enforcement=True)


@pytest.mark.spec("R02", "R15.2")
def test_a_quota_that_was_not_enforced_is_not_enforced_again() -> None:
    async def story(hub: Hub) -> None:
        await hub.objects(policy(), quota("1"))
        await hub.join(m1=8)
        await hub.objects(app("a", 3))
        await hub.until(lambda: hub.placed("a"), {"m1": 3})
        assert (await replayed(hub, "a")).same

    play(story)


@pytest.mark.spec("R02", "R15.2")
def test_what_another_was_granted_at_the_same_moment_counts() -> None:
    """The other's binding is written after the position that this decision names."""

    async def story(hub: Hub) -> None:
        await hub.objects(policy(), quota("5"))
        await hub.join(m1=20)
        await hub.objects(app("a", 3), app("b", 3))
        await hub.until(lambda: hub.placed("a"), {"m1": 3})
        await hub.until(lambda: hub.reason("b"), "QuotaExceeded")
        told = await replayed(hub, "b")
        other = await hub.entries.read(BINDING, Ref("apps", "Deployment", "shop", "a"))
        assert other is not None
        assert other.revision > told.view_position, "no picture of that position knows it"
        assert told.same

    play(story, quota_enforcement=True)


def together(kind: str) -> Manifest:
    return policy(
        placement={
            "replicaScheduling": {"replicaSchedulingType": "Duplicated"},
            "spreadConstraints": [{"spreadByField": "cluster", "minGroups": 1, "maxGroups": 1}],
            "workloadAffinity": {kind: {"groupByLabelKey": "group"}},
        }
    )


@pytest.mark.spec("C14", "C15")
@pytest.mark.parametrize(
    ("kind", "room", "places"),
    [
        pytest.param("affinity", 10, ("m1", "m1"), id="with-it-though-there-is-more-room-elsewhere"),
        pytest.param("antiAffinity", 20, ("m1", "m2"), id="away-from-it-though-there-is-less-room-elsewhere"),
    ],
)
def test_where_another_went_at_the_same_moment_counts(kind: str, room: int, places: tuple[str, str]) -> None:
    async def story(hub: Hub) -> None:
        await hub.objects(together(kind))
        await hub.join(m1=room, m2=9)
        found = [app("a", 2), app("b", 2)]
        for one in found:
            one["metadata"]["labels"] = {"group": "x"}
        await hub.objects(*found)
        for name, place in zip("ab", places, strict=True):
            await hub.until(lambda name=name: hub.placed(name), {place: 2})
            told = await replayed(hub, name)
            assert told.same, (name, told.recorded.clusters, told.replayed)

    play(story)


def test_the_end_of_a_binding_comes_out_the_same() -> None:
    async def story(hub: Hub) -> None:
        await hub.objects(policy())
        await hub.join(m1=4)
        await hub.objects(app("a", 2))
        await hub.until(lambda: hub.placed("a"), {"m1": 2})
        await hub.write(Draft(family=OBJECT, ref=REF, body=None, uid="uid-a", author="test", deleted=True))

        async def ended() -> bool:
            entry = await hub.entries.read(BINDING, REF)
            return entry is not None and entry.deleted

        await hub.until(ended, True)
        await hub.objects(app("a", 3))
        await hub.until(lambda: hub.placed("a"), {"m1": 3})
        await hub.clock.sleep(1)
        last = (await replayed(hub, "a")).revision
        told = await replayed(hub, "a", at=last - 1)
        assert told.revision < last
        assert told.same, "the object that came later is not looked at"

    play(story)


@pytest.mark.spec("D11", "R15.3")
def test_a_rebalance_that_found_no_place_finds_none_again() -> None:
    async def story(hub: Hub) -> None:
        affinity = {"labelSelector": {"matchLabels": {"tier": "gold"}}}
        await hub.objects(policy(placement={"replicaScheduling": DIVISIONS["aggregated"], "clusterAffinity": affinity}))
        golden = cluster("m1")
        golden["metadata"]["labels"] = {"tier": "gold"}
        await hub.objects(golden)
        await hub.room(m1=8)
        await hub.objects(app("a", 4))
        await hub.until(lambda: hub.placed("a"), {"m1": 4})
        await hub.objects(cluster("m1"))
        await hub.clock.sleep(1)
        assert await hub.reason("a") == "Success", "a change of a cluster alone moves nothing"
        await hub.objects({
            "apiVersion": "apps.karmada.io/v1alpha1",
            "kind": "WorkloadRebalancer",
            "metadata": {"name": "r", "uid": "uid-r", "creationTimestamp": "2026-01-01T00:00:30Z"},
            "spec": {"workloads": [{"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "a"}]},
        })  # fmt: skip
        await hub.until(lambda: hub.reason("a"), "NoClusterFit")
        assert (await replayed(hub, "a")).same

    play(story)


@pytest.mark.spec("R05", "R2.6")
def test_a_policy_that_names_a_priority_class_is_applied_again() -> None:
    async def story(hub: Hub) -> None:
        value = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "high", "uid": "u"}, "value": 900}
        wanted = {"priorityClassSource": "KubePriorityClass", "priorityClassName": "high"}
        await hub.objects(value, policy(schedulePriority=wanted))
        await hub.join(m1=8)
        await hub.objects(app("a", 3))
        await hub.until(lambda: hub.placed("a"), {"m1": 3})
        assert (await replayed(hub, "a")).same

    play(story)


def test_what_another_policy_would_have_asked_for_is_told_to_be_unknown() -> None:
    async def story(hub: Hub) -> None:
        alike = policy(placement={"replicaScheduling": {"replicaSchedulingType": "Duplicated"}})
        await hub.objects(alike)
        await hub.join(m1=8)
        await hub.objects(app("a", 2))
        await hub.until(lambda: hub.placed("a"), {"m1": 2})
        told = await replayed(hub, "a")
        assert (told.same, told.aged_out) == (True, ())
        other = policy()
        told = await replayed(hub, "a", policies=(Supposed(ref=ref_of(other), body=other, uid="uid-p"),))
        assert len(told.aged_out) == 1
        assert "this decision did not ask" in told.aged_out[0]

    play(story)
