"""`/api/plan`, `/api/explain`, `/api/replay` and `ask.hub.plan`: a real gateway and a real scheduler; works are written by the test."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import msgspec
import pytest

from shoal.api.cluster import APIEnablement, APIResource, ClusterStatus, ResourceSummary
from shoal.api.meta import Ref
from shoal.api.status import READY, Belief
from shoal.bus.entries import Draft
from shoal.bus.port import GET_MAX
from shoal.bus.requests import ask, serve
from shoal.messages.catalogue import (
    BELIEF,
    BINDING,
    OBJECT,
    PLAN_SUBJECT,
    REGISTER_SUBJECT,
    Estimated,
    EstimateRequest,
    Register,
    Registered,
    estimate_subject,
)
from shoal.messages.planning import PlanAnswer, PlanRequest
from shoal.runtime.clock import SystemClock
from shoal.runtime.config import SchedulerConfig
from shoal.runtime.reconciling import Reconciling
from shoal_scheduler.wire import parts
from support.servers import eventually, until

WEB = Ref("apps", "Deployment", "shop", "web")
APIS = (
    APIEnablement(group_version="apps/v1", resources=(APIResource(name="deployments", kind="Deployment"),)),
    APIEnablement(
        group_version="v1", resources=(APIResource(name="secrets", kind="Secret"), APIResource(name="namespaces", kind="Namespace"))
    ),
)


@pytest.fixture
async def scheduled(hub) -> AsyncIterator[Any]:
    """The hub with a scheduler of its own and two clusters."""
    bus = await hub.server.connect("scheduler")

    async def assemble() -> Any:
        return parts(SchedulerConfig(bus_url=hub.server.url), bus, SystemClock(), Random(1).random)

    service = Reconciling("scheduler", assemble)
    await service.start()
    task = asyncio.create_task(service.run())
    await until(lambda: service.ready()[0])
    for name, region in (("m1", "eu"), ("m2", "us")):
        await join(hub, name, region)
    yield hub
    await service.stop()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def join(hub: Any, name: str, region: str) -> str:
    """The member's id."""
    answer = await ask(hub.bus, REGISTER_SUBJECT, Register(name=name, uid=f"uid-{name}", region=region, provider="alpha"), Registered)
    summary = ResourceSummary(allocatable={"cpu": "8", "pods": "110"})
    belief = Belief(
        member=answer.member,
        state=READY,
        since="2026-01-01T00:00:00Z",
        status=ClusterStatus(api_enablements=APIS, resource_summary=summary),
    )
    await hub.entries.write(Draft(family=BELIEF, ref=Ref("cluster.karmada.io", "Cluster", "", name), body=belief), expected=0)
    return answer.member


def shop(replicas: int = 2, image: str = "web:1", **placement: Any) -> list[dict[str, Any]]:
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}},
        {
            "apiVersion": "policy.karmada.io/v1alpha1", "kind": "PropagationPolicy", "metadata": {"name": "shop", "namespace": "shop"},
            "spec": {"resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment"}], "placement": placement,
                     "failover": {"cluster": {"purgeMode": "Gracefully"}}},
        },
        {
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
                     "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": image}]}}},
        },
    ]  # fmt: skip


ONE = {"spreadConstraints": [{"spreadByField": "cluster", "minGroups": 1, "maxGroups": 1}]}


async def deployed(hub: Any, **placement: Any) -> None:
    """Version 1 is decided, and m1 was told of it."""
    status, answer = await hub.deploy("1", manifests=shop(**placement))
    assert status == 202, answer

    async def decided() -> bool:
        return await hub.entries.read(BINDING, WEB) is not None

    await eventually(decided)


async def test_a_plan_of_something_new(scheduled) -> None:
    status, plan = await scheduled.post("/api/plan", {"manifests": shop(**ONE), "application": "shop", "source": "ci"})
    assert status == 200, plan
    assert plan.get("refused") is None
    assert {(one["ref"], one["action"]) for one in plan["objects"]} == {
        ("Namespace/shop", "created"), ("policy.karmada.io/PropagationPolicy/shop/shop", "created"), ("apps/Deployment/shop/web", "created"),
    }  # fmt: skip
    placed = {one["ref"]: one["after"] for one in plan["placements"]}
    assert placed == {"apps/Deployment/shop/web": {"m1": 2}, "Namespace/shop": {"m1": None, "m2": None}}
    assert {(one["ref"], one["cluster"], one["action"]) for one in plan["manifests"]} == {
        ("apps/Deployment/shop/web", "m1", "created"), ("Namespace/shop", "m1", "created"), ("Namespace/shop", "m2", "created"),
    }  # fmt: skip
    status, _ = await scheduled.get("/apis/apps/v1/namespaces/shop/deployments/web")
    assert status == 404, "a plan wrote something"


