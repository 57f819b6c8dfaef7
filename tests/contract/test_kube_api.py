"""The Kubernetes API over HTTP, ours and a real one: the same requests, the same answers."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest

from contract.conftest import Answer, KubeApi

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
PROTOBUF = "application/vnd.kubernetes.protobuf"
METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"


@pytest.fixture
def namespace(kube_api: KubeApi) -> str:
    return kube_api.namespace()


def config_maps(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


def deployments(namespace: str) -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/deployments"


def config_map(name: str = "a", **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def deployment(name: str = "web", **spec: Any) -> dict[str, Any]:
    """Paused, so that a real server's controllers leave it alone."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "nginx:1"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"paused": True, "selector": {"matchLabels": labels}, "template": template, **spec},
    }


@pytest.mark.parametrize(
    ("method", "path", "body", "more", "code", "told"),
    [
        pytest.param("GET", "/a", None, {}, 404, r'configmaps "a" not found', id="get-missing"),
        pytest.param(
            "POST",
            "",
            config_map("Bad_Name"),
            {},
            422,
            r'ConfigMap "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name"',
            id="name",
        ),
        pytest.param(
            "POST", "", {"metadata": {}}, {}, 422, r"metadata.name: Required value: name or generateName is required", id="no-name"
        ),
        pytest.param("POST", "", b"{", {}, 400, r"\(must be of type ConfigMap\): couldn't get version/kind; json parse error", id="torn"),
        pytest.param(
            "POST", "", {**config_map(), "kind": "Pod"}, {}, 400, r'Pod in version "v1" cannot be handled as a ConfigMap', id="kind"
        ),
        pytest.param(
            "POST",
            "",
            {**config_map(), "foo": 1},
            {"fieldValidation": "Strict"},
            400,
            r'strict decoding error: unknown field "foo"',
            id="strict",
        ),
        pytest.param(
            "POST",
            "",
            b'{"metadata":{"name":"x"},"data":{"a":"1","a":"2"}}',
            {"fieldValidation": "Strict"},
            400,
            'duplicate field "data.a"',
            id="twice",
        ),
        pytest.param(
            "POST",
            "",
            {"metadata": {"name": "x"}, "data": {"a": 1}},
            {},
            400,
            r"cannot unmarshal number into Go struct field ConfigMap.data",
            id="type",
        ),
        pytest.param(
            "POST",
            "",
            {"metadata": {"name": "x", "namespace": "other"}},
            {},
            400,
            r"the namespace of the provided object does not match",
            id="ns",
        ),
        pytest.param(
            "POST", "", {"metadata": {"name": "x", "labels": {"a": "b c"}}}, {}, 422, r'metadata.labels: Invalid value: "b c"', id="label"
        ),
        pytest.param("POST", "", b"x", {"type_": "text/csv"}, 415, r"the body of the request was in an unknown format", id="media-type"),
        pytest.param(
            "PUT", "/a", config_map("b"), {}, 400, r"the name of the object \(b\) does not match the name on the URL \(a\)", id="put-name"
        ),
        pytest.param(
            "PUT", "", config_map(), {}, 405, r"the server does not allow this method on the requested resource", id="put-collection"
        ),
        pytest.param("PATCH", "/a", {}, {"type_": MERGE}, 404, r'configmaps "a" not found', id="patch-missing"),
        pytest.param(
            "PATCH",
            "/a",
            config_map("a"),
            {"type_": APPLY},
            422,
            r"fieldManager: Required value: is required for apply patch",
            id="no-manager",
        ),
        pytest.param("GET", "", None, {"labelSelector": "a b c"}, 400, r"unable to parse requirement", id="selector"),
        pytest.param("GET", "", None, {"limit": 1, "continue": "nonsense"}, 400, r"continue key is not valid", id="continue"),
        pytest.param("POST", "", config_map("x"), {"dryRun": "Some"}, 422, r"dryRun: Unsupported value", id="dry-run"),
    ],
)
def test_refusals(kube_api: KubeApi, namespace: str, method: str, path: str, body: Any, more: dict[str, Any], code: int, told: str) -> None:
    answer = kube_api.send(method, config_maps(namespace) + path, body, **more)
    assert (answer.status, answer.body["kind"], answer.body["code"]) == (code, "Status", code)
    assert re.search(told, answer.message), answer.message


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        pytest.param({"replicas": -1}, "spec.replicas: Invalid value: -1: must be greater than or equal to 0", id="negative"),
        pytest.param({"selector": {"matchLabels": {"a": "b"}}}, "`selector` does not match template `labels`", id="selector"),
        pytest.param({"strategy": {"type": "Recreate", "rollingUpdate": {}}}, "spec.strategy.rollingUpdate: Forbidden", id="strategy"),
        pytest.param(
            {"template": {"metadata": {"labels": {"app": "web"}}, "spec": {}}},
            "spec.template.spec.containers: Required value",
            id="containers",
        ),
    ],
)
def test_invalid_deployments(kube_api: KubeApi, namespace: str, spec: dict[str, Any], told: str) -> None:
    answer = kube_api.send("POST", deployments(namespace), deployment(**spec))
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert told in answer.message
    assert len(answer.body["details"]["causes"]) == 1


