"""One template, decided: the whole engine in the order in which it is asked."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from shoal.api.binding import BindingSnapshot, Removal
from shoal.api.policy import AffinityGroup, ClusterFailover, Failover, Placement, Suspension, WorkloadAffinity
from shoal.api.shoal import FailoverPolicy
from shoal.api.status import JOINING, LOST
from shoal.domain.deciding import EvictionTask, Owner, Peer, Wishes, decide
from shoal.domain.scheduling import Snapshot
from support import build

WEB = build.deployment("web", labels={"app": "web"}, replicas=3)
SETTINGS = build.config_map("settings")
M1, M2, M3 = (build.cluster(name, region="hz", provider="ali") for name in ("m1", "m2", "m3"))
SUSPENDED = Wishes(template_uid="uid-deployment-web", suspended=True)
DUPLICATED = build.policy("p", to=build.placement(division=build.DUPLICATED))


def placed(outcome):
    return {target.name: target.replicas for target in outcome.binding.clusters}


def again(outcome, inputs, **changed):
    """The next decision, after this one was written."""
    facts = {"previous": outcome.binding, "previous_deleted": outcome.tombstone, "position": inputs.position + 10}
    return decide(msgspec.structs.replace(inputs, **facts | changed))


@pytest.mark.spec("B01", "B03", "B22", "B25", "B26", "D01", "R2.3", "R2.4")
def test_a_template_meets_its_policy():
    policy = build.policy(
        "p",
        to=build.placement("m1", "m2", division=build.DUPLICATED),
        conflict_resolution="Overwrite",
        preserve_resources_on_deletion=True,
        propagate_deps=True,
        suspension=Suspension(dispatching=True),
        failover=Failover(cluster=ClusterFailover()),
    )
    outcome = decide(build.inputs(WEB, policy, clusters=(M1, M2, M3)))
    binding = outcome.binding
    assert (outcome.changed, outcome.tombstone, outcome.reason, placed(outcome)) == (True, False, "", {"m1": 3, "m2": 3})
    assert (binding.template_uid, binding.template_revision, binding.replicas) == ("uid-deployment-web", 10, 3)
    assert binding.claim == build.claim(policy)
    assert (binding.conflict_resolution, binding.preserve_resources_on_deletion, binding.propagate_deps) == ("Overwrite", True, True)
    assert (binding.suspension, binding.failover, binding.placement) == (
        policy.spec.suspension,
        policy.spec.failover,
        policy.spec.placement,
    )
    assert binding.explanation.rejected["m3"].reason == "AffinityMismatch"


def test_deciding_again_says_the_same():
    inputs = build.inputs(WEB, DUPLICATED, clusters=(M1, M2))
    first = decide(inputs)
    second = again(first, inputs)
    assert (second.changed, second.binding) == (False, first.binding)


@pytest.mark.spec("B19", "R1.10")
def test_a_template_without_a_policy_has_no_binding():
    outcome = decide(build.inputs(WEB, clusters=(M1,)))
    assert (outcome.binding, outcome.changed, outcome.reason) == (None, False, "WaitingForPolicy")


@pytest.mark.spec("B30")
def test_an_excluded_template_has_no_binding():
    outcome = decide(build.inputs(build.deployment(ns="kube-system"), build.policy("p", ns=""), clusters=(M1,)))
    assert (outcome.binding, outcome.reason) == (None, "Excluded")


# "written for every new content revision that the owning policy lets through, also when targets stay the same, nothing fits, ..."
@pytest.mark.spec("B15", "E09", "R6.14")
def test_a_new_revision_is_written_also_when_nothing_fits():
    inputs = build.inputs(WEB, DUPLICATED, clusters=(M1,))
    first = decide(inputs)
    newer = again(first, inputs, template_revision=20)
    assert (newer.changed, newer.binding.template_revision, newer.binding.clusters) == (True, 20, first.binding.clusters)
    nowhere = build.inputs(
        WEB, build.policy("p", to=build.placement("m9", division=build.DUPLICATED)), clusters=(M1,), revision=30, policy_revision=25
    )
    stuck = again(newer, nowhere)
    assert (stuck.changed, stuck.binding.template_revision, placed(stuck)) == (True, 30, {"m1": 3})
    assert stuck.binding.conditions[0].reason == "NoClusterFit"
    assert stuck.binding.placement == DUPLICATED.spec.placement  # As applied (E09), until the new one fits.


# R1.9: "Bindings, their spec.clusters and member copies remain. A binding without a claim label is ignored by the scheduler."
@pytest.mark.spec("B17", "R1.9", "R14.1")
def test_a_deleted_policy_leaves_everything_running():
    inputs = build.inputs(WEB, DUPLICATED, clusters=(M1, M2))
    first = decide(inputs)
    orphan = again(first, build.inputs(WEB, clusters=(M1, M2, M3), revision=40))
    assert (orphan.changed, orphan.binding.claim, orphan.binding.clusters) == (True, None, first.binding.clusters)
    assert orphan.binding.template_revision == 10  # Further edits are nobody's.
    assert not again(orphan, build.inputs(WEB, clusters=(M1,), revision=50)).changed
    adopted = again(orphan, build.inputs(WEB, build.policy("q", to=build.placement("m1")), clusters=(M1, M2), revision=40))
    assert (placed(adopted), adopted.binding.claim.policy.name, adopted.binding.template_revision) == ({"m1": 3}, "q", 40)
    assert adopted.binding.removals["m2"].author == "policy/shop/q"


@pytest.mark.spec("B16", "R1.11")
def test_lazy_claims_only_until_the_template_changes():
    lazy = build.policy("p", to=build.placement("m1"), activation_preference="Lazy")
    inputs = build.inputs(WEB, lazy, clusters=(M1, M2), revision=10, policy_revision=20)
    claimed = decide(inputs)
    assert (placed(claimed), claimed.binding.claim.revision) == ({}, 0)
    assert {(item.type, item.reason) for item in claimed.binding.conditions} == {("Claimed", "Lazy"), ("Scheduled", "Lazy")}
    assert not again(claimed, inputs).changed
    changed = build.deployment("web", labels={"app": "web"}, replicas=4)
    applied = again(claimed, build.inputs(changed, lazy, clusters=(M1, M2), revision=30, policy_revision=20))
    assert placed(applied) == {"m1": 4}
    moved = build.policy("p", to=build.placement("m2"), activation_preference="Lazy")
    waiting = again(applied, build.inputs(changed, moved, clusters=(M1, M2), revision=30, policy_revision=40))
    assert placed(waiting) == {"m1": 4}
    edited = again(waiting, build.inputs(WEB, moved, clusters=(M1, M2), revision=50, policy_revision=40))
    assert (placed(edited), list(edited.binding.removals)) == ({"m2": 3}, ["m1"])


@pytest.mark.spec("R1.8", "GX13", "R6.14")
def test_a_frozen_template_keeps_what_was_decided_and_says_so():
    picky = build.policy("p", build.selector(labels={"app": "web"}), to=build.placement("m1"))
    first = decide(build.inputs(WEB, picky, clusters=(M1,)))
    relabelled = build.deployment("web", labels={"app": "other"}, replicas=9)
    frozen = again(first, build.inputs(relabelled, picky, clusters=(M1,), revision=30))
    assert (placed(frozen), frozen.binding.template_revision, frozen.reason) == ({"m1": 3}, 10, "Frozen")
    assert [(item.type, item.status, item.reason) for item in frozen.binding.conditions] == [
        ("Claimed", "False", "Frozen"),
        ("Scheduled", "True", "Success"),
    ]


@pytest.mark.spec("B20", "R1.4")
def test_a_policy_that_waits_for_overrides_changes_nothing():
    first = decide(build.inputs(WEB, build.policy("p", to=build.placement("m1")), clusters=(M1, M2)))
    waiting = build.policy("p", to=build.placement("m2"), dependent_overrides=("o",))
    blocked = again(first, build.inputs(WEB, waiting, clusters=(M1, M2), policy_revision=30))
    assert (placed(blocked), blocked.reason) == ({"m1": 3}, "WaitingForOverrides")
    assert decide(build.inputs(WEB, waiting, clusters=(M1, M2))).binding is None


@pytest.mark.spec("B24")
def test_suspended_scheduling_keeps_targets_and_names_the_revision():
    inputs = build.inputs(WEB, DUPLICATED, clusters=(M1,))
    first = decide(inputs)
    suspended = again(first, build.inputs(WEB, DUPLICATED, clusters=(M1, M2), revision=30, wishes=SUSPENDED))
    assert (placed(suspended), suspended.binding.template_revision) == ({"m1": 3}, 30)
    never = decide(build.inputs(WEB, DUPLICATED, clusters=(M1,), wishes=SUSPENDED))
    assert (placed(never), never.binding.conditions[0].reason) == ({}, "SchedulingSuspended")


@pytest.mark.spec("B21", "E04")
def test_another_schedulers_binding_is_left_to_it():
    theirs = build.policy("p", scheduler_name="other")
    assert placed(decide(build.inputs(WEB, theirs, clusters=(M1,)))) == {}
    assert placed(decide(build.inputs(WEB, theirs, clusters=(M1,), scheduler_name="other"))) == {"m1": 3}


# --- deletion -------------------------------------------------------------------------------------------------------------------------

LEAVING = WEB | {"metadata": WEB["metadata"] | {"deletionTimestamp": "2026-08-01T12:00:00Z"}}


@pytest.mark.spec("B18", "B26", "R14.1")
def test_a_template_that_is_being_deleted_ends_its_binding():
    keeping = build.policy("p", to=build.placement("m1"), preserve_resources_on_deletion=True)
    first = decide(build.inputs(WEB, keeping, clusters=(M1,)))
    inputs = build.inputs(LEAVING, keeping, clusters=(M1,), revision=30)
    ended = again(first, inputs)
    assert (ended.tombstone, ended.changed, ended.binding.template_revision) == (True, True, 30)
    assert (ended.binding.clusters, ended.binding.preserve_resources_on_deletion) == (first.binding.clusters, True)
    assert not again(ended, inputs).changed
    assert not again(
        ended, build.inputs(None, clusters=(M1,), ref=inputs.ref, template_uid=inputs.template_uid, template_deleted=True)
    ).changed


@pytest.mark.spec("B18")
def test_a_template_that_was_never_placed_gets_a_tombstone_too():
    ended = decide(build.inputs(LEAVING, clusters=(M1,), revision=30))
    assert (ended.tombstone, ended.changed, ended.binding.clusters, ended.binding.template_uid) == (True, True, (), "uid-deployment-web")


@pytest.mark.spec("R2.5", "B18")
def test_a_template_that_is_deleted_before_it_was_decided_ends_the_copies_of_the_one_before():
    first = decide(build.inputs(WEB, DUPLICATED, clusters=(M1,)))
    anew = LEAVING | {"metadata": LEAVING["metadata"] | {"uid": "uid-new"}}
    ended = again(first, build.inputs(anew, DUPLICATED, clusters=(M1,), revision=30, position=200))
    assert (ended.tombstone, ended.binding.template_uid) == (True, "uid-new")
    assert [(target.name, target.epoch) for target in ended.binding.clusters] == [("m1", 210)]


def test_a_deleted_template_that_never_had_a_binding_needs_none():
    ended = decide(build.inputs(None, ref=build.ref(), template_uid="u", template_deleted=True))
    assert (ended.binding, ended.changed) == (None, False)


# "Absence is never intent."
def test_a_missing_template_changes_nothing():
    first = decide(build.inputs(WEB, DUPLICATED, clusters=(M1,)))
    missing = again(first, build.inputs(None, ref=build.ref(), template_uid=""))
    assert (missing.changed, missing.tombstone, missing.binding, missing.reason) == (False, False, first.binding, "Orphaned")


@pytest.mark.spec("R2.5")
def test_a_template_made_anew_takes_over_the_entry_with_higher_epochs():
    inputs = build.inputs(WEB, DUPLICATED, clusters=(M1, M2))
    ended = again(decide(inputs), build.inputs(LEAVING, DUPLICATED, clusters=(M1, M2), revision=30))
    anew = WEB | {"metadata": WEB["metadata"] | {"uid": "uid-new"}}
    policy = build.policy("p", to=build.placement("m1"))
    reborn = again(ended, build.inputs(anew, policy, clusters=(M1, M2), revision=40, position=200))
    assert [(target.name, target.epoch) for target in reborn.binding.clusters] == [("m1", 210)]
    assert (reborn.binding.removals["m2"].reason, reborn.binding.removals["m2"].epoch) == ("TemplateReplaced", 210)
    assert (reborn.changed, reborn.binding.template_uid) == (True, "uid-new")


def test_targets_of_a_tombstone_are_nobodys():
    """An object that came back under its own uid is assigned anew, above what its tombstone ended."""
    inputs = build.inputs(WEB, DUPLICATED, clusters=(M1,))
    ended = again(decide(inputs), build.inputs(LEAVING, DUPLICATED, clusters=(M1,), revision=30))
    back = again(ended, build.inputs(WEB, DUPLICATED, clusters=(M1,), revision=40, position=200))
    assert [(target.name, target.epoch) for target in back.binding.clusters] == [("m1", 210)]
    assert back.changed


# --- clusters -------------------------------------------------------------------------------------------------------------------------

MOVING = build.policy("p", to=build.placement(division=build.AGGREGATED), failover=Failover(cluster=ClusterFailover()))
ROOMY = [build.cluster(name, region=region, provider="ali") for name, region in (("m1", "hz"), ("m2", "bj"), ("m3", "hz"))]


def lose(cluster):
    return msgspec.structs.replace(cluster, state=LOST)


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


# --- groups of workloads --------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("C14", "C15", "R2.7")
def test_groups_of_workloads():
    apart = Placement(workload_affinity=WorkloadAffinity(anti_affinity=AffinityGroup(group_by_label_key="app")))
    other = Peer(anti_affinity_group="app=web", clusters=frozenset({"m1"}))
    stranger = Peer(anti_affinity_group="app=api", clusters=frozenset({"m2"}))
    outcome = decide(build.inputs(WEB, build.policy("p", to=apart), clusters=(M1, M2), peers=(other, stranger)))
    assert (placed(outcome), outcome.binding.anti_affinity_group) == ({"m2": 3}, "app=web")
    together = Placement(workload_affinity=WorkloadAffinity(affinity=AffinityGroup(group_by_label_key="app")))
    peer = Peer(affinity_group="app=web", clusters=frozenset({"m1"}))
    assert placed(decide(build.inputs(WEB, build.policy("p", to=together), clusters=(M1, M2), peers=(peer,)))) == {"m1": 3}
    unlabelled = build.deployment("web", replicas=3)
    assert decide(build.inputs(unlabelled, build.policy("p", to=together), clusters=(M1,), peers=(peer,))).binding.affinity_group == ""


# --- dependencies ---------------------------------------------------------------------------------------------------------------------


def owner(*names, name="web", **settings):
    targets = (build.target(cluster, 3) for cluster in names)
    return Owner(ref=build.ref(name=name), binding=build.binding(*targets, propagate_deps=True, **settings))


@pytest.mark.spec("K01", "K02", "K03", "R9.1", "R9.4")
def test_a_dependency_follows_its_owner():
    first = decide(build.inputs(SETTINGS, clusters=(M1, M2), owners=(owner("m1"),)))
    assert (placed(first), first.binding.attached, first.binding.claim) == ({"m1": None}, ("m1",), None)
    assert first.binding.required_by == (BindingSnapshot(owner=build.ref(), clusters=("m1",)),)
    assert first.binding.conditions[0].reason == "Success"
    moved = again(first, build.inputs(SETTINGS, clusters=(M1, M2), owners=(owner("m2"),)))
    assert placed(moved) == {"m2": None}
    assert (moved.binding.removals["m1"].wait_for, moved.binding.removals["m1"].owners) == ("OwnersGone", (build.ref(),))
    alone = again(moved, build.inputs(SETTINGS, clusters=(M1, M2), revision=30))
    assert (placed(alone), sorted(alone.binding.removals)) == ({}, ["m1", "m2"])
    edited = again(first, build.inputs(SETTINGS, clusters=(M1, M2), owners=(owner("m1"),), revision=50))
    assert (edited.changed, edited.binding.template_revision) == (True, 50)


@pytest.mark.spec("K05", "R9.2")
def test_a_dependency_with_a_policy_of_its_own():
    own = build.policy("c", build.selector("ConfigMap", api_version="v1"), to=build.placement("m2"), conflict_resolution="Abort")
    inputs = build.inputs(SETTINGS, own, clusters=(M1, M2), owners=(owner("m1", conflict_resolution="Overwrite"),))
    first = decide(inputs)
    assert (placed(first), first.binding.attached, first.binding.conflict_resolution) == ({"m1": None, "m2": None}, ("m1",), "Abort")
    assert not again(first, inputs).changed
    alone = again(first, build.inputs(SETTINGS, own, clusters=(M1, M2)))
    assert (placed(alone), list(alone.binding.removals)) == ({"m2": None}, ["m1"])


@pytest.mark.spec("K06", "R9.3")
def test_settings_of_several_owners_are_merged():
    owners = (owner("m1", name="a", conflict_resolution="Overwrite"), owner("m1", name="b", preserve_resources_on_deletion=True))
    binding = decide(build.inputs(SETTINGS, clusters=(M1,), owners=owners)).binding
    assert (binding.conflict_resolution, binding.preserve_resources_on_deletion) == ("Overwrite", True)
    assert binding.conditions[0].message == (
        "Binding follows the workloads that need it. DependencyPolicyConflict: their policies differ in conflictResolution (Overwrite is used) "
        "and preserveResourcesOnDeletion (true is used)."
    )
    alike = decide(build.inputs(SETTINGS, clusters=(M1,), owners=owners[:1])).binding
    assert alike.conditions[0].message == "Binding follows the workloads that need it."


@pytest.mark.spec("K03", "N01")
def test_a_dependency_stays_where_its_owner_still_has_a_copy():
    first = decide(build.inputs(SETTINGS, clusters=(M1, M2), owners=(owner("m1"),)))
    leaving = owner("m2", removals={"m1": Removal(reason="ClusterLost", author="health-monitor", wait_for="ReplacementReady")})
    moved = again(first, build.inputs(SETTINGS, clusters=(lose(M1), M2), owners=(leaving,)))
    assert (placed(moved), moved.binding.removals["m1"].wait_for) == ({"m2": None}, "OwnersGone")


# --- namespaces -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("W01", "C19", "R15.1", "R14.1")
def test_a_namespace_goes_everywhere():
    tainted = build.cluster("m2", taints=(build.taint("gpu"),))
    inputs = build.inputs(build.namespace(), clusters=(M1, tainted, build.cluster("m3", state=JOINING)))
    first = decide(inputs)
    assert placed(first) == {"m1": None, "m2": None}
    assert not again(first, inputs).changed
    joined = again(first, build.inputs(build.namespace(), clusters=(M1, tainted, M3)))
    assert placed(joined) == {"m1": None, "m2": None, "m3": None}
    lost = again(joined, build.inputs(build.namespace(), clusters=(lose(M1), tainted, M3)))
    assert not lost.changed


@pytest.mark.spec("W01", "L14")
def test_a_namespace_leaves_a_deleting_cluster_last():
    first = decide(build.inputs(build.namespace(), clusters=(M1, M2)))
    going = msgspec.structs.replace(M2, deleting=True)
    held = again(first, build.inputs(build.namespace(), clusters=(M1, going), occupied=frozenset({"m2"})))
    assert not held.changed
    left = again(first, build.inputs(build.namespace(), clusters=(M1, going)))
    assert (placed(left), left.binding.removals["m2"].reason) == ({"m1": None}, "ClusterDeleted")
    forgotten = again(left, build.inputs(build.namespace(), clusters=(M1, build.cluster("m2", forgotten=True))))
    assert forgotten.binding.removals == {}


@pytest.mark.spec("W01", "B30", "B31")
@pytest.mark.parametrize("name", ["default", "kube-system", "karmada-system", "karmada-es-m1", "shoal-system"])
def test_namespaces_of_the_system_stay_at_home(name):
    assert decide(build.inputs(build.namespace(name), clusters=(M1,))).binding is None


# "Adding the skip label later does not remove existing copies." (R15.1)
@pytest.mark.spec("W02", "R15.1")
def test_a_skipped_namespace():
    skipped = build.namespace(labels={"namespace.karmada.io/skip-auto-propagation": "true"})
    assert decide(build.inputs(skipped, clusters=(M1,))).binding is None
    first = decide(build.inputs(build.namespace(), clusters=(M1,)))
    assert placed(again(first, build.inputs(skipped, clusters=(M1, M2), revision=30))) == {"m1": None}
    deliberate = build.policy("n", build.selector("Namespace", "shop", api_version="v1"), ns="", to=build.placement("m2"))
    assert placed(decide(build.inputs(skipped, deliberate, clusters=(M1, M2)))) == {"m2": None}


@pytest.mark.spec("B18")
def test_a_namespace_ends_as_everything_does():
    first = decide(build.inputs(build.namespace(), clusters=(M1,)))
    leaving = build.namespace()
    leaving = leaving | {"metadata": leaving["metadata"] | {"deletionTimestamp": "2026-08-01T12:00:00Z"}}
    ended = again(first, build.inputs(leaving, clusters=(M1,), revision=30))
    assert (ended.tombstone, ended.binding.clusters) == (True, first.binding.clusters)


def test_an_empty_hub_decides_too():
    outcome = decide(msgspec.structs.replace(build.inputs(WEB, DUPLICATED), snapshot=Snapshot(())))
    assert outcome.binding.conditions[0].message == "0/0 clusters are available."


@pytest.mark.spec("GX01")
def test_a_policys_options_are_applied_with_its_placement():
    policy = build.annotated(build.policy("p", to=build.placement(division=build.EQUAL)), follow="joined", replica_bounds='[{"max": 2}]')
    first = decide(build.inputs(build.deployment("web", replicas=3), policy, clusters=(build.cluster("m1"), build.cluster("m2"))))
    assert first.binding.options == build.options(follow="joined", replica_bounds='[{"max": 2}]')
    assert first.binding.standing.candidates == ("m1", "m2")
    # What does not fit is not applied: the options of before are on record, as the placement is.
    tighter = build.annotated(policy, replica_bounds='[{"max": 1}]')
    second = decide(
        build.inputs(
            build.deployment("web", replicas=3), tighter, clusters=(build.cluster("m1"), build.cluster("m2")), previous=first.binding
        )
    )
    assert [condition.reason for condition in second.binding.conditions] == ["Unschedulable"]
    assert second.binding.options == first.binding.options


@pytest.mark.spec("GX01")
@pytest.mark.parametrize(
    ("copies", "moves"),
    [
        pytest.param((build.copy("m1", epoch=100),), True, id="healthy"),
        pytest.param((build.copy("m1", epoch=100, health="Unhealthy"),), False, id="unhealthy"),
        pytest.param((build.copy("m1", epoch=1),), False, id="of-an-earlier-assignment"),
        pytest.param((), False, id="unknown"),
    ],
)
def test_a_move_waits_until_the_copies_run(copies, moves):
    policy = build.annotated(build.policy("p", to=build.placement(division=build.EQUAL)), follow="joined")
    template = build.deployment("web", replicas=4)
    first = decide(build.inputs(template, policy, clusters=(build.cluster("m1"),)))
    joined = (build.cluster("m1"), build.cluster("m2", created="2026-08-01T12:00:01Z"))
    after = decide(build.inputs(template, policy, clusters=joined, previous=first.binding, status=build.status(*copies)))
    assert after.changed is moves
    assert (after.requeue_after_s is not None) is not moves


@pytest.mark.spec("B27", "B28")
@pytest.mark.parametrize(
    ("spec", "follows"),
    [
        pytest.param({}, False, id="by-default-nothing-follows"),
        pytest.param({"propagate_deps": True}, True, id="propagateDeps"),
        pytest.param({"association": True}, True, id="the-old-name-of-it"),
    ],
)
def test_dependencies_follow_when_the_policy_says_so(spec, follows):
    outcome = decide(build.inputs(build.deployment("web"), build.policy("p", **spec), clusters=(build.cluster("m1"),)))
    assert outcome.binding.propagate_deps is follows


@pytest.mark.spec("B02", "C16")
def test_a_kind_that_was_never_heard_of_is_placed_where_it_is_served():
    widget = build.manifest("example.org/v1", "Widget", "w")
    policy = build.policy("p", build.selector("Widget", api_version="example.org/v1"))
    clusters = (build.cluster("m1"), build.cluster("m2", apis=frozenset({("example.org/v1", "Widget")})))
    outcome = decide(build.inputs(widget, policy, clusters=clusters))
    assert [target.name for target in outcome.binding.clusters] == ["m2"]


# "the result changes only when a schedule is triggered" (R4.7)
@pytest.mark.spec("R4.7", "D04")
def test_static_weights_stand_while_nothing_asks_for_more():
    policy = build.policy("p", to=build.placement(division=build.weights(m1=1, m2=1)))
    template = build.deployment("web", replicas=4)
    first = decide(build.inputs(template, policy, clusters=(build.cluster("m1"),)))
    both = decide(build.inputs(template, policy, clusters=(build.cluster("m1"), build.cluster("m2")), previous=first.binding))
    assert not both.changed