async def test_a_change_is_told_field_by_field(scheduled) -> None:
    await deployed(scheduled, **ONE)
    request = {"manifests": shop(3, "web:2", **ONE), "application": "shop", "source": "ci"}
    _, plan = await scheduled.post("/api/plan", request)
    (changed,) = plan["objects"]
    assert {one["path"]: (one["before"], one["after"]) for one in changed["fields"]} == {
        "spec.replicas": (2, 3),
        "spec.template.spec.containers[web].image": ("web:1", "web:2"),
    }
    (placement,) = plan["placements"]
    assert (placement["before"], placement["after"]) == ({"m1": 2}, {"m1": 3})
    over_the_bus = await ask(scheduled.bus, PLAN_SUBJECT, msgspec.convert(request, PlanRequest), PlanAnswer)
    assert msgspec.json.decode(msgspec.json.encode(over_the_bus)) == plan


async def test_every_refusal_is_told_and_the_rest_is_planned(scheduled) -> None:
    bad = {"apiVersion": "policy.karmada.io/v1alpha1", "kind": "PropagationPolicy", "metadata": {"name": "bad", "namespace": "shop"},
           "spec": {"resourceSelectors": [], "placement": {"spreadConstraints": [{"spreadByField": "planet"}]}}}  # fmt: skip
    unknown = {"apiVersion": "x/v1", "kind": "Nothing", "metadata": {"name": "a"}}
    homeless = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "nowhere"}}
    status, plan = await scheduled.post("/api/plan", {"manifests": [*shop(**ONE), bad, unknown, homeless]})
    assert status == 200
    assert [one["reason"] for one in plan["refused"]] == ["UnknownKind", "InvalidManifest", "NamespaceMissing"]
    assert plan["refused"][1]["violations"]
    assert "apps/Deployment/shop/web" in {one["ref"] for one in plan["placements"]}


DYNAMIC = {
    "replicaSchedulingType": "Divided",
    "replicaDivisionPreference": "Weighted",
    "weightPreference": {"dynamicWeight": "AvailableReplicas"},
}


@pytest.mark.spec("Q02", "R4.15")
async def test_agents_are_asked_once_in_one_plan(scheduled) -> None:
    """By their sums both clusters have room; the agents know their nodes. What they said is in the answer."""
    rooms, asked = {await join(scheduled, "m3", "eu"): 1, await join(scheduled, "m4", "us"): 2}, list[str]()

    async def answer(subject: str, request: EstimateRequest) -> Estimated:
        member = subject.split(".")[1]
        asked.append(member)
        return Estimated(room=rooms[member])

    for member in rooms:
        await serve(scheduled.bus, estimate_subject(member), EstimateRequest, answer)
    manifests = shop(3, clusterAffinity={"clusterNames": ["m3", "m4"]}, replicaScheduling=DYNAMIC)
    manifests[2]["spec"]["template"]["spec"]["nodeSelector"] = {"disk": "ssd"}
    status, plan = await scheduled.post("/api/plan", {"manifests": manifests, "application": "shop"})
    assert status == 200, plan
    (placed,) = (one for one in plan["placements"] if one["ref"] == "apps/Deployment/shop/web")
    assert (placed["after"], placed.get("alternative")) == ({"m3": 1, "m4": 2}, None)
    assert plan["estimates"] == [{"ref": "apps/Deployment/shop/web", "rooms": {"m3": 1, "m4": 2}}]
    assert sorted(asked) == sorted(rooms), "also where both ways of a tie are looked at"
    await scheduled.deploy("1", manifests=manifests)

    async def decided() -> bool:
        entry = await scheduled.entries.read(BINDING, WEB)
        return entry is not None and {one.name: one.replicas for one in entry.body.clusters} == placed["after"]

    await eventually(decided)


