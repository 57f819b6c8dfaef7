"""`validation.py` and `rules.py`: what is invalid, and with which causes."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.kube.apiserver.errors import Cause
from shoal.kube.apiserver.registry import Registry, ResourceType
from shoal.kube.apiserver.rules import kind_causes
from shoal.kube.apiserver.validation import custom_causes, label_value_problem, metadata_causes, qualified_name_problem, schema_causes
from support.apiserver import deployment

REGISTRY = Registry.builtin()


def kind(group: str, name: str) -> ResourceType:
    found = REGISTRY.of(group, name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("group", "kind_name", "name", "valid"),
    [
        pytest.param("", "ConfigMap", "a.b-c.1", True, id="subdomain"),
        pytest.param("", "ConfigMap", "-a", False, id="leading-dash"),
        pytest.param("", "ConfigMap", "a" * 254, False, id="too-long"),
        pytest.param("", "Namespace", "a.b", False, id="namespace-is-a-label"),
        pytest.param("", "Service", "1a", False, id="service-starts-with-a-letter"),
        pytest.param("rbac.authorization.k8s.io", "ClusterRole", "system:Some thing", True, id="roles-may-hold-colons"),
        pytest.param("rbac.authorization.k8s.io", "ClusterRole", "a/b", False, id="roles-hold-no-slash"),
    ],
)
def test_names(group: str, kind_name: str, name: str, valid: bool) -> None:
    causes = metadata_causes({"metadata": {"name": name}}, kind(group, kind_name))
    assert [cause.field for cause in causes] == ([] if valid else ["metadata.name"])


@pytest.mark.parametrize(
    ("metadata", "fields"),
    [
        pytest.param({"labels": {"a b": "c"}}, ["metadata.labels"], id="label-key"),
        pytest.param({"labels": {"a": "b c"}}, ["metadata.labels"], id="label-value"),
        pytest.param({"labels": {"Example.org/a": "b"}}, ["metadata.labels"], id="label-prefix"),
        pytest.param({"annotations": {"Some.Thing/Key": "any text at all!"}}, [], id="annotations-may-be-upper-case"),
        pytest.param({"annotations": {"a": "x" * 300_000}}, ["metadata.annotations"], id="annotations-too-large"),
        pytest.param({"finalizers": ["a b"]}, ["metadata.finalizers[0]"], id="finalizer"),
    ],
)
def test_metadata(metadata: dict[str, Any], fields: list[str]) -> None:
    assert [cause.field for cause in metadata_causes({"metadata": {"name": "x", **metadata}}, kind("", "ConfigMap"))] == fields


def test_keys_and_values() -> None:
    assert qualified_name_problem("example.org/a_b.C") is None
    assert qualified_name_problem("/a") is not None
    assert label_value_problem("") is None
    assert label_value_problem("a" * 64) == "must be no more than 63 bytes"


def pod_template(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": "x"}], **spec}}


def causes(object_: dict[str, Any], group: str, name: str, old: dict[str, Any] | None = None) -> list[tuple[str, str]]:
    return [(cause.field, cause.message) for cause in kind_causes(object_, old, group=group, kind=name)]


@pytest.mark.parametrize(
    ("spec", "field", "told"),
    [
        pytest.param({"replicas": -1}, "spec.replicas", "Invalid value: -1: must be greater than or equal to 0", id="negative"),
        pytest.param({"selector": {}}, "spec.selector", "empty selector is invalid", id="empty-selector"),
        pytest.param(
            {"selector": {"matchLabels": {"app": "x"}}},
            "spec.template.metadata.labels",
            "`selector` does not match template `labels`",
            id="mismatch",
        ),
        pytest.param({"strategy": {"type": "Fast"}}, "spec.strategy.type", 'supported values: "Recreate", "RollingUpdate"', id="strategy"),
        pytest.param(
            {"strategy": {"type": "Recreate", "rollingUpdate": {}}}, "spec.strategy.rollingUpdate", "may not be specified", id="recreate"
        ),
        pytest.param({"template": pod_template(containers=[])}, "spec.template.spec.containers", "Required value", id="no-containers"),
        pytest.param(
            {"template": pod_template(containers=[{"name": "a"}])},
            "spec.template.spec.containers[0].image",
            "Required value",
            id="no-image",
        ),
        pytest.param(
            {"template": pod_template(containers=[{"name": "a", "image": "x"}] * 2)},
            "spec.template.spec.containers[1].name",
            'Duplicate value: "a"',
            id="name-twice",
        ),
        pytest.param(
            {"template": pod_template(restartPolicy="Never")},
            "spec.template.spec.restartPolicy",
            'supported values: "Always"',
            id="restart-policy",
        ),
        pytest.param(
            {"template": pod_template(containers=[{"name": "a", "image": "x", "volumeMounts": [{"name": "v"}]}])},
            "spec.template.spec.containers[0].volumeMounts[0].name",
            'Not found: "v"',
            id="no-such-volume",
        ),
        pytest.param(
            {"template": pod_template(containers=[{"name": "a", "image": "x", "ports": [{"containerPort": 70000}]}])},
            "spec.template.spec.containers[0].ports[0].containerPort",
            "must be between 1 and 65535",
            id="port",
        ),
    ],
)
def test_workloads(spec: dict[str, Any], field: str, told: str) -> None:
    found = causes(deployment("web", **spec), "apps", "Deployment")
    assert [one for one, _ in found] == [field]
    assert told in found[0][1]


@pytest.mark.parametrize(
    ("group", "name", "old", "new", "field"),
    [
        pytest.param("apps", "StatefulSet", {"serviceName": "a"}, {"serviceName": "b"}, "spec", id="statefulset"),
        pytest.param(
            "batch",
            "Job",
            {"template": pod_template(restartPolicy="Never")},
            {"template": pod_template(restartPolicy="OnFailure")},
            "spec.template",
            id="job",
        ),
        pytest.param(
            "",
            "Service",
            {"ports": [{"port": 1}], "clusterIP": "10.0.0.1"},
            {"ports": [{"port": 1}], "clusterIP": "10.0.0.2"},
            "spec.clusterIP",
            id="service",
        ),
    ],
)
def test_fields_that_cannot_change(group: str, name: str, old: dict[str, Any], new: dict[str, Any], field: str) -> None:
    common: dict[str, Any] = {"selector": {"matchLabels": {"app": "web"}}, "template": pod_template()} if name == "StatefulSet" else {}
    before, after = {"kind": name, "spec": {**common, **old}}, {"kind": name, "spec": {**common, **new}}
    assert field in [one for one, _ in causes(after, group, name, before)]
    assert causes(before, group, name, before) == []


def test_frozen_data_cannot_change() -> None:
    old = {"kind": "ConfigMap", "data": {"a": "1"}, "immutable": True}
    assert causes({**old, "data": {"a": "2"}}, "", "ConfigMap", old)[0][0] == "data"
    assert causes({"kind": "ConfigMap", "data": {"a": "1"}}, "", "ConfigMap", old)[0][0] == "immutable"


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        pytest.param({}, ["spec.ports"], id="no-ports"),
        pytest.param({"clusterIP": "None"}, [], id="headless-needs-none"),
        pytest.param({"ports": [{"port": 0}]}, ["spec.ports[0].port"], id="port-zero"),
        pytest.param({"ports": [{"port": 1}, {"port": 2, "name": "b"}]}, ["spec.ports[0].name"], id="two-ports-need-names"),
        pytest.param({"type": "Some", "ports": [{"port": 1}]}, ["spec.type"], id="type"),
        pytest.param({"ports": [{"port": 1}], "selector": {"a": "b c"}}, ["spec.selector"], id="selector"),
    ],
)
def test_services(spec: dict[str, Any], fields: list[str]) -> None:
    assert [one for one, _ in causes({"kind": "Service", "spec": spec}, "", "Service")] == fields


def test_jobs_say_when_they_restart() -> None:
    found = causes({"kind": "Job", "spec": {"template": pod_template()}}, "batch", "Job")
    assert found == [("spec.template.spec.restartPolicy", 'Required value: valid values: "OnFailure", "Never"')]


def test_required_fields_by_schema() -> None:
    found = schema_causes({"spec": {"template": {}}}, kind("apps", "Deployment").node("v1"))
    assert found == [Cause("spec.selector", "FieldValueRequired", "Required value")]


ADDED = ResourceType(
    group="example.org",
    kind="Widget",
    plural="widgets",
    namespaced=True,
    schemas={
        "v1": {
            "$ref": "#/$defs/Widget",
            "$defs": {
                "Widget": {"type": "object", "required": ["spec", "metadata"], "properties": {"spec": {"$ref": "#/$defs/Spec"}}},
                "Spec": {
                    "type": "object",
                    "required": ["size"],
                    "properties": {"size": {"type": "integer", "minimum": 1}, "mode": {"enum": ["a", "b"]}},
                },
            },
        }
    },
)


@pytest.mark.parametrize(
    ("spec", "cause"),
    [
        pytest.param({"size": 1}, None, id="valid"),
        pytest.param({}, ("spec.size", "FieldValueRequired"), id="required"),
        pytest.param({"size": 0}, ("spec.size", "FieldValueInvalid"), id="minimum"),
        pytest.param({"size": "x"}, ("spec.size", "FieldValueInvalid"), id="type"),
        pytest.param({"size": 1, "mode": "c"}, ("spec.mode", "FieldValueInvalid"), id="enum"),
    ],
)
def test_kinds_with_their_own_schema(spec: dict[str, Any], cause: tuple[str, str] | None) -> None:
    found = custom_causes({"metadata": {"name": "w"}, "spec": spec}, ADDED, "v1")
    assert [(one.field, one.reason) for one in found] == ([] if cause is None else [cause])


@pytest.mark.parametrize(
    ("kind_name", "data", "path"),
    [
        pytest.param("ConfigMap", {"data": {"a": "x" * 2**20}}, "", id="just-fits"),
        pytest.param("ConfigMap", {"data": {"a": "x" * 2**19, "b": "y" * (2**19 + 1)}}, "[]", id="too-long-together"),
        pytest.param("ConfigMap", {"data": {"a": "ü" * (2**19 + 1)}}, "[]", id="bytes-not-letters"),
        pytest.param("Secret", {"data": {"a": "eHh4" * (2**18 + 2**16)}}, "", id="decoded-it-fits"),
        pytest.param("Secret", {"data": {"a": "eHh4" * (2**19)}}, "data", id="secret-too-long"),
    ],
)
def test_values_together_have_a_limit(kind_name: str, data: dict[str, Any], path: str) -> None:
    assert [one[0] for one in causes({"kind": kind_name, **data}, "", kind_name)] == ([path] if path else [])


@pytest.mark.parametrize(
    ("claims", "mount", "told"),
    [
        pytest.param(["data"], "data", [], id="claim-template"),
        pytest.param(["data"], "tmp", [], id="volume-of-the-pod"),
        pytest.param(
            ["data"],
            "other",
            [("spec.template.spec.containers[0].volumeMounts[0].name", 'Not found: "other"')],
            id="neither",
        ),
    ],
)
def test_a_stateful_set_mounts_what_its_claim_templates_make(claims: list[str], mount: str, told: list[tuple[str, str]]) -> None:
    container = {"name": "app", "image": "x", "volumeMounts": [{"name": mount, "mountPath": "/data"}]}
    spec = {
        "selector": {"matchLabels": {"app": "web"}},
        "template": pod_template(containers=[container], volumes=[{"name": "tmp", "emptyDir": {}}]),
        "volumeClaimTemplates": [{"metadata": {"name": name}, "spec": {}} for name in claims],
    }
    assert causes({"kind": "StatefulSet", "spec": spec}, "apps", "StatefulSet") == told
