from __future__ import annotations

import msgspec
import pytest

from shoal.api.binding import Explanation, Rejection, Removal
from shoal.api.meta import Condition
from shoal.domain.planning import placement, unplaced
from support import build

WEB = build.ref()
UNFIT = Condition(type="Scheduled", status="False", reason="NoClusterFit", message="0/2 clusters are available: 2 no.")
FIT = Condition(type="Scheduled", status="True", reason="Success", message="fine")


def at(**replicas: int | None):
    return build.binding(*(build.target(name, count) for name, count in replicas.items()))


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        pytest.param(at(m1=2), at(m1=2), 0, id="stays"),
        pytest.param(at(m1=2), at(m2=2), 2, id="all-move"),
        pytest.param(at(m1=4, m2=2), at(m1=2, m2=2, m3=2), 2, id="some-move"),
        pytest.param(at(m1=4), at(m1=6), 0, id="more-is-no-move"),
        pytest.param(at(m1=4), at(m1=1, m2=1), 1, id="fewer-and-elsewhere"),
        pytest.param(at(m1=None), at(m2=None), 1, id="a-copy-moves"),
        pytest.param(None, at(m1=3), 0, id="new"),
    ],
)
def test_replicas_that_move(before, after, moved) -> None:
    told = placement(WEB, before, after)
    assert told.moved == moved
    assert told.after == {target.name: target.replicas for target in after.clusters}


def test_only_new_removals_are_told() -> None:
    old = Removal(reason="ClusterLost", author="health-monitor")
    new = Removal(reason="PolicyChanged", author="policy/shop/p", wait_for="ReplacementReady", preserve=True)
    before = msgspec.structs.replace(at(m1=1), removals={"m2": old})
    after = msgspec.structs.replace(at(m4=1), removals={"m1": new, "m2": old})
    assert placement(WEB, before, after).leaving == (
        {"cluster": "m1", "reason": "PolicyChanged", "author": "policy/shop/p", "waitFor": "ReplacementReady", "copy": "kept"},
    )


def test_the_end_of_a_template_leaves_every_cluster() -> None:
    binding = msgspec.structs.replace(at(m1=1), removals={"m2": Removal(reason="ClusterLost", author="x")})
    told = placement(WEB, binding, binding, tombstone=True)
    assert told.deleted
    assert told.after == {}
    assert [(one["cluster"], one["copy"]) for one in told.leaving] == [("m1", "deleted"), ("m2", "deleted")]


@pytest.mark.parametrize(
    ("binding", "reason", "expected"),
    [
        pytest.param(msgspec.structs.replace(at(m1=1), conditions=(FIT,)), "", None, id="placed"),
        pytest.param(msgspec.structs.replace(at(), conditions=(UNFIT,)), "", "NoClusterFit", id="nothing-fits"),
        pytest.param(
            msgspec.structs.replace(at(m1=1), conditions=(Condition(type="Claimed", status="False", reason="Lazy"), FIT)),
            "",
            "Lazy",
            id="lazy",
        ),
        pytest.param(None, "WaitingForPolicy", "WaitingForPolicy", id="no-policy"),
        pytest.param(None, "", None, id="needs-no-binding"),
    ],
)
def test_what_stays_unplaced(binding, reason, expected) -> None:
    told = unplaced(WEB, binding, reason=reason, message="why")
    assert (told.reason if told else None) == expected


def test_each_cluster_has_its_reason() -> None:
    explanation = Explanation(
        rejected={"m2": Rejection(reason="TaintNotTolerated", detail="gpu"), "m1": Rejection(reason="AffinityMismatch")}
    )
    told = unplaced(WEB, msgspec.structs.replace(at(), conditions=(UNFIT,), explanation=explanation))
    assert told is not None
    assert [(one.cluster, one.reason, one.detail) for one in told.rejected] == [
        ("m1", "AffinityMismatch", ""),
        ("m2", "TaintNotTolerated", "gpu"),
    ]
