from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from shoal.api.errors import ManifestInvalid, SettingInvalid
from shoal.api.meta import Manifest
from shoal.cli.deploy import application_of, deploy, objects, read, verdict

MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}


def labelled(**labels: str) -> Manifest:
    return {**MAP, "metadata": {"name": "a", "labels": {key.replace("__", "/").replace("_", "."): value for key, value in labels.items()}}}


@pytest.mark.parametrize(
    ("documents", "count"),
    [
        pytest.param([MAP, MAP], 2, id="plain"),
        pytest.param([{"apiVersion": "v1", "kind": "List", "items": [MAP, MAP, MAP]}], 3, id="list"),
        pytest.param([{"apiVersion": "v1", "kind": "List"}], 0, id="empty-list"),
    ],
)
def test_objects(documents: list[Any], count: int) -> None:
    assert objects(documents, "x") == [MAP] * count


@pytest.mark.parametrize("document", ["text", 1, [], {}, {"kind": 3}], ids=str)
def test_objects_refuses_what_is_none(document: object) -> None:
    with pytest.raises(ManifestInvalid, match=r"x\.yaml: document 2 is no Kubernetes object"):
        objects([MAP, document], "x.yaml")


@pytest.mark.parametrize(
    ("manifests", "name"),
    [
        pytest.param([labelled(shoal_dev__application="shop")], "shop", id="our-label"),
        pytest.param([labelled(app_kubernetes_io__part_of="other", shoal_dev__application="shop")], "shop", id="our-label-first"),
        pytest.param([labelled(**{"app_kubernetes_io__instance": "shop"}), MAP], "shop", id="some-without"),
    ],
)
def test_application_of(manifests: list[Manifest], name: str) -> None:
    assert application_of(manifests) == name


@pytest.mark.parametrize(
    ("manifests", "says"),
    [
        pytest.param([MAP], "no manifest has a label", id="no-label"),
        pytest.param([labelled(shoal_dev__application="b"), labelled(shoal_dev__application="a")], "belong to a, b", id="several"),
    ],
)
def test_application_of_asks_back(manifests: list[Manifest], says: str) -> None:
    with pytest.raises(SettingInvalid, match=says):
        application_of(manifests)


def place(state: str) -> dict[str, Any]:
    return {"state": "applied", "objects": [{"ref": "a", "clusters": [{"cluster": "m1", "state": state}]}]}


@pytest.mark.parametrize(
    ("last", "code"),
    [
        pytest.param({"state": "ready"}, 0, id="ready"),
        pytest.param({"state": "failed"}, 3, id="failed"),
        pytest.param({"state": "superseded"}, 3, id="superseded"),
        pytest.param(place("applied"), 4, id="not-in-time"),
        pytest.param(place("unreachable"), 3, id="unreachable"),
        pytest.param(place("failed"), 3, id="failed-in-one-cluster"),
        pytest.param({}, 4, id="never-heard-of"),
    ],
)
def test_verdict(last: dict[str, Any], code: int) -> None:
    assert verdict(last) == code


def test_read_a_directory(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.json", "c.txt"):
        (tmp_path / name).write_text(f'{{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {{"name": "{name[0]}"}}}}')
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "d.yml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: d}\n")
    assert [manifest["metadata"]["name"] for manifest in read(str(tmp_path))] == ["a", "b"]
    assert [manifest["metadata"]["name"] for manifest in read(str(tmp_path), recursive=True)] == ["a", "b", "d"]


def test_broken_yaml_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("apiVersion: v1\nkind: ConfigMap\ndata: {a: b\n")
    with pytest.raises(ManifestInvalid, match=r"bad\.yaml.*4"):
        read(str(tmp_path / "bad.yaml"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param([], "nothing to deploy", id="nothing"),
        pytest.param(["--set-image", "web"], "write NAME=REF", id="image-without-reference"),
        pytest.param(["--timeout", "soon", "-f", "-"], "not a valid float", id="timeout"),
    ],
)
def test_wrong_usage(arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(deploy, arguments)
    assert result.exit_code == 2
    assert says in result.output


def test_missing_file() -> None:
    with pytest.raises(SettingInvalid, match=r"there is no /nowhere/a\.yaml"):
        read("/nowhere/a.yaml")
