"""Verdicts and taints in, evictions and preferences out."""

from __future__ import annotations

import pytest

from shoal.api.binding import Removal
from shoal.api.policy import Toleration
from shoal.api.status import JOINING, LOST, READY, SUSPECT
from shoal.domain.failover import Rule, Rules, Verdict, evict
from support import build

NEAR = Rule(prefer=("SameRegion", "SameProvider", "Any"), purge_mode="Gracefully", source="test")
NOW = build.NOW


def verdict(rule, *clusters, to=None, targets=("m1",), now=NOW):
    binding = build.binding(*(build.target(name, 3, epoch=7) for name in targets), placement=to or build.placement())
    return evict(binding, {cluster.name: cluster for cluster in clusters}, Rules(rule), now=now)


@pytest.mark.spec("N01", "R11.1", "R11.4")
def test_a_lost_cluster_is_left():
    assert verdict(NEAR, build.cluster("m1", state=LOST), build.cluster("m2")).evictions == {
        "m1": Removal(reason="ClusterLost", author="health-monitor", epoch=7, since="2026-08-01T12:00:00Z", wait_for="ReplacementReady")
    }


@pytest.mark.spec("N05", "R13.4")
def test_directly_waits_for_nothing():
    rule = Rule(prefer=("Any",), purge_mode="Directly", source="test")
    assert verdict(rule, build.cluster("m1", state=LOST)).evictions["m1"].wait_for == ""


@pytest.mark.spec("L08", "R10.4")
@pytest.mark.parametrize("state", [READY, SUSPECT, JOINING])
def test_only_lost_ones_are_left(state):
    assert verdict(NEAR, build.cluster("m1", state=state)) == Verdict()


def test_without_a_rule_nothing_moves():
    assert verdict(None, build.cluster("m1", state=LOST)) == Verdict()


def test_absence_is_no_verdict():
    assert verdict(NEAR) == Verdict()
    assert verdict(NEAR, build.cluster("m1", state=LOST, forgotten=True)) == Verdict()


FLEET = (
    build.cluster("m1", state=LOST, provider="ali", region="hz"),
    build.cluster("m2", provider="aws", region="hz"),
    build.cluster("m3", provider="ali", region="bj"),
    build.cluster("m4", provider="aws", region="bj"),
    build.cluster("m5"),
)


@pytest.mark.spec("N12")
@pytest.mark.parametrize(
    ("prefer", "tiers", "strict"),
    [
        pytest.param(("SameRegion", "SameProvider", "Any"), [{"m2"}, {"m3"}, {"m4", "m5"}], False, id="region-then-vendor-then-any"),
        pytest.param(("SameProvider", "SameRegion"), [{"m3"}, {"m2"}], True, id="what-is-in-no-tier-is-not-used"),
        pytest.param(("Any",), [{"m2", "m3", "m4", "m5"}], False, id="any"),
    ],
)
def test_tiers(prefer, tiers, strict):
    result = verdict(Rule(prefer=prefer, purge_mode="Gracefully", source="test"), *FLEET)
    assert ([set(tier) for tier in result.prefer], result.strict) == (tiers, strict)


def test_tiers_of_several_lost_clusters_are_near_any_of_them():
    lost = (*FLEET[:4], build.cluster("m5", state=LOST, region="sz"), build.cluster("m6", region="sz"))
    result = verdict(NEAR, *lost, targets=("m1", "m5"))
    assert [set(tier) for tier in result.prefer] == [{"m2", "m6"}, {"m3"}, {"m4"}]


# R11.2: "Any NoExecute taint not tolerated -> immediately. All tolerated: time = min over used tolerations with tolerationSeconds of
#         (taint.timeAdded + seconds - now); none has seconds -> never. Seconds <= 0 -> immediately."
def tolerate(key, seconds=None):
    return Toleration(key=key, operator="Exists", effect="NoExecute", toleration_seconds=seconds)


ADDED = "2026-08-01T11:59:00Z"  # 60 s before NOW


@pytest.mark.spec("N01", "N02", "C08", "R11.1", "R11.2")
@pytest.mark.parametrize(
    ("taints", "tolerations", "evicted", "recheck_after_s"),
    [
        pytest.param((build.taint("fail", "NoExecute", added=ADDED),), (), True, None, id="not-tolerated"),
        pytest.param((build.taint("fail", "NoSchedule"),), (), False, None, id="no-schedule-evicts-nothing"),
        pytest.param((build.taint("fail", "NoExecute", added=ADDED),), (tolerate("fail"),), False, None, id="tolerated-for-ever"),
        pytest.param((build.taint("fail", "NoExecute", added=ADDED),), (tolerate("fail", 120),), False, 60.0, id="Ex-11-a-not-yet"),
        pytest.param((build.taint("fail", "NoExecute", added=ADDED),), (tolerate("fail", 60),), True, None, id="Ex-11-a-time-is-up"),
        pytest.param((build.taint("fail", "NoExecute", added=ADDED),), (tolerate("fail", -5),), True, None, id="negative-is-at-once"),
        pytest.param(
            (build.taint("fail", "NoExecute", added=ADDED),), (tolerate("fail"), tolerate("", 90)), False, 30.0, id="the-shortest-counts"
        ),
        pytest.param(
            (build.taint("fail", "NoExecute", added=ADDED),),
            (tolerate("fail", 300), tolerate("", 90)),
            False,
            30.0,
            id="the-shorter-of-two",
        ),
        pytest.param(
            (build.taint("fail", "NoExecute", added=ADDED), build.taint("other", "NoExecute", added=ADDED)),
            (tolerate("fail", 120),),
            True,
            None,
            id="one-of-two-not-tolerated",
        ),
        pytest.param((build.taint("fail", "NoExecute"),), (tolerate("fail", 120),), False, 120.0, id="a-taint-without-a-time"),
    ],
)
def test_no_execute_taints(taints, tolerations, evicted, recheck_after_s):
    result = verdict(None, build.cluster("m1", taints=taints), to=build.placement(tolerations=tolerations))
    assert [removal.reason for removal in result.evictions.values()] == (["TaintUntolerated"] if evicted else [])
    assert result.recheck_after_s == recheck_after_s
