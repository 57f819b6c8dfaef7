"""Command, args, env, labels, annotations, plaintext and field overriders, each on one object."""

from __future__ import annotations

import base64

import msgspec
import pytest

from shoal.api import yaml
from shoal.api.override import (
    CommandArgsOverrider,
    EnvOverrider,
    FieldOverrider,
    FieldPatch,
    LabelAnnotationOverrider,
    PlaintextOverrider,
)
from shoal.domain.overriding.command_args import apply_args, apply_command
from shoal.domain.overriding.env import apply_env
from shoal.domain.overriding.failed import Unusable
from shoal.domain.overriding.field import apply_field
from shoal.domain.overriding.labels_annotations import apply_annotations, apply_labels
from shoal.domain.overriding.plaintext import apply_plaintext
from support import build


def with_container(**fields):
    pod = build.deployment()
    container = {**pod["spec"]["template"]["spec"]["containers"][0], **fields}
    return {**pod, "spec": {**pod["spec"], "template": {"spec": {"containers": [container]}}}}


def container(manifest):
    return manifest["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.spec("G07", "R5.14")
@pytest.mark.parametrize(
    ("args", "operator", "value", "expected"),
    [
        pytest.param(["--a", "--b", "--a"], "remove", ("--a",), ["--b"], id="5-e-remove"),
        pytest.param(["--a", "--b", "--a"], "add", ("--c",), ["--a", "--b", "--a", "--c"], id="5-e-add"),
        pytest.param(None, "remove", ("--a",), [], id="remove-from-nothing"),
        pytest.param(["--a"], "remove", (), ["--a"], id="remove-nothing"),
        pytest.param(["--a"], "append", ("--b",), ["--a"], id="other-operators-do-nothing"),
    ],
)
def test_args(args, operator, value, expected):
    start = with_container(args=args) if args is not None else with_container()
    overrider = CommandArgsOverrider(container_name="main", operator=operator, value=value)
    assert container(apply_args(start, overrider)).get("args") == expected


@pytest.mark.spec("GX07", "KA09")
@pytest.mark.parametrize(
    ("args", "operator", "value", "expected"),
    [
        pytest.param(["--a", "--b"], "replace", ("--c",), ["--c"], id="replace"),
        pytest.param(None, "replace", ("--c",), None, id="replace-needs-a-list"),
        pytest.param(["--a"], "replace", (), None, id="replace-by-nothing"),
        pytest.param(["--a", "--b"], "overwrite", ("--c", "--c"), ["--c", "--c"], id="overwrite"),
        pytest.param(None, "overwrite", ("--c",), ["--c"], id="overwrite-makes-the-list"),
        pytest.param(["--a"], "overwrite", (), None, id="overwrite-by-nothing-leaves-the-images-own"),
        pytest.param(None, "overwrite", (), None, id="nothing-by-nothing"),
    ],
)
def test_the_whole_list(args, operator, value, expected):
    start = with_container(args=args, command=args) if args is not None else with_container()
    overrider = CommandArgsOverrider(container_name="main", operator=operator, value=value)
    assert container(apply_args(start, overrider)).get("args") == expected
    assert container(apply_command(start, overrider)).get("command") == expected
    again = apply_args(apply_args(start, overrider), overrider)
    assert again == apply_args(start, overrider)


@pytest.mark.spec("G06", "R5.14")
def test_command():
    overrider = CommandArgsOverrider(container_name="main", operator="add", value=("sh", "-c"))
    assert container(apply_command(with_container(), overrider))["command"] == ["sh", "-c"]  # Ex 5-e
    other = CommandArgsOverrider(container_name="sidecar", operator="add", value=("sh",))
    assert apply_command(with_container(), other) == with_container()


ENV = [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]


@pytest.mark.spec("GX17", "KA08")
@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        pytest.param("add", ({"name": "C", "value": "3"},), [*ENV, {"name": "C", "value": "3"}], id="add-new"),
        pytest.param("add", ({"name": "B", "value": "2"},), [ENV[0], {"name": "B", "value": "2"}], id="add-sets-whole-entry"),
        pytest.param(
            "replace", ({"name": "A", "value": "9"}, {"name": "X", "value": "9"}), [{"name": "A", "value": "9"}, ENV[1]], id="replace"
        ),
        pytest.param("remove", ({"name": "A"},), [ENV[1]], id="remove"),
        pytest.param("remove", ({"name": "X"},), ENV, id="remove-missing"),
    ],
)
def test_env(operator, value, expected):
    overrider = EnvOverrider(container_name="main", operator=operator, value=value)
    assert container(apply_env(with_container(env=ENV), overrider))["env"] == expected


def test_env_needs_a_name():
    with pytest.raises(Unusable, match="needs a name"):
        apply_env(with_container(), EnvOverrider(container_name="main", operator="add", value=({"value": "1"},)))


