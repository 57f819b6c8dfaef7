"""Moves that nobody's edit asks for: never a replica lost, never faster than allowed, and they come to an end."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.api.binding import Binding, Standing
from shoal.domain.scheduling import Decision, Request, Snapshot, schedule, to_binding
from support import build

LATER = "2026-08-01T12:00:01Z"


def written(decision: Decision, request: Request, now=build.NOW) -> Binding:
    base = build.binding(placement=request.placement, options=request.options, replicas=request.replicas)
    return to_binding(decision, base, now=now, position=9)


def shares(binding: Binding) -> dict[str, int]:
    return {target.name: target.replicas or 0 for target in binding.clusters}


def moved(before: dict[str, int], after: dict[str, int]) -> int:
    return sum(max(0, count - before.get(name, 0)) for name, count in after.items())


names = st.lists(st.sampled_from([f"m{index}" for index in range(8)]), min_size=1, max_size=5, unique=True)


@pytest.mark.spec("GX01")
@given(names, names, st.integers(1, 30), st.integers(1, 6), st.sampled_from((build.EQUAL, build.DYNAMIC)), st.text("abc", max_size=4))
@settings(max_examples=150, deadline=None)
def test_a_move_is_steady_and_ends(first, more, replicas, rate, division, uid):
    request = build.request(
        build.placement(division=division), replicas=replicas, options=build.options(follow="all", rate=f"{rate}/10m"), uid=f"uid-{uid}"
    )
    now, snapshot = build.NOW, Snapshot(build.cluster(name) for name in first)
    binding = written(schedule(request, snapshot, None, now=now, position=1), request)
    binding = build.binding(
        *binding.clusters, uid=request.uid, placement=request.placement, options=request.options, standing=binding.standing
    )
    joined = Snapshot([*(build.cluster(name) for name in first), *(build.cluster(f"x{name}", created=LATER) for name in more)])
    for _ in range(40):
        decision = schedule(request, joined, binding, now=now, position=2)
        after = written(decision, request, now)
        assert sum(shares(after).values()) == replicas
        assert moved(shares(binding), shares(after)) <= rate
        stepped = shares(after) != shares(binding)
        binding = build.binding(
            *after.clusters, uid=request.uid, placement=request.placement, options=request.options, standing=after.standing
        )
        if decision.recheck_after_s is None:
            break
        assert decision.recheck_after_s > 0
        assert not stepped or decision.recheck_after_s > 1  # Never twice in one interval.
        now += timedelta(seconds=math.ceil(decision.recheck_after_s))
    else:
        raise AssertionError("the move does not end")
    if division is build.EQUAL:
        afresh = schedule(request, joined, None, now=now, position=3)
        assert shares(binding) == {target.name: target.replicas for target in afresh.clusters}


def react(previous: Binding, clusters, **options):
    request = build.request(previous.placement, replicas=4, options=build.options(**options))
    return schedule(request, Snapshot(clusters), previous, now=build.NOW, position=9)


DIVIDED = build.placement(division=build.EQUAL)
M1, M2 = build.cluster("m1"), build.cluster("m2", created=LATER)


def standing(**facts) -> Binding:
    known = Standing(**({"at": "2026-08-01T12:00:00Z", "candidates": ("m1",)} | facts))
    return build.binding(build.target("m1", 4), placement=DIVIDED, options=build.options(follow="all"), standing=known)


@pytest.mark.spec("GX01", "GX23", "KA04")
@pytest.mark.parametrize(
    ("known", "newcomer", "follow", "moves"),
    [
        pytest.param({}, M2, "joined", True, id="joined"),
        pytest.param({}, M2, "labels,recovered,apis", False, id="joined-is-not-followed"),
        pytest.param({}, build.cluster("m2", created="2026-07-01T00:00:00Z"), "labels", True, id="was-there-and-matches-now"),
        pytest.param({}, build.cluster("m2", created="2026-07-01T00:00:00Z"), "joined", False, id="was-there-before"),
        pytest.param({"outside": {"recovered": ("m2",)}}, M2, "recovered", True, id="was-not-ready"),
        pytest.param({"outside": {"recovered": ("m2",)}}, M2, "joined", False, id="what-was-known-did-not-join"),
        pytest.param({"outside": {"apis": ("m2",)}}, M2, "apis", True, id="serves-the-kind-now"),
        pytest.param({"candidates": ("m1", "m2")}, M2, "all", False, id="was-a-candidate-then"),
    ],
)
def test_what_is_followed(known, newcomer, follow, moves):
    decision = react(standing(**known), (M1, newcomer), follow=follow)
    assert ({target.name for target in decision.clusters} == {"m1", "m2"}) is moves
    if moves:
        assert decision.rounds[0].startswith("cluster m2 ")
        assert "m2" in decision.standing.candidates


@pytest.mark.spec("GX01")
def test_a_cluster_that_was_forgotten_comes_as_a_new_one():
    gone = react(standing(candidates=("m1", "m2")), (M1, build.cluster("m2", forgotten=True)), follow="joined")
    assert gone.standing.candidates == ("m1",)
    back = react(standing(candidates=gone.standing.candidates), (M1, M2), follow="joined")
    assert {target.name for target in back.clusters} == {"m1", "m2"}


@pytest.mark.spec("GX01")
def test_a_policy_that_begins_to_follow_moves_nothing():
    previous = build.binding(build.target("m1", 4), placement=DIVIDED)
    decision = react(previous, (M1, M2), follow="all")
    assert [target.name for target in decision.clusters] == ["m1"]
    assert decision.standing.candidates == ("m1", "m2")


def test_without_options_nothing_is_remembered():
    decision = react(build.binding(build.target("m1", 4), placement=DIVIDED), (M1, M2))
    assert (decision.standing, decision.recheck_after_s) == (None, None)


@pytest.mark.spec("GX01")
def test_a_new_cluster_without_room_is_known_and_not_used():

    dynamic = build.placement(division=build.DYNAMIC)
    previous = build.binding(
        build.target("m1", 4),
        placement=dynamic,
        options=build.options(follow="all"),
        standing=Standing(at="2026-08-01T12:00:00Z", candidates=("m1",)),
    )
    decision = react(previous, (M1, build.cluster("m2", pods=0, created=LATER)), follow="all")
    assert [target.name for target in decision.clusters] == ["m1"]
    assert decision.standing.candidates == ("m1", "m2")
