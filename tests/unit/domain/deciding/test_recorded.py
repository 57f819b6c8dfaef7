"""What a decision was told and no revision tells, kept with it and told again."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shoal.api.binding import SCHEDULED, Binding, Explanation
from shoal.api.meta import Condition
from shoal.api.policy import AffinityGroup, Placement, WorkloadAffinity
from shoal.domain.deciding import Inputs, Outcome, Peer, decide, recalled, untold
from shoal.domain.deciding.recorded import recorded
from shoal.domain.quota import Quota
from shoal.domain.scheduling import Recorded, same_content
from support import build

WEB = build.deployment("web", labels={"group": "x"}, replicas=3)
M1, M2 = build.cluster("m1"), build.cluster("m2")
BY_ROOM, ALIKE = build.placement(division=build.AGGREGATED), build.placement(division=build.DUPLICATED)


def grouped(**kinds: AffinityGroup) -> Placement:
    return msgspec.structs.replace(ALIKE, workload_affinity=WorkloadAffinity(**kinds))


GROUP = AffinityGroup(group_by_label_key="group")


def inputs(to: Placement, **fields: Any) -> Inputs:
    return build.inputs(WEB, build.policy("p", to=to), clusters=(M1, M2), **fields)


def quotas(used: int) -> tuple[Quota, ...]:
    return (Quota(name="q", overall={"pods": 5000}, used={"pods": used}),)


def peer(*clusters: str, affinity: str = "", anti: str = "") -> Peer:
    return Peer(affinity_group=affinity, anti_affinity_group=anti, clusters=frozenset(clusters))


@pytest.mark.spec("R02", "C14", "C15", "E11")
@pytest.mark.parametrize(
    ("then", "found"),
    [
        pytest.param(inputs(BY_ROOM, quotas=quotas(3000)), {"quotas": quotas(0)}, id="what-others-used"),
        pytest.param(inputs(BY_ROOM, reservations=Recorded({"m1": 109})), {"reservations": Recorded({})}, id="what-others-reserved"),
        pytest.param(inputs(BY_ROOM, estimates={"m1": 1}), {"estimates": None}, id="what-agents-said"),
        pytest.param(
            inputs(grouped(affinity=GROUP), peers=(peer("m2", affinity="group=x"),)),
            {"peers": ()},
            id="where-its-group-was-though-not-written",
        ),
        pytest.param(
            inputs(grouped(affinity=GROUP), peers=(peer(affinity="group=x"),)),
            {"peers": (peer("m2", affinity="group=x"),)},
            id="where-its-group-was-no-more-though-not-written",
        ),
        pytest.param(
            inputs(grouped(anti_affinity=GROUP), peers=(peer("m1", anti="group=x"),)),
            {"peers": (peer("m2", anti="group=x"),)},
            id="what-it-avoided",
        ),
    ],
)
def test_a_decision_is_told_again_what_it_was_told(then: Inputs, found: dict[str, Any]) -> None:
    binding = decide(then).binding
    assert binding is not None
    now = msgspec.structs.replace(then, **found)
    wrong, again = decide(now).binding, decide(recalled(now, binding)).binding
    assert wrong is not None
    assert again is not None
    assert not same_content(wrong, binding), "without the record it comes out otherwise"
    assert same_content(again, binding)


def test_who_asked_nothing_of_the_kind_records_nothing_of_it() -> None:
    binding = decide(inputs(ALIKE, peers=(peer("m1", affinity="group=y"),))).binding
    assert binding is not None
    told = binding.explanation
    assert (told.used, told.beside, told.away_from, told.incomplete) == (None, None, None, False)


def test_another_policy_may_ask_of_another_group() -> None:
    """What is recorded is of the group of then; of others the picture tells."""
    then = inputs(grouped(affinity=GROUP), peers=(peer("m2", affinity="group=x"),))
    binding = decide(then).binding
    assert binding is not None
    other = AffinityGroup(group_by_label_key="app")
    wanted = msgspec.structs.replace(
        inputs(grouped(anti_affinity=other)), template=build.deployment("web", labels={"app": "z"}, replicas=3)
    )
    known = msgspec.structs.replace(wanted, peers=(peer("m1", affinity="group=x", anti="app=z"),))
    again = decide(recalled(known, binding)).binding
    assert again is not None
    assert [target.name for target in again.clusters] == ["m2"]


def outcome(to: Placement, **fields: Any) -> Outcome:
    return decide(inputs(to, **fields))


def refused(reason: str, **told: Any) -> Binding:
    said = Condition(type=SCHEDULED, status="False", reason=reason)
    return build.binding(placement=BY_ROOM, conditions=(said,), explanation=Explanation(**told))


CUT, DID_NOT_ASK, NOT_RECORDED = "too large for it", "did not ask", "did not record it"


@pytest.mark.parametrize(
    ("binding", "replayed", "says"),
    [
        pytest.param(outcome(BY_ROOM).binding, outcome(BY_ROOM).binding, [], id="by-room"),
        pytest.param(outcome(ALIKE).binding, outcome(ALIKE).binding, [], id="everywhere"),
        pytest.param(outcome(ALIKE).binding, outcome(BY_ROOM).binding, [DID_NOT_ASK], id="everywhere-and-by-room-with-another-policy"),
        pytest.param(build.binding(placement=BY_ROOM), outcome(BY_ROOM).binding, [DID_NOT_ASK], id="it-stood-and-another-policy-moves-it"),
        pytest.param(refused("Unschedulable"), outcome(BY_ROOM).binding, [], id="no-room"),
        pytest.param(refused("Unschedulable", incomplete=True), None, [CUT], id="cut"),
        pytest.param(refused("QuotaExceeded", used={}), None, [], id="quota"),
        pytest.param(refused("QuotaExceeded"), None, [NOT_RECORDED], id="quota-of-an-earlier-version"),
    ],
)
def test_what_a_replay_cannot_be_told(binding: Binding, replayed: Binding | None, says: list[str]) -> None:
    found = untold(binding, replayed)
    assert len(found) == len(says)
    assert all(text in sentence for text, sentence in zip(says, found, strict=True))


@pytest.mark.parametrize(
    ("asked", "reserved", "incomplete"),
    [
        pytest.param(inputs(BY_ROOM), {"m1": 1}, True, id="reservations"),
        pytest.param(inputs(BY_ROOM, estimates={"m1": 1}), {}, True, id="estimates"),
        pytest.param(inputs(BY_ROOM, estimates={}), {}, False, id="nothing"),
    ],
)
def test_a_record_that_was_too_large_says_so(asked: Inputs, reserved: dict[str, int], *, incomplete: bool) -> None:
    """An explanation above 64 KiB loses them last, but it does (`scheduling.binding.bounded`)."""
    assert recorded(build.binding(), asked, reserved).explanation.incomplete is incomplete
