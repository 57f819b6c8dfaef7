from __future__ import annotations

from typing import Any

import pytest

from shoal.api.plan import PlannedField
from shoal.domain.planning import differences, manifest_differences
from support import build


def told(before: Any, after: Any) -> dict[str, tuple[Any, Any]]:
    return {one.path: (one.before, one.after) for one in differences(before, after)}


def config(**data: Any) -> dict[str, Any]:
    return build.config_map("a", **data)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(config(x="1"), config(x="1"), {}, id="equal"),
        pytest.param(config(x="1"), config(x="2"), {"data.x": ("1", "2")}, id="changed"),
        pytest.param(config(x="1"), config(), {"data.x": ("1", None)}, id="removed"),
        pytest.param(config(), config(**{"app.properties": "y"}), {"data[app.properties]": (None, "y")}, id="a-key-with-a-dot"),
        pytest.param(config(x="1"), config(x=1), {"data.x": ("1", 1)}, id="other-type"),
        pytest.param(config(x=1), config(x=True), {"data.x": (1, True)}, id="one-is-not-true"),
        pytest.param(config(x={"y": 1}), config(x=[1]), {"data.x": ({"y": 1}, [1])}, id="map-becomes-list"),
        pytest.param(config(x=[1, 2]), config(x=[1]), {"data.x[1]": (2, None)}, id="list-by-position"),
        pytest.param(
            config(x=[{"name": "a", "v": 1}, {"name": "b", "v": 1}]),
            config(x=[{"name": "b", "v": 2}, {"name": "a", "v": 1}]),
            {"data.x[b].v": (1, 2), "data.x": (["a", "b"], ["b", "a"])},
            id="list-by-name-and-its-order",
        ),
        pytest.param(
            config(x=[{"name": "a"}]), config(x=[{"name": "a"}, {"name": "c", "v": 1}]),
            {"data.x[c].name": (None, "c"), "data.x[c].v": (None, 1)}, id="list-gets-an-item",
        ),
        pytest.param(
            config(x=[{"name": "a"}, {"name": "a"}]), config(x=[{"name": "a"}]), {"data.x[1].name": ("a", None)}, id="names-twice-are-no-names"
        ),
        pytest.param(
            config(), {**config(), "status": {"a": 1}}, {}, id="status-is-not-the-users",
        ),
    ],
)  # fmt: skip
def test_every_field(before: Any, after: Any, expected: dict[str, Any]) -> None:
    assert told(before, after) == expected


def test_a_new_object_is_all_its_fields() -> None:
    assert told(None, config(x="1")) == {
        "apiVersion": (None, "v1"),
        "kind": (None, "ConfigMap"),
        "data.x": (None, "1"),
        "metadata.name": (None, "a"),
        "metadata.namespace": (None, "shop"),
    }


def test_bookkeeping_of_the_api_server_is_no_difference() -> None:
    one = config(x="1")
    metadata = {
        "uid": "other", "resourceVersion": "9", "generation": 3, "managedFields": [{}], "creationTimestamp": "x",
        "labels": {"propagationpolicy.karmada.io/permanent-id": "p"},
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
    }  # fmt: skip
    assert differences(one, {**one, "metadata": {**one["metadata"], **metadata}}) == ()


def test_marks_are_no_difference_of_a_copy() -> None:
    one = config(x="1")
    marks = {"labels": {"karmada.io/managed": "true"}, "annotations": {"shoal.dev/epoch": "7", "resourcetemplate.karmada.io/uid": "u"}}
    marked = {**one, "metadata": {**one["metadata"], **marks}}
    assert manifest_differences(one, marked) == ()
    assert len(differences(one, marked)) == 3


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("one", "two", id="changed"),
        pytest.param(None, "two", id="created"),
        pytest.param("one", None, id="deleted"),
    ],
)
def test_what_a_secret_holds_is_never_told(before: str | None, after: str | None) -> None:
    def secret(value: str | None) -> Any:
        annotations = {"kubectl.kubernetes.io/last-applied-configuration": f'{{"data":{{"x.y":"{value}"}}}}'}
        made = build.manifest("v1", "Secret", "s", data={"x.y": value}, stringData={"z": value})
        return None if value is None else {**made, "metadata": {**made["metadata"], "annotations": annotations}}

    fields = differences(secret(before), secret(after))
    assert PlannedField(path="data[x.y]", secret=True) in fields
    assert PlannedField(path="stringData.z", secret=True) in fields
    assert not any(value in ("one", "two") for one in fields for value in (one.before, one.after))
    assert all("last-applied" not in one.path for one in fields)
