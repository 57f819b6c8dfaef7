"""Applications that have failed: who leaves, how the old copy goes, and what the new one inherits."""

from __future__ import annotations

import msgspec
import pytest

from shoal.api.binding import Removal
from shoal.api.policy import StatePreservationRule
from shoal.api.status import LOST
from shoal.domain.failover import Rule, Rules, evict, inherited
from support import build

SINCE = "2026-08-01T12:00:00Z"
JOB_ID = StatePreservationRule(alias_label_name="shop/job-id", json_path="{.jobStatus.jobID}")
FAILED = msgspec.structs.replace(build.copy("m1", health="Unhealthy", epoch=7), failed=True, status={"jobStatus": {"jobID": "4711"}})


M1 = build.cluster("m1", region="hz")


def rule(purge_mode="Gracefully", **fields):
    return Rule(prefer=("SameRegion", "Any"), purge_mode=purge_mode, source="test", **fields)


def verdict(*copies, application=None, cluster=None, m1=M1, uid="uid-deployment-web"):
    binding = build.binding(build.target("m1", 2, epoch=7), build.target("m2", 2, epoch=7))
    clusters = {one.name: one for one in (m1, build.cluster("m2"), build.cluster("m3", region="hz"))}
    status = build.status(*copies, uid=uid)
    return evict(binding, clusters, Rules(cluster=cluster, application=application), now=build.NOW, status=status)


def removal(**fields):
    told = {"reason": "ApplicationFailure", "author": "health-monitor", "epoch": 7, "since": SINCE, "before": ("m1", "m2")}
    return Removal(**told, **fields)


@pytest.mark.spec("N06", "N07", "R12.2", "R12.3")
@pytest.mark.parametrize(
    ("application", "expected"),
    [
        pytest.param(rule(), removal(wait_for="ReplacementReady"), id="gracefully"),
        pytest.param(rule(grace_period_s=30), removal(wait_for="ReplacementReady", grace_period_s=30), id="for-so-long"),
        pytest.param(rule("Directly"), removal(first=True), id="directly"),
        pytest.param(rule("Never"), removal(wait_for="HeldByUser", confirm=True), id="never"),
    ],
)
def test_how_the_old_copy_goes(application, expected):
    assert verdict(FAILED, application=application).evictions == {"m1": expected}


@pytest.mark.spec("N12")
def test_near_ones_take_over():
    found = verdict(FAILED, application=rule())
    assert [set(tier) for tier in found.prefer] == [{"m3"}, {"m2"}]


@pytest.mark.spec("R12.2")
@pytest.mark.parametrize(
    ("copy", "uid"),
    [
        pytest.param(msgspec.structs.replace(FAILED, failed=False), "uid-deployment-web", id="no-verdict-yet"),
        pytest.param(msgspec.structs.replace(FAILED, epoch=6), "uid-deployment-web", id="of-an-earlier-assignment"),
        pytest.param(FAILED, "uid-of-another", id="of-an-earlier-object"),
        pytest.param(msgspec.structs.replace(FAILED, cluster="m9"), "uid-deployment-web", id="of-another-cluster"),
    ],
)
def test_what_is_no_verdict_on_this_copy(copy, uid):
    assert verdict(copy, application=rule(), uid=uid).evictions == {}


def test_without_a_rule_nothing_moves():
    assert verdict(FAILED, cluster=rule()).evictions == {}


def test_a_lost_cluster_goes_by_its_own_rule():
    lost = build.cluster("m1", region="hz", state=LOST)
    assert verdict(FAILED, application=rule("Never"), cluster=rule(), m1=lost).evictions["m1"].reason == "ClusterLost"
    assert verdict(FAILED, application=rule("Never"), m1=lost).evictions["m1"].reason == "ApplicationFailure"


