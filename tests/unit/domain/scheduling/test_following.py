"""A snapshot that follows another one says what one made from nothing says."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.api.binding import Component, ReplicaRequirements
from shoal.api.cluster_view import ClusterView
from shoal.api.policy import Placement
from shoal.api.status import LOST, READY
from shoal.domain.scheduling import Snapshot, schedule
from support import build

NAMES = tuple(f"m{index:02}" for index in range(12))
SIZES = ({}, {"cpu": "1"}, {"cpu": "2", "memory": "1"}, {"gpu": "1"})
COMPONENTS = tuple(
    Component(name=name, replicas=1, replica_requirements=ReplicaRequirements(resource_request={"cpu": "1"})) for name in ("a", "b")
)


def looks(name: str) -> st.SearchStrategy[ClusterView]:
    return st.builds(
        build.cluster,
        st.just(name),
        labels=st.sampled_from(({}, {"env": "prod"}, {"env": "test", "rack": "r1"})),
        provider=st.sampled_from(("", "ali", "aws")),
        region=st.sampled_from(("hz", "bj", "gz")),
        zones=st.sampled_from(((), ("z1",), ("z1", "z2"), ("z3",))),
        taints=st.sampled_from(((), (), (build.taint("away"),))),
        state=st.sampled_from((READY, READY, READY, LOST)),
        deleting=st.sampled_from((False, False, False, True)),
        forgotten=st.sampled_from((False,) * 9 + (True,)),
        apis=st.sampled_from((build.APIS, build.APIS, frozenset())),
        free=st.dictionaries(st.sampled_from(("cpu", "memory", "gpu")), st.sampled_from(("0", "1", "4", "20"))),
        pods=st.one_of(st.none(), st.integers(0, 20)),
        models=st.sampled_from(((), (), ((2, {"cpu": 1000}),))),
        cost=st.sampled_from((0.0, 0.0, 2.0)),
    )


fleets = st.tuples(*map(looks, NAMES))
changes = st.lists(st.sampled_from(NAMES).flatmap(looks), max_size=6)
placements = st.builds(
    build.placement,
    labels=st.sampled_from((None, {"env": "prod"})),
    division=st.sampled_from((build.DUPLICATED, build.DYNAMIC, build.AGGREGATED, build.EQUAL)),
    spread=st.sampled_from(
        (
            (),
            (build.spread("cluster", 1, 3),),
            (build.spread("region", 1, 2), build.spread("cluster", 2, 4)),
            (build.spread("zone"), build.spread()),
        )
    ),
)
questions = st.lists(
    st.tuples(placements, st.integers(1, 9), st.sampled_from(SIZES), st.sampled_from(({}, {"prefer": "cost"}))), min_size=1, max_size=4
)


def answers(snapshot: Snapshot, asked: list[tuple[Placement, int, dict[str, str], dict[str, str]]]) -> list[object]:
    said: list[object] = [snapshot.room(None, COMPONENTS), len(snapshot), list(snapshot.clusters)]
    for to, replicas, size, options in asked:
        request = build.request(to, replicas=replicas, requests=size or None, options=build.options(**options))
        decision = schedule(request, snapshot, None, now=build.NOW, position=1)
        said.append((decision.clusters, decision.condition, decision.scores, decision.rounds))
    return said


@given(fleets, st.lists(changes, min_size=1, max_size=3), questions)
@settings(max_examples=120, deadline=None)
def test_following_is_making_anew(fleet, rounds, asked):
    by_name = {cluster.name: cluster for cluster in fleet}
    snapshot = Snapshot(by_name.values())
    for changed in rounds:
        answers(snapshot, asked)  # What it remembers has to be put right.
        by_name |= {cluster.name: cluster for cluster in changed[:1]}
        snapshot = snapshot.following(by_name.values())
        assert answers(snapshot, asked) == answers(Snapshot(by_name.values()), asked)


def test_nothing_changed_is_the_same_snapshot():
    clusters = [build.cluster("m1"), build.cluster("m2")]
    snapshot = Snapshot(clusters)
    assert snapshot.following(clusters) is snapshot


def test_the_one_before_stays_as_it_was():
    clusters = {name: build.cluster(name, pods=9) for name in NAMES}
    before = Snapshot(clusters.values())
    asked = [(build.placement(division=build.DYNAMIC), 5, {}, {})]
    said = answers(before, asked)
    after = before.following((clusters | {"m03": msgspec.structs.replace(clusters["m03"], free={"pods": 0}, region="bj")}).values())
    assert answers(after, asked) != said
    assert answers(before, asked) == said


def test_joined_and_forgotten_clusters_are_seen():
    clusters = [build.cluster("m1"), build.cluster("m2")]
    snapshot = Snapshot(clusters)
    assert len(snapshot.following([*clusters, build.cluster("m3")])) == 3
    assert len(snapshot.following(clusters[:1])) == 1
    assert len(snapshot.following([clusters[0], build.cluster("m2", forgotten=True)])) == 1
