"""`fieldset.py`: sets of field paths, and the walks by them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.kube.apiserver.errors import StatusError
from shoal.kube.apiserver.fieldset import check_keys, difference, intersection, merge, of_value, path_text, paths, prune, union
from shoal.kube.apiserver.registry import Registry
from shoal.kube.apiserver.schema import Node


def node(group: str, kind: str) -> Node:
    found = Registry.builtin().of(group, kind)
    assert found is not None
    return found.node(found.versions[0])


DEPLOYMENT = node("apps", "Deployment")
POD_SPEC = DEPLOYMENT.at("spec").at("template").at("spec")


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        pytest.param({"spec": {"replicas": 1}}, {"f:spec": {"f:replicas": {}}}, id="scalar"),
        pytest.param({"metadata": {"labels": {"a": "b"}}}, {"f:metadata": {"f:labels": {"f:a": {}}}}, id="free-keys"),
        pytest.param({"spec": {"selector": {"matchLabels": {"a": "b"}}}}, {"f:spec": {"f:selector": {}}}, id="atomic-map"),
        pytest.param({"metadata": {"finalizers": ["a", "b"]}}, {"f:metadata": {"f:finalizers": {'v:"a"': {}, 'v:"b"': {}}}}, id="set"),
        pytest.param(
            {"spec": {"template": {"spec": {"nodeSelector": {}}}}},
            {"f:spec": {"f:template": {"f:spec": {"f:nodeSelector": {}}}}},
            id="empty-map",
        ),
    ],
)
def test_fields_of_a_value(value: dict[str, Any], fields: dict[str, Any]) -> None:
    assert of_value(value, DEPLOYMENT) == fields


def test_items_are_known_by_their_keys() -> None:
    value = {"containers": [{"name": "a", "args": ["x"], "ports": [{"containerPort": 80}]}]}
    port = 'k:{"containerPort":80,"protocol":"TCP"}'  # A missing protocol is TCP.
    item = {".": {}, "f:name": {}, "f:args": {}, "f:ports": {port: {".": {}, "f:containerPort": {}}}}
    assert of_value(value, POD_SPEC) == {"f:containers": {'k:{"name":"a"}': item}}


@pytest.mark.parametrize(
    ("one", "other", "both", "left", "common"),
    [
        pytest.param({"f:a": {}}, {"f:b": {}}, {"f:a": {}, "f:b": {}}, {"f:a": {}}, {}, id="apart"),
        pytest.param({"f:a": {}}, {"f:a": {}}, {"f:a": {}}, {}, {"f:a": {}}, id="equal"),
        pytest.param({"f:a": {}}, {"f:a": {"f:b": {}}}, {"f:a": {".": {}, "f:b": {}}}, {"f:a": {}}, {}, id="member-and-below"),
        pytest.param(
            {"f:a": {".": {}, "f:b": {}}},
            {"f:a": {}},
            {"f:a": {".": {}, "f:b": {}}},
            {"f:a": {"f:b": {}}},
            {"f:a": {}},
            id="only-the-member",
        ),
    ],
)
def test_algebra(one: Any, other: Any, both: Any, left: Any, common: Any) -> None:
    assert union(one, other) == both
    assert difference(one, other) == left
    assert intersection(one, other) == common


leaves = st.sampled_from([["f:a"], ["f:b"], ["f:a", "f:x"], ["f:a", "f:y"], ["f:b", "f:x", "f:z"]])
path_sets = st.lists(leaves, max_size=5)


def tree(members: list[list[str]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for path in members:
        one: dict[str, Any] = {}
        for element in reversed(path):
            one = {element: one}
        out = union(out, one)
    return out


@given(one=path_sets, other=path_sets)
def test_trees_are_sets_of_paths(one: list[list[str]], other: list[list[str]]) -> None:
    mine, theirs = {tuple(path) for path in one}, {tuple(path) for path in other}
    assert set(paths(tree(one))) == mine
    assert set(paths(union(tree(one), tree(other)))) == mine | theirs
    assert set(paths(difference(tree(one), tree(other)))) == mine - theirs
    assert set(paths(intersection(tree(one), tree(other)))) == mine & theirs


A, B, C = ({"name": name, "image": name} for name in "abc")


@pytest.mark.parametrize(
    ("live", "applied", "names"),
    [
        pytest.param([A, B], [B, A], "ba", id="shared-take-the-applied-order"),
        pytest.param([A, B], [C], "abc", id="new-goes-behind"),
        pytest.param([A, B, C], [C, A], "bca", id="unshared-keep-their-place"),
        pytest.param([], [A, B], "ab", id="from-nothing"),
    ],
)
def test_lists_are_merged_by_key(live: list[Any], applied: list[Any], names: str) -> None:
    merged = merge({"containers": live}, {"containers": applied}, POD_SPEC)
    assert "".join(one["name"] for one in merged["containers"]) == names


def test_what_is_not_managed_any_more_is_pruned() -> None:
    last = of_value({"containers": [A, B], "nodeSelector": {"x": "1"}}, POD_SPEC)
    managed = of_value({"containers": [A]}, POD_SPEC)
    value = {"containers": [{**A, "tty": True}, {**B, "tty": True}], "nodeSelector": {"x": "1"}, "hostNetwork": True}
    left = prune(value, last, managed, POD_SPEC)
    assert left == {"containers": [{**A, "tty": True}], "hostNetwork": True}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        pytest.param({"containers": [A, A]}, 'duplicate entries for key [name="a"]', id="twice"),
        pytest.param({"containers": [{"image": "x"}]}, 'omits key field "name"', id="no-key"),
    ],
)
def test_items_without_identity_are_refused(value: dict[str, Any], told: str) -> None:
    with pytest.raises(StatusError) as refused:
        check_keys(value, POD_SPEC)
    assert told in refused.value.message


def test_text_of_a_path() -> None:
    path = ("f:spec", "f:ports", 'k:{"containerPort":80,"protocol":"TCP"}', "f:name")
    assert path_text(path) == '.spec.ports[containerPort=80,protocol="TCP"].name'
    assert path_text(("f:metadata", "f:finalizers", 'v:"a"')) == '.metadata.finalizers[="a"]'
