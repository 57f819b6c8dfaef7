"""What people and pipelines get wrong: each is refused with a sentence that says what to do, and nothing of it is stored."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shoal.bus.events import send_deploy
from shoal.bus.nats import BusSettings, connect
from shoal.bus.port import Append
from shoal.runtime.clock import SystemClock
from support.machine import Machine, eventually

NAMESPACE = "bad"
LARGE = 1_600_000
"""Bytes above the limit of one object (1.5 MiB)."""


def config(name: str, data: dict[str, str] | None = None, **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": NAMESPACE, **metadata},
        "data": data or {"color": "blue"},
    }


def policy(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": "PropagationPolicy",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"resourceSelectors": [{"apiVersion": "v1", "kind": "ConfigMap"}], **spec},
    }


def event(id_: str, *manifests: Any, **data: Any) -> dict[str, Any]:
    return {"id": id_, "source": "e2e", "data": {"application": "bad", "manifests": list(manifests), **data}}


@pytest.fixture(scope="module", autouse=True)
def placed(hub: Machine) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    everywhere = policy("everything", {"placement": {"clusterAffinity": {"clusterNames": ["m1", "m2"]}}})
    assert hub.deploy(event("ground", namespace, everywhere, config("ground")))["accepted"]
    eventually(lambda: "ground" in hub.objects("m2", "configmaps", NAMESPACE), limit_s=20, what="the ground in m2")


def configs(hub: Machine) -> set[str]:
    return {item["metadata"]["name"] for item in hub.hub.get(f"/api/v1/namespaces/{NAMESPACE}/configmaps")["items"]}


def changes(hub: Machine) -> set[str]:
    return {one["change"] for one in hub.hub.get("/api/changes?limit=200")}


BROKEN = """apiVersion: v1
kind: ConfigMap
metadata: {name: half, namespace: bad}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: half-2
   namespace: bad