def test_what_is_not_served(kube_api: KubeApi, namespace: str) -> None:
    unknown_group = kube_api.send("GET", "/apis/nothing.example.org/v1/things")
    assert (unknown_group.status, unknown_group.body) == (404, "404 page not found\n")
    unknown_kind = kube_api.send("GET", f"/apis/apps/v1/namespaces/{namespace}/things")
    assert (unknown_kind.status, unknown_kind.message) == (404, "the server could not find the requested resource")


def test_versions_and_conflicts(kube_api: KubeApi, namespace: str) -> None:
    old = kube_api.send("POST", config_maps(namespace), config_map("a", x="1")).body
    assert kube_api.send("POST", config_maps(namespace), config_map("a")).reason == "AlreadyExists"
    path = config_maps(namespace) + "/a"
    assert kube_api.send("PUT", path, {**old, "data": {"x": "2"}}).status == 200
    stale = kube_api.send("PUT", path, {**old, "data": {"x": "3"}})
    assert (stale.status, stale.reason) == (409, "Conflict")
    assert "the object has been modified; please apply your changes to the latest version" in stale.message
    same = kube_api.send("PATCH", path, {"data": {"x": "2"}}, type_=MERGE)
    assert kube_api.send("PATCH", path, {"data": {"x": "2"}}, type_=MERGE).body == same.body


def test_deleting(kube_api: KubeApi, namespace: str) -> None:
    path = config_maps(namespace) + "/a"
    held = config_map("a")
    held["metadata"]["finalizers"] = ["example.org/x"]
    uid = kube_api.send("POST", config_maps(namespace), held).body["metadata"]["uid"]
    other = kube_api.send("DELETE", path, {"preconditions": {"uid": "another"}})
    assert (other.status, other.reason) == (409, "Conflict")
    assert "the UID in the precondition (another) does not match the UID in record" in other.message
    marked = kube_api.send("DELETE", path, {"preconditions": {"uid": uid}})
    assert (marked.status, marked.body["metadata"]["deletionGracePeriodSeconds"]) == (200, 0)
    more = kube_api.send("PATCH", path, {"metadata": {"finalizers": ["example.org/x", "example.org/y"]}}, type_=MERGE)
    assert more.status == 422
    assert "no new finalizers can be added if the object is being deleted" in more.message
    assert kube_api.send("PATCH", path, {"metadata": {"finalizers": None}}, type_=MERGE).status == 200
    assert kube_api.send("GET", path).status == 404
    kube_api.send("POST", config_maps(namespace), config_map("b"))
    gone = kube_api.send("DELETE", config_maps(namespace) + "/b")
    assert (gone.status, gone.body["status"], gone.body["details"]["kind"]) == (200, "Success", "configmaps")


