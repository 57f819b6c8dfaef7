"""What ranks clusters: tier, score, room, name; and what each is taken to have room for."""

from __future__ import annotations

import pytest

from shoal.api.status import LOST
from shoal.domain.scheduling import Snapshot
from shoal.domain.scheduling.candidates import rank_candidates
from shoal.domain.scheduling.question import Question
from support import build

FOUR = (
    build.cluster("a", pods=3),
    build.cluster("b", pods=9),
    build.cluster("c", pods=3),
    build.cluster("d", pods=5, state=LOST),
)


def ranked(clusters=FOUR, *, affinities=(None,), targets=(), topology="region", **facts):
    snapshot = Snapshot(clusters)
    request = build.request(replicas=facts.pop("replicas", 1), **facts)
    question = Question(request, snapshot, affinities, 0, 0)
    return rank_candidates(question, snapshot.everything, {target.name: target for target in targets}, topology)


@pytest.mark.spec("E02", "R3.6", "R3.7")
@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param({}, "bacd", id="room-then-name-and-no-room-where-nobody-is-heard"),
        pytest.param({"replicas": 0}, "abcd", id="what-has-no-pods-knows-no-room"),
        pytest.param({"targets": (build.target("c", 1),)}, "cbad", id="where-it-runs-comes-first"),
        pytest.param({"targets": (build.target("c", 1), build.target("d", 4))}, "cdba", id="held-replicas-are-room"),
        pytest.param({"affinities": (build.affinity("d"), build.affinity("a", "b", "c"))}, "dbac", id="overflow-groups-come-after"),
        pytest.param({"prefer": (frozenset("c"), frozenset("a"))}, "cabd", id="tiers-of-failover"),
        pytest.param({"reserved": {"b": 7}}, "acbd", id="reserved-room-is-no-room-E11"),
        pytest.param({"estimates": {"b": 1, "a": 99}}, "acbd", id="estimates"),
    ],
)
def test_rank(facts, expected):
    assert "".join(one.name for one in ranked(**facts)) == expected


# "Minimum over all estimators that answered" (R4.15)
@pytest.mark.spec("R4.15", "E11", "Q02")
@pytest.mark.parametrize(
    ("facts", "room"),
    [
        pytest.param({}, 9, id="the-general-one"),
        pytest.param({"estimates": {"b": 4}}, 4, id="a-better-one-says-less"),
        pytest.param({"estimates": {"b": 40}}, 9, id="it-cannot-say-more"),
        pytest.param({"estimates": {"a": 0}}, 9, id="it-did-not-answer"),
        pytest.param({"reserved": {"b": 2}}, 7, id="others-took-some"),
        pytest.param({"reserved": {"b": 20}}, 0, id="others-took-all"),
        pytest.param({"reserved": {"b": 2}, "estimates": {"b": 8}}, 7, id="both"),
    ],
)
def test_room(facts, room):
    assert next(one for one in ranked(**facts) if one.name == "b").room == room


@pytest.mark.spec("KA02")
def test_cost_and_priority_stay_below_what_runs_and_what_failover_prefers():
    clusters = tuple(build.cluster(f"m{index:02}", pods=9, cost=float(index)) for index in range(40))
    prefer = build.options(prefer="cost")
    plain = ranked(clusters, options=prefer)
    assert [one.name for one in plain][:2] == ["m00", "m01"]
    assert {one.score for one in plain} == set(range(20))
    assert ranked(clusters, options=prefer, targets=(build.target("m39", 1),))[0].name == "m39"
    assert ranked(clusters, options=prefer, prefer=(frozenset({"m38"}), frozenset({"m39"})))[1].name == "m39"


def test_ranking_again_with_and_without_specials_says_the_same():
    """What is remembered of a size is not changed by who asked."""
    snapshot = Snapshot(FOUR)

    def ask(targets=()):
        question = Question(build.request(replicas=1), snapshot, (None,), 0, 0)
        return rank_candidates(question, snapshot.everything, {target.name: target for target in targets})

    before = ask()
    assert [one.name for one in ask((build.target("d", 2),))] == ["d", "b", "a", "c"]
    assert ask() == before
