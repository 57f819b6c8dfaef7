"""Clusters are lost, left and found again, and others take over."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from shoal.api.policy import ClusterFailover, Failover
from shoal.api.shoal import FailoverPolicy
from shoal.domain.deciding import EvictionTask, Wishes, decide
from support import build
from support.outcomes import again, lose, placed

WEB = build.deployment("web", labels={"app": "web"}, replicas=3)
SETTINGS = build.config_map("settings")
M1, M2, M3 = (build.cluster(name, region="hz", provider="ali") for name in ("m1", "m2", "m3"))
DUPLICATED = build.policy("p", to=build.placement(division=build.DUPLICATED))


MOVING = build.policy("p", to=build.placement(division=build.AGGREGATED), failover=Failover(cluster=ClusterFailover()))
ROOMY = [build.cluster(name, region=region, provider="ali") for name, region in (("m1", "hz"), ("m2", "bj"), ("m3", "hz"))]


@pytest.mark.spec("N01", "N04", "N12", "GX14", "R11.4", "R11.7")
def test_failover_and_the_way_back():
    first = decide(build.inputs(WEB, MOVING, clusters=(ROOMY[0],)))
    assert placed(first) == {"m1": 3}
    lost = build.inputs(WEB, MOVING, clusters=(lose(ROOMY[0]), *ROOMY[1:]), position=200)
    moved = again(first, lost)
    assert placed(moved) == {"m3": 3}  # The same region, though m2 comes first by name.
    assert (moved.binding.removals["m1"].reason, moved.binding.removals["m1"].wait_for) == ("ClusterLost", "ReplacementReady")
    back = again(moved, build.inputs(WEB, MOVING, clusters=tuple(ROOMY), position=300))
    assert (placed(back), list(back.binding.removals), back.changed) == ({"m3": 3}, ["m1"], False)
    gone = again(back, build.inputs(WEB, MOVING, clusters=tuple(ROOMY), position=400, status=build.status(gone={"m1": 100})))
    assert (placed(gone), gone.binding.removals, gone.changed) == ({"m3": 3}, {}, True)


@pytest.mark.spec("N01", "R10.4")
def test_without_a_word_about_failover_nothing_moves():
    quiet = build.policy("p", to=build.placement(division=build.AGGREGATED))
    first = decide(build.inputs(WEB, quiet, clusters=(ROOMY[0],)))
    lost = build.inputs(WEB, quiet, clusters=(lose(ROOMY[0]), *ROOMY[1:]))
    assert not again(first, lost).changed
    moved = again(first, msgspec.structs.replace(lost, failover_policies=(FailoverPolicy(),)))
    assert placed(moved) == {"m3": 3}


@pytest.mark.spec("GX20", "R11.6")
def test_a_failover_without_a_replacement_says_so_and_still_follows_the_template():
    narrow = build.policy("p", to=build.placement("m1", division=build.AGGREGATED), failover=Failover(cluster=ClusterFailover()))
    first = decide(build.inputs(WEB, narrow, clusters=(ROOMY[0],)))
    lost = build.inputs(WEB, narrow, clusters=(lose(ROOMY[0]), ROOMY[1]), position=200)
    stuck = again(first, lost)
    assert (placed(stuck), stuck.binding.removals) == ({"m1": 3}, {})
    assert (stuck.binding.conditions[0].status, stuck.binding.conditions[0].reason) == ("False", "NoClusterFit")
    fewer = again(stuck, build.inputs(build.deployment("web", replicas=2), narrow, clusters=(lose(ROOMY[0]), ROOMY[1]), revision=30))
    assert placed(fewer) == {"m1": 2}
    well = again(fewer, build.inputs(build.deployment("web", replicas=2), narrow, clusters=(ROOMY[0], ROOMY[1]), revision=30))
    assert (well.binding.conditions[0].status, well.changed) == ("True", True)


@pytest.mark.spec("R11.5", "R11.7")
def test_a_duplicated_workload_leaves_and_returns():
    everywhere = build.policy("p", to=build.placement(division=build.DUPLICATED), failover=Failover(cluster=ClusterFailover()))
    first = decide(build.inputs(WEB, everywhere, clusters=(M1, M2)))
    left = again(first, build.inputs(WEB, everywhere, clusters=(lose(M1), M2), position=200))
    assert (placed(left), list(left.binding.removals)) == ({"m2": 3}, ["m1"])
    waits = again(left, build.inputs(WEB, everywhere, clusters=(M1, M2), position=300))
    assert not waits.changed
    returned = again(left, build.inputs(WEB, everywhere, clusters=(M1, M2), position=390, status=build.status(gone={"m1": 100})))
    assert (placed(returned), returned.binding.target("m1").epoch, returned.binding.removals) == ({"m1": 3, "m2": 3}, 400, {})


def wishing(**tasks):
    """What a user says of clusters: (position) or (position, suppressDeletion)."""
    return Wishes(
        template_uid="uid-deployment-web",
        tasks={name: EvictionTask(position=said[0], suppress_deletion=said[1] if said[1:] else None) for name, said in tasks.items()},
    )


@pytest.mark.spec("N08", "R11.4")
def test_users_evict_too():
    policy = build.policy("p", to=build.placement(division=build.AGGREGATED))
    first = decide(build.inputs(WEB, policy, clusters=(M1,)))
    moved = again(first, build.inputs(WEB, policy, clusters=(M1, M2), wishes=wishing(m1=(105,), m9=(105,))))
    assert (placed(moved), moved.binding.removals["m1"].reason) == ({"m2": 3}, "UserEvicted")
    back = again(first, build.inputs(WEB, policy, clusters=(M1, M2), wishes=wishing(m1=(99,))))
    assert placed(back) == {"m1": 3}, "the cluster was assigned after that was said"
    other = msgspec.structs.replace(wishing(m1=(105,)), template_uid="uid-of-a-former-one")
    assert placed(again(first, build.inputs(WEB, policy, clusters=(M1, M2), wishes=other))) == {"m1": 3}


@pytest.mark.spec("N08", "R13.2", "R13.3")
def test_a_user_holds_a_copy_and_lets_it_go():
    policy = build.policy("p", to=build.placement(division=build.AGGREGATED))
    first = decide(build.inputs(WEB, policy, clusters=(M1,)))

    def waits(before, said):
        inputs = build.inputs(WEB, policy, clusters=(M1, M2), position=120, wishes=said)
        outcome = decide(msgspec.structs.replace(inputs, previous=before.binding))
        return outcome, outcome.binding.removals["m1"].wait_for

    held, said = waits(first, wishing(m1=(105, True)))
    assert (placed(held), said) == ({"m2": 3}, "HeldByUser")
    again_, said = waits(held, wishing(m1=(105,)))
    assert (said, again_.changed) == ("ReplacementReady", True)
    assert waits(held, wishing(m1=(106, False)))[1] == ""
    assert waits(again_, wishing(m1=(99, False)))[1] == "ReplacementReady", "said of an earlier eviction"


@pytest.mark.spec("N01", "R11.2")
def test_a_toleration_that_runs_is_looked_at_again():
    tainted = build.cluster("m1", taints=(build.taint("fail", "NoExecute", added="2026-08-01T12:00:00Z"),))
    to = build.placement(division=build.AGGREGATED, tolerations=(build.tolerate("fail", seconds=120),))
    policy = build.policy("p", to=to)
    first = decide(build.inputs(WEB, policy, clusters=(M1,)))
    inputs = build.inputs(WEB, policy, clusters=(tainted, M2))
    waiting = again(first, inputs)
    assert (waiting.changed, waiting.requeue_after_s) == (False, 120.0)
    moved = again(waiting, inputs, now=build.NOW + timedelta(seconds=120))
    assert placed(moved) == {"m2": 3}


@pytest.mark.spec("E05")
def test_a_changed_summary_is_written_every_ten_seconds_at_most():
    nowhere = build.policy("p", to=build.placement("m9", division=build.DUPLICATED))
    first = decide(build.inputs(WEB, nowhere, clusters=(M1,)))
    inputs = build.inputs(WEB, nowhere, clusters=(M1, M2), now=build.NOW + timedelta(seconds=4))
    early = again(first, inputs)
    assert (early.changed, early.requeue_after_s) == (False, 6.0)
    later = again(first, inputs, now=build.NOW + timedelta(seconds=10))
    assert later.changed
    assert later.binding.conditions[0].message.startswith("0/2 clusters are available: ")


def test_words_that_are_never_written_are_not_waited_for():
    """A queue that is told "again, in 0 seconds" does nothing else any more."""
    first = decide(build.inputs(WEB, DUPLICATED, clusters=(M1,)))
    unowned = build.inputs(WEB, clusters=(M1,))
    told = again(first, unowned)
    assert told.changed
    said = tuple(msgspec.structs.replace(one, message=f"{one.message}, as an earlier version said") for one in told.binding.conditions)
    stands = msgspec.structs.replace(told, binding=msgspec.structs.replace(told.binding, conditions=said))
    later = again(stands, unowned, now=build.NOW + timedelta(minutes=1))
    assert (later.changed, later.requeue_after_s) == (False, None)