def test_lists_in_chunks(kube_api: KubeApi, namespace: str) -> None:
    for name in "abc":
        kube_api.send("POST", config_maps(namespace), {**config_map(name), "metadata": {"name": name, "labels": {"mine": "yes"}}})
    first = kube_api.send("GET", config_maps(namespace), limit=2, labelSelector="mine=yes").body
    assert [one["metadata"]["name"] for one in first["items"]] == ["a", "b"]
    token = {"continue": first["metadata"]["continue"]}
    rest = kube_api.send("GET", config_maps(namespace), limit=2, labelSelector="mine=yes", **token).body
    assert [one["metadata"]["name"] for one in rest["items"]] == ["c"]
    assert rest["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert "continue" not in rest["metadata"]


def test_a_watch_from_a_list(kube_api: KubeApi, namespace: str) -> None:
    selector = {"labelSelector": "mine=yes"}
    version = kube_api.send("GET", config_maps(namespace), **selector).body["metadata"]["resourceVersion"]
    with kube_api.watch(config_maps(namespace), resourceVersion=version, **selector) as event:
        kube_api.send("POST", config_maps(namespace), {**config_map("a"), "metadata": {"name": "a", "labels": {"mine": "yes"}}})
        kube_api.send("PATCH", config_maps(namespace) + "/a", {"data": {"x": "1"}}, type_=MERGE)
        kube_api.send("PATCH", config_maps(namespace) + "/a", {"metadata": {"labels": {"mine": "no"}}}, type_=MERGE)
        kube_api.send("PATCH", config_maps(namespace) + "/a", {"metadata": {"labels": {"mine": "yes"}}}, type_=MERGE)
        kube_api.send("DELETE", config_maps(namespace) + "/a")
        assert [event()["type"] for _ in range(5)] == ["ADDED", "MODIFIED", "DELETED", "ADDED", "DELETED"]


def test_a_watch_with_initial_events(kube_api: KubeApi, namespace: str) -> None:
    kube_api.send("POST", config_maps(namespace), config_map("a"))
    query = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
        "fieldSelector": "metadata.name=a",
    }
    with kube_api.watch(config_maps(namespace), **query) as event:
        assert event()["object"]["metadata"]["name"] == "a"
        bookmark = event()
    assert bookmark["type"] == "BOOKMARK"
    assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_a_watch_ends_after_its_time(kube_api: KubeApi, namespace: str) -> None:
    version = kube_api.send("GET", config_maps(namespace)).body["metadata"]["resourceVersion"]
    query = {"watch": "true", "timeoutSeconds": 1, "resourceVersion": version, "fieldSelector": "metadata.name=nothing"}
    with kube_api.open("GET", config_maps(namespace), **query) as answer:
        assert answer.read() == b""


def test_forms_of_an_answer(kube_api: KubeApi, namespace: str) -> None:
    made = kube_api.send("POST", config_maps(namespace), config_map("a", x="1"), accept=METADATA)
    assert (made.status, made.body["kind"], "data" in made.body) == (201, "PartialObjectMetadata", False)
    path = config_maps(namespace) + "/a"
    assert kube_api.send("GET", path, accept=f"{PROTOBUF};q=0.1,application/json").status == 200
    assert kube_api.send("GET", path, accept="text/csv").status == 406


def test_warnings_name_what_was_dropped(kube_api: KubeApi, namespace: str) -> None:
    answer = kube_api.send("POST", config_maps(namespace), {**config_map("a"), "foo": 1})
    assert (answer.status, answer.headers["warning"]) == (201, '299 - "unknown field \\"foo\\""')


def test_yaml_bodies(kube_api: KubeApi, namespace: str) -> None:
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: 'yes'}\n"
    assert kube_api.send("PATCH", config_maps(namespace) + "/a", body, type_=APPLY, fieldManager="m").status == 201
    made = kube_api.send("POST", config_maps(namespace), body.replace(b"name: a", b"name: b"), type_="application/yaml")
    assert (made.status, made.body["data"]) == (201, {"x": "yes"})


