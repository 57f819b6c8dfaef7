"""`crd.py` through the door: a definition makes a kind, and takes it away."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.api.meta import Ref
from shoal.kube.apiserver import Registry, ResourceType
from support.apiserver import MERGE, STRATEGIC, Client

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/example.org/v1/namespaces/default/widgets"


def version(name: str, *, storage: bool = True, **spec: Any) -> dict[str, Any]:
    properties = {"size": {"type": "integer", "minimum": 0}, "mode": {"type": "string", "default": "fast"}, **spec}
    schema = {
        "type": "object",
        "properties": {
            "spec": {"type": "object", "properties": properties},
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    }
    return {"name": name, "served": True, "storage": storage, "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}}}


def definition(*versions: dict[str, Any]) -> dict[str, Any]:
    return {
        "metadata": {"name": "widgets.example.org"},
        "spec": {
            "group": "example.org",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": list(versions) or [version("v1")],
        },
    }


def widget(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec}


async def test_a_definition_is_established_at_once(api: Client) -> None:
    made = await api("POST", CRDS, definition(), code=201)
    assert {one["type"]: one["status"] for one in made["status"]["conditions"]} == {"NamesAccepted": "True", "Established": "True"}
    assert made["status"]["storedVersions"] == ["v1"]
    assert made["spec"]["names"]["listKind"] == "WidgetList"
    assert (await api("GET", WIDGETS))["kind"] == "WidgetList"


async def test_objects_have_defaults_status_and_generation(api: Client) -> None:
    await api("POST", CRDS, definition())
    made = await api("POST", WIDGETS, {**widget(size=1), "status": {"x": 1}}, code=201)
    assert made["spec"] == {"size": 1, "mode": "fast"}
    assert "status" not in made
    shown = await api("PATCH", f"{WIDGETS}/w/status", {"status": {"x": 2}, "spec": {"size": 5}}, type_=MERGE)
    assert (shown["spec"]["size"], shown["status"], shown["metadata"]["generation"]) == (1, {"x": 2}, 1)
    shown = await api("PATCH", f"{WIDGETS}/w", {"spec": {"size": 5}}, type_=MERGE)
    assert shown["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("object_", "query", "code", "told"),
    [
        pytest.param(widget(size=-1), {}, 422, "spec.size: Invalid value", id="minimum"),
        pytest.param(widget(size="x"), {}, 422, "spec.size", id="type"),
        pytest.param(widget(colour="blue"), {"fieldValidation": "Strict"}, 400, 'unknown field "spec.colour"', id="unknown"),
    ],
)
async def test_objects_that_are_refused(api: Client, object_: Any, query: dict[str, str], code: int, told: str) -> None:
    await api("POST", CRDS, definition())
    assert told in (await api("POST", WIDGETS, object_, code=code, **query))["message"]


async def test_unknown_fields_are_pruned(api: Client) -> None:
    await api("POST", CRDS, definition())
    assert (await api("POST", WIDGETS, widget(colour="blue")))["spec"] == {"mode": "fast"}


async def test_a_replacement_names_the_version_it_saw(api: Client) -> None:
    await api("POST", CRDS, definition())
    made = await api("POST", WIDGETS, widget(size=1))
    told = await api("PUT", f"{WIDGETS}/w", widget(size=2), code=422)
    assert "must be specified for an update" in told["message"]
    assert (await api("PUT", f"{WIDGETS}/w", {**made, "spec": {"size": 2}}))["spec"]["size"] == 2


async def test_there_is_no_strategic_merge(api: Client) -> None:
    await api("POST", CRDS, definition())
    await api("POST", WIDGETS, widget())
    await api("PATCH", f"{WIDGETS}/w", {}, type_=STRATEGIC, code=415)


async def test_an_object_shows_in_every_served_version(api: Client) -> None:
    await api("POST", CRDS, definition(version("v1"), version("v1beta1", storage=False)))
    await api("POST", WIDGETS, widget(size=1))
    old = WIDGETS.replace("/v1/", "/v1beta1/")
    assert (await api("GET", f"{old}/w"))["apiVersion"] == "example.org/v1beta1"
    listed = await api("GET", old)
    assert (listed["apiVersion"], listed["items"][0]["apiVersion"]) == ("example.org/v1beta1", "example.org/v1beta1")
    await api("PATCH", f"{old}/w", {"spec": {"size": 2}}, type_=MERGE)
    assert (await api("GET", f"{WIDGETS}/w"))["spec"]["size"] == 2


async def test_a_changed_definition_counts_at_once(api: Client) -> None:
    await api("POST", CRDS, definition())
    await api("PUT", f"{CRDS}/widgets.example.org", definition(version("v1", colour={"type": "string"})))
    assert (await api("POST", WIDGETS, widget(colour="blue")))["spec"]["colour"] == "blue"


async def test_without_its_definition_a_kind_is_gone(api: Client) -> None:
    await api("POST", CRDS, definition())
    await api("DELETE", f"{CRDS}/widgets.example.org")
    assert (await api.raw("GET", WIDGETS)).status == 404


async def test_a_kind_that_is_served_anyway_stays_what_it_is() -> None:
    registry = Registry.builtin()
    own = ResourceType(group="example.org", kind="Widget", plural="widgets", namespaced=True)
    registry.add(own)
    api = Client(registry=registry)
    await api("POST", CRDS, definition())
    await api("GET", WIDGETS)
    assert registry.of("example.org", "Widget") is own
    await api("DELETE", f"{CRDS}/widgets.example.org")
    await api("GET", WIDGETS)
    assert registry.of("example.org", "Widget") is own


async def test_a_schema_that_cannot_be_compiled_does_not_stop_its_kind(api: Client) -> None:
    await api("POST", CRDS, definition(version("v1", mode={"type": "string", "pattern": "("})))
    assert (await api("POST", WIDGETS, widget(mode="x")))["spec"] == {"mode": "x"}


async def test_a_broken_definition_does_not_stop_the_others(api: Client) -> None:
    await api.store.write(
        Ref("apiextensions.k8s.io", "CustomResourceDefinition", "", "x"), {"metadata": {"name": "x"}, "spec": {}}, expected=0
    )
    await api("POST", CRDS, definition())
    await api("GET", WIDGETS)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        pytest.param({"metadata": {"name": "other"}}, "metadata.name", id="name"),
        pytest.param({"spec": {**definition()["spec"], "scope": "Everywhere"}}, "spec.scope", id="scope"),
        pytest.param(
            {"spec": {**definition()["spec"], "versions": [version("v1", storage=False)]}}, "spec.versions", id="no-storage-version"
        ),
        pytest.param(
            {"spec": {**definition()["spec"], "versions": [{"name": "v1", "served": True, "storage": True}]}},
            "spec.versions[0].schema.openAPIV3Schema",
            id="no-schema",
        ),
    ],
)
async def test_definitions_that_are_refused(api: Client, change: dict[str, Any], field: str) -> None:
    told = await api("POST", CRDS, definition() | change, code=422)
    assert field in {cause["field"] for cause in told["details"]["causes"]}
