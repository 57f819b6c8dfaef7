"""Spread constraints: how many and which candidates are used."""

from __future__ import annotations

import pytest

from shoal.domain.scheduling import Snapshot
from shoal.domain.scheduling.candidates import candidate
from shoal.domain.scheduling.select import select
from shoal.domain.scheduling.unplaced import Unplaced
from support import build


def ranked(**clusters):
    """`c1=(score, available)` or `(score, available, region)`, best first."""
    return sorted(candidate(name, score=facts[0], room=facts[1], group=(*facts, "")[2]) for name, facts in clusters.items())


def chosen(constraints, clusters, *, division=build.DYNAMIC, replicas=1):
    request = build.request(build.placement(spread=constraints, division=division), replicas=replicas)
    result = select(request, clusters, Snapshot(()))
    return result if isinstance(result, Unplaced) else [item.name for item in result]


FOUR = ranked(c1=(100, 10), c2=(100, 8), c3=(0, 40), c4=(0, 15))


@pytest.mark.spec("C10", "GX10", "KA06", "R3.13", "R3.14", "R3.15")
@pytest.mark.parametrize(
    ("most", "replicas", "expected"),
    [
        pytest.param(2, 18, ["c1", "c2"], id="Ex-3-e-need-18"),
        pytest.param(2, 30, ["c1", "c3"], id="Ex-3-e-need-30"),
        pytest.param(1, 20, ["c3"], id="Ex-3-e-one-cluster"),
        pytest.param(3, 60, ["c1", "c4", "c3"], id="Ex-3-e-three-clusters"),
        pytest.param(0, 60, ["c1", "c2", "c3", "c4"], id="GX10-no-maximum-is-no-limit"),
    ],
)
def test_by_cluster_with_capacity(most, replicas, expected):
    assert chosen((build.spread(most=most),), FOUR, replicas=replicas) == expected


# "need 56 -> error (best pair by the swap walk is c1 replaced too: c4+c3=55)"
@pytest.mark.spec("R3.15", "D14")
def test_by_cluster_without_capacity():
    refused = chosen((build.spread(most=2),), FOUR, replicas=56)
    assert refused.reason == "SchedulerError"
    assert "room for 55 of 56 replicas" in refused.message


@pytest.mark.spec("R3.14", "C10")
def test_duplicated_takes_the_first():
    assert chosen((build.spread(most=2),), FOUR, division=build.DUPLICATED, replicas=30) == ["c1", "c2"]
    assert chosen((build.spread(most=2),), FOUR, division=None) == ["c1", "c2"]


@pytest.mark.spec("R3.13")
def test_too_few_clusters():
    assert chosen((build.spread(least=5, most=6),), FOUR).message == "the number of feasible clusters is 4, fewer than minGroups 5"


@pytest.mark.spec("R3.11")
@pytest.mark.parametrize("division", [build.EQUAL, build.weights(c1=2)], ids=["no-weights", "static-weights"])
def test_static_weights_ignore_the_constraints(division):
    assert chosen((build.spread(most=1),), FOUR, division=division, replicas=4) == ["c1", "c2", "c3", "c4"]


@pytest.mark.spec("R3.11")
def test_no_constraints_use_everybody():
    assert chosen((), FOUR) == ["c1", "c2", "c3", "c4"]


@pytest.mark.spec("R3.12", "C12", "C13")
def test_other_fields_do_not_group():
    assert chosen((build.spread("zone"),), FOUR).reason == "SchedulerError"


FIVE = ranked(hz1=(0, 30, "hz"), hz2=(0, 20, "hz"), bj1=(0, 40, "bj"), bj2=(0, 10, "bj"), gz1=(0, 25, "gz"))


@pytest.mark.spec("C11", "R3.16", "R3.18", "R3.19")
@pytest.mark.parametrize(
    ("region", "cluster", "expected"),
    [
        pytest.param((2, 2), (3, 3), ["hz1", "bj1", "hz2"], id="Ex-3-f-two-regions-three-clusters"),
        pytest.param((1, 2), (1, 2), ["hz1", "hz2"], id="Ex-3-f-one-region-is-enough"),
        pytest.param((3, 3), (3, 4), ["hz1", "bj1", "gz1", "hz2"], id="Ex-3-f-three-regions"),
        pytest.param((2, 2), (1, 1), ["hz1", "bj1"], id="one-per-region-is-kept-above-the-maximum"),
    ],
)
def test_by_region_duplicated(region, cluster, expected):
    constraints = (build.spread("region", *region), build.spread("cluster", *cluster))
    assert chosen(constraints, FIVE, division=build.DUPLICATED, replicas=20) == expected


@pytest.mark.spec("C11", "R3.17", "R3.18")
@pytest.mark.parametrize(
    ("region", "cluster"),
    [pytest.param((2, 2), (5, 5), id="Ex-3-f-no-two-regions-hold-five"), pytest.param((4, 4), (1, 5), id="too-few-regions")],
)
def test_by_region_impossible(region, cluster):
    constraints = (build.spread("region", *region), build.spread("cluster", *cluster))
    assert chosen(constraints, FIVE, division=build.DUPLICATED, replicas=20).reason == "SchedulerError"


@pytest.mark.spec("C11", "R3.16", "R3.19")
def test_by_region_divided():
    constraints = (build.spread("region", 2, 2), build.spread("cluster", 2, 3))
    assert chosen(constraints, FIVE, replicas=60) == ["bj1", "hz1", "hz2"]  # Ex 3-g: weights tie, names order.
    holding = ranked(hz1=(100, 30, "hz"), hz2=(0, 20, "hz"), bj1=(0, 40, "bj"), bj2=(0, 10, "bj"), gz1=(0, 25, "gz"))
    assert chosen(constraints, holding, replicas=60) == ["hz1", "bj1", "hz2"]