# R12.4: "Each rule evaluates a JSONPath on that cluster's reflected status; the text becomes a label `aliasLabelName=value` stored in the
#         task. Missing path -> error, no eviction this round."
@pytest.mark.spec("N09", "R12.4")
@pytest.mark.parametrize(
    ("status", "kept"),
    [
        pytest.param({"jobStatus": {"jobID": "4711"}}, {"shop/job-id": "4711"}, id="a-text"),
        pytest.param({"jobStatus": {"jobID": 3}}, {"shop/job-id": "3"}, id="a-number"),
        pytest.param({"jobStatus": {"jobID": True}}, {"shop/job-id": "true"}, id="a-truth"),
        pytest.param({"jobStatus": {"jobID": ""}}, {"shop/job-id": ""}, id="nothing-is-something"),
    ],
)
def test_what_is_preserved(status, kept):
    told = msgspec.structs.replace(FAILED, status=status)
    assert verdict(told, application=rule("Directly", preserve=(JOB_ID,))).evictions["m1"].preserved == kept


@pytest.mark.spec("N09", "R12.4")
@pytest.mark.parametrize(
    ("status", "says"),
    [
        pytest.param(None, "nothing at {.jobStatus.jobID}", id="no-status"),
        pytest.param({"jobStatus": {}}, "nothing at {.jobStatus.jobID}", id="a-missing-path"),
        pytest.param({"jobStatus": {"jobID": "x" * 64}}, "cannot be a label", id="too-long"),
        pytest.param({"jobStatus": {"jobID": {"a": 1}}}, "cannot be a label", id="an-object"),
    ],
)
def test_nobody_leaves_before_the_state_is_known(status, says):
    found = verdict(msgspec.structs.replace(FAILED, status=status), application=rule("Directly", preserve=(JOB_ID,)))
    assert found.evictions == {}
    assert says in found.stays[0]
    assert found.stays[0].startswith("m1 is not left: ")


@pytest.mark.spec("N09", "R12.4")
def test_of_a_lost_cluster_the_last_that_was_heard_is_preserved():
    lost = build.cluster("m1", state=LOST)
    silent = msgspec.structs.replace(FAILED, health="Unknown", failed=False)
    found = verdict(silent, cluster=rule("Directly", preserve=(JOB_ID,)), m1=lost).evictions["m1"]
    assert (found.preserved, found.before) == ({"shop/job-id": "4711"}, ("m1", "m2"))


GOES = Removal(reason="ApplicationFailure", author="x", epoch=7, since=SINCE, first=True, before=("m1",), preserved={"id": "4711"})
M2 = build.target("m2", 2, epoch=9)


# R12.4: "Injection into the new copy only if there is exactly one target cluster, the last task is Directly, and the target was not among
#         clustersBeforeFailover."
@pytest.mark.spec("N09", "R12.4")
@pytest.mark.parametrize(
    ("clusters", "removals", "expected"),
    [
        pytest.param((M2,), {"m1": GOES}, [{"id": "4711"}], id="the-sole-new-copy"),
        pytest.param((M2, build.target("m3", 2, epoch=9)), {"m1": GOES}, [None, None], id="not-one-of-two"),
        pytest.param((M2,), {"m1": msgspec.structs.replace(GOES, before=("m1", "m2"))}, [None], id="not-where-it-was-running"),
        pytest.param((M2,), {"m1": msgspec.structs.replace(GOES, first=False)}, [None], id="not-of-a-graceful-one"),
        pytest.param(
            (M2,), {"m1": GOES, "m3": msgspec.structs.replace(GOES, since="2026-08-01T12:00:09Z", preserved={"id": "12"})}, [{"id": "12"}],
            id="of-the-last-one",
        ),
        pytest.param((M2,), {}, [None], id="nothing-to-inherit"),
    ],
)  # fmt: skip
def test_who_inherits(clusters, removals, expected):
    assert [target.preserved for target in inherited(clusters, removals, ())] == expected


@pytest.mark.spec("R12.4")
def test_an_assignment_keeps_what_it_was_given():
    given = msgspec.structs.replace(M2, preserved={"id": "4711"})
    assert inherited((M2,), {}, (given,)) == (given,)
    assert inherited((M2, build.target("m3", 1, epoch=12)), {}, (given,))[0] == given
    assert inherited((build.target("m2", 2, epoch=12),), {}, (given,))[0].preserved is None
    assert inherited((M2,), {"m1": GOES}, (M2,)) == (M2,), "it ran before anything had to be preserved"
