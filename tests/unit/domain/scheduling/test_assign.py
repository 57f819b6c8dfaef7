"""Replica division: every worked example of section 4 as a case."""

from __future__ import annotations

import pytest

from shoal.api.policy import ClusterPreferences, ReplicaSchedulingStrategy, StaticClusterWeight
from shoal.domain.scheduling import Snapshot
from shoal.domain.scheduling.assign import Division
from shoal.domain.scheduling.candidates import candidate
from shoal.domain.scheduling.unplaced import Unplaced
from support import build

EVEN, ODD = "u2", "u1"


def divide(division, replicas, *, fresh=False, uid="", tiers=None, **clusters):
    """`a=5` has room for 5 more; `a=(5, 3)` holds 3 besides."""
    facts = {name: value if isinstance(value, tuple) else (value, 0) for name, value in clusters.items()}
    members = sorted(
        candidate(name, room=room, current=current, score=100 if current else 0, tier=(tiers or {}).get(name, 0))
        for name, (room, current) in facts.items()
    )
    request = build.request(build.placement(division=division), replicas=replicas, uid=uid, requests={"cpu": "1"})
    snapshot = Snapshot(build.cluster(name) for name in clusters)
    return Division(request, snapshot, fresh=fresh).assign(members)


@pytest.mark.spec("R2.10", "R4.1")
def test_what_has_no_replicas_is_attached_without_a_number():
    members = [candidate("a"), candidate("b")]
    request = build.request(build.placement(division=build.EQUAL), kind="ConfigMap", api_version="v1")
    assert Division(request, Snapshot([]), fresh=False).assign(members) == {"a": None, "b": None}


# "Every selected cluster gets spec.replicas. Capacity is not considered." (R4.5)
@pytest.mark.spec("D01", "R4.5", "R4.3")
@pytest.mark.parametrize("division", [build.DUPLICATED, None], ids=["duplicated", "no-block"])
def test_duplicated(division):
    assert divide(division, 3, a=0, b=9) == {"a": 3, "b": 3}


@pytest.mark.spec("D04", "D05", "D13", "R4.2", "R4.6")
@pytest.mark.parametrize(
    ("division", "replicas", "expected"),
    [
        pytest.param(build.weights(a=1, b=2), 9, {"a": 3, "b": 6}, id="Ex-4-a-by-weight"),
        pytest.param(build.EQUAL, 6, {"a": 2, "b": 2, "c": 2}, id="no-list-is-equal"),
        pytest.param(build.weights(x=5), 6, {"a": 2, "b": 2, "c": 2}, id="nobody-matches-is-equal"),
        pytest.param(build.weights(a=1), 4, {"a": 4}, id="who-matches-nothing-takes-no-part"),
        pytest.param(build.weights(a=9, b=1), 3, {"a": 3}, id="clusters-with-nothing-are-dropped-D13"),
    ],
)
def test_static_weights(division, replicas, expected):
    assert divide(division, replicas, a=(0, 5), b=0, c=0) == expected


@pytest.mark.spec("D04", "R4.6")
def test_the_largest_matching_weight_counts():
    entries = tuple(
        StaticClusterWeight(target_cluster=target, weight=weight)
        for target, weight in ((build.affinity("a", "b"), 1), (build.affinity("a"), 3), (build.affinity(exclude=("a",)), 1))
    )
    division = ReplicaSchedulingStrategy(
        replica_scheduling_type="Divided", weight_preference=ClusterPreferences(static_weight_list=entries)
    )
    assert divide(division, 8, a=0, b=0) == {"a": 6, "b": 2}


