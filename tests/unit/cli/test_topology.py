from __future__ import annotations

from pathlib import Path

import pytest

from shoal.api.errors import SettingInvalid
from shoal.cli.topology import Member, parse, read, wanted, write


def places(members: list[Member]) -> list[str]:
    return [f"{member.name} {member.provider}/{member.region}/{member.zone}" for member in members]


def test_six_members_are_two_vendors_in_three_regions() -> None:
    six = wanted("6", (), [], nodes=None, restart_s=None)
    assert places(six) == [
        "m1 alpha/eu-west/eu-west-a",
        "m2 alpha/us-east/us-east-a",
        "m3 beta/ap-south/ap-south-a",
        "m4 alpha/eu-west/eu-west-b",
        "m5 beta/us-east/us-east-b",
        "m6 beta/ap-south/ap-south-b",
    ]


@pytest.mark.parametrize(
    ("members", "remembered", "names"),
    [
        pytest.param(None, [], ["m1", "m2", "m3"], id="three-by-default"),
        pytest.param(None, [Member(name="x")], ["x"], id="as-before"),
        pytest.param("2", [Member(name="x")], ["m1", "m2"], id="asked-anew"),
        pytest.param("0", [], [], id="none"),
        pytest.param("a,b:v/r/z,", [], ["a", "b"], id="names"),
    ],
)
def test_wanted(members: str | None, remembered: list[Member], names: list[str]) -> None:
    assert [member.name for member in wanted(members, (), remembered, nodes=None, restart_s=None)] == names


def test_real_clusters_alone_need_no_embedded_ones(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.touch()
    found = wanted(None, (f"r1:v/r/z={kubeconfig}", f"r2={kubeconfig}"), [Member(name="m1")], nodes=None, restart_s=None)
    assert places(found) == ["r1 v/r/z", "r2 //"]
    assert {member.kubeconfig for member in found} == {str(kubeconfig)}


def test_options_count_for_all_also_for_remembered_ones() -> None:
    found = wanted(None, (), [Member(name="m1", nodes=5), Member(name="m2")], nodes=0, restart_s=1.5)
    assert [(member.nodes, member.restart_s) for member in found] == [(0, 1.5), (0, 1.5)]


@pytest.mark.parametrize(
    ("members", "real", "says"),
    [
        pytest.param("M1", (), "lower case", id="upper-case"),
        pytest.param("a_b", (), "lower case", id="underscore"),
        pytest.param("a,a", (), "same name", id="twice"),
        pytest.param(None, ("r1",), "NAME=KUBECONFIG", id="real-without-kubeconfig"),
        pytest.param(None, ("r1=/nowhere/config",), "there is no kubeconfig /nowhere/config", id="kubeconfig-missing"),
    ],
)
def test_wanted_refuses(members: str | None, real: tuple[str, ...], says: str) -> None:
    with pytest.raises(SettingInvalid, match=says):
        wanted(members, real, [], nodes=None, restart_s=None)


def test_a_place_may_be_told_in_part() -> None:
    assert parse("a:vendor/region", 0) == Member(name="a", provider="vendor", region="region")


def test_members_are_remembered(tmp_path: Path) -> None:
    members = [Member(name="a", provider="v", nodes=0), Member(name="b", kubeconfig="/k", restart_s=3)]
    write(tmp_path / "members.json", members)
    assert read(tmp_path / "members.json") == members
    assert read(tmp_path / "else.json") == []
