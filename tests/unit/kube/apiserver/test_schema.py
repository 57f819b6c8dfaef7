"""`schema.py`, `builtin.py` and the packaged files: fresh, small, quick to load, and right about what merges how."""

from __future__ import annotations

import subprocess
import time
import zlib
from typing import Any

import msgspec
import pytest

from shoal.kube.apiserver import protobuf_messages
from shoal.kube.apiserver.registry import Registry
from shoal.kube.apiserver.schema import ANY, PACK_PATH, Definitions, Node, builtin, node_of
from shoal.kube.apiserver.schemas import compact, protobuf_fields

PACK_BYTES_MAX = 1_500_000
LOAD_S_MAX = 0.15


def unpacked(path: Any) -> Any:
    return msgspec.json.decode(zlib.decompress(path.read_bytes()))


def test_the_packaged_schemas_are_fresh() -> None:
    """Stale? `python -m shoal.kube.apiserver.schemas.compact`."""
    assert unpacked(PACK_PATH) == msgspec.json.decode(msgspec.json.encode(compact.compact(compact.source())))


def test_the_packaged_protobuf_messages_are_fresh() -> None:
    """Stale? `python -m shoal.kube.apiserver.schemas.protobuf_fields`."""
    try:
        folders = protobuf_fields.folders()
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"the Go modules cannot be had: {error}")
    made = protobuf_fields.compact(protobuf_fields.messages(folders))
    assert unpacked(protobuf_messages.PACK_PATH) == msgspec.json.decode(msgspec.json.encode(made))


def test_the_packaged_files_are_small_and_load_quickly() -> None:
    assert PACK_PATH.stat().st_size + protobuf_messages.PACK_PATH.stat().st_size < PACK_BYTES_MAX
    builtin.cache_clear()
    started = time.perf_counter()
    assert "io.k8s.api.apps.v1.Deployment" in builtin()
    assert time.perf_counter() - started < LOAD_S_MAX


def test_every_builtin_kind_has_its_schema() -> None:
    for one in Registry.builtin():
        for version in one.versions:
            root = one.node(version)
            assert root.declares("metadata"), one
            assert root.name == one.kind


def at(group: str, kind: str, *path: str) -> Node:
    found = Registry.builtin().of(group, kind)
    assert found is not None
    node = found.node(found.versions[0])
    for part in path:
        node = node.item if part == "[]" else node.at(part)
    return node


@pytest.mark.parametrize(
    ("node", "atomic", "keys", "merge_key"),
    [
        pytest.param(at("apps", "Deployment", "spec", "selector"), True, (), None, id="selector-is-atomic"),
        pytest.param(at("", "Pod", "spec", "containers"), False, ("name",), "name", id="containers"),
        pytest.param(at("", "Pod", "spec", "containers", "[]", "ports"), False, ("containerPort", "protocol"), "containerPort", id="ports"),
        pytest.param(at("", "Pod", "spec", "containers", "[]", "args"), True, (), None, id="args-are-atomic"),
        pytest.param(at("", "Pod", "spec", "nodeSelector"), True, (), None, id="node-selector-is-atomic"),
        pytest.param(at("", "Service", "spec", "ports"), False, ("port", "protocol"), "port", id="service-ports"),
        pytest.param(at("", "ConfigMap", "data"), False, (), None, id="data-by-key"),
    ],
)
def test_how_positions_merge(node: Node, atomic: bool, keys: tuple[str, ...], merge_key: str | None) -> None:
    assert (node.atomic, node.keys, node.merge_key) == (atomic, keys, merge_key)


def test_sets_unions_and_primitive_lists() -> None:
    assert at("", "Pod", "metadata", "finalizers").is_set
    assert at("", "Pod", "metadata", "finalizers").primitive_merge
    assert at("apps", "Deployment", "spec", "strategy").retain_keys


def test_unknown_fields_have_no_position() -> None:
    deployment = at("apps", "Deployment", "spec")
    assert deployment.child("nothing") is None
    assert deployment.at("nothing") is ANY
    assert (
        at("apiextensions.k8s.io", "CustomResourceDefinition", "spec", "versions", "[]", "schema", "openAPIV3Schema", "default").form
        == "any"
    )


@pytest.mark.parametrize(
    ("schema", "form", "type_"),
    [
        pytest.param({"anyOf": [{"type": "string"}, {"type": "null"}]}, "scalar", "string", id="optional"),
        pytest.param({"type": ["integer", "null"]}, "scalar", "integer", id="nullable"),
        pytest.param({"$ref": "#/$defs/Inner"}, "object", "object", id="reference"),
        pytest.param(
            {"anyOf": [{"$ref": "#/$defs/Inner"}, {"type": "null"}], "default": None}, "object", "object", id="optional-reference"
        ),
        pytest.param({"properties": {"a": {}}}, "object", "object", id="properties-make-an-object"),
        pytest.param({"x-kubernetes-int-or-string": True}, "scalar", None, id="int-or-string"),
        pytest.param({}, "any", None, id="anything"),
    ],
)
def test_positions_of_added_schemas(schema: dict[str, Any], form: str, type_: str | None) -> None:
    definitions = Definitions({"Inner": {"type": "object", "properties": {"x": {"type": "string"}}}})
    node = node_of(schema, definitions)
    assert (node.form, node.type) == (form, type_)