@pytest.mark.spec("D02", "D03", "D06", "D08", "R4.11", "R4.13")
@pytest.mark.parametrize(
    ("division", "replicas", "clusters", "uid", "expected"),
    [
        pytest.param(build.DYNAMIC, 10, {"a": 30, "b": 10, "c": 10}, "", {"a": 6, "b": 2, "c": 2}, id="Ex-4-d-dynamic-10"),
        pytest.param(build.DYNAMIC, 15, {"a": 9, "b": 7, "c": 4}, "", {"a": 7, "b": 5, "c": 3}, id="Ex-4-d-dynamic-15"),
        pytest.param(build.AGGREGATED, 8, {"a": 5, "b": 10, "c": 7}, "", {"b": 8}, id="Ex-4-d-aggregated-8"),
        pytest.param(build.AGGREGATED, 14, {"a": 5, "b": 10, "c": 7}, "", {"b": 8, "c": 6}, id="Ex-4-d-aggregated-14"),
        pytest.param(build.AGGREGATED, 20, {"a": 5, "b": 10, "c": 7}, "", {"a": 5, "b": 9, "c": 6}, id="Ex-4-d-aggregated-20"),
        pytest.param(build.DYNAMIC, 12, {"a": (10, 4), "b": (5, 2), "c": (0, 1)}, "", {"a": 7, "b": 4, "c": 1}, id="Ex-4-e-dynamic"),
        pytest.param(build.DYNAMIC, 12, {"a": (2, 4), "b": (2, 2), "c": (2, 1)}, EVEN, {"a": 6, "b": 4, "c": 2}, id="Ex-4-e-even-uid"),
        pytest.param(build.DYNAMIC, 12, {"a": (2, 4), "b": (2, 2), "c": (2, 1)}, ODD, {"a": 5, "b": 4, "c": 3}, id="Ex-4-e-odd-uid"),
        pytest.param(build.AGGREGATED, 9, {"a": (6, 5), "b": 20}, "", {"a": 9}, id="Ex-4-e-aggregated-fits-where-it-is"),
        pytest.param(
            build.AGGREGATED, 9, {"a": (2, 5), "b": 20, "c": 1}, "", {"a": 5, "b": 4}, id="Ex-4-e-R4.13-newcomer-takes-nearly-all"
        ),
    ],
)
def test_scale_up(division, replicas, clusters, uid, expected):
    assert divide(division, replicas, uid=uid, **clusters) == expected


# "15 over 9/3/2 -> Unschedulable (14 < 15)"
@pytest.mark.spec("D14", "R4.11", "E06")
def test_no_partial_placement():
    refused = divide(build.DYNAMIC, 15, a=9, b=3, c=2)
    assert refused == Unplaced("Unschedulable", "Clusters available replicas 14 are not enough to schedule 15 replicas.")


@pytest.mark.spec("D09", "R4.10")
@pytest.mark.parametrize(
    ("division", "replicas", "held", "uid", "expected"),
    [
        pytest.param(build.DYNAMIC, 5, {"a": 6, "b": 4, "c": 2}, "", {"a": 2, "b": 2, "c": 1}, id="Ex-4-f-dynamic-5"),
        pytest.param(build.DYNAMIC, 1, {"a": 5, "b": 3, "c": 2}, "", {"a": 1}, id="Ex-4-f-dynamic-1"),
        pytest.param(build.DYNAMIC, 8, {"a": 3, "b": 3, "c": 3}, EVEN, {"a": 3, "b": 3, "c": 2}, id="Ex-4-f-even-uid"),
        pytest.param(build.DYNAMIC, 8, {"a": 3, "b": 3, "c": 3}, ODD, {"a": 2, "b": 3, "c": 3}, id="Ex-4-f-odd-uid"),
        pytest.param(build.AGGREGATED, 13, {"a": 7, "b": 5, "c": 2}, "", {"a": 6, "b": 5, "c": 2}, id="Ex-4-f-aggregated-13"),
        pytest.param(build.AGGREGATED, 8, {"a": 7, "b": 5, "c": 2}, "", {"a": 5, "b": 3}, id="Ex-4-f-aggregated-8"),
        pytest.param(build.AGGREGATED, 7, {"a": 7, "b": 5, "c": 2}, "", {"a": 7}, id="Ex-4-f-aggregated-7"),
        pytest.param(build.AGGREGATED, 3, {"a": 7, "b": 5, "c": 2}, "", {"a": 3}, id="Ex-4-f-aggregated-3"),
    ],
)
def test_scale_down_asks_for_no_room(division, replicas, held, uid, expected):
    assert divide(division, replicas, uid=uid, **{name: (0, count) for name, count in held.items()}) == expected


@pytest.mark.spec("R4.9")
def test_an_unchanged_number_changes_nothing():
    assert divide(build.AGGREGATED, 6, a=(9, 1), b=(9, 5)) == {"a": 1, "b": 5}