@pytest.mark.spec("G08", "G09", "R5.15")
@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        pytest.param("add", {"app": "x", "tier": "f"}, {"app": "x", "tier": "f"}, id="5-f-add"),
        pytest.param("replace", {"tier": "f"}, {"app": "web"}, id="5-f-replace-missing"),
        pytest.param("replace", {"app": "x"}, {"app": "x"}, id="replace"),
        pytest.param("remove", {"app": "whatever"}, {}, id="5-f-remove"),
        pytest.param("add", {"example.com/a": "1"}, {"app": "web", "example.com/a": "1"}, id="key-with-slash"),
    ],
)
def test_labels_and_annotations(operator, value, expected):
    overrider = LabelAnnotationOverrider(operator=operator, value=value)
    start = {"metadata": {"labels": {"app": "web"}, "annotations": {"app": "web"}}}
    assert apply_labels(start, overrider)["metadata"]["labels"] == expected
    assert apply_annotations(start, overrider)["metadata"]["annotations"] == expected


POD_LABELS = "/spec/template/metadata/labels"


@pytest.mark.spec("GX08")
@pytest.mark.parametrize(
    ("path", "operator", "value", "expected"),
    [
        pytest.param(POD_LABELS, "add", {"tier": "f"}, {"app": "web", "tier": "f"}, id="add"),
        pytest.param(POD_LABELS, "replace", {"app": "x", "tier": "f"}, {"app": "x"}, id="replace-what-exists"),
        pytest.param(POD_LABELS, "remove", {"app": ""}, {}, id="remove"),
        pytest.param("/spec/template/metadata/annotations", "add", {"a": "1"}, {"a": "1"}, id="the-map-is-made"),
        pytest.param("/spec/template/metadata/annotations", "replace", {"a": "1"}, None, id="replace-makes-no-map"),
        pytest.param("/spec/template/spec/nodeSelector", "add", {"disk": "ssd"}, {"disk": "ssd"}, id="any-map-of-texts"),
        pytest.param("/spec/selector/matchLabels", "add", {"tier": "f"}, {"app": "web", "tier": "f"}, id="selector"),
    ],
)
def test_labels_at_a_path(path, operator, value, expected):
    overrider = LabelAnnotationOverrider(operator=operator, value=value, path=path)
    for apply in (apply_labels, apply_annotations):
        edited = apply(build.deployment(), overrider)
        for step in path[1:].split("/"):
            edited = edited.get(step) if edited else None
        assert edited == expected


@pytest.mark.spec("GX08")
def test_a_pod_template_without_metadata_gets_one():
    job = build.manifest("batch/v1", "Job", "j", spec={"template": {"spec": {}}})
    overrider = LabelAnnotationOverrider(operator="add", value={"a": "1"}, path=POD_LABELS)
    assert apply_labels(job, overrider)["spec"]["template"] == {"spec": {}, "metadata": {"labels": {"a": "1"}}}
    assert "labels" not in apply_labels(job, overrider)["metadata"]


@pytest.mark.spec("GX08")
@pytest.mark.parametrize(
    ("path", "message"),
    [
        pytest.param("/spec/templat/metadata/labels", "there is no 'templat'", id="slip-of-the-pen"),
        pytest.param("/spec/replicas", "leads to no map", id="no-map"),
        pytest.param("/spec/replicas/labels", "leads to no map", id="inside-a-number"),
        pytest.param("/spec/template/spec/containers/0/name/metadata/labels", "leads to no map", id="metadata-of-a-text"),
        pytest.param("spec", 'must begin with "/"', id="no-pointer"),
        pytest.param("/x" * 100, "64 steps", id="too-many-steps"),
    ],
)
def test_label_path_refusals(path, message):
    with pytest.raises(Unusable, match=message):
        apply_labels(build.deployment(), LabelAnnotationOverrider(operator="add", value={"a": "1"}, path=path))


@pytest.mark.spec("G11", "R5.16")
def test_plaintext_appends_only_to_what_is_there():
    entry = {"name": "REGION", "value": "hz"}
    path = "/spec/template/spec/containers/0/env"
    with pytest.raises(Unusable, match="there is no 'env'"):
        apply_plaintext(with_container(), PlaintextOverrider(path=f"{path}/-", operator="add", value=entry))  # Ex 5-g
    empty = apply_plaintext(with_container(), PlaintextOverrider(path=path, operator="add", value=[]))
    filled = apply_plaintext(empty, PlaintextOverrider(path=f"{path}/-", operator="add", value=entry))
    assert container(filled)["env"] == [entry]
    with pytest.raises(Unusable, match="not be a map"):
        apply_plaintext(with_container(), PlaintextOverrider(path="", operator="replace", value=1))


def patch(sub_path, operator, value=None):
    return FieldPatch(sub_path=sub_path, operator=operator, value=value)


@pytest.mark.spec("G10", "R5.17")
def test_field_yaml():
    start = build.manifest("v1", "ConfigMap", "c", data={"app.yaml": "db: {host: a, port: 1}\nflags: [x]"})
    patches = (patch("/db/host", "replace", "b"), patch("/flags/-", "add", "y"), patch("/db/port", "remove"))
    text = apply_field(start, FieldOverrider(field_path="/data/app.yaml", yaml=patches))["data"]["app.yaml"]
    assert yaml.load(text) == {"db": {"host": "b"}, "flags": ["x", "y"]}  # Ex 5-h
    assert text == "db:\n  host: b\nflags:\n- x\n- 'y'\n"