def test_defaults_and_owners_of_a_new_deployment(kube_api: KubeApi, namespace: str) -> None:
    made = kube_api.send("POST", deployments(namespace), deployment(), fieldManager="m").body
    assert made["spec"]["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}
    assert made["metadata"]["generation"] == 1
    owned = next(one for one in made["metadata"]["managedFields"] if one["manager"] == "m")["fieldsV1"]
    assert set(owned) == {"f:spec"}
    assert set(owned["f:spec"]["f:strategy"]) == {"f:rollingUpdate", "f:type"}
    assert set(owned["f:spec"]["f:template"]["f:spec"]["f:containers"]['k:{"name":"app"}']) >= {".", "f:image", "f:name", "f:resources"}


MANAGERS = ("m1", "m2", "m3")
OPERATIONS = 150


class Requests:
    """Random writes to one Deployment, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def __call__(self) -> tuple[str, Any, str, dict[str, str]]:
        """(method, body, content type, query)"""
        pick, query = self._random, {"fieldManager": self._random.choice(MANAGERS)}
        kind = pick.random()
        if kind < 0.65:
            return "PATCH", self._object(), APPLY, query | ({"force": "true"} if pick.random() < 0.5 else {})
        if kind < 0.75:
            labels = {f"l{pick.randint(0, 3)}": pick.choice(["x", "y", None])}
            return "PATCH", {"metadata": {"labels": labels}, "spec": {"replicas": pick.randint(1, 3)}}, MERGE, query
        if kind < 0.92:
            item: dict[str, Any] = {"name": pick.choice("abc"), "image": f"img:{pick.randint(1, 3)}"}
            item |= (
                {"$patch": "delete"} if pick.random() < 0.3 else {"env": [{"name": f"E{pick.randint(0, 4)}", "value": pick.choice("abc")}]}
            )
            return "PATCH", {"spec": {"template": {"spec": {"containers": [item]}}}}, STRATEGIC, query
        return "PUT", self._object(), "", query

    def _object(self) -> dict[str, Any]:
        pick = self._random
        containers = [self._container(name) for name in pick.sample("abc", pick.randint(1, 3))]
        spec: dict[str, Any] = {"containers": containers}
        if pick.random() < 0.3:
            spec["nodeSelector"] = {"k": pick.choice("12")}
        if pick.random() < 0.3:
            spec["volumes"] = [{"name": name, "emptyDir": {}} for name in pick.sample("uvw", pick.randint(1, 2))]
        labels = {f"l{number}": pick.choice("xy") for number in pick.sample(range(4), pick.randint(0, 3))}
        out = deployment("d", template={"metadata": {"labels": {"app": "d"}}, "spec": spec})
        out["metadata"] |= {"labels": labels} if labels else {}
        if pick.random() < 0.5:
            out["spec"]["replicas"] = pick.randint(1, 3)
        if pick.random() < 0.3:
            out["spec"]["strategy"] = pick.choice([{"type": "Recreate"}, {"rollingUpdate": {"maxSurge": "30%"}}, {"type": "RollingUpdate"}])
        return out

    def _container(self, name: str) -> dict[str, Any]:
        pick = self._random
        out: dict[str, Any] = {"name": name, "image": f"img:{pick.randint(1, 3)}"}
        if pick.random() < 0.6:
            out["env"] = [{"name": f"E{number}", "value": pick.choice("abc")} for number in pick.sample(range(5), pick.randint(0, 4))]
        if pick.random() < 0.5:
            out["ports"] = [{"containerPort": port} for port in pick.sample([80, 81, 82], pick.randint(1, 2))]
        if pick.random() < 0.4:
            out["args"] = pick.sample(["x", "y", "z"], 2)
        if pick.random() < 0.3:
            out["resources"] = {"requests": {"cpu": pick.choice(["100m", "200m"])}}
        return out


def outcome(answer: Answer) -> dict[str, Any]:
    """What must be equal: code, conflicts, labels, spec, and what every applier owns. Status belongs to controllers, and the revision
    annotation too; updaters may keep crumbs of fields that are gone."""
    if answer.status >= 400:
        causes = answer.body.get("details", {}).get("causes", [])
        return {"code": answer.status, "causes": sorted(json.dumps(cause, sort_keys=True) for cause in causes)}
    metadata = answer.body["metadata"]
    appliers = {one["manager"]: one["fieldsV1"] for one in metadata.get("managedFields", []) if one["operation"] == "Apply"}
    return {"code": answer.status, "labels": metadata.get("labels"), "spec": answer.body["spec"], "appliers": appliers}


@pytest.mark.kube
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_writes_end_alike(embedded_api: KubeApi, real_api: KubeApi, seed: int) -> None:
    apis = (real_api, embedded_api)
    paths = [deployments(api.namespace()) + "/d" for api in apis]
    requests = Requests(seed)
    for number in range(OPERATIONS):
        method, body, type_, query = requests()
        theirs, ours = (outcome(api.send(method, path, body, type_=type_, **query)) for api, path in zip(apis, paths, strict=True))
        assert ours == theirs, f"request {number}: {method} {query} {json.dumps(body)}"