async def test_a_lost_cluster(scheduled) -> None:
    await deployed(scheduled, **ONE)
    _, plan = await scheduled.post("/api/plan", {"clusterDown": "m1"})
    moves = {one["ref"]: one for one in plan["placements"]}
    web = moves["apps/Deployment/shop/web"]
    assert (web["before"], web["after"], web["moved"]) == ({"m1": 2}, {"m2": 2}, 2)
    assert web["leaving"][0]["reason"] == "ClusterLost"
    assert plan["assumptions"] == ["cluster m1 is Lost, and no other cluster changes"]
    status, answer = await scheduled.post("/api/plan", {"clusterDown": "m9"})
    assert (status, answer["reason"]) == (404, "NotFound")


async def test_a_new_cluster(scheduled) -> None:
    await deployed(scheduled)
    new = {"apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster", "metadata": {"name": "m3"}, "spec": {"region": "eu"}}
    _, plan = await scheduled.post("/api/plan", {"clusterJoin": [new]})
    assert plan.get("refused") is None, plan
    moves = {one["ref"]: one["after"] for one in plan["placements"]}
    assert moves["apps/Deployment/shop/web"] == {"m1": 2, "m2": 2, "m3": 2}
    assert {(one["ref"], one["cluster"]) for one in plan["manifests"]} >= {("apps/Deployment/shop/web", "m3"), ("Namespace/shop", "m3")}
    assert "serves what m1 serves" in plan["assumptions"][0]


async def test_a_deletion_and_what_nobody_places(scheduled) -> None:
    await deployed(scheduled, **ONE)
    lonely = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "shop"}, "data": {"k": "c2VjcmV0"}}
    _, plan = await scheduled.post("/api/plan", {"delete": ["apps/v1/Deployment/shop/web"], "manifests": [lonely]})
    deleted = next(one for one in plan["placements"] if one["ref"] == "apps/Deployment/shop/web")
    assert deleted["deleted"]
    assert deleted["leaving"] == [{"cluster": "m1", "reason": "TemplateDeleted", "copy": "deleted"}]
    assert [(one["ref"], one["reason"]) for one in plan["unplaced"]] == [("Secret/shop/a", "WaitingForPolicy")]
    secret = next(one for one in plan["objects"] if one["ref"] == "Secret/shop/a")
    assert {"path": "data.k", "secret": True} in secret["fields"]
    assert "c2VjcmV0" not in msgspec.json.encode(plan).decode()


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        pytest.param({}, 422, "nothing to plan", id="empty"),
        pytest.param({"images": {"web": "web:2"}}, 422, "needs application", id="images-of-nobody"),
        pytest.param({"clusterJoin": [{"kind": "Secret", "metadata": {"name": "a"}}]}, 422, "kind Cluster", id="no-cluster"),
        pytest.param(b"{", 422, "cannot be read", id="no-json"),
        pytest.param({"manifests": 7}, 422, "cannot be read", id="wrong-type"),
    ],
)
async def test_what_cannot_be_planned(hub, body: Any, status: int, says: str) -> None:
    found, answer = await hub.post("/api/plan", body)
    assert found == status
    assert says in answer["message"]


async def test_yaml_that_cannot_be_read_is_a_refusal(hub) -> None:
    status, plan = await hub.post("/api/plan", {"manifests": "a: [\n"})
    assert status == 200
    assert plan["refused"][0]["reason"] == "InvalidManifest"
    assert "line" in plan["refused"][0]["message"]


async def test_explain_says_why_and_how_it_is_now(scheduled) -> None:
    await deployed(scheduled, clusterAffinity={"clusterNames": ["m1"]})
    status, told = await scheduled.get("/api/explain?name=deploy/web&namespace=shop")
    assert status == 200, told
    assert told["ref"] == "apps/Deployment/shop/web"
    assert told["policy"] == "policy.karmada.io/PropagationPolicy/shop/shop"
    assert [(one["cluster"], one["replicas"]) for one in told["clusters"]] == [("m1", 2)]
    assert [(one["cluster"], one["reason"]) for one in told["rejected"]] == [("m2", "AffinityMismatch")]
    now = told["now"]
    assert not now["changed"]
    assert [one["cluster"] for one in now["fitting"]] == ["m1"]
    assert [(one["cluster"], one["reason"]) for one in now["rejected"]] == [("m2", "AffinityMismatch")]
    assert told["revision"] > told["viewPosition"] > 0


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        pytest.param("name=deployment/none&namespace=shop", 404, "does not exist", id="no-object"),
        pytest.param("name=deployment/web", 404, "-n shop", id="other-namespace"),
        pytest.param("name=spaceship/web", 404, "no kind spaceship", id="no-kind"),
        pytest.param("name=web", 422, "KIND/NAME", id="no-slash"),
        pytest.param("app=none", 404, "known are: shop", id="no-application"),
    ],
)
async def test_explain_of_nothing(hub, query: str, status: int, says: str) -> None:
    await hub.deploy("1", manifests=shop())
    found, answer = await hub.get(f"/api/explain?{query}")
    assert found == status
    assert says in answer["message"]


