"""An eviction from its first decision to its end, over several decisions."""

from __future__ import annotations

import msgspec
import pytest

from shoal.api.binding import Removal
from shoal.api.policy import ClusterFailover, Failover
from shoal.api.shoal import FailoverPolicy, FailoverPolicySpec
from shoal.api.status import LOST
from shoal.domain.deciding import EvictionTask, Wishes, decide
from shoal.domain.releasing import releasable
from support import build
from support.outcomes import again

UID = "uid-deployment-web"
WEB = build.deployment("web", replicas=6)
M1, M2, M3 = build.cluster("m1"), build.cluster("m2"), build.cluster("m3")
TAINTED = build.cluster("m1", taints=(build.taint("fail", "NoExecute", added="2026-08-01T12:00:00Z"),))
AGGREGATED = build.policy("p", to=build.placement(division=build.AGGREGATED))
SINCE = "2026-08-01T12:00:00Z"


def evicted(policy=AGGREGATED, **facts):
    """What ran on m1 alone, moved to m2; with the inputs of that decision."""
    first = decide(build.inputs(WEB, policy, clusters=(M1,)))
    inputs = build.inputs(WEB, policy, clusters=(TAINTED, M2), **facts)
    return again(first, inputs), inputs


def copies(*names, **fields):
    return build.status(*(build.copy(name, epoch=110, **fields) for name in names))


def said(position=200, **task):
    return Wishes(template_uid=UID, tasks={"m1": EvictionTask(position=position, **task)})


# Ex 11-a: "m1's copy is removed when m2 is Healthy or 10 min later."
@pytest.mark.spec("R11.4", "R13.1", "R13.2", "N04")
def test_ex_11_a_an_eviction_notes_when_it_began_and_waits_ten_minutes_at_most():
    moved, inputs = evicted()
    removal = moved.binding.removals["m1"]
    assert (removal.since, removal.wait_for, moved.overdue_after_s) == (SINCE, "ReplacementReady", 600.0)
    assert releasable(moved.binding, copies("m2")) == {"m1"}
    later = again(moved, inputs, 200)
    assert (later.changed, later.binding.removals["m1"].since, later.overdue_after_s) == (False, SINCE, 400.0)
    assert releasable(later.binding, copies("m2", health="Unhealthy")) == frozenset()


@pytest.mark.spec("R13.2", "R13.6", "GX20")
def test_the_last_copy_that_works_is_not_deleted_because_time_has_passed():
    wide = build.policy("p", to=build.placement(division=build.EQUAL))
    first = decide(build.inputs(WEB, wide, clusters=(M1,)))
    inputs = build.inputs(WEB, wide, clusters=(TAINTED, M2, M3))
    moved = again(first, inputs)
    assert [target.name for target in moved.binding.clusters] == ["m2", "m3"]
    stuck = again(moved, inputs, 601, status=copies("m2", "m3", health="Unhealthy"))
    assert (stuck.changed, stuck.overdue_after_s) == (False, None)
    over = again(stuck, inputs, 900, status=copies("m2"))
    assert (over.changed, over.binding.removals["m1"].wait_for) == (True, "")
    assert over.binding.explanation.rounds[-1] == ("the copy in m1 waits no longer: its grace period of 600 s is over, and m2 runs healthy")
    assert releasable(over.binding, copies("m2")) == {"m1"}
    assert not again(over, inputs, 901, status=copies("m3", health="Unhealthy")).changed, "what was let go is not called back"


# Ex 13-a: "Duplicated on m1,m2,m3. m2 evicted gracefully, m1 and m3 Healthy -> m2's copy removed seconds later."
@pytest.mark.spec("R13.5", "R13.2")
def test_ex_13_a_nothing_has_to_be_replaced():
    everywhere = build.policy("p", to=build.placement(division=build.DUPLICATED))
    first = decide(build.inputs(WEB, everywhere, clusters=(M1, M2, M3)))
    inputs = build.inputs(WEB, everywhere, clusters=(TAINTED, M2, M3))
    evicted_ = again(first, inputs)
    assert ([target.name for target in evicted_.binding.clusters], list(evicted_.binding.removals)) == (["m2", "m3"], ["m1"])
    before = build.status(build.copy("m2", epoch=100), build.copy("m3", epoch=100))
    assert releasable(evicted_.binding, before) == {"m1"}


