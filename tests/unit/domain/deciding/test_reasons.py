"""The reasons of now: what a decision would say, and what every filter says even when the decision merely stands."""

from __future__ import annotations

import msgspec
import pytest

from shoal.domain.deciding import Wishes, decide, reasons
from shoal.domain.scheduling import Snapshot
from support import build


def standing(**fields):
    """A divided workload, placed in m1 and m2, decided again: it stands."""
    policy = build.policy("p", build.selector(), to=build.placement("m1", "m2", division=build.EQUAL))
    inputs = build.inputs(build.deployment(replicas=4), policy, clusters=tuple(build.cluster(name, pods=10) for name in ("m1", "m2", "m3")))
    binding = decide(inputs).binding
    return msgspec.structs.replace(inputs, previous=binding, **fields)


def test_what_stands_is_explained_all_the_same() -> None:
    told = reasons(standing())
    assert not told.outcome.changed
    assert {name: one.reason for name, one in told.explanation.rejected.items()} == {"m3": "AffinityMismatch"}
    assert told.fitting == ("m1", "m2")
    assert told.explanation.scores == {"m1": 100, "m2": 100}
    assert told.explanation.rounds == ("static weights: m1=2, m2=2",)
    assert [(one.name, one.replicas) for one in told.afresh] == [("m1", 2), ("m2", 2)]


def test_placed_from_zero_it_would_be_elsewhere() -> None:
    inputs = standing()
    held = tuple(msgspec.structs.replace(one, replicas=count) for one, count in zip(inputs.previous.clusters, (3, 1), strict=True))
    told = reasons(msgspec.structs.replace(inputs, previous=msgspec.structs.replace(inputs.previous, clusters=held)))
    assert not told.outcome.changed
    assert [(one.name, one.replicas) for one in told.afresh] == [("m1", 2), ("m2", 2)]


def test_nothing_fits() -> None:
    inputs = standing()
    told = reasons(msgspec.structs.replace(inputs, previous=None, snapshot=Snapshot([build.cluster("m3", pods=10)])))
    assert told.outcome.changed
    assert told.fitting == ()
    assert set(told.explanation.rejected) == {"m3"}


@pytest.mark.parametrize("suspended", [True, False])
def test_what_is_not_placed_now_has_no_reasons(suspended) -> None:
    told = reasons(standing(wishes=Wishes(template_uid="uid-deployment-web", suspended=suspended)))
    assert bool(told.afresh) is not suspended


def test_without_a_policy_there_is_only_the_reason() -> None:
    inputs = build.inputs(build.deployment(), clusters=(build.cluster("m1"),))
    told = reasons(inputs)
    assert told.outcome.reason == "WaitingForPolicy"
    assert told.afresh == ()
