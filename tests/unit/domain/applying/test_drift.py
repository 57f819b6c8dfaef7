from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.domain.applying import drifted
from support import build


def spec(**fields):
    return build.manifest("example.com/v1", "Widget", "w", spec=fields)


def containers(*items):
    return spec(containers=list(items))


@pytest.mark.spec("H07", "R6.11")
@pytest.mark.parametrize(
    ("desired", "live", "expected"),
    [
        pytest.param(spec(a=1), spec(a=1, b=2), (), id="others-own-b"),
        pytest.param(spec(a=1), spec(a=2), ("/spec/a",), id="value"),
        pytest.param(spec(a=1), spec(), ("/spec/a",), id="removed"),
        pytest.param(spec(a={"b/c": 1}), spec(a={"b/c": 2}), ("/spec/a/b~1c",), id="escaped-path"),
        pytest.param(spec(a=[1, 2]), spec(a=[1, 2, 3]), ("/spec/a",), id="whole-list-longer"),
        pytest.param(spec(a=[1, 2]), spec(a=[2, 1]), ("/spec/a/0", "/spec/a/1"), id="whole-list-order"),
        pytest.param(spec(a=True), spec(a=1), ("/spec/a",), id="boolean-is-no-number"),
        pytest.param(spec(a="1"), spec(a=1), ("/spec/a",), id="text-is-no-number"),
        pytest.param(spec(a=None, b={}, c=[], d="", e=False, f={"g": None}), spec(), (), id="empty-values-may-be-left-out"),
        pytest.param(spec(a={}), spec(a=None), (), id="empty-map-is-null"),
        pytest.param(spec(a={"b": 1}), spec(a=3), ("/spec/a",), id="other-shape"),
        pytest.param(spec(limits={"cpu": "1000m", "memory": "1024Mi"}), spec(limits={"cpu": "1", "memory": "1Gi"}), (), id="quantities"),
        pytest.param(spec(requests={"cpu": 1}), spec(requests={"cpu": "1"}), (), id="quantity-as-number"),
        pytest.param(spec(limits={"cpu": "2"}), spec(limits={"cpu": "1"}), ("/spec/limits/cpu",), id="other-quantity"),
        pytest.param(spec(labels={"v": "1000m"}), spec(labels={"v": "1"}), ("/spec/labels/v",), id="labels-are-no-quantities"),
        pytest.param(
            containers({"name": "a", "image": "x"}),
            containers({"name": "injected"}, {"name": "a", "image": "x", "p": 1}),
            (),
            id="others-add-containers",
        ),
        pytest.param(
            containers({"name": "a", "image": "x"}), containers({"name": "a", "image": "y"}), ("/spec/containers/a/image",), id="image"
        ),
        pytest.param(containers({"name": "a"}, {"name": "b"}), containers({"name": "b"}), ("/spec/containers/a",), id="container-removed"),
        pytest.param(
            spec(ports=[{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}]),
            spec(ports=[{"containerPort": 80, "protocol": "UDP"}, {"containerPort": 80, "protocol": "TCP"}]),
            (),
            id="ports-by-number-and-protocol",
        ),
        pytest.param(
            spec(ports=[{"port": 80, "name": "a"}]),
            spec(ports=[{"port": 80, "name": "b"}]),
            ("/spec/ports/80|TCP/name",),
            id="service-port",
        ),
        pytest.param(
            spec(ingress=[{"ports": [{"port": 80}]}]),
            spec(ingress=[{"ports": [{"port": 80}, {"port": 22}]}]),
            ("/spec/ingress/0/ports",),
            id="policy-ports",
        ),
        pytest.param(
            spec(strategy=None, policy=""), spec(strategy={"type": "RollingUpdate"}, policy="Always"), (), id="asks-for-the-default"
        ),
        pytest.param(spec(labels={"a": ""}), spec(labels={"a": "x"}), ("/spec/labels/a",), id="empty-label-is-a-value"),
        pytest.param(
            spec(env=[{"name": "A", "value": ""}]), spec(env=[{"name": "A", "value": "x"}]), ("/spec/env/A/value",), id="variable-set"
        ),
        pytest.param(spec(env=[{"name": "A", "value": ""}]), spec(env=[{"name": "A"}]), (), id="empty-variable"),
        pytest.param(
            spec(tolerations=[{"key": "a"}]), spec(tolerations=[{"key": "a"}, {"key": "b"}]), ("/spec/tolerations",), id="no-merge-key"
        ),
        pytest.param({**spec(), "apiVersion": "example.com/v2"}, spec(), (), id="version-is-a-view"),
    ],
)
def test_drift(desired, live, expected):
    assert drifted(desired, live) == expected


def secret(**fields):
    return build.manifest("v1", "Secret", "s", **fields)


@pytest.mark.parametrize(
    ("desired", "live", "expected"),
    [
        pytest.param(secret(stringData={"a": "x"}), secret(data={"a": "eA=="}), (), id="string-data-is-stored-as-data"),
        pytest.param(secret(stringData={"a": "x"}), secret(data={"a": "eQ=="}), ("/data/a",), id="string-data-changed"),
        pytest.param(secret(data={"a": "eA=\n="}), secret(data={"a": "eA=="}), (), id="line-breaks-in-base64"),
        pytest.param(secret(data={"a": "eA=="}), secret(data={}), ("/data/a",), id="removed"),
        pytest.param(secret(data={"a": "?"}), secret(data={"a": "?"}), (), id="no-base64"),
    ],
)
def test_secrets(desired, live, expected):
    assert drifted(desired, live) == expected


def test_marks_aside():
    desired, live = spec(), spec()
    desired["metadata"]["annotations"] = {"shoal.dev/change": "01A", "shoal.dev/digest": "x", "shoal.dev/epoch": "5"}
    live["metadata"]["annotations"] = {"shoal.dev/change": "01B", "shoal.dev/epoch": "5"}
    assert drifted(desired, live) == ()
    live["metadata"]["annotations"]["shoal.dev/epoch"] = "6"
    assert drifted(desired, live) == ("/metadata/annotations/shoal.dev~1epoch",)


def test_at_most_20_paths():
    many = {f"k{number}": 1 for number in range(50)}
    assert len(drifted(spec(**many), spec())) == 20


LEAVES = st.integers(0, 3) | st.sampled_from(["", "a", "1"]) | st.none()
TREES = st.recursive(
    LEAVES,
    lambda inner: st.dictionaries(st.sampled_from(["a", "b", "limits", "env"]), inner, max_size=3) | st.lists(inner, max_size=3),
    max_leaves=8,
)


def with_extras(value):
    """What a server and others may add: keys that are not ours."""
    if isinstance(value, dict):
        return {**{key: with_extras(item) for key, item in value.items()}, "zz-added": {"x": 1}}
    return [with_extras(item) for item in value] if isinstance(value, list) else value


@given(TREES)
def test_what_others_add_is_never_drift(tree):
    desired = spec(tree=tree)
    assert drifted(desired, copy.deepcopy(desired)) == ()
    assert drifted(desired, spec(tree=with_extras(tree))) == ()