async def test_replay_makes_the_same_decision_again_and_another_with_another_policy(scheduled) -> None:
    await deployed(scheduled, **ONE)
    first = (await scheduled.get("/api/explain?name=deployment/web&namespace=shop"))[1]["revision"]
    await scheduled.deploy("2", manifests=shop(5, clusterAffinity={"clusterNames": ["m2"]}))

    async def moved() -> bool:
        entry = await scheduled.entries.read(BINDING, WEB)
        return entry is not None and [one.name for one in entry.body.clusters] == ["m2"]

    await eventually(moved)
    question = {"name": "deployment/web", "namespace": "shop"}
    for at, clusters in ((first, [("m1", 2)]), (0, [("m2", 5)])):
        status, answer = await scheduled.post("/api/replay", question | {"at": at})
        assert status == 200, answer
        (told,) = answer["replays"]
        assert told["same"], told
        assert told["agedOut"] == []
        assert [(one["cluster"], one["replicas"]) for one in told["replayedDecision"]["clusters"]] == clusters
    policy = next(one for one in shop(clusterAffinity={"clusterNames": ["m2"]}) if one["kind"] == "PropagationPolicy")
    _, answer = await scheduled.post("/api/replay", question | {"at": first, "policies": [policy]})
    (told,) = answer["replays"]
    assert not told["same"]
    assert [one["cluster"] for one in told["replayedDecision"]["clusters"]] == ["m2"]
    assert "clusters[m1].name" in {one["path"] for one in told["differences"]}
    assert told["replayedDecision"]["rejected"], "the policy of the file stands alone"
    policy["spec"]["placement"] = {"spreadConstraints": [{"spreadByField": "planet"}]}
    status, answer = await scheduled.post("/api/replay", question | {"policies": [policy]})
    assert (status, answer["reason"]) == (422, "Invalid")


async def test_replay_among_more_policies_than_one_answer_of_the_bus_takes(scheduled) -> None:
    await deployed(scheduled, **ONE)
    others = [Ref("policy.karmada.io", "OverridePolicy", "other", f"o{number}") for number in range(GET_MAX + 10)]
    for part in (others[:1000], others[1000:]):
        await scheduled.entries.write_all([(Draft(family=OBJECT, ref=ref, body=override(ref), uid=f"uid-{ref.name}"), 0) for ref in part])
    await scheduled.deploy("2", manifests=shop(5, **ONE))

    async def decided() -> bool:
        entry = await scheduled.entries.read(BINDING, WEB)
        return entry is not None and entry.body.replicas == 5

    await eventually(decided)
    status, answer = await scheduled.post("/api/replay", {"name": "deployment/web", "namespace": "shop"})
    assert status == 200, answer
    (told,) = answer["replays"]
    assert told["same"], told
    assert told["agedOut"] == []


def override(ref: Ref) -> dict[str, Any]:
    metadata = {"name": ref.name, "namespace": ref.namespace}
    return {"apiVersion": f"{ref.group}/v1alpha1", "kind": ref.kind, "metadata": metadata, "spec": {"overrideRules": []}}


async def test_replay_of_nothing(scheduled) -> None:
    await scheduled.deploy("1", manifests=shop()[:1] + shop()[2:])
    status, answer = await scheduled.post("/api/replay", {"name": "deployment/web", "namespace": "shop"})
    assert (status, answer["reason"]) == (422, "NothingRecorded")
    assert (await scheduled.post("/api/replay", {"application": "shop"}))[1] == {"replays": []}
    status, answer = await scheduled.post("/api/replay", {})
    assert status == 422
    status, answer = await scheduled.post("/api/replay", {"application": "shop", "policies": [{"kind": "Secret"}]})
    assert "Secret is no PropagationPolicy" in answer["message"]