# "Dynamic 12 on a6,b4,c2 and b is no candidate any more: cur 8, delta 4"
@pytest.mark.spec("D10", "R4.11")
def test_a_lost_cluster_is_new_demand():
    assert divide(build.DYNAMIC, 12, a=(3, 6), c=(9, 2)) == {"a": 7, "c": 5}  # Ex 4-g
    assert divide(build.DYNAMIC, 12, a=(2, 6), c=(2, 2), d=8) == {"a": 7, "c": 3, "d": 2}


@pytest.mark.spec("D11", "R4.8", "R4.12")
def test_fresh_starts_from_zero():
    assert divide(build.DYNAMIC, 12, fresh=True, a=(0, 6), b=(8, 4), c=(16, 2)) == {"a": 2, "b": 4, "c": 6}  # Ex 4-h
    assert divide(build.AGGREGATED, 14, fresh=True, a=(2, 7), b=(9, 5), c=(1, 2)) == {"b": 14}


# Ex 4-i: main idc alloc 6, overflow cloud alloc 20
@pytest.mark.spec("C07", "R4.14")
@pytest.mark.parametrize(
    ("replicas", "idc", "cloud", "expected"),
    [
        pytest.param(10, (6, 0), (20, 0), {"cloud": 4, "idc": 6}, id="Ex-4-i-spills-over"),
        pytest.param(8, (0, 6), (16, 4), {"cloud": 2, "idc": 6}, id="Ex-4-i-shrinks-the-overflow-first"),
        pytest.param(11, (5, 6), (18, 2), {"idc": 11}, id="Ex-4-i-returns-when-there-is-room"),
    ],
)
def test_overflow(replicas, idc, cloud, expected):
    assert divide(build.AGGREGATED, replicas, tiers={"cloud": 1}, idc=idc, cloud=cloud) == expected


@pytest.mark.spec("C07", "R4.14")
def test_overflow_that_is_not_enough():
    refused = divide(build.AGGREGATED, 30, tiers={"cloud": 1}, idc=6, cloud=20)
    assert refused == Unplaced("Unschedulable", "Clusters available replicas 26 are not enough to schedule 30 replicas.")


# GX24: Karmada removes a workload with requests that is scaled to 0; here it stays with 0 replicas.
@pytest.mark.spec("GX24", "R4.1", "R4.2")
def test_scaled_to_zero_it_stays():
    assert divide(build.AGGREGATED, 0, a=(5, 3), b=5) == {"a": 0}
    assert divide(build.AGGREGATED, 0, a=5, b=5) == {"a": 0, "b": 0}
    assert divide(build.DUPLICATED, 0, a=5, b=5) == {"a": 0, "b": 0}


def failover(division, replicas, prefer, *, strict=False, **clusters):
    """A lost cluster is gone already; `prefer` are the tiers of replacements."""
    tiers = tuple(frozenset(tier) for tier in prefer)
    members = sorted(
        candidate(
            name,
            room=room,
            current=current,
            preference=next((level for level, tier in enumerate(tiers) if name in tier), len(tiers)),
        )
        for name, (room, current) in clusters.items()
    )
    request = build.request(build.placement(division=division), replicas=replicas, prefer=tiers, strict=strict)
    return Division(request, Snapshot(build.cluster(name) for name in clusters), fresh=False).assign(members)


# "Divided: the sum of replicas changed -> scale-up path (existing clusters keep theirs ...)" (R11.5)
@pytest.mark.spec("N12", "R11.5")
@pytest.mark.parametrize("division", [build.AGGREGATED, build.DYNAMIC, build.EQUAL], ids=["aggregated", "dynamic", "static"])
def test_failover_keeps_what_runs_and_fills_the_best_tier(division):
    result = failover(division, 6, [["near"], ["far"]], near=(9, 0), far=(99, 2), other=(99, 2))
    assert result == {"far": 2, "near": 2, "other": 2}


@pytest.mark.spec("N12")
def test_failover_goes_to_the_next_tier_when_the_best_has_no_room():
    assert failover(build.AGGREGATED, 4, [["near"], ["far"]], near=(3, 0), far=(9, 0)) == {"far": 1, "near": 3}
    refused = failover(build.AGGREGATED, 4, [["near"]], strict=True, near=(3, 0))
    assert refused.reason == "Unschedulable"
