"""`patch.py`: JSON patch, merge patch, strategic merge patch."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.kube.apiserver.errors import StatusError
from shoal.kube.apiserver.patch import json_patch, merge_patch, strategic_merge_patch
from shoal.kube.apiserver.registry import Registry
from shoal.kube.apiserver.schema import Node
from shoal.kube.apiserver.store import decode, encode


def node(group: str, kind: str) -> Node:
    found = Registry.builtin().of(group, kind)
    assert found is not None
    return found.node(found.versions[0])


POD = node("", "Pod")


@pytest.mark.parametrize(
    ("live", "patch", "result"),
    [
        pytest.param({"a": 1}, {"b": 2}, {"a": 1, "b": 2}, id="adds"),
        pytest.param({"a": {"b": 1, "c": 2}}, {"a": {"b": None}}, {"a": {"c": 2}}, id="null-deletes"),
        pytest.param({"a": [1, 2]}, {"a": [3]}, {"a": [3]}, id="lists-replace"),
        pytest.param({"a": 1}, {"a": {"b": None, "c": 1}}, {"a": {"c": 1}}, id="nulls-of-new-maps-go"),
        pytest.param({"a": {"b": 1}}, {"a": 2}, {"a": 2}, id="map-to-value"),
    ],
)
def test_merge_patch(live: Any, patch: Any, result: Any) -> None:
    assert merge_patch(live, patch) == result


def pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": list(containers), **spec}}


A, B, C = ({"name": name, "image": name} for name in "abc")


@pytest.mark.parametrize(
    ("live", "patch", "result"),
    [
        pytest.param(pod(A, B), pod({"name": "b", "image": "x"}), pod(A, {"name": "b", "image": "x"}), id="merges-by-key"),
        pytest.param(pod(A), pod(C), pod(C, A), id="new-items-come-first"),
        pytest.param(pod(A, B), pod({"name": "a", "$patch": "delete"}), pod(B), id="deletes-an-item"),
        pytest.param(pod(A, B), pod({"$patch": "replace"}, C), pod(C), id="replaces-a-list"),
        pytest.param(
            pod(A, B, C),
            {"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}]}},
            pod(B, C, A),
            id="order-alone-keeps-unnamed-before-what-they-stood-before",
        ),
        pytest.param(
            pod(A, B),
            {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}], "containers": [{"name": "a", "image": "x"}]}},
            pod(B, {"name": "a", "image": "x"}),
            id="order-with-items",
        ),
        pytest.param(
            {"metadata": {"finalizers": ["a", "b"]}},
            {"metadata": {"finalizers": ["c"]}},
            {"metadata": {"finalizers": ["c", "a", "b"]}},
            id="primitive-list-is-merged",
        ),
        pytest.param(
            {"metadata": {"finalizers": ["a", "b"]}},
            {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}},
            {"metadata": {"finalizers": ["b"]}},
            id="delete-from-primitive-list",
        ),
        pytest.param(
            pod(A, nodeSelector={"x": "1"}),
            pod(nodeSelector={"$patch": "replace", "y": "2"}),
            pod(A, nodeSelector={"y": "2"}),
            id="replaces-a-map",
        ),
        pytest.param(pod(A, nodeSelector={"x": "1"}), pod(nodeSelector=None), pod(A), id="null-deletes"),
        pytest.param(
            pod(A, volumes=[{"name": "v", "emptyDir": {}}]),
            pod(volumes=[{"name": "v", "$retainKeys": ["name", "secret"], "secret": {"secretName": "s"}}]),
            pod(A, volumes=[{"name": "v", "secret": {"secretName": "s"}}]),
            id="retain-keys-drops-the-other-member-of-a-union",
        ),
    ],
)
def test_strategic_merge(live: dict[str, Any], patch: dict[str, Any], result: dict[str, Any]) -> None:
    if patch.get("spec", {}).get("containers") == []:
        del patch["spec"]["containers"]
    assert strategic_merge_patch(live, patch, POD) == result


@pytest.mark.parametrize(
    ("patch", "told"),
    [
        pytest.param(pod({"image": "x"}), "does not contain declared merge key: name", id="no-key"),
        pytest.param(pod({"name": "a", "$patch": "destroy"}), "unknown $patch type", id="unknown-directive"),
        pytest.param([1], "must be an object", id="no-object"),
        pytest.param({"spec": {"$setElementOrder/containers": 3}}, "must be a list", id="order-is-no-list"),
    ],
)
def test_strategic_merge_refuses(patch: Any, told: str) -> None:
    with pytest.raises(StatusError) as refused:
        strategic_merge_patch(pod(A), patch, POD)
    assert refused.value.code == 400
    assert told in refused.value.message


names = st.sampled_from("abcd")
containers = st.lists(
    st.fixed_dictionaries(
        {"name": names, "image": st.sampled_from("xyz")},
        optional={"env": st.lists(st.fixed_dictionaries({"name": names, "value": names}), unique_by=lambda one: one["name"])},
    ),
    unique_by=lambda one: one["name"],
)


@given(live=containers, patch=containers)
def test_a_strategic_merge_patch_applied_twice_changes_nothing_more(live: list[Any], patch: list[Any]) -> None:
    once = strategic_merge_patch(pod(*live), pod(*patch), POD)
    assert strategic_merge_patch(decode(encode(once)), pod(*patch), POD) == once


@pytest.mark.parametrize(
    ("patch", "code"),
    [
        pytest.param([{"op": "test", "path": "/a", "value": 2}], 422, id="test-fails"),
        pytest.param([{"op": "remove", "path": "/nope"}], 422, id="no-such-path"),
        pytest.param([{"op": "add", "path": "/a/b", "value": 1}], 422, id="below-a-value"),
        pytest.param({"op": "add"}, 400, id="no-list"),
        pytest.param([{"op": "fly", "path": "/a"}], 400, id="unknown-operation"),
        pytest.param([{"path": "/a"}], 400, id="no-operation"),
        pytest.param([3], 400, id="no-object"),
        pytest.param([{"op": "test", "path": "/a", "value": 1}] * 10_001, 413, id="too-many"),
    ],
)
def test_json_patch_refuses(patch: Any, code: int) -> None:
    with pytest.raises(StatusError) as refused:
        json_patch({"a": 1}, patch)
    assert refused.value.code == code


def test_json_patch() -> None:
    patch = [
        {"op": "test", "path": "/a/0", "value": 1},
        {"op": "add", "path": "/a/-", "value": 2},
        {"op": "replace", "path": "/b~1c", "value": 3},
        {"op": "remove", "path": "/d"},
    ]
    assert json_patch({"a": [1], "b/c": 1, "d": 1}, patch) == {"a": [1, 2], "b/c": 3}
