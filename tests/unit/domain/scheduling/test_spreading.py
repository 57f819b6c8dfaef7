"""Spread beyond Karmada: any topology groups, several at once, and the chosen clusters have room."""

from __future__ import annotations

import random

import pytest

from shoal.api.policy import SpreadConstraint
from shoal.domain.scheduling import Snapshot, schedule
from shoal.domain.scheduling.candidates import candidate
from shoal.domain.scheduling.groups import Group, combinations
from support import build

GROUPING, CAPACITY, BOTH = build.options(spread="grouping"), build.options(spread="capacity"), build.options(spread="grouping,capacity")


def by_label(key, least=1, most=0):
    return SpreadConstraint(spread_by_label=key, min_groups=least, max_groups=most)


def decided(clusters, *constraints, division=build.DUPLICATED, replicas=1, options=None):
    facts = {"options": options} if options else {}
    request = build.request(build.placement(division=division, spread=constraints), replicas=replicas, **facts)
    return schedule(request, Snapshot(clusters), None, now=build.NOW, position=1)


def names(decision):
    return [target.name for target in decision.clusters]


THREE_PROVIDERS = (
    build.cluster("ali1", provider="ali", region="hz", zones=("z1",), labels={"rack": "r1"}, pods=50),
    build.cluster("ali2", provider="ali", region="hz", zones=("z2",), labels={"rack": "r2"}, pods=40),
    build.cluster("aws1", provider="aws", region="bj", zones=("z3",), labels={"rack": "r1"}, pods=30),
    build.cluster("gcp1", provider="gcp", region="bj", zones=("z4",), pods=20),
    build.cluster("none", pods=99),
)


@pytest.mark.spec("GX09", "C12", "C13")
@pytest.mark.parametrize(
    ("constraints", "options", "expected"),
    [
        pytest.param(
            (build.spread("provider", 2, 2), build.spread("cluster", 2, 2)), None, ["ali1", "ali2"], id="by-default-only-the-property"
        ),
        pytest.param((build.spread("provider", 2, 2), build.spread("cluster", 2, 2)), GROUPING, ["ali1", "aws1"], id="provider"),
        pytest.param((build.spread("zone", 3, 3), build.spread("cluster", 3, 3)), GROUPING, ["ali1", "ali2", "aws1"], id="zone"),
        pytest.param((by_label("rack", 2, 2),), None, ["ali1", "ali2", "aws1"], id="label-without-a-number-of-clusters"),
        pytest.param((by_label("rack", 2, 2), build.spread("cluster", 2, 2)), None, ["ali1", "ali2"], id="label-groups-by-default"),
        pytest.param(
            (build.spread("provider", 2, 2), build.spread("region", 1, 1), build.spread("cluster", 2, 2)),
            GROUPING,
            ["aws1", "gcp1"],
            id="two-providers-of-one-region",
        ),
        pytest.param(
            (build.spread("region", 2, 2), build.spread("provider", 3, 3), build.spread("cluster", 3, 3)),
            GROUPING,
            ["ali1", "aws1", "gcp1"],
            id="two-regions-and-three-providers",
        ),
    ],
)
def test_grouping(constraints, options, expected):
    decision = decided(THREE_PROVIDERS, *constraints, options=options)
    assert names(decision) == expected, decision.condition.message


@pytest.mark.spec("GX09")
def test_a_spread_that_cannot_be_is_told():
    decision = decided(THREE_PROVIDERS, build.spread("provider", 4, 4), build.spread("cluster", 4, 4), options=GROUPING)
    assert decision.condition.message == "the number of feasible groups by provider is 3, fewer than minGroups 4"
    decision = decided(
        THREE_PROVIDERS, build.spread("region", 1, 1), build.spread("zone", 3, 3), build.spread("cluster", 3, 3), options=GROUPING
    )
    assert "3 groups by zone" in decision.condition.message


ROOM = (
    build.cluster("hz1", region="hz", pods=12),
    build.cluster("hz2", region="hz", pods=1),
    build.cluster("bj1", region="bj", pods=11),
    build.cluster("bj2", region="bj", pods=2),
    build.cluster("gz1", region="gz", pods=9),
    build.cluster("gz2", region="gz", pods=9),
)


@pytest.mark.spec("GX11")
@pytest.mark.parametrize(
    ("options", "replicas", "expected"),
    [
        pytest.param(None, 30, "Unschedulable", id="Karmada-chooses-without-looking"),
        pytest.param(CAPACITY, 24, ["bj1", "gz1", "gz2"], id="a-combination-with-room"),
        pytest.param(CAPACITY, 30, ["gz1", "gz2", "hz1"], id="the-roomiest"),
        pytest.param(CAPACITY, 31, "SchedulerError", id="too-much"),
    ],
)
def test_capacity_in_region_mode(options, replicas, expected):
    regions = (build.spread("region", 2, 2), build.spread("cluster", 3, 3))
    decision = decided(ROOM, *regions, division=build.DYNAMIC, replicas=replicas, options=options)
    assert (names(decision) if decision.fits else decision.condition.reason) == expected, decision.condition.message


@pytest.mark.spec("GX11")
def test_a_duplicated_workload_goes_where_it_fits():
    regions = (build.spread("region", 2, 2), build.spread("cluster", 3, 3))
    assert names(decided(ROOM, *regions, replicas=5)) == ["bj1", "gz1", "gz2"]
    assert names(decided(ROOM, *regions, replicas=10)) == ["bj1", "bj2", "hz1"]  # One of them has no room for 10.
    refused = decided(ROOM, *regions, replicas=10, options=CAPACITY)
    assert refused.condition.message == "no combination of regions has 3 feasible clusters within the limits"


# The cheap answer must be the answer of the search.
@pytest.mark.spec("R3.18")
def test_the_heaviest_groups_are_what_the_search_finds():
    dice = random.Random(5)
    for _ in range(2_000):
        groups = [
            Group(
                f"g{index}",
                [candidate(f"g{index}-{number}", group=f"g{index}") for number in range(dice.randint(1, 4))],
                dice.choice((0, 5, 5, 9)),
            )
            for index in range(dice.randint(1, 6))
        ]
        least = dice.randint(1, len(groups))
        limits = {"least": least, "most": dice.randint(least, len(groups)), "clusters_least": dice.randint(1, 8)}
        quick, searched = next(combinations(groups, **limits), None), next(combinations(groups, **limits, fits=lambda _: True), None)
        assert quick == searched, (groups, limits)
