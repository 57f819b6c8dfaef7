"""Least and most replicas per cluster, capped static weights, filling, preferences."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.domain.scheduling import Snapshot, schedule
from support import build

M1, M2, M3 = (build.cluster(name, pods=20) for name in ("m1", "m2", "m3"))
BOUNDS = '[{"targetCluster": {"clusterNames": ["m1"]}, "min": 3}, {"targetCluster": {"clusterNames": ["m2"]}, "min": 1, "max": 2}]'


def decided(division, *clusters, replicas, previous=None, **options):
    to = build.placement(division=division)
    asked = build.options(**options)
    standing = build.binding(*previous, placement=to) if previous else None  # The options are new.
    return schedule(build.request(to, replicas=replicas, options=asked), Snapshot(clusters), standing, now=build.NOW, position=9)


def shares(decision):
    return {target.name: target.replicas for target in decision.clusters} if decision.fits else decision.condition.reason


def held(**counts):
    return [build.target(name, count) for name, count in counts.items()]


@pytest.mark.spec("KA01")
@pytest.mark.parametrize(
    ("division", "replicas", "previous", "expected"),
    [
        pytest.param(build.EQUAL, 9, None, {"m1": 4, "m2": 2, "m3": 3}, id="static"),
        pytest.param(build.EQUAL, 4, None, {"m1": 3, "m2": 1}, id="the-least-comes-first"),
        pytest.param(build.EQUAL, 2, None, {"m1": 1, "m2": 1}, id="too-few-for-the-least"),
        pytest.param(build.DYNAMIC, 9, None, {"m1": 4, "m2": 2, "m3": 3}, id="dynamic"),
        pytest.param(build.DYNAMIC, 12, held(m1=3, m2=2, m3=4), {"m1": 5, "m2": 2, "m3": 5}, id="scale-up"),
        pytest.param(build.DYNAMIC, 5, held(m1=3, m2=2, m3=4), {"m1": 3, "m2": 1, "m3": 1}, id="scale-down-keeps-the-least"),
        pytest.param(build.DYNAMIC, 9, held(m1=4, m2=4, m3=1), {"m1": 5, "m2": 2, "m3": 2}, id="above-the-most"),
        pytest.param(build.DYNAMIC, 9, held(m1=1, m3=8), {"m1": 3, "m2": 1, "m3": 5}, id="below-the-least"),
        pytest.param(build.AGGREGATED, 6, None, {"m1": 4, "m2": 2}, id="aggregated-with-a-least"),
        pytest.param(build.AGGREGATED, 43, None, "Unschedulable", id="the-most-is-room"),
        pytest.param(build.AGGREGATED, 42, None, {"m1": 20, "m2": 2, "m3": 20}, id="to-the-brim"),
    ],
)
def test_bounds(division, replicas, previous, expected):
    assert shares(decided(division, M1, M2, M3, replicas=replicas, previous=previous, replica_bounds=BOUNDS)) == expected


WEIGHTS = build.weights(m1=3, m2=1)


@pytest.mark.spec("GX12")
@pytest.mark.parametrize(
    ("room", "options", "expected"),
    [
        pytest.param(2, {}, {"m1": 6, "m2": 2}, id="Karmada-does-not-look"),
        pytest.param(2, {"static_weights": "capped"}, {"m1": 2, "m2": 6}, id="what-does-not-fit-goes-on"),
        pytest.param(20, {"static_weights": "capped"}, {"m1": 6, "m2": 2}, id="enough-room"),
    ],
)
def test_capped_static_weights(room, options, expected):
    assert shares(decided(WEIGHTS, build.cluster("m1", pods=room), M2, replicas=8, **options)) == expected


@pytest.mark.spec("GX12")
def test_capped_static_weights_without_room():
    small = [build.cluster("m1", pods=2), build.cluster("m2", pods=3)]
    assert shares(decided(WEIGHTS, *small, replicas=8, static_weights="capped")) == "Unschedulable"
    # What runs there has its room already.
    assert shares(decided(WEIGHTS, *small, replicas=8, previous=held(m1=4, m2=1), static_weights="capped")) == {"m1": 6, "m2": 2}


@pytest.mark.spec("KA05")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({}, {"m1": 8, "m2": 2}, id="steady-keeps-what-runs"),
        pytest.param({"scaling": "balanced"}, {"m1": 6, "m2": 4}, id="balanced-starts-from-zero"),
    ],
)
def test_scaling(options, expected):
    """10 more fit into either; 6 run in the first."""
    ten = (build.cluster("m1", pods=10), build.cluster("m2", pods=10))
    assert shares(decided(build.DYNAMIC, *ten, replicas=10, previous=held(m1=6), **options)) == expected


@pytest.mark.spec("GX25")
def test_aggregated_fills_what_is_in_use():
    big, little = build.cluster("m1", pods=20), build.cluster("m2", pods=3)
    assert shares(decided(build.AGGREGATED, big, little, replicas=9, previous=held(m2=5))) == {"m1": 3, "m2": 6}
    assert shares(decided(build.AGGREGATED, big, little, replicas=9, previous=held(m2=5), aggregated="fill")) == {"m1": 1, "m2": 8}


CHEAP, DEAR, LIKED = (
    build.cluster("cheap", pods=5, cost=1.5),
    build.cluster("dear", pods=90, cost=9.0),
    build.cluster("liked", pods=4, cost=4.0, priority=10),
)


@pytest.mark.spec("KA02")
@pytest.mark.parametrize(
    ("prefer", "expected"),
    [
        pytest.param("cost", {"cheap": 5, "liked": 2}, id="cost"),
        pytest.param("priority", {"dear": 3, "liked": 4}, id="priority-then-room"),
        pytest.param("priority,cost", {"cheap": 3, "liked": 4}, id="priority-then-cost"),
    ],
)
def test_aggregated_fills_by_preference(prefer, expected):
    assert shares(decided(build.AGGREGATED, CHEAP, DEAR, LIKED, replicas=7, prefer=prefer)) == expected


@pytest.mark.spec("KA02")
def test_preference_chooses_among_clusters():
    to = build.placement(division=build.DUPLICATED, spread=(build.spread("cluster", 1, 1),))

    def where(**options):
        request = build.request(to, replicas=1, options=build.options(**options))
        return [target.name for target in schedule(request, Snapshot((CHEAP, DEAR, LIKED)), None, now=build.NOW, position=1).clusters]

    assert where() == ["dear"]  # The roomiest.
    assert where(prefer="cost") == ["cheap"]
    assert where(prefer="priority,cost") == ["liked"]


@given(
    st.integers(0, 40),
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 9), st.integers(0, 6), st.integers(0, 12)), min_size=1, max_size=5),
    st.sampled_from((build.DYNAMIC, build.AGGREGATED)),
)
@settings(max_examples=400, deadline=None)
def test_bounds_hold_whatever_comes(replicas, facts, division):
    """Each cluster: room, held, least, and how much more the most is."""
    names = [f"m{index}" for index in range(len(facts))]
    clusters = [build.cluster(name, pods=room) for name, (room, *_) in zip(names, facts, strict=True)]
    bounds = ", ".join(
        f'{{"targetCluster": {{"clusterNames": ["{name}"]}}, "min": {least}, "max": {least + more}}}'
        for name, (_, _, least, more) in zip(names, facts, strict=True)
    )
    previous = [build.target(name, count) for name, (_, count, _, _) in zip(names, facts, strict=True) if count]
    decision = decided(division, *clusters, replicas=replicas, previous=previous, replica_bounds=f"[{bounds}]")
    if not decision.fits or replicas == 0:
        return
    got = {target.name: target.replicas or 0 for target in decision.clusters}
    assert sum(got.values()) == replicas
    for name, (room, count, least, more) in zip(names, facts, strict=True):
        assert got.get(name, 0) <= least + more
        assert got.get(name, 0) <= room + count
