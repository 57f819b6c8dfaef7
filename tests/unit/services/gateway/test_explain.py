"""Which fields an applied override touched, in order."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shoal.api.override import (
    CommandArgsOverrider,
    EnvOverrider,
    FieldOverrider,
    FieldPatch,
    ImageOverrider,
    ImagePredicate,
    LabelAnnotationOverrider,
    Overriders,
    PlaintextOverrider,
)
from shoal_gateway.explain import fields_touched, parse_path
from shoal_gateway.queries import NotFound


@pytest.mark.parametrize(
    ("overriders", "expected"),
    [
        pytest.param(
            Overriders(image_overrider=(ImageOverrider(component="Tag", operator="replace", value="2"),)),
            [("imageOverrider", "image of every container: tag", "replace", "2")], id="image",
        ),
        pytest.param(
            Overriders(image_overrider=(ImageOverrider(component="Tag", operator="remove", predicate=ImagePredicate(path="/spec/a")),)),
            [("imageOverrider", "/spec/a", "remove", None)], id="image-at-a-path",
        ),
        pytest.param(
            Overriders(args_overrider=(CommandArgsOverrider(container_name="web", operator="add", value=("-v",)),)),
            [("argsOverrider", "containers[web].args", "add", ["-v"])], id="args",
        ),
        pytest.param(
            Overriders(env_overrider=(EnvOverrider(container_name="web", operator="add", value=({"name": "A", "value": "1"},)),)),
            [("envOverrider", "containers[web].env", "add", [{"name": "A", "value": "1"}])], id="env",
        ),
        pytest.param(
            Overriders(labels_overrider=(LabelAnnotationOverrider(operator="add", value={"b": "2", "a": "1"}),)),
            [("labelsOverrider", "metadata.labels[a]", "add", "1"), ("labelsOverrider", "metadata.labels[b]", "add", "2")], id="labels",
        ),
        pytest.param(
            Overriders(field_overrider=(FieldOverrider(field_path="/data/c", json=(FieldPatch(sub_path="/a", operator="replace", value=1),)),)),
            [("fieldOverrider", "/data/c > /a", "replace", 1)], id="inside-a-field",
        ),
        pytest.param(
            Overriders(image_overrider=(ImageOverrider(component="Tag", operator="replace", value="2", scope="AllContainers", keep_digest=True),)),
            [("imageOverrider", "image of every container (init and ephemeral ones too, in every pod template): tag, its digest kept", "replace", "2")],
            id="image-everywhere",
        ),
        pytest.param(
            Overriders(env_overrider=(EnvOverrider(container_name="web", operator="remove", value=({"name": "A"},), scope="AllContainers"),)),
            [("envOverrider", "containers[web].env (init and ephemeral ones too, in every pod template)", "remove", [{"name": "A"}])],
            id="env-everywhere",
        ),
        pytest.param(
            Overriders(labels_overrider=(LabelAnnotationOverrider(operator="add", value={"a": "1"}, path="/spec/template/metadata/labels"),)),
            [("labelsOverrider", "/spec/template/metadata/labels[a]", "add", "1")], id="labels-at-a-path",
        ),
        pytest.param(
            Overriders(
                field_overrider=(FieldOverrider(field_path="/data/c", encoding="base64", yaml=(FieldPatch(sub_path="/a", operator="remove"),)),)
            ),
            [("fieldOverrider", "/data/c (base64) > /a", "remove", None)], id="inside-an-encoded-field",
        ),
        pytest.param(
            Overriders(
                plaintext=(PlaintextOverrider(path="/spec/x", operator="replace", value=0),),
                command_overrider=(CommandArgsOverrider(container_name="web", operator="remove"),),
            ),
            [("commandOverrider", "containers[web].command", "remove", None), ("plaintext", "/spec/x", "replace", 0)], id="in-order",
        ),
    ],
)  # fmt: skip
def test_fields_touched(overriders: Overriders, expected: list[Any]) -> None:
    recorded = msgspec.json.decode(msgspec.json.encode(overriders))
    told = fields_touched(recorded)
    assert [(one["overrider"], one["field"], one["operator"], one["value"]) for one in told] == expected


def test_values_of_a_secret_are_hidden() -> None:
    recorded = msgspec.json.decode(
        msgspec.json.encode(Overriders(plaintext=(PlaintextOverrider(path="/data/k", operator="add", value="s3cret"),)))
    )
    assert fields_touched(recorded, hidden=True) == [{"overrider": "plaintext", "field": "/data/k", "operator": "add"}]


@pytest.mark.parametrize("parts", [["a"], ["a", "_", "b", "c"], ["a", "b", "c", "_"], ["a", "b", "c", "d", "e"]])
def test_a_path_that_names_nothing(parts: list[str]) -> None:
    with pytest.raises(NotFound, match="write /api/explain"):
        parse_path(parts)
