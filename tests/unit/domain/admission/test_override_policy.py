"""OverridePolicy at the door (AA15)."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.domain.admission import admit


def policy(*rules: dict[str, Any], **spec: Any) -> dict[str, Any]:
    body = ({"overrideRules": list(rules)} if rules else {}) | spec
    metadata = {"name": "o", "namespace": "shop"}
    return {"apiVersion": "policy.karmada.io/v1alpha1", "kind": "OverridePolicy", "metadata": metadata, "spec": body}


def refusals(manifest: dict[str, Any]) -> list[str]:
    return [f"{violation.path}: {violation.message}" for violation in admit(manifest)[1]]


def rule(**overriders: Any) -> dict[str, Any]:
    return {"overriders": overriders}


IMAGE = {"component": "Tag", "operator": "replace", "value": "v2"}


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param(policy(rule(imageOverrider=[IMAGE])), id="image"),
        pytest.param(policy(rule(imageOverrider=[IMAGE | {"operator": "remove", "value": None}])), id="image-removal-without-a-value"),
        pytest.param(
            policy(rule(fieldOverrider=[{"fieldPath": "/data/a.json", "json": [{"subPath": "/x", "operator": "add", "value": 0}]}])),
            id="field",
        ),
        pytest.param(policy(rule(plaintext=[{"path": "/metadata/labels/a~1b", "operator": "remove"}])), id="plaintext"),
        pytest.param(
            policy(rule(envOverrider=[{"containerName": "c", "operator": "add", "value": [{"name": "A", "value": "b"}]}])), id="env"
        ),
        pytest.param(policy(rule(imageOverrider=[IMAGE | {"scope": "AllContainers", "keepDigest": True}])), id="image-everywhere"),
        pytest.param(policy(rule(argsOverrider=[{"containerName": "c", "operator": "overwrite"}])), id="args-overwrite"),
        pytest.param(policy(rule(commandOverrider=[{"containerName": "c", "operator": "replace", "value": ["x"]}])), id="command-replace"),
        pytest.param(
            policy(rule(labelsOverrider=[{"operator": "add", "value": {"a": "b"}, "path": "/spec/template/metadata/labels"}])),
            id="labels-at-a-path",
        ),
        pytest.param(
            policy(
                rule(
                    fieldOverrider=[
                        {"fieldPath": "/data/a", "encoding": "base64", "json": [{"subPath": "/x", "operator": "add", "value": 0}]}
                    ]
                )
            ),
            id="encoded-field",
        ),
        pytest.param(policy(overriders={"plaintext": []}, targetCluster={"clusterNames": ["m1"]}), id="legacy"),
        pytest.param(policy(), id="empty"),
    ],
)
def test_admitted(manifest):
    assert refusals(manifest) == []


RULE = "spec.overrideRules[0].overriders"


@pytest.mark.spec("AA15", "G01", "G02", "G05", "G08", "G10")
@pytest.mark.parametrize(
    ("manifest", "refusal"),
    [
        pytest.param(
            policy(rule(), targetCluster={}),
            "spec.overrideRules: overrideRules and overriders can't co-exist: move targetCluster and overriders into a rule",
            id="both-forms",
        ),
        pytest.param(
            policy(resourceSelectors=[{"apiVersion": "v1", "kind": "Secret", "namespace": "pay"}]),
            "spec.resourceSelectors[0].namespace: the namespace of resourceSelector should be the same with the namespace of policy: leave it out "
            "or write shop",
            marks=pytest.mark.spec("AA01"),
            id="AA01-other-namespace",
        ),
        pytest.param(
            policy(rule(imageOverrider=[IMAGE | {"predicate": {"path": "spec/image"}}])),
            f"{RULE}.imageOverrider[0].predicate.path: path should be start with /: write such as /spec/template/spec/initContainers/0/image",
            id="predicate",
        ),
        pytest.param(
            policy(rule(imageOverrider=[IMAGE | {"component": "Digest"}])),
            f"{RULE}.imageOverrider[0].component: Unsupported value: 'Digest'; write one of Registry, Repository, Tag",
            id="component",
        ),
        pytest.param(
            policy(rule(imageOverrider=[{"component": "Tag", "operator": "add"}])),
            f"{RULE}.imageOverrider[0].value: Required value: what to add",
            id="image-value",
        ),
        pytest.param(
            policy(rule(commandOverrider=[{"containerName": "c", "operator": "append"}])),
            f"{RULE}.commandOverrider[0].operator: Unsupported value: 'append'; write one of add, remove, replace, overwrite",
            id="operator",
        ),
        pytest.param(
            policy(rule(argsOverrider=[{"operator": "add"}])),
            f"{RULE}.argsOverrider[0].containerName: Required value",
            id="required-by-the-struct",
        ),
        pytest.param(
            policy(rule(labelsOverrider=[{"operator": "add", "value": {"-bad": "x"}}])),
            f"{RULE}.labelsOverrider[0].value[-bad]: label key the name part has to be 1 to 63 letters, digits, '-', '_' or '.', with a letter or "
            "digit at both ends",
            id="label-key",
        ),
        pytest.param(
            policy(rule(labelsOverrider=[{"operator": "add", "value": {"a": "b c"}}])),
            f"{RULE}.labelsOverrider[0].value[a]: label value has to be at most 63 letters, digits, '-', '_' or '.', with a letter or digit at both "
            "ends",
            id="label-value",
        ),
        pytest.param(
            policy(rule(fieldOverrider=[{"fieldPath": "/data/x"}])),
            f"{RULE}.fieldOverrider[0]: exactly one of json and yaml has to be written",
            id="neither",
        ),
        pytest.param(
            policy(
                rule(
                    fieldOverrider=[
                        {
                            "fieldPath": "/data/x",
                            "json": [{"subPath": "/x", "operator": "remove"}],
                            "yaml": [{"subPath": "/x", "operator": "remove"}],
                        }
                    ]
                )
            ),
            f"{RULE}.fieldOverrider[0]: exactly one of json and yaml has to be written",
            id="both",
        ),
        pytest.param(
            policy(rule(fieldOverrider=[{"fieldPath": "data/x", "json": [{"subPath": "/x", "operator": "remove"}]}])),
            f"{RULE}.fieldOverrider[0].fieldPath: has to be a JSON pointer: it begins with '/', and '~' is written ~0, '/' inside a key ~1",
            id="field-pointer",
        ),
        pytest.param(
            policy(rule(fieldOverrider=[{"fieldPath": "/data/x", "json": [{"subPath": "x", "operator": "remove"}]}])),
            f"{RULE}.fieldOverrider[0].json[0].subPath: has to be a JSON pointer: it begins with '/', and '~' is written ~0, '/' inside a key ~1",
            id="pointer-inside-a-field",
        ),
        pytest.param(
            policy(rule(annotationsOverrider=[{"operator": "add", "value": {"-bad": "x"}}])),
            f"{RULE}.annotationsOverrider[0].value[-bad]: annotation key the name part has to be 1 to 63 letters, digits, '-', '_' or '.', with a "
            "letter or digit at both ends",
            id="annotation-key",
        ),
        pytest.param(
            policy(rule(fieldOverrider=[{"fieldPath": "/d", "json": [{"subPath": "/x", "operator": "remove", "value": 1}]}])),
            f"{RULE}.fieldOverrider[0].json[0].value: value is not allowed for remove operation: leave it out",
            id="value-with-remove",
        ),
        pytest.param(
            policy(rule(fieldOverrider=[{"fieldPath": "/d", "yaml": [{"subPath": "/x", "operator": "add"}]}])),
            f"{RULE}.fieldOverrider[0].yaml[0].value: value is required for add operation",
            id="no-value-with-add",
        ),
        pytest.param(
            policy(rule(plaintext=[{"path": "spec", "operator": "remove"}])),
            f"{RULE}.plaintext[0].path: has to be a JSON pointer: it begins with '/', and '~' is written ~0, '/' inside a key ~1",
            id="pointer",
        ),
        pytest.param(
            policy(rule(imageOverrider=[IMAGE | {"scope": "All"}])),
            f"{RULE}.imageOverrider[0].scope: Unsupported value: 'All'; write one of Containers, AllContainers",
            id="scope",
        ),
        pytest.param(
            policy(rule(imageOverrider=[IMAGE | {"scope": "AllContainers", "predicate": {"path": "/spec/image"}}])),
            f"{RULE}.imageOverrider[0].scope: predicate.path names one text: leave scope out, or the predicate",
            id="scope-beside-a-predicate",
        ),
        pytest.param(
            policy(rule(annotationsOverrider=[{"operator": "add", "value": {"a": "b"}, "path": "spec/template/metadata/annotations"}])),
            f"{RULE}.annotationsOverrider[0].path: has to be a JSON pointer: it begins with '/', and '~' is written ~0, '/' inside a key ~1",
            id="label-path",
        ),
        pytest.param(
            policy(
                rule(fieldOverrider=[{"fieldPath": "/d", "encoding": "hex", "json": [{"subPath": "/x", "operator": "add", "value": 1}]}])
            ),
            f"{RULE}.fieldOverrider[0].encoding: Unsupported value: 'hex'; write one of base64",
            id="encoding",
        ),
        pytest.param(
            policy(rule(imageOverider=[])), f"{RULE}.imageOverider: unknown field; did you mean imageOverrider?", id="unknown-overrider"
        ),
    ],
)
def test_refused(manifest, refusal):
    assert refusals(manifest) == [refusal]


@pytest.mark.parametrize(
    ("manifest", "refusal"),
    [
        pytest.param(
            policy(rule(plaintext=[{"path": "/" + "a" * 2048, "operator": "remove"}])),
            f"{RULE}.plaintext[0].path: Too long: at most 2048 characters and 64 steps",
            id="long-path",
        ),
        pytest.param(
            policy(rule(plaintext=[{"path": "/a" * 65, "operator": "remove"}])),
            f"{RULE}.plaintext[0].path: Too long: at most 2048 characters and 64 steps",
            id="many-steps",
        ),
        pytest.param(
            policy(rule(plaintext=[{"path": "/" * 64 + "~", "operator": "remove"}])),
            f"{RULE}.plaintext[0].path: has to be a JSON pointer: it begins with '/', and '~' is written ~0, '/' inside a key ~1",
            id="a-path-that-makes-a-careless-expression-try-2-to-the-64-ways",
        ),
        pytest.param(
            policy(rule(imageOverrider=[IMAGE | {"predicate": {"path": "/a" * 65}}])),
            f"{RULE}.imageOverrider[0].predicate.path: Too long: at most 2048 characters and 64 steps",
            id="predicate",
        ),
        pytest.param(
            policy(rule(imageOverrider=[IMAGE] * 1001)),
            f"{RULE}.imageOverrider: Too many: must have at most 1000 items, it has 1001",
            id="many-entries",
        ),
    ],
)
def test_bounds(manifest, refusal):
    assert refusals(manifest) == [refusal]


@pytest.mark.spec("AA01")
def test_selectors_get_the_namespace():
    answer, _ = admit(policy(resourceSelectors=[{"apiVersion": "v1", "kind": "Secret"}]))
    assert answer["spec"]["resourceSelectors"] == [{"apiVersion": "v1", "kind": "Secret", "namespace": "shop"}]