@pytest.mark.spec("R13.1", "N08")
def test_a_users_task_gets_its_time_with_the_first_decision_and_keeps_it():
    first = decide(build.inputs(WEB, AGGREGATED, clusters=(M1,)))
    inputs = build.inputs(WEB, AGGREGATED, clusters=(M1, M2), wishes=said(105))
    moved = again(first, inputs)
    assert moved.binding.removals["m1"] == Removal(reason="UserEvicted", author="user", epoch=100, since=SINCE, wait_for="ReplacementReady")
    assert again(moved, inputs, 60).binding.removals["m1"].since == SINCE


@pytest.mark.spec("R13.2", "N08")
def test_a_user_sets_the_grace_period():
    moved, inputs = evicted()
    shorter = again(moved, inputs, 10, wishes=said(grace_period_s=60))
    assert (shorter.changed, shorter.overdue_after_s) == (True, 50.0)
    over = again(shorter, inputs, 60, wishes=said(grace_period_s=60), status=copies("m2"))
    assert over.binding.removals["m1"].wait_for == ""
    assert again(moved, inputs, 10, wishes=said(1, grace_period_s=60)).overdue_after_s == 590.0, "said of an earlier eviction"


# --- purge mode Directly ---------------------------------------------------------------------------------------------------------------

DIRECTLY = Failover(cluster=ClusterFailover(purge_mode="Directly"))


@pytest.mark.spec("R6.2", "R13.4", "N05")
@pytest.mark.parametrize(
    ("policy", "facts"),
    [
        pytest.param(build.policy("p", to=AGGREGATED.spec.placement, failover=DIRECTLY), {}, id="of-the-policy"),
        pytest.param(
            AGGREGATED, {"failover_policies": (FailoverPolicy(spec=FailoverPolicySpec(purge_mode="Directly")),)}, id="of-a-failover-policy"
        ),
        pytest.param(AGGREGATED, {"wishes": said(105, directly=True)}, id="of-a-users-task"),
    ],
)
def test_directly_goes_first(policy, facts):
    moved, inputs = evicted(policy, **facts)
    removal = moved.binding.removals["m1"]
    assert (removal.first, removal.wait_for, moved.overdue_after_s) == (True, "", None)
    assert not again(moved, inputs, 86_400).changed, "it is not called over by time"
    gone = again(moved, inputs, 86_400, status=build.status(gone={"m1": 100}))
    assert (gone.changed, gone.binding.removals) == (True, {})


@pytest.mark.spec("R6.2", "R13.3", "N08")
def test_a_user_answers_for_it_that_nothing_runs_in_a_cluster_that_nobody_hears():
    policy = build.policy("p", to=AGGREGATED.spec.placement, failover=DIRECTLY)
    first = decide(build.inputs(WEB, policy, clusters=(M1,)))
    inputs = build.inputs(WEB, policy, clusters=(msgspec.structs.replace(M1, state=LOST), M2))
    lost = again(first, inputs)
    assert (lost.binding.removals["m1"].reason, lost.binding.removals["m1"].first) == ("ClusterLost", True)
    answered = again(lost, inputs, 30, wishes=said(suppress_deletion=False))
    assert (answered.changed, answered.binding.removals["m1"].first, answered.binding.removals["m1"].wait_for) == (True, False, "")
    assert not again(lost, inputs, 30, wishes=said(1, suppress_deletion=False)).changed, "said of an earlier eviction"


@pytest.mark.spec("R13.2", "N08")
def test_who_holds_a_copy_holds_it_however_it_was_to_go():
    first = decide(build.inputs(WEB, AGGREGATED, clusters=(M1,)))
    held = again(first, build.inputs(WEB, AGGREGATED, clusters=(M1, M2), wishes=said(105, directly=True, suppress_deletion=True)))
    assert (held.binding.removals["m1"].wait_for, held.binding.removals["m1"].first) == ("HeldByUser", False)
