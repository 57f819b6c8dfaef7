"""`discovery.py`, `openapi.py` and the other documents of `server.py`."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.kube.apiserver import Registry, ResourceType, Scale
from shoal.kube.apiserver.registry import version_rank
from shoal.kube.apiserver.store import decode
from support.apiserver import Client

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"

WIDGET = ResourceType(
    group="example.org",
    kind="Widget",
    plural="widgets",
    namespaced=True,
    versions=("v1", "v1beta1"),
    short_names=("wd",),
    scale=Scale(),
    schemas={
        "v1": {
            "type": "object",
            "properties": {"spec": {"$ref": "#/$defs/Spec"}},
            "$defs": {"Spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
        }
    },
)


@pytest.fixture
def api() -> Client:
    registry = Registry.builtin()
    registry.add(WIDGET)
    return Client(registry=registry)


async def test_aggregated_discovery(api: Client) -> None:
    answer = await api.raw("GET", "/apis", accept=AGGREGATED)
    assert answer.content_type == "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    groups = {one["metadata"]["name"]: one for one in decode(answer.body)["items"]}
    assert [one["version"] for one in groups["example.org"]["versions"]] == ["v1", "v1beta1"]
    (widget,) = groups["example.org"]["versions"][0]["resources"]
    assert widget["responseKind"] == {"group": "example.org", "version": "v1", "kind": "Widget"}
    assert (widget["resource"], widget["scope"], widget["shortNames"], widget["singularResource"]) == (
        "widgets",
        "Namespaced",
        ["wd"],
        "widget",
    )
    assert [one["subresource"] for one in widget["subresources"]] == ["scale", "status"]
    core = decode((await api.raw("GET", "/api", accept=AGGREGATED)).body)
    assert [one["metadata"]["name"] for one in core["items"]] == [""]
    assert "" not in groups


async def test_plain_discovery(api: Client) -> None:
    assert (await api("GET", "/api"))["versions"] == ["v1"]
    groups = {one["name"]: one for one in (await api("GET", "/apis"))["groups"]}
    assert groups["example.org"]["preferredVersion"] == {"groupVersion": "example.org/v1", "version": "v1"}
    assert (await api("GET", "/apis/example.org"))["name"] == "example.org"
    resources = {one["name"]: one for one in (await api("GET", "/apis/apps/v1"))["resources"]}
    assert resources["deployments"]["shortNames"] == ["deploy"]
    assert resources["deployments/scale"]["kind"] == "Scale"
    assert "shortNames" not in resources["deployments/status"]
    assert "pods" in {one["name"] for one in (await api("GET", "/api/v1"))["resources"]}


async def test_openapi_says_what_kubectl_asks(api: Client) -> None:
    index = await api("GET", "/openapi/v3")
    assert index["paths"]["apis/apps/v1"]["serverRelativeURL"].startswith("/openapi/v3/apis/apps/v1?hash=")
    document = await api("GET", "/openapi/v3/apis/apps/v1")
    patch = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert "fieldValidation" in {one["name"] for one in patch["parameters"]}
    schemas = document["components"]["schemas"]
    assert "io.k8s.api.core.v1.Container" in schemas
    assert schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]["x-kubernetes-patch-merge-key"] == "name"


async def test_openapi_of_added_kinds_refers_to_nothing_missing(api: Client) -> None:
    document = await api("GET", "/openapi/v3/apis/example.org/v1")
    schemas = document["components"]["schemas"]
    assert schemas["org.example.v1.Widget"]["x-kubernetes-group-version-kind"][0]["kind"] == "Widget"
    missing = {ref for ref in _references(document) if ref not in schemas}
    assert missing == set()


def _references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"].rpartition("/")[2]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(_references(item) for item in value.values()))
    return set().union(*(_references(item) for item in value)) if isinstance(value, list) else set()


async def test_every_document_is_complete(api: Client) -> None:
    for path in (await api("GET", "/openapi/v3"))["paths"]:
        document = await api("GET", f"/openapi/v3/{path}")
        assert {ref for ref in _references(document) if ref not in document["components"]["schemas"]} == set(), path


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/livez", "/readyz/ping"])
async def test_health(api: Client, path: str) -> None:
    answer = await api.raw("GET", path)
    assert (answer.status, answer.body) == (200, b"ok")


async def test_version(api: Client) -> None:
    version = await api("GET", "/version")
    assert (version["major"], version["minor"], version["gitVersion"]) == ("1", "37", "v1.37.0")


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        pytest.param("/apis/nothing.example.org/v1/things", True, id="unknown-group"),
        pytest.param("/apis/apps/v2/deployments", True, id="unknown-version"),
        pytest.param("/apis/apps/v1/things", False, id="unknown-kind"),
        pytest.param("/nothing", False, id="unknown-path"),
        pytest.param("/openapi/v3/apis/nothing/v1", False, id="unknown-document"),
    ],
)
async def test_what_is_not_served(api: Client, path: str, plain: bool) -> None:
    answer = await api.raw("GET", path)
    assert answer.status == 404
    assert answer.body == b"404 page not found\n" if plain else decode(answer.body)["reason"] == "NotFound"


async def test_documents_are_only_read(api: Client) -> None:
    assert (await api.raw("POST", "/version")).status == 405


async def test_reviews_are_answered_and_not_stored(api: Client) -> None:
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    review = await api("POST", path, {"spec": {"resourceAttributes": {"verb": "get"}}}, code=201)
    assert review["status"]["allowed"] is True
    assert (await api.raw("GET", path)).status == 405
    rules = await api("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", {"spec": {"namespace": "default"}})
    assert rules["status"]["resourceRules"][0]["verbs"] == ["*"]


def test_versions_are_ranked() -> None:
    versions = ["v1alpha1", "v2", "v1beta2", "v1", "v1beta10", "other"]
    assert sorted(versions, key=version_rank) == ["v2", "v1", "v1beta10", "v1beta2", "v1alpha1", "other"]