@pytest.mark.spec("G10", "R5.17")
def test_field_json():
    start = build.manifest("v1", "ConfigMap", "c", data={"app.json": '{"a": {"b": 1},\n "c": [1]}'})
    overrider = FieldOverrider(field_path="/data/app.json", json=(patch("/a/b", "replace", 2), patch("/c/-", "add", "x")))
    assert apply_field(start, overrider)["data"]["app.json"] == '{"a":{"b":2},"c":[1,"x"]}'


def encoded(text):
    return base64.b64encode(text.encode()).decode()


@pytest.mark.spec("GX19")
def test_structured_secret_data():
    secret = build.manifest("v1", "Secret", "s", data={"db.yaml": encoded("db: {host: a}\n"), "db.json": encoded('{"host": "a"}')})
    as_yaml = FieldOverrider(field_path="/data/db.yaml", yaml=(patch("/db/host", "replace", "b"),), encoding="base64")
    as_json = FieldOverrider(field_path="/data/db.json", json=(patch("/host", "replace", "bücher"),), encoding="base64")
    data = apply_field(apply_field(secret, as_yaml), as_json)["data"]
    assert base64.b64decode(data["db.yaml"]).decode() == "db:\n  host: b\n"
    assert base64.b64decode(data["db.json"]).decode() == '{"host":"bücher"}'


@pytest.mark.spec("R5.17")
def test_secret_data_is_not_decoded_unless_asked():
    secret = build.manifest("v1", "Secret", "s", data={"f": encoded('{"host": "a"}')})
    with pytest.raises(Unusable, match="is not JSON"):
        apply_field(secret, FieldOverrider(field_path="/data/f", json=(patch("/host", "replace", "b"),)))


@pytest.mark.spec("GX19")
@pytest.mark.parametrize(
    ("value", "encoding", "message"),
    [
        pytest.param("hunter2!", "base64", "the value at /data/f is not base64 of UTF-8 text", id="not-base64"),
        pytest.param("/w==", "base64", "the value at /data/f is not base64 of UTF-8 text", id="no-text"),
        pytest.param(encoded("hunter2"), "base64", "the text at /data/f is not JSON", id="no-json"),
        pytest.param("e30=", "base32", "encoding 'base32' is not base64", id="other-encoding"),
    ],
)
def test_secret_refusals_tell_no_secret(value, encoding, message):
    secret = build.manifest("v1", "Secret", "s", data={"f": value})
    with pytest.raises(Unusable, match=message) as raised:
        apply_field(secret, FieldOverrider(field_path="/data/f", json=(patch("/a", "remove"),), encoding=encoding))
    assert "hunter2" not in str(raised.value)


@pytest.mark.spec("R5.17")
@pytest.mark.parametrize(
    ("text", "overrider", "message"),
    [
        pytest.param("{", FieldOverrider(field_path="/data/f", json=(patch("/a", "remove"),)), "is not JSON", id="no-json"),
        pytest.param("a: [", FieldOverrider(field_path="/data/f", yaml=(patch("/a", "remove"),)), "is not YAML: line", id="no-yaml"),
        pytest.param(
            "a: 1", FieldOverrider(field_path="/data/f", yaml=(patch("/b", "remove"),)), "inside the text at /data/f", id="failing"
        ),
        pytest.param("a: 1", FieldOverrider(field_path="/data", yaml=(patch("/a", "remove"),)), "leads to no text", id="no-text"),
        pytest.param("[" * 5000, FieldOverrider(field_path="/data/f", json=(patch("/0", "remove"),)), "is not JSON", id="deep-json"),
        pytest.param("[" * 5000, FieldOverrider(field_path="/data/f", yaml=(patch("/0", "remove"),)), "nested deeper", id="deep-yaml"),
        pytest.param("x" * (1024 * 1024 + 1), FieldOverrider(field_path="/data/f", json=(patch("/0", "remove"),)), "longer", id="too-long"),
    ],
)
def test_field_refusals(text, overrider, message):
    with pytest.raises(Unusable, match=message):
        apply_field(build.manifest("v1", "ConfigMap", "c", data={"f": text}), overrider)


def test_overriders_leave_their_input_alone():
    start = with_container(args=["--a"], env=ENV)
    before = msgspec.json.encode(start)
    apply_labels(start, LabelAnnotationOverrider(operator="add", value={"x": "y"}, path=POD_LABELS))
    apply_env(start, EnvOverrider(container_name="main", operator="add", value=({"name": "Z"},), scope="AllContainers"))
    apply_args(start, CommandArgsOverrider(container_name="main", operator="add", value=("--b",)))
    apply_env(start, EnvOverrider(container_name="main", operator="remove", value=({"name": "A"},)))
    apply_labels(start, LabelAnnotationOverrider(operator="add", value={"x": "y"}))
    apply_plaintext(start, PlaintextOverrider(path="/spec/replicas", operator="replace", value=9))
    assert msgspec.json.encode(start) == before