"""
UNKNOWN = {"apiVersion": "example.com/v1", "kind": "Rocket", "metadata": {"name": "r", "namespace": NAMESPACE}}
DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": NAMESPACE},
    "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "registry.example/web:1"}]}},
    },
}
MISSPELT = {
    **DEPLOYMENT,
    "spec": {
        **DEPLOYMENT["spec"],
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "imge": "registry.example/web:1"}]}},
    },
}
SPREAD = {"placement": {"spreadConstraints": [{"spreadByField": "cluster", "minGroups": 3, "maxGroups": 1}]}}
BOTH = {"placement": {"clusterAffinity": {"clusterNames": ["m1"]}, "clusterAffinities": [{"affinityName": "a", "clusterNames": ["m1"]}]}}
ELSEWHERE = {**config("half-away"), "metadata": {"name": "half-away", "namespace": "nowhere"}}
RESERVED = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "karmada-es-m1"}}
RECORD = {"apiVersion": "shoal.dev/v1alpha1", "kind": "Change", "metadata": {"name": "c"}, "spec": {}}
HALF = config("half")

REFUSED = [
    pytest.param(event("r1") | {"data": {"application": "bad", "manifests": BROKEN}}, "InvalidManifest", ["line 9", "column"], id="broken YAML"),
    pytest.param(event("r2", HALF, UNKNOWN), "UnknownKind", ["Rocket", "example.com/v1", "CustomResourceDefinition"], id="unknown kind"),
    pytest.param(event("r3", HALF, {**DEPLOYMENT, "apiVersion": "apps/v2"}), "UnknownKind", ["apps/v2", "did you mean apps/v1"], id="kind in another version"),
    pytest.param(event("r4", HALF, policy("p", SPREAD)), "InvalidManifest", ["spreadConstraints", "minGroups"], id="policy with min above max"),
    pytest.param(event("r5", HALF, policy("p", BOTH)), "InvalidManifest", ["clusterAffinit"], id="policy with two kinds of affinity"),
    pytest.param(event("r6", HALF, policy("p", {"resourceSelectors": []})), "InvalidManifest", ["resourceSelectors"], id="policy that selects nothing"),
    pytest.param(event("r7", HALF, MISSPELT), "InvalidManifest", ["imge"], id="unknown field"),
    pytest.param(event("r8", HALF, config("big", annotations={"a": "x" * LARGE})), "", [], id="object above the limit"),
    pytest.param(event("", HALF), "InvalidEvent", ["id"], id="event without id"),
    pytest.param({"source": "e2e", "data": {"application": "bad", "manifests": [HALF]}}, "InvalidEvent", ["id"], id="event that lacks the id"),
    pytest.param(event("r9", HALF) | {"type": "dev.shoal.deploy.v9"}, "InvalidEvent", ["dev.shoal.deploy.v1"], id="unknown type"),
    pytest.param(event("r10", HALF, application=""), "InvalidEvent", ["application"], id="event without application"),
    pytest.param(event("r11"), "InvalidEvent", ["nothing to do"], id="event that asks for nothing"),
    pytest.param(event("r12", HALF, ELSEWHERE), "NamespaceMissing", ["nowhere", "add it to the deploy"], id="namespace missing"),
    pytest.param(event("r13", HALF, HALF), "InvalidManifest", ["name each object once"], id="the same object twice"),
    pytest.param(event("r14", HALF, {"kind": "ConfigMap"}), "InvalidManifest", ["apiVersion"], id="manifest without apiVersion"),
    pytest.param(event("r15", HALF, images={"rocket": "registry.example/rocket:2"}), "InvalidEvent", ["rocket"], id="image of no container"),
    pytest.param(event("r16", HALF, delete=["ConfigMap/old"]), "InvalidEvent", ["v1/ConfigMap/shop/flags"], id="delete that names nothing"),
    pytest.param(event("r17", HALF, RESERVED), "Forbidden", ["karmada-es-m1", "reserved"], id="reserved namespace"),
    pytest.param(event("r18", HALF, RECORD), "Forbidden", ["read only"], id="kind that only Shoal writes"),
    pytest.param(event("r19", *(config(f"half-{n}") for n in range(999))), "TooMany", ["998", "split it"], id="more objects than fit"),
    pytest.param(event("r20", HALF, config("Not_A_Name")), "InvalidManifest", ["metadata.name"], id="name that is none"),
    pytest.param(
        event("r21", HALF, config("other", labels={"shoal.dev/application": "other"})),
        "InvalidManifest",
        ["make them the same"],
        id="another application's label",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "reason", "words"), REFUSED)
def test_a_wrong_deploy_is_refused_whole(hub: Machine, sent: dict[str, Any], reason: str, words: list[str]) -> None:
    before = configs(hub), changes(hub)
    answer = hub.deploy(sent)
    assert not answer["accepted"]
    assert answer["reason"] == (reason or answer["reason"]), answer
    told = " ".join((answer["message"], *(f"{field}: {sentence}" for field, sentence in answer.get("violations", ()))))
    assert all(word in told for word in words), told
    assert (configs(hub), changes(hub)) == before
    assert "half" not in configs(hub)


def test_an_object_above_the_limit_says_the_limit(hub: Machine) -> None:
    answer = hub.deploy(event("large", HALF, DEPLOYMENT | {"metadata": {**DEPLOYMENT["metadata"], "annotations": {"a": "x" * LARGE}}}))
    assert not answer["accepted"]
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "big", "namespace": NAMESPACE}, "stringData": {"a": "x" * LARGE}}
    answer = hub.deploy(event("large-2", HALF, secret))
    assert (answer["accepted"], answer["reason"]) in {(False, "TooLarge"), (False, "InvalidManifest")}
    assert "half" not in configs(hub)


def test_a_kind_that_was_only_part_of_a_refused_deploy_is_not_served(hub: Machine) -> None:
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "rockets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "rockets", "singular": "rocket", "kind": "Rocket", "listKind": "RocketList"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}],
        },
    }
    assert hub.deploy(event("kind", definition, MISSPELT))["reason"] == "InvalidManifest"
    assert "the server doesn't have a resource type" in hub.kubectl("get", "rockets", code=1)
    assert hub.deploy(event("kind-2", UNKNOWN))["reason"] == "UnknownKind"


def test_the_same_event_gets_the_same_answer_and_other_content_is_refused(hub: Machine) -> None:
    first = hub.deploy(event("again", config("again", {"v": "1"})))
    assert first["accepted"]
    second = hub.deploy(event("again", config("again", {"v": "1"})))
    assert (second["change"], second["repeated"]) == (first["change"], True)
    other = hub.deploy(event("again", config("again", {"v": "2"})))
    assert (other["accepted"], other["reason"]) == (False, "DifferentContent")
    assert first["change"] in other["message"]
    assert "new id" in other["message"]
    assert hub.hub.get(f"/api/v1/namespaces/{NAMESPACE}/configmaps/again")["data"] == {"v": "1"}
    assert other["message"].count(first["change"]) == 1
    assert first["change"] in changes(hub)


def test_an_older_version_is_refused_unless_it_is_a_rollback(hub: Machine) -> None:
    def send(version: str, **data: Any) -> dict[str, Any]:
        sent = event(f"version-{version}-{len(data)}", config("versioned", {"v": version}), version=version, **data)
        sent["data"]["application"] = "versioned"
        return hub.deploy(sent)

    assert send("1.9.0")["accepted"]
    assert send("1.10.0")["accepted"]
    older = send("1.9.1")
    assert (older["accepted"], older["reason"]) == (False, "OlderVersion")
    assert "1.10.0" in older["message"]
    assert "rollback" in older["message"]
    assert hub.hub.get(f"/api/v1/namespaces/{NAMESPACE}/configmaps/versioned")["data"] == {"v": "1.10.0"}
    assert send("1.9.1", rollback=True)["accepted"]
    eventually(lambda: hub.objects("m1", "configmaps", NAMESPACE)["versioned"]["data"] == {"v": "1.9.1"}, limit_s=20, what="1.9.1 in m1")


def test_an_object_that_is_being_deleted_is_not_deployed(hub: Machine) -> None:
    assert hub.deploy(event("leaving", config("leaving")))["accepted"]
    eventually(lambda: "leaving" in hub.objects("m2", "configmaps", NAMESPACE), limit_s=20, what="the copy in m2")
    hub.shoal("member", "stop", "m2")
    try:
        hub.kubectl("delete", "configmap", "leaving", "-n", NAMESPACE, "--wait=false")
        eventually(lambda: "leaving" not in hub.objects("m1", "configmaps", NAMESPACE), limit_s=20, what="gone in m1")
        answer = hub.deploy(event("leaving-2", HALF, config("leaving")))
        assert (answer["accepted"], answer["reason"]) == (False, "BeingDeleted")
        eventually(
            lambda: hub.deploy(event("leaving-3", HALF, config("leaving")))["message"].count("m2"), limit_s=10, what="the answer names m2"
        )
        assert "half" not in configs(hub)
    finally:
        hub.shoal("member", "start", "m2")
    eventually(lambda: "leaving" not in configs(hub), limit_s=45, what="gone in the hub when m2 is back")
    assert hub.deploy(event("leaving-4", config("leaving")))["accepted"]
    eventually(lambda: "leaving" in hub.objects("m2", "configmaps", NAMESPACE), limit_s=20, what="made anew in m2")


CLI = [
    pytest.param(["-f", "-"], BROKEN, ["line 9", "column"], id="broken YAML"),
    pytest.param(["-f", "-"], json.dumps(HALF) + json.dumps(UNKNOWN), ["UnknownKind", "Rocket"], id="unknown kind"),
    pytest.param(["-f", "-"], json.dumps(HALF) + json.dumps(policy("p", SPREAD)), ["InvalidManifest", "spreadConstraints"], id="invalid policy"),
    pytest.param(["-f", "-"], json.dumps(HALF) + json.dumps(ELSEWHERE), ["NamespaceMissing", "nowhere"], id="namespace missing"),
    pytest.param(["-f", "no/such/dir"], "", ["no/such/dir"], id="no such file"),
    pytest.param(["-f", "-"], "kind: [", ["line"], id="half a document"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "stdin", "words"), CLI)
def test_the_command_line_ends_with_1_and_says_what_to_mend(hub: Machine, arguments: list[str], stdin: str, words: list[str]) -> None:
    before = configs(hub), changes(hub)
    result = hub.shoal("deploy", *arguments, "--app", "bad", code=None, stdin=stdin)
    told = result.stdout + result.stderr
    assert result.returncode in {1, 2}, told
    assert all(word in told for word in words), told
    assert "Traceback" not in told
    assert (configs(hub), changes(hub)) == before


KUBECTL = [
    pytest.param(json.dumps(UNKNOWN), ['no matches for kind "Rocket" in version "example.com/v1"'], id="unknown kind"),
    pytest.param(json.dumps(policy("p", SPREAD)), ["spreadConstraints"], id="invalid policy"),
    pytest.param(json.dumps(MISSPELT), ["imge"], id="unknown field"),
    pytest.param(json.dumps(ELSEWHERE), ["nowhere", "not found"], id="namespace missing"),
    pytest.param(json.dumps(config("big", {"a": "x" * 1_100_000})), ["Too long"], id="object above the limit"),
    pytest.param(BROKEN, ["line"], id="broken YAML"),
]  # fmt: skip


@pytest.mark.parametrize(("stdin", "words"), KUBECTL)
def test_kubectl_is_refused_in_the_words_of_a_real_server(hub: Machine, stdin: str, words: list[str]) -> None:
    told = hub.kubectl("create", "-f", "-", stdin=stdin, code=1)
    assert all(word in told for word in words), told
    assert not {"big", "half-2"} & configs(hub)
    missing = hub.kubectl("get", "propagationpolicy/p", "deployment/web", "-n", NAMESPACE, code=1)
    assert missing.count("NotFound") == 2, missing
    if "half" in configs(hub):  # kubectl sends the documents that it could read, one by one.
        hub.kubectl("delete", "configmap", "half", "-n", NAMESPACE)


async def test_a_deploy_over_nats_is_answered_and_garbage_is_answered_too(hub: Machine) -> None:
    port = json.loads((hub.state / "ports.json").read_text())["nats"]
    bus = await connect(BusSettings(url=f"nats://127.0.0.1:{port}"), name="ci", clock=SystemClock())

    async def send(source: str, content: bytes) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(await send_deploy(bus, source, content, timeout_s=15))
        return answer

    try:
        # Nobody waits for this answer; the log of events has it, and what comes after it is handled.
        await bus.append("DEPLOY", Append("deploy.careless", b"\x00 nobody listens", {}))
        good = json.dumps(event("by-nats", config("by-nats"))).encode()
        first = await send("e2e", good)
        assert first["accepted"], first
        again = await send("e2e", good)
        assert (again["change"], again["repeated"]) == (first["change"], True)
        assert hub.deploy(event("by-nats", config("by-nats")))["change"] == first["change"], "NATS and HTTP are one door"
        for source, content, words in (
            ("e2e", b"\x00\xff garbage", "cannot be read"),
            ("e2e", b'{"id": "x"', "cannot be read"),
            ("other", good, "deploy.other"),
            ("e2e", json.dumps(event("nats-2", HALF, UNKNOWN)).encode(), "Rocket"),
        ):
            answer = await send(source, content)
            assert not answer.get("accepted"), answer
            assert words in answer["message"], answer
    finally:
        await bus.close()
    assert "half" not in configs(hub)

    def told() -> str:
        refusals = [one for one in hub.hub.get("/api/events") if one["type"] == "deploy.refused"]
        return next((one["data"]["message"] for one in refusals if one["data"]["source"] == "careless"), "")

    eventually(lambda: "cannot be read" in told(), limit_s=10, what="an event that tells of the garbage")
    eventually(lambda: "by-nats" in hub.objects("m1", "configmaps", NAMESPACE), limit_s=20, what="the deploy over NATS in m1")
