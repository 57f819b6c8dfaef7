"""Whatever an object looks like, an override is applied or refused with a reason; nothing else comes out, and the object is not changed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.api.override import (
    CommandArgsOverrider,
    EnvOverrider,
    FieldOverrider,
    FieldPatch,
    ImageOverrider,
    ImagePredicate,
    LabelAnnotationOverrider,
    PlaintextOverrider,
)
from shoal.domain.overriding import OverrideFailed, override
from support import build

OBJECT: dict[str, Any] = {
    "metadata": {"labels": {"a": "b"}, "annotations": {"a": "b"}},
    "data": {"f": '{"a": {"b": [1]}}', "s": "e30="},
    "spec": {
        "replicas": 1,
        "template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {
                "containers": [
                    {"name": "main", "image": "app:1", "command": ["a"], "args": ["a"], "env": [{"name": "A", "value": "1"}]},
                    {"name": "other", "image": "app:1"},
                ],
                "initContainers": [{"name": "init", "image": "app:1"}],
            },
        },
    },
}
ODD = st.sampled_from([None, "", "text", 0, 1.5, True, [], [None], ["text"], [[]], {}, {"a": None}, {"containers": [{"name": "x"}]}])
OPERATORS = ("add", "replace", "remove", "overwrite", "nonsense", "")
SCOPES = ("Containers", "AllContainers", "nonsense")
PATHS = (
    "",
    "/",
    "/spec",
    "/spec/template/metadata/labels",
    "/metadata/labels/a",
    "/data/f",
    "/spec/template/spec/containers/0",
    "~",
    "/a~2",
)
WORDS = st.sampled_from(["", "v2", "mirror.example", "sha256:" + "a" * 64, "v2@sha256:" + "b" * 64, "--x", "UPPER"])


def one(name: str, **fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    """A rule with one overrider, its fields drawn."""
    kinds = {
        "image_overrider": ImageOverrider,
        "command_overrider": CommandArgsOverrider,
        "args_overrider": CommandArgsOverrider,
        "env_overrider": EnvOverrider,
        "labels_overrider": LabelAnnotationOverrider,
        "annotations_overrider": LabelAnnotationOverrider,
        "field_overrider": FieldOverrider,
        "plaintext": PlaintextOverrider,
    }
    return st.builds(kinds[name], **fields).map(lambda overrider: {name: (overrider,)})


OPERATOR, SCOPE, PATH = st.sampled_from(OPERATORS), st.sampled_from(SCOPES), st.sampled_from(PATHS)
NAME = st.sampled_from(["main", "init", "none"])
PATCHES = st.tuples(st.builds(FieldPatch, sub_path=PATH, operator=OPERATOR, value=ODD))
TEXTS = {"value": st.lists(WORDS, max_size=2).map(tuple), "container_name": NAME, "operator": OPERATOR, "scope": SCOPE}
LABELS = {"operator": OPERATOR, "value": st.dictionaries(st.sampled_from(["a", "z"]), WORDS, max_size=2), "path": PATH}
RULES = st.one_of(
    one(
        "image_overrider",
        component=st.sampled_from(["Registry", "Repository", "Tag", "Other"]),
        operator=OPERATOR,
        value=WORDS,
        scope=SCOPE,
        keep_digest=st.booleans(),
        predicate=st.none() | st.builds(ImagePredicate, path=PATH),
    ),
    one("command_overrider", **TEXTS),
    one("args_overrider", **TEXTS),
    one(
        "env_overrider",
        container_name=NAME,
        operator=OPERATOR,
        scope=SCOPE,
        value=st.lists(st.dictionaries(st.sampled_from(["name", "value"]), WORDS), max_size=2).map(tuple),
    ),
    one("labels_overrider", **LABELS),
    one("annotations_overrider", **LABELS),
    one("field_overrider", field_path=PATH, json=PATCHES, yaml=st.just(()), encoding=st.sampled_from(["", "base64", "hex"])),
    one("field_overrider", field_path=PATH, json=st.just(()), yaml=PATCHES),
    one("plaintext", path=PATH, operator=OPERATOR, value=ODD),
)


def paths(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(path for key, item in inside for path in paths(item, (*here, key)))]


def with_value(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = with_value(value[path[0]], path[1:], odd)
    return copied


PLACES = [path for path in paths(OBJECT) if path and path != ("metadata",)]


@pytest.mark.spec("R5.6")
@settings(max_examples=300)
@given(st.sampled_from(["Deployment", "Pod", "CronJob", "ConfigMap"]), st.sampled_from(PLACES), ODD, RULES)
def test_applied_or_refused(kind: str, place: tuple[Any, ...], odd: Any, overriders: dict[str, Any]) -> None:
    body = with_value(OBJECT, place, odd)
    start = build.manifest("v1", kind, "x", **{key: value for key, value in body.items() if key != "metadata"})
    start = {**start, "metadata": {**start["metadata"], **(body["metadata"] or {})}}
    before = msgspec.json.encode(start)
    refusal = "OverridePolicy/shop/p, rule 1, "
    try:
        result = override(start, build.cluster(), [build.override_policy("p", build.rule(**overriders))])
        assert (isinstance(result.manifest, dict), len(result.applied)) == (True, 1)
    except OverrideFailed as refused:
        refusal = str(refused)
    assert refusal.startswith("OverridePolicy/shop/p, rule 1, ")
    assert msgspec.json.encode(start) == before
