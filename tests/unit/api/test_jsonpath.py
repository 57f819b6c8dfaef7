"""Paths to one place, as Kubernetes writes them."""

from __future__ import annotations

import pytest

from shoal.api.jsonpath import LENGTH_MAX, PathInvalid, steps, value_at

STATUS = {"jobStatus": {"jobID": "4711"}, "conditions": [{"type": "Ready"}, {"type": "Old"}], "labels": {"shop/id": 7}, "replicas": 0}


@pytest.mark.spec("R12.4")
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("{.replicas}", 0, id="a-field"),
        pytest.param(".replicas", 0, id="without-braces"),
        pytest.param("{$.replicas}", 0, id="from-the-root"),
        pytest.param("{ .jobStatus.jobID }", "4711", id="a-field-of-a-field"),
        pytest.param("{.conditions[1].type}", "Old", id="an-index"),
        pytest.param("{.labels['shop/id']}", 7, id="a-quoted-field"),
        pytest.param('{["replicas"]}', 0, id="the-other-quotes"),
    ],
)
def test_one_place(path, expected):
    assert value_at(STATUS, path) == expected


@pytest.mark.parametrize(
    "path", ["{.missing}", "{.jobStatus.jobID.more}", "{.conditions[2]}", "{.conditions.type}", "{.jobStatus[0]}", "{.replicas.x}"]
)
def test_nothing_is_there(path):
    with pytest.raises(LookupError):
        value_at(STATUS, path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "{}",
        "{.}",
        "replicas",
        "{..replicas}",
        "{.conditions[*].type}",
        "{.conditions[?(@.type=='Ready')]}",
        "{.a",
        "{.a}{.b}",
        "{.a[-1]}",
        "." + "a" * LENGTH_MAX,
    ],
)
def test_no_single_place(path):
    with pytest.raises(PathInvalid, match="write one such as"):
        steps(path)
