"""Deploy events: accepted or refused as a whole, idempotent, in order; followed into the clusters; told as events."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from shoal.api.cluster import MEMBER_ID_ANNOTATION
from shoal.api.errors import BusUnavailable
from shoal.api.meta import Ref
from shoal.api.status import CopyStatus
from shoal.api.work import AppliedOverride
from shoal.bus.events import send_deploy
from shoal.bus.requests import ask
from shoal.messages.catalogue import OBJECT, REGISTER_SUBJECT, STATE, DeployAnswer, Register, Registered
from support.servers import eventually, until

WEB = Ref("apps", "Deployment", "shop", "web")


def namespace() -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}


def deployment(name: str = "web", image: str = "registry.example/web:1", **metadata: Any) -> dict[str, Any]:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop", **metadata},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": dict(labels)},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": name, "image": image}]}},
        },
    }


def policy() -> dict[str, Any]:
    return {
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": "PropagationPolicy",
        "metadata": {"name": "shop", "namespace": "shop"},
        "spec": {"resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment"}], "placement": {}},
    }


async def objects(hub: Any) -> int:
    return int((await hub.bus.info(STATE.name)).last)


async def join(hub: Any, name: str) -> str:
    """As an agent does, which asks again while nobody answers."""
    answer = Registered()

    async def asked() -> bool:
        nonlocal answer
        try:
            answer = await ask(hub.bus, REGISTER_SUBJECT, Register(name=name, uid=f"uid-{name}"), Registered)
        except BusUnavailable:
            return False
        return True

    await eventually(asked)
    assert answer.member, answer
    return answer.member


async def test_one_deploy_is_one_batch_and_repeats_its_answer(hub) -> None:
    before = await objects(hub)
    status, answer = await hub.deploy("1", version="1.0", manifests=[deployment(), namespace(), policy()])
    assert (status, answer["accepted"], answer["version"]) == (202, True, "1.0")
    assert await objects(hub) == before + 5  # Three objects, the head, the record.
    web = await hub.object(WEB)
    assert web.change == answer["change"]
    assert web.author == "deploy/ci"
    assert web.body["metadata"]["labels"] == {"shoal.dev/application": "shop"}
    again = await hub.deploy("1", version="1.0", manifests=[deployment(), namespace(), policy()])
    assert again == (200, answer | {"repeated": True})
    other = await hub.deploy("1", version="1.1", manifests=[deployment()])
    assert (other[0], other[1]["reason"]) == (409, "DifferentContent")
    # The same content under a new id: nothing of the objects is written.
    written = await objects(hub)
    status, answer = await hub.deploy("2", version="1.0", manifests=[deployment(), namespace(), policy()])
    assert status == 202
    assert await hub.entries.read(OBJECT, WEB) is not None
    assert (await hub.object(WEB)).revision == web.revision
    assert await objects(hub) >= written + 2


async def test_yaml_text_and_images_alone(hub) -> None:
    text = msgspec.yaml.encode(namespace()).decode() + "---\n" + msgspec.yaml.encode(deployment()).decode()
    assert (await hub.deploy("1", version="1", manifests=text))[0] == 202
    assert (await hub.deploy("2", version="2", images={"web": "registry.example/web:2"}))[0] == 202
    assert (await hub.object(WEB)).body["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example/web:2"
    assert (await hub.deploy("3", version="3", images={"registry.example/web": "registry.example/web:3"}))[0] == 202
    after = await hub.object(WEB)
    assert after.body["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example/web:3"
    assert after.body["spec"]["replicas"] == 2


@pytest.mark.parametrize(
    ("data", "status", "reason", "told"),
    [
        pytest.param({"manifests": "kind: [\n"}, 422, "InvalidManifest", "line 2", id="broken-yaml"),
        pytest.param(
            {"manifests": [{"kind": "Deployment"}]}, 422, "InvalidManifest", "manifests[0] has no apiVersion", id="no-api-version"
        ),
        pytest.param(
            {"manifests": [{"apiVersion": "apps/v9", "kind": "Deployment", "metadata": {"name": "x"}}]},
            422,
            "UnknownKind",
            "apps/v1",
            id="kind",
        ),
        pytest.param({"manifests": [deployment()]}, 422, "NamespaceMissing", "does not exist; add it to the deploy", id="no-namespace"),
        pytest.param({"manifests": [namespace(), deployment(), deployment()]}, 422, "InvalidManifest", "once", id="twice"),
        pytest.param({}, 422, "InvalidEvent", "nothing to do", id="empty"),
        pytest.param({"images": {"web": "x:2"}}, 422, "InvalidEvent", "deploy its manifests first", id="image-of-nothing"),
        pytest.param({"delete": ["Deployment"], "manifests": [namespace()]}, 422, "InvalidEvent", "apiVersion/Kind", id="delete-ref"),
        pytest.param({"application": "a b", "manifests": [namespace()]}, 422, "InvalidEvent", "cannot be a label", id="application"),
    ],
)
async def test_refused_deploys_say_what_to_do_and_store_nothing(hub, data: dict[str, Any], status: int, reason: str, told: str) -> None:
    before = await objects(hub)
    code, answer = await hub.deploy("1", version="1", **data)
    assert (code, answer.get("accepted", False), answer["reason"]) == (status, False, reason)
    assert told in answer["message"]
    assert await objects(hub) == before


@pytest.mark.parametrize(
    ("change", "field"),
    [
        pytest.param(lambda one: one["spec"]["template"]["spec"]["containers"][0].update(imagee="x"), "imagee", id="misspelled"),
        pytest.param(
            lambda one: one["spec"]["selector"]["matchLabels"].update(app="other"), "spec.template.metadata.labels", id="selector"
        ),
        pytest.param(lambda one: one["spec"]["template"]["spec"]["containers"][0].pop("name"), "name", id="no-name"),
        pytest.param(lambda one: one["spec"].update(replicas="two"), "replicas", id="type"),
    ],
)
async def test_a_broken_manifest_names_its_field(hub, change: Any, field: str) -> None:
    broken = deployment()
    change(broken)
    before = await objects(hub)
    status, answer = await hub.deploy("1", version="1", manifests=[namespace(), broken])
    assert (status, answer["reason"]) == (422, "InvalidManifest")
    assert field in answer["message"] + str(answer.get("violations"))
    assert await objects(hub) == before


async def test_order_of_versions_and_rollback(hub) -> None:
    assert (await hub.deploy("1", version="1.10", manifests=[namespace(), deployment()]))[0] == 202
    status, answer = await hub.deploy("2", version="1.9", manifests=[deployment(image="x:9")])
    assert (status, answer["reason"]) == (409, "OlderVersion")
    assert "rollback: true" in answer["message"]
    assert (await hub.deploy("3", version="1.9", rollback=True, manifests=[deployment(image="x:9")]))[0] == 202
    assert (await hub.deploy("4", version="abc", manifests=[deployment(image="x:abc")]))[0] == 202


async def test_delete_and_being_deleted(hub) -> None:
    await hub.deploy("1", version="1", manifests=[namespace(), deployment()])
    await hub.bind(WEB, "m1")
    status, answer = await hub.deploy("2", version="2", delete=["apps/v1/Deployment/shop/web"])
    assert status == 202
    assert (await hub.object(WEB)).body["metadata"]["deletionTimestamp"]
    change = answer["change"]
    state = await hub.eventually(f"/api/changes/{change}", lambda one: one.get("message"))
    assert "waiting for m1" in state["message"]
    status, answer = await hub.deploy("3", version="3", manifests=[deployment()])
    assert (status, answer["reason"]) == (409, "BeingDeleted")
    assert "waiting for m1" in answer["message"]
    await hub.bind(WEB, deleted=True)
    await hub.tell(WEB)
    assert (await hub.eventually(f"/api/changes/{change}", lambda one: one["state"] == "ready"))["objects"][0]["deleted"]


async def test_a_change_is_followed_into_the_clusters(hub) -> None:
    m1, m2 = await join(hub, "m1"), await join(hub, "m2")
    _, answer = await hub.deploy("1", version="1", manifests=[namespace(), policy(), deployment()])
    change = answer["change"]
    assert (await hub.get(f"/api/changes/{change}"))[1]["state"] == "accepted"
    seen: list[str] = []

    async def follow() -> None:
        async with hub.stream(f"/api/changes/{change}/events") as stream:
            async for line in stream.content:
                if line.startswith(b"data:"):
                    state = msgspec.json.decode(line[5:])["state"]
                    if not seen or seen[-1] != state:
                        seen.append(state)

    following = asyncio.create_task(follow())
    await hub.bind(WEB, "m1", "m2")
    works = {"m1": await hub.render(WEB, "m1", m1), "m2": await hub.render(WEB, "m2", m2)}
    web = await hub.object(WEB)
    told = {"applied": True, "template_revision": web.content, "image": "registry.example/web:1", "replicas": 2}
    await hub.report(WEB, m1, work_revision=works["m1"], template_uid=web.uid, applied=True, health="Unhealthy")
    await hub.tell(WEB, *(CopyStatus(cluster=name, work_revision=work, health="Unhealthy", **told) for name, work in works.items()))
    await hub.passed()
    await until(lambda: "applied" in seen)
    await hub.eventually("/api/status", lambda one: one["oldest_change"] and len(one["oldest_change"]["missing"]) == 2)
    await hub.tell(WEB, *(CopyStatus(cluster=name, work_revision=work, health="Healthy", **told) for name, work in works.items()))
    await asyncio.wait_for(following, 10)
    assert seen == ["accepted", "applied", "ready"]
    where = (await hub.get("/api/where/shop"))[1]
    assert where["version"] == "1"
    assert where["objects"] == [
        {
            "ref": str(WEB),
            "clusters": [
                {"cluster": name, "replicas": 2, "health": "Healthy", "image": "registry.example/web:1", "applied": True}
                for name in ("m1", "m2")
            ],
        }
    ]
    hops = (await hub.get(f"/api/trace/{change}"))[1]
    assert [hop["hop"] for hop in hops if hop["ref"] in (str(WEB),)] == ["object", "binding", "work", "work", "report", "status"]
    assert all(hop["afterMs"] >= 0 for hop in hops)
    events = await hub.eventually(
        "/api/events", lambda found: any(one["type"] == "deploy.ready" and "cluster" not in one["data"] for one in found)
    )
    types = {(one["type"], one["data"].get("cluster")) for one in events if one["data"].get("change") == change}
    assert types >= {
        ("deploy.accepted", None), ("deploy.applied", None), ("deploy.ready", None), ("deploy.ready", "m1"), ("work.rendered", "m1"),
        ("work.applied", "m1"), ("binding.scheduled", None), ("object.created", None),
    }  # fmt: skip
    assert (await hub.get("/api/status"))[1]["oldest_change"] is None


@pytest.mark.spec("G14", "G16", "R5.6", "R5.7")
async def test_a_failed_override_is_told_on_binding_work_and_as_an_event(hub) -> None:
    m1 = await join(hub, "m1")
    await hub.deploy("1", version="1", manifests=[namespace(), policy(), deployment()])
    await hub.bind(WEB, "m1")
    await hub.render(WEB, "m1", m1, error="OverridePolicy/shop/p, rule 1: broken")
    path = "/apis/work.karmada.io/v1alpha2/namespaces/shop/resourcebindings/web-deployment"

    def overridden(shown: Any) -> list[str]:
        return [one["message"] for one in shown.get("status", {}).get("conditions", ()) if one["type"] == "Overridden"]

    shown = await hub.eventually(path, overridden)
    assert overridden(shown) == ["m1: OverridePolicy/shop/p, rule 1: broken"]
    assert "m1: OverridePolicy/shop/p, rule 1: broken" in await hub.kubectl("describe", "rb", "web-deployment", "-n", "shop")
    await hub.render(WEB, "m1", m1, overrides=(AppliedOverride(policy="OverridePolicy/shop/p", overriders={"plaintext": []}),))
    await hub.eventually(path, lambda shown: not overridden(shown))
    _, works = await hub.get("/apis/work.karmada.io/v1alpha1/namespaces/karmada-es-m1/works")
    annotations = next(
        one["metadata"]["annotations"] for one in works["items"] if one["spec"]["workload"]["manifests"][0]["kind"] == "Deployment"
    )
    assert annotations["policy.karmada.io/applied-overrides"] == '[{"policyName":"p","overriders":{"plaintext":[]}}]'
    found = await hub.eventually("/api/events", lambda told: any(one["data"].get("overrides") for one in told))
    told = [(one["type"], one["data"].get("reason"), one["data"].get("overrides")) for one in found if one["type"].startswith("work.")]
    assert told == [("work.failed", "OverrideFailed", None), ("work.rendered", None, ["OverridePolicy/shop/p"])]


async def test_superseded_by_the_next_deploy(hub) -> None:
    _, first = await hub.deploy("1", version="1", manifests=[namespace(), deployment()])
    _, second = await hub.deploy("2", version="2", manifests=[deployment(image="x:2")])
    state = (await hub.get(f"/api/changes/{first['change']}"))[1]
    assert (state["state"], state["supersededBy"]) == ("superseded", second["change"])
    events = await hub.eventually("/api/events", lambda found: any(one["type"] == "deploy.superseded" for one in found))
    assert next(one for one in events if one["type"] == "deploy.superseded")["data"]["supersededBy"] == second["change"]


async def test_answers_and_facts_survive_a_restart_without_doubles(hub) -> None:
    await hub.deploy("1", version="1", manifests=[namespace(), deployment()])
    await hub.eventually(
        "/api/events", lambda found: sum(one["type"] == "object.created" and one["subject"] == str(WEB) for one in found) == 1
    )
    await hub.restart()
    await hub.deploy("2", version="2", manifests=[deployment(image="x:2")])
    events = await hub.eventually("/api/events", lambda found: any(one["type"] == "object.changed" for one in found))
    ids = [one["id"] for one in events]
    assert len(ids) == len(set(ids))


async def test_over_the_bus(hub) -> None:
    event = {"id": "1", "source": "github", "data": {"application": "shop", "version": "1", "manifests": [namespace(), deployment()]}}
    raw = msgspec.json.encode(event)
    answer = msgspec.json.decode(await send_deploy(hub.bus, "github", raw, timeout_s=10), type=DeployAnswer)
    assert answer.accepted
    again = msgspec.json.decode(await send_deploy(hub.bus, "github", raw, timeout_s=10), type=DeployAnswer)
    assert (again.change, again.repeated) == (answer.change, True)
    refused = msgspec.json.decode(await send_deploy(hub.bus, "gitlab", raw, timeout_s=10), type=DeployAnswer)
    assert refused.reason == "InvalidEvent"


async def test_concurrent_deploys_of_one_application_do_not_mix(hub) -> None:
    await hub.deploy("0", version="0", manifests=[namespace()])
    answers = await asyncio.gather(
        *(hub.deploy(str(number), version=f"v{number}x", manifests=[deployment(image=f"x:{number}")]) for number in range(1, 4))
    )
    assert {status for status, _ in answers} <= {202, 503}
    _, head = await hub.get("/apis/shoal.dev/v1alpha1/applications/shop")
    web = await hub.object(WEB)
    assert head["spec"]["change"] == web.change


async def test_registration(hub) -> None:
    first = await join(hub, "m1")
    assert len(first) == 16
    assert await join(hub, "m1") == first
    taken = await ask(hub.bus, REGISTER_SUBJECT, Register(name="m1", uid="other"), Registered)
    assert (taken.member, taken.reason) == ("", "NameTaken")
    renamed = await ask(hub.bus, REGISTER_SUBJECT, Register(name="m9", uid="uid-m1"), Registered)
    assert (renamed.member, renamed.cluster) == (first, "m1")
    await hub.kubectl(
        "apply", "-f", "-", stdin="apiVersion: cluster.karmada.io/v1alpha1\nkind: Cluster\nmetadata: {name: m2}\nspec: {region: mine}\n"
    )
    adopted = await ask(hub.bus, REGISTER_SUBJECT, Register(name="m2", uid="uid-m2", region="theirs", provider="alpha"), Registered)
    _, shown = await hub.get("/apis/cluster.karmada.io/v1alpha1/clusters/m2")
    assert shown["metadata"]["annotations"][MEMBER_ID_ANNOTATION] == adopted.member
    assert (shown["spec"]["region"], shown["spec"]["provider"], shown["spec"]["id"]) == ("mine", "alpha", "uid-m2")
    assert [one["name"] for one in (await hub.get("/api/clusters"))[1]] == ["m1", "m2"]


async def test_the_largest_deploy_is_one_batch_and_one_more_object_is_refused(hub) -> None:
    before = await objects(hub)
    many = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{number}", "namespace": "default"}} for number in range(999)]
    status, answer = await hub.deploy("1", version="1", manifests=many)
    assert (status, answer["reason"]) == (422, "TooMany")
    assert await objects(hub) == before
    status, answer = await hub.deploy("1", version="1", manifests=many[:998])
    assert status == 202, answer
    assert await objects(hub) == before + 1000
