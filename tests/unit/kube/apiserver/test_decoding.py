"""`decoding.py`: from bytes to an object that fits its schema."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.kube.apiserver.decoding import conform, is_base64, parse, parse_patch, refuse
from shoal.kube.apiserver.errors import StatusError
from shoal.kube.apiserver.registry import Registry
from shoal.kube.apiserver.schema import Node

REGISTRY = Registry.builtin()


def node(group: str, kind: str) -> Node:
    found = REGISTRY.of(group, kind)
    assert found is not None
    return found.node(found.versions[0])


def fitted(value: dict[str, Any], group: str = "apps", kind: str = "Deployment") -> tuple[dict[str, Any], list[str], str]:
    findings = conform(value, node(group, kind), kind, check_types=True)
    return value, findings.unknown, findings.mismatch


@pytest.mark.parametrize(
    ("sent", "kept", "unknown"),
    [
        pytest.param({"spec": {"replicas": 1}}, {"spec": {"replicas": 1}}, [], id="fits"),
        pytest.param({"spec": {"replicas": None, "paused": True}}, {"spec": {"paused": True}}, [], id="nulls-go"),
        pytest.param({"spec": {"foo": 1}, "bar": 2}, {"spec": {}}, ["spec.foo", "bar"], id="unknown-fields-go"),
        pytest.param(
            {"spec": {"template": {"spec": {"containers": [{"name": "a", "imag": "x"}]}}}},
            {"spec": {"template": {"spec": {"containers": [{"name": "a"}]}}}},
            ["spec.template.spec.containers[0].imag"],
            id="unknown-in-a-list-has-its-index",
        ),
        pytest.param({"metadata": {"labels": {"a": None}}}, {"metadata": {"labels": {"a": ""}}}, [], id="null-label-is-empty"),
        pytest.param(
            {"spec": {"template": {"spec": {"containers": [{"name": "a", "resources": {"limits": {"cpu": 1, "memory": "1Gi"}}}]}}}},
            {"spec": {"template": {"spec": {"containers": [{"name": "a", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}]}}}},
            [],
            id="quantities-become-text",
        ),
    ],
)
def test_fit(sent: dict[str, Any], kept: dict[str, Any], unknown: list[str]) -> None:
    assert fitted(sent) == (kept, unknown, "")


@pytest.mark.parametrize(
    ("sent", "kind", "told"),
    [
        pytest.param(
            {"spec": {"replicas": "3"}},
            "Deployment",
            "string into Go struct field DeploymentSpec.spec.replicas of type int32",
            id="text-for-number",
        ),
        pytest.param(
            {"spec": {"replicas": 1.5}}, "Deployment", "number 1.5 into Go struct field DeploymentSpec.spec.replicas", id="fraction"
        ),
        pytest.param({"spec": {"replicas": True}}, "Deployment", "bool into Go struct field", id="bool-for-number"),
        pytest.param({"spec": {"replicas": 2**31}}, "Deployment", "number 2147483648 into", id="too-large"),
        pytest.param({"spec": []}, "Deployment", "array into Go struct field Deployment.spec", id="list-for-map"),
        pytest.param({"spec": {"paused": "yes"}}, "Deployment", "of type bool", id="text-for-bool"),
        pytest.param(
            {"metadata": {"annotations": {"a": 1}}},
            "Deployment",
            "number into Go struct field ObjectMeta.metadata.annotations",
            id="annotation",
        ),
        pytest.param({"spec": {"template": {"spec": {"containers": {}}}}}, "Deployment", "of type slice", id="map-for-list"),
    ],
)
def test_wrong_types(sent: dict[str, Any], kind: str, told: str) -> None:
    assert told in fitted(sent, kind=kind)[2]


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        pytest.param({"data": {"a": "?"}}, "illegal base64 data in data.a", id="base64"),
        pytest.param({"data": {"a": "YQ"}}, "illegal base64", id="no-padding"),
    ],
)
def test_secrets_hold_base64(sent: dict[str, Any], told: str) -> None:
    assert told in fitted(sent, group="", kind="Secret")[2]


def test_base64_may_have_line_breaks() -> None:
    assert is_base64("YWJj\nZGVm\r\n")


def test_a_quantity_must_be_one() -> None:
    claim = {"spec": {"resources": {"requests": {"storage": "lots"}}}}
    assert "quantities must match" in fitted(claim, group="", kind="PersistentVolumeClaim")[2]


def test_free_form_content_is_left_alone() -> None:
    definition = {"spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": {"properties": {"a": {"default": {"x": None}}}}}}]}}
    kept, unknown, mismatch = fitted(definition, group="apiextensions.k8s.io", kind="CustomResourceDefinition")
    assert (unknown, mismatch) == ([], "")
    assert kept["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["a"]["default"] == {"x": None}


@pytest.mark.parametrize(
    ("body", "duplicates"),
    [
        pytest.param(b'{"a": 1}', [], id="none"),
        pytest.param(b'{"spec": {"replicas": 1, "replicas": 2}}', ['duplicate field "spec.replicas"'], id="nested"),
        pytest.param(b'{"l": [{}, {"x": 1, "x": 1}], "a": 1, "a": 1}', ['duplicate field "a"', 'duplicate field "l[1].x"'], id="two"),
    ],
)
def test_duplicate_fields_are_named_by_their_path(body: bytes, duplicates: list[str]) -> None:
    assert parse(body, yaml=True, strict=True)[1] == duplicates
    assert parse(body, yaml=True, strict=False)[1] == []


def test_the_last_of_two_fields_counts() -> None:
    assert parse(b'{"a": 1, "a": 2}', yaml=True, strict=True)[0] == {"a": 2}


def test_yaml_is_read_where_allowed() -> None:
    assert parse(b"a: [1, no]\n", yaml=True, strict=True)[0] == {"a": [1, False]}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"a":', id="torn-json"),
        pytest.param(b"", id="empty"),
        pytest.param(b"a: [", id="torn-yaml"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b'{"a": NaN}', id="nan"),
        pytest.param(b"k8s\x00\xff\xff", id="torn-protobuf"),
    ],
)
@pytest.mark.parametrize("strict", [True, False])
def test_broken_bodies_are_refused(body: bytes, strict: bool) -> None:
    with pytest.raises(StatusError) as refused:
        parse(body, yaml=True, strict=strict)
    assert refused.value.code == 400


def test_a_broken_patch_is_refused() -> None:
    with pytest.raises(StatusError, match="error decoding patch"):
        parse_patch(b"{", strict=False)


@pytest.mark.parametrize(
    ("mode", "warnings"),
    [pytest.param("Warn", ['unknown field "spec.foo"', 'duplicate field "a"'], id="warn"), pytest.param("Ignore", [], id="ignore")],
)
def test_field_validation(mode: str, warnings: list[str]) -> None:
    findings = conform({"spec": {"foo": 1}}, node("apps", "Deployment"), "Deployment", check_types=True)
    assert refuse(findings, ['duplicate field "a"'], "Deployment", "v1", mode) == warnings
    with pytest.raises(StatusError, match=r'strict decoding error: unknown field "spec\.foo", duplicate field "a"'):
        refuse(findings, ['duplicate field "a"'], "Deployment", "v1", "Strict")
