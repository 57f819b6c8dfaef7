"""What holds for every decision, whatever the clusters; and the division against an independent reference."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.api.binding import Binding
from shoal.api.cluster_view import ClusterView
from shoal.api.policy import Placement
from shoal.api.selecting import cluster_matches
from shoal.api.status import LOST, READY
from shoal.domain.scheduling import Decision, Request, Snapshot, same_content, schedule, to_binding
from shoal.domain.scheduling.assign import Division
from shoal.domain.scheduling.candidates import candidate
from shoal.domain.scheduling.unplaced import Unplaced
from support import build
from support.division import divide

NAMES = tuple(f"m{index}" for index in range(1, 8))
DIVISIONS = (None, build.DUPLICATED, build.EQUAL, build.weights(m1=3, m2=2, m5=1), build.DYNAMIC, build.AGGREGATED)
REGIONS = ("hz", "bj", "gz")


def clusters_of(names: tuple[str, ...] = NAMES) -> st.SearchStrategy[tuple[ClusterView, ...]]:
    return st.tuples(
        *(
            st.builds(
                build.cluster,
                st.just(name),
                labels=st.sampled_from(({}, {"env": "prod"})),
                region=st.sampled_from(REGIONS),
                state=st.sampled_from((READY, READY, READY, LOST)),
                pods=st.integers(0, 12),
                deleting=st.sampled_from((False, False, False, False, True)),
            )
            for name in names
        )
    )


placements = st.builds(
    build.placement,
    labels=st.sampled_from((None, {"env": "prod"})),
    exclude=st.sampled_from(((), ("m3",))),
    division=st.sampled_from(DIVISIONS),
    spread=st.sampled_from(
        (
            (),
            (build.spread("cluster", 1, 3),),
            (build.spread("cluster", 2, 4),),
            (build.spread("region", 1, 2), build.spread("cluster", 2, 4)),
        )
    ),
)
histories = st.dictionaries(st.sampled_from(NAMES), st.integers(1, 5), max_size=4)
replicas = st.integers(1, 20)


def decide(clusters: tuple[ClusterView, ...], to: Placement, count: int, previous: Binding | None = None, position: int = 100) -> Decision:
    request = Request(ref=build.ref(), uid="uid-deployment-web", api_version="apps/v1", placement=to, replicas=count)
    return schedule(request, Snapshot(clusters), previous, now=build.NOW, position=position)


def history(held: dict[str, int], to: Placement) -> Binding:
    return build.binding(*(build.target(name, held[name], epoch=7) for name in sorted(held)), placement=to)


def written(decision: Decision, to: Placement) -> Binding:
    base = build.binding(placement=to)
    return to_binding(decision, base, now=build.NOW, position=100)


@given(clusters_of(), placements, replicas, histories)
@settings(max_examples=300, deadline=None)
def test_a_divided_decision_hands_out_every_replica(clusters, to, count, held):
    decision = decide(clusters, to, count, history(held, placements_differ(to)))
    if decision.fits and to.replica_scheduling is not None:
        handed = [target.replicas or 0 for target in decision.clusters]
        if to.replica_scheduling.replica_scheduling_type == "Divided":
            assert sum(handed) == count
            assert all(handed)
        else:
            assert set(handed) == {count}


def placements_differ(to: Placement) -> Placement:
    """A former placement, so that the decision is made and not kept."""
    return msgspec.structs.replace(to, cluster_tolerations=(build.tolerate("former"),))


@given(clusters_of(), placements, replicas)
@settings(max_examples=200, deadline=None)
def test_no_new_cluster_outside_the_placement(clusters, to, count):
    for target in decide(clusters, to, count).clusters:
        cluster = next(item for item in clusters if item.name == target.name)
        assert cluster_matches(to.cluster_affinity, cluster)
        assert cluster.ready
        assert target.epoch == 100


@given(clusters_of(), placements, replicas, histories, st.randoms())
@settings(max_examples=200, deadline=None)
def test_the_order_of_the_clusters_changes_nothing(clusters, to, count, held, dice):
    shuffled = list(clusters)
    dice.shuffle(shuffled)
    previous = history(held, placements_differ(to))
    left, right = decide(clusters, to, count, previous), decide(tuple(shuffled), to, count, previous)
    assert (left.clusters, left.removals, left.condition) == (right.clusters, right.removals, right.condition)


@given(clusters_of(), placements, replicas, histories)
@settings(max_examples=200, deadline=None)
def test_deciding_twice_says_the_same(clusters, to, count, held):
    first = written(decide(clusters, to, count, history(held, to)), to)
    second = written(decide(clusters, to, count, first, position=200), to)
    third = written(decide(clusters, to, count, second, position=300), to)
    assert same_content(second, third)
    if to.replica_scheduling in (None, build.DUPLICATED) and not to.spread_constraints:
        assert same_content(first, second)


@given(clusters_of(), placements, replicas, histories)
@settings(max_examples=200, deadline=None)
def test_nothing_drops_out(clusters, to, count, held):
    """Every former target is a target or a removal, each with the epoch it had or a new one."""
    decision = decide(clusters, to, count, history(held, placements_differ(to)))
    now = {target.name: target.epoch for target in decision.clusters}
    for name in held:
        assert now.get(name) == 7 or decision.removals[name].epoch == 7
    if not decision.fits:
        assert now.keys() == held.keys()


@given(clusters_of(), st.sampled_from((build.DYNAMIC, build.AGGREGATED)), histories, st.integers(1, 12))
@settings(max_examples=200, deadline=None)
def test_scaling_up_takes_nothing_away(clusters, division, held, more):
    to = build.placement(division=division)
    well = tuple(msgspec.structs.replace(cluster, deleting=False) for cluster in clusters)
    decision = decide(well, to, sum(held.values()) + more, history(held, to))
    now = {target.name: target.replicas or 0 for target in decision.clusters}
    assert all(now[name] >= count for name, count in held.items())


@given(clusters_of(), st.sampled_from((build.DYNAMIC, build.AGGREGATED)), histories.filter(bool), st.integers(1, 12))
@settings(max_examples=200, deadline=None)
def test_scaling_down_adds_nothing(clusters, division, held, fewer):
    to = build.placement(division=division)
    well = tuple(msgspec.structs.replace(cluster, deleting=False) for cluster in clusters)
    decision = decide(well, to, max(1, sum(held.values()) - fewer), history(held, to))
    assert all((target.replicas or 0) <= held.get(target.name, 0) for target in decision.clusters)


options = st.fixed_dictionaries(
    {},
    optional={
        "spread": st.sampled_from(("grouping", "capacity", "grouping,capacity")),
        "static_weights": st.just("capped"),
        "scaling": st.just("balanced"),
        "aggregated": st.just("fill"),
        "prefer": st.sampled_from(("cost", "priority,cost")),
        "replica_bounds": st.sampled_from(('[{"max": 4}]', '[{"targetCluster": {"clusterNames": ["m1", "m4"]}, "min": 2}]')),
        "follow": st.just("all"),
        "rate": st.just("2/1m"),
    },
).map(lambda found: build.options(**found))


@given(clusters_of(), placements, replicas, histories, options, st.randoms())
@settings(max_examples=400, deadline=None)
def test_with_whatever_options(clusters, to, count, held, asked, dice):
    """All replicas or the old result, nothing drops out, nobody outside the placement, and the order of the clusters says nothing."""
    shuffled = list(clusters)
    dice.shuffle(shuffled)
    request = Request(ref=build.ref(), uid="uid-deployment-web", api_version="apps/v1", placement=to, replicas=count, options=asked)
    previous = history(held, placements_differ(to))
    decision, other = (schedule(request, Snapshot(found), previous, now=build.NOW, position=100) for found in (clusters, tuple(shuffled)))
    assert (decision.clusters, decision.removals, decision.condition) == (other.clusters, other.removals, other.condition)
    now = {target.name: target.replicas or 0 for target in decision.clusters}
    assert held.keys() <= now.keys() | decision.removals.keys()
    if not decision.fits:
        assert now == held
        return
    divided = to.replica_scheduling is not None and to.replica_scheduling.replica_scheduling_type == "Divided"
    assert not divided or sum(now.values()) == count
    for cluster in clusters:
        assert cluster.name not in now or cluster_matches(to.cluster_affinity, cluster)
        assert cluster.name not in now or cluster.ready or cluster.name in held


def compare(dice: random.Random) -> None:
    names = dice.sample("abcdefgh", dice.randint(1, 6))
    facts = {name: (dice.choice((0, 1, 2, 3, 7, 20)), dice.choice((0, 0, 1, 2, 5, 9))) for name in names}
    members = sorted(candidate(name, room=room, current=held, score=100 if held else 0) for name, (room, held) in facts.items())
    aggregated, fresh, uid, count = dice.random() < 0.5, dice.random() < 0.3, dice.choice(("", "u1", "u2")), dice.randint(1, 40)
    to = build.placement(division=build.AGGREGATED if aggregated else build.DYNAMIC)
    request = Request(ref=build.ref(), uid=uid, api_version="apps/v1", placement=to, replicas=count)
    fast = Division(request, EMPTY, fresh=fresh).assign(members)
    slow = divide([(item.name, item.room, item.current) for item in members], count, uid, aggregated=aggregated, fresh=fresh)
    assert (None if isinstance(fast, Unplaced) else fast) == slow, (facts, count, uid, aggregated, fresh)


EMPTY = Snapshot(())


@pytest.mark.spec("D07", "R4.4", "R4.8", "R4.9", "R4.10", "R4.11", "R4.12")
@pytest.mark.parametrize("seed", range(4))
def test_division_equals_the_reference(seed):
    """100,000 random cases, the same ones in every run."""
    dice = random.Random(seed)
    for _ in range(25_000):
        compare(dice)
