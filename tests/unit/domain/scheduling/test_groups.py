"""Regions: what each is worth, and which combination is used."""

from __future__ import annotations

import pytest

from shoal.domain.scheduling.candidates import candidate
from shoal.domain.scheduling.groups import Group, combinations, group_candidates
from support import build


def weight(*clusters, division, replicas, region_min=1, cluster_min=1):
    """Group score of one region of (available, score) clusters."""
    members = [candidate(f"c{index}", room=available, score=score, group="hz") for index, (available, score) in enumerate(clusters)]
    request = build.request(build.placement(division=division), replicas=replicas)
    return group_candidates(request, members, group_min=region_min, cluster_min=cluster_min)[0].weight


# Ex 3-h
@pytest.mark.spec("R3.16")
@pytest.mark.parametrize(
    ("clusters", "facts", "expected"),
    [
        pytest.param([(25, 100), (25, 0), (5, 0)], {"division": build.DUPLICATED, "replicas": 20}, 2050, id="Ex-3-h-duplicated"),
        pytest.param([(5, 100)], {"division": build.DUPLICATED, "replicas": 20}, 0, id="duplicated-nothing-fits"),
        pytest.param(
            [(20, 100), (15, 0), (50, 0)],
            {"division": build.DYNAMIC, "replicas": 90, "region_min": 3, "cluster_min": 2},
            30033,
            id="Ex-3-h-divided-enough",
        ),
        pytest.param(
            [(5, 100), (4, 0)],
            {"division": build.DYNAMIC, "replicas": 90, "region_min": 3, "cluster_min": 2},
            9050,
            id="Ex-3-h-divided-short",
        ),
    ],
)
def test_weight(clusters, facts, expected):
    assert weight(*clusters, **facts) == expected


def region(name, value, weight_):
    return Group(name, tuple(candidate(f"{name}{index}", group=name) for index in range(value)), weight_)


def names(*groups, least, most, need):
    result = next(combinations([region(*group) for group in groups], least=least, most=most, clusters_least=need), None)
    return None if result is None else [group.name for group in result]


# Ex 3-i; the chosen ones come heaviest first.
@pytest.mark.spec("R3.18")
def test_choose_regions():
    small = (("A", 1, 70), ("B", 3, 40), ("C", 5, 30))
    assert names(*small, least=1, most=3, need=5) == ["A", "B", "C"]
    big = (("A", 1, 900), ("B", 2, 500), ("C", 4, 300))
    assert names(*big, least=1, most=2, need=4) == ["A", "C"]
    assert names(*big, least=2, most=3, need=3) == ["A", "B"]


# "if the current best (its regions sorted weight desc, name asc) has a recorded combination as a strict prefix, replace it by that prefix"
@pytest.mark.spec("R3.18")
def test_the_best_is_cut_to_a_feasible_prefix():
    assert names(("Y", 1, 10), ("X", 5, 50), least=1, most=2, need=5) == ["X"]


@pytest.mark.spec("R3.18")
def test_exactly_as_many_regions_as_asked_are_taken_whole():
    assert names(("A", 1, 5), ("B", 1, 9), least=2, most=2, need=2) == ["B", "A"]
    assert names(("A", 1, 5), ("B", 1, 9), least=2, most=2, need=3) is None


def test_many_regions_are_bounded():
    crowd = [(f"r{index:02}", 1, index) for index in range(30)]
    assert len(names(*crowd, least=5, most=12, need=12)) == 12
