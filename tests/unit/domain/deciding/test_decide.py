"""One template, decided: the whole engine in the order in which it is asked."""

from __future__ import annotations

import msgspec
import pytest

from shoal.api.policy import ClusterFailover, Failover, Suspension
from shoal.domain.deciding import Wishes, decide
from shoal.domain.scheduling import Snapshot
from support import build
from support.outcomes import again, placed

WEB = build.deployment("web", labels={"app": "web"}, replicas=3)
SETTINGS = build.config_map("settings")
M1, M2, M3 = (build.cluster(name, region="hz", provider="ali") for name in ("m1", "m2", "m3"))
SUSPENDED = Wishes(template_uid="uid-deployment-web", suspended=True)
DUPLICATED = build.policy("p", to=build.placement(division=build.DUPLICATED))


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
