"""Whom a decision has asked before it counts, and what it makes of the answers."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shoal.api.binding import Component, NodeClaim, ReplicaRequirements
from shoal.api.estimates import Estimates, PodSize
from shoal.api.status import LOST
from shoal.domain.deciding import Inputs, Known, Wanted, decide, decide_estimated, merged, said_without
from shoal.domain.deciding.estimated import ALWAYS, ASKED_MAX, CONSTRAINED, NEVER
from shoal.domain.scheduling import Recorded
from support import build
from support.outcomes import placed

WEB = build.deployment("web", replicas=3)
PLAIN = ReplicaRequirements(resource_request={"cpu": "1"})
PICKY = ReplicaRequirements(resource_request={"cpu": "1"}, node_claim=NodeClaim(node_selector={"disk": "ssd"}))
SIZE = PodSize(namespace="shop", requirements=PICKY)
BY_ROOM = build.policy("p", to=build.placement(division=build.AGGREGATED))


def rooms(*names: str) -> tuple[Any, ...]:
    return tuple(build.cluster(name, free={"cpu": "8"}) for name in names)


def inputs(policy: Any = BY_ROOM, **fields: Any) -> Inputs:
    fields.setdefault("clusters", rooms("m1", "m2"))
    fields.setdefault("requirements", PICKY)
    return build.inputs(WEB, policy, **fields)


def known(when: str = CONSTRAINED, **answers: int | str) -> Known:
    found = Known(when)
    for name, answer in answers.items():
        found.heard(SIZE, name, answer)
    return found


SETS = (Component(name="a", replicas=1, replica_requirements=PICKY), Component(name="b", replicas=1, replica_requirements=PLAIN))


@pytest.mark.spec("Q02", "R4.15")
@pytest.mark.parametrize(
    ("when", "asking", "wanted"),
    [
        pytest.param(CONSTRAINED, inputs(), True, id="nodes-are-chosen"),
        pytest.param(CONSTRAINED, inputs(requirements=PLAIN), False, id="any-node"),
        pytest.param(ALWAYS, inputs(requirements=PLAIN), True, id="always"),
        pytest.param(NEVER, inputs(), False, id="never"),
        pytest.param(CONSTRAINED, inputs(requirements=PLAIN, components=SETS), True, id="one-of-several-pods-chooses"),
        pytest.param(ALWAYS, inputs(build.policy("p", to=build.placement(division=build.DUPLICATED))), False, id="not-divided"),
        pytest.param(ALWAYS, inputs(build.policy("p", to=build.placement(division=build.EQUAL))), False, id="by-fixed-weights"),
        pytest.param(ALWAYS, inputs(build.policy("p", to=build.placement("m9", division=build.AGGREGATED))), False, id="no-cluster-fits"),
        pytest.param(ALWAYS, build.inputs(WEB, clusters=rooms("m1")), False, id="no-policy"),
        pytest.param(ALWAYS, inputs(previous=decide(inputs()).binding), False, id="it-stands"),
    ],
)
def test_asked_is_where_room_decides_and_sums_say_too_little(when: str, asking: Inputs, *, wanted: bool) -> None:
    assert isinstance(decide_estimated(asking, Known(when)), Wanted) is wanted


def test_whom_to_ask() -> None:
    gone, elsewhere = build.cluster("m3", state=LOST), build.cluster("m4", apis=frozenset())
    found = decide_estimated(inputs(clusters=(*rooms("m1", "m2"), gone, elsewhere)), known())
    assert found == Wanted(SIZE, {"m1": "id-m1", "m2": "id-m2"}), "not who is lost, and not who is refused anyway"
    many = rooms(*(f"m{number:03}" for number in range(ASKED_MAX + 20)))
    many = (*many[:-1], build.cluster("z", free={"cpu": "100"}))
    found = decide_estimated(inputs(clusters=many), known())
    assert isinstance(found, Wanted)
    assert len(found.members) == ASKED_MAX
    assert next(iter(found.members)) == "z", "those that were chosen first"
    assert decide_estimated(inputs(), known(m1=1)) == Wanted(SIZE, {"m2": "id-m2"}), "nobody twice"


@pytest.mark.spec("Q02", "R4.15", "E11")
@pytest.mark.parametrize(
    ("answers", "reserved", "where", "said", "without"),
    [
        pytest.param({"m1": 3, "m2": 9}, {}, {"m2": 3}, {"m1": 3, "m2": 9}, {}, id="the-roomier-one"),
        pytest.param({"m1": 2, "m2": 1}, {}, {"m1": 2, "m2": 1}, {"m1": 2, "m2": 1}, {}, id="both"),
        pytest.param({"m1": 1, "m2": 0}, {}, {}, {"m1": 1, "m2": 0}, {}, id="neither"),
        pytest.param({"m1": 5, "m2": 4}, {"m1": 3}, {"m2": 3}, {"m1": 2, "m2": 4}, {}, id="what-is-promised-is-on-no-node-yet"),
        pytest.param({"m1": 2, "m2": 3}, {"m1": 5}, {"m2": 3}, {"m1": 0, "m2": 3}, {}, id="more-is-promised-than-fits"),
        pytest.param({"m1": 0, "m2": "silent"}, {}, {"m2": 3}, {"m1": 0}, {"m2": "silent"}, id="who-is-silent-keeps-the-general-one"),
        pytest.param({"m1": "silent", "m2": "silent"}, {}, {"m1": 3}, {}, {"m1": "silent", "m2": "silent"}, id="nobody-answers"),
    ],
)
def test_what_answers_mean(
    answers: dict[str, int | str], reserved: dict[str, int], where: dict[str, int], said: dict[str, int], without: dict[str, str]
) -> None:
    outcome = decide_estimated(inputs(reservations=Recorded(reserved)), known(**answers))
    assert not isinstance(outcome, Wanted)
    assert (placed(outcome), outcome.estimates, outcome.without) == (where, said, without)
    assert outcome.binding is not None
    assert outcome.binding.explanation.estimates == said, "recorded, so that a replay is told the same"
    assert [text for text in outcome.binding.explanation.rounds if "general estimate" in text] == list(said_without(without))


def test_a_cluster_that_is_only_supposed_to_have_joined_cannot_be_asked() -> None:
    supposed = msgspec.structs.replace(build.cluster("m2", free={"cpu": "8"}), member="")
    found = inputs(clusters=(*rooms("m1"), supposed))
    assert decide_estimated(found, known()) == Wanted(SIZE, {"m1": "id-m1"})
    outcome = decide_estimated(found, known(m1=0))
    assert not isinstance(outcome, Wanted)
    assert (placed(outcome), outcome.without) == ({"m2": 3}, {"m2": "no agent is there to ask"})


def test_beyond_a_limit_nobody_is_asked() -> None:
    asked = known(m1=0)
    asked.closed = "not asked"
    outcome = decide_estimated(inputs(), asked)
    assert not isinstance(outcome, Wanted)
    assert (placed(outcome), outcome.without) == ({"m2": 3}, {"m2": "not asked"})


def test_an_answer_that_changes_nothing_writes_nothing() -> None:
    stands = decide_estimated(inputs(), known(m1=0, m2=0))
    assert not isinstance(stands, Wanted)
    again = decide_estimated(inputs(previous=stands.binding, position=110), known(m1=0, m2=0))
    assert not isinstance(again, Wanted)
    assert (again.changed, again.binding, again.estimates) == (False, stands.binding, {"m1": 0, "m2": 0})


def test_one_size_is_asked_once_for_all_who_wonder() -> None:
    same = PodSize(
        namespace="shop",
        requirements=ReplicaRequirements(resource_request={"cpu": "1"}, node_claim=NodeClaim(node_selector={"disk": "ssd"})),
    )
    other = PodSize(namespace="elsewhere", requirements=PICKY)
    found = merged([Wanted(SIZE, {"m1": "a"}), Wanted(other, {"m1": "a"}), Wanted(same, {"m2": "b", "m1": "a"})])
    assert found == [Wanted(SIZE, {"m1": "a", "m2": "b"}), Wanted(other, {"m1": "a"})]


def test_what_is_known_can_be_handed_on() -> None:
    told = known(m2=4, m1="silent").told()
    assert told == (Estimates(size=SIZE, rooms={"m2": 4}, without={"m1": "silent"}),)
    assert dict(Known(CONSTRAINED, told).of(SIZE)) == {"m1": "silent", "m2": 4}


@pytest.mark.parametrize(
    ("without", "said"),
    [
        pytest.param({}, (), id="nobody"),
        pytest.param({"m1": "a", "m2": "a"}, ("m1, m2: a; the general estimate counts",), id="for-the-same-reason"),
        pytest.param({"m1": "b", "m2": "a"}, ("m2: a; the general estimate counts", "m1: b; the general estimate counts"), id="for-two"),
        pytest.param(
            {f"m{number}": "a" for number in range(7)}, ("m0, m1, m2, m3, m4 and 2 more: a; the general estimate counts",), id="many"
        ),
    ],
)
def test_sentences_about_who_gave_no_estimate(without: dict[str, str], said: tuple[str, ...]) -> None:
    assert said_without(without) == said
