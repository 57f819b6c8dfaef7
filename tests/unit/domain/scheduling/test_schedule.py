"""One request, placed: groups, epochs, removals, and what stays when nothing fits."""

from __future__ import annotations

import pytest

from shoal.api.binding import Component, Removal, ReplicaRequirements, TargetComponent
from shoal.api.status import LOST
from shoal.domain.scheduling import Snapshot, schedule
from support import build

M1, M2, M3 = build.cluster("m1"), build.cluster("m2"), build.cluster("m3")
EVERYWHERE = build.placement(division=build.DUPLICATED)


def decided(to, *clusters, previous=None, position=100, **facts):
    return schedule(build.request(to, **facts), Snapshot(clusters), previous, now=build.NOW, position=position)


def targets(decision):
    return {target.name: target.replicas for target in decision.clusters}


def epochs(decision):
    return {target.name: target.epoch for target in decision.clusters}


@pytest.mark.spec("D01", "E06", "R4.5")
def test_first_placement():
    decision = decided(EVERYWHERE, M2, M1, replicas=3)
    assert targets(decision) == {"m1": 3, "m2": 3}
    assert epochs(decision) == {"m1": 100, "m2": 100}
    assert (decision.condition.status, decision.condition.reason) == ("True", "Success")


# "unchanged targets keep their epoch, new ones get the view position"
@pytest.mark.spec("C19", "E08", "R3.3")
def test_who_stays_keeps_its_epoch():
    previous = build.binding(build.target("m1", 3, epoch=7), build.target("m2", 3, epoch=8), placement=EVERYWHERE)
    decision = decided(EVERYWHERE, M1, M2, M3, previous=previous, replicas=3)
    assert epochs(decision) == {"m1": 7, "m2": 8, "m3": 100}


def test_a_changed_number_keeps_the_epoch():
    previous = build.binding(build.target("m1", 3, epoch=7), placement=EVERYWHERE)
    assert decided(EVERYWHERE, M1, previous=previous, replicas=5).clusters == (build.target("m1", 5, epoch=7),)


@pytest.mark.spec("H10", "R3.4")
def test_who_leaves_is_listed_with_its_epoch_and_reason():
    previous = build.binding(build.target("m1", 3, epoch=7), build.target("m2", 3, epoch=8), placement=EVERYWHERE)
    decision = decided(build.placement("m1", division=build.DUPLICATED), M1, M2, previous=previous, replicas=3, author="policy/shop/p")
    assert targets(decision) == {"m1": 3}
    assert decision.removals == {"m2": Removal(reason="PolicyChanged", author="policy/shop/p", epoch=8, since="2026-08-01T12:00:00Z")}


@pytest.mark.spec("B26", "X04")
def test_a_preserved_copy_is_left_behind():
    previous = build.binding(build.target("m1", 3), build.target("m2", 3), placement=EVERYWHERE, preserve_resources_on_deletion=True)
    decision = decided(build.placement("m1", division=build.DUPLICATED), M1, M2, previous=previous, replicas=3)
    assert decision.removals["m2"].preserve


def test_who_comes_back_leaves_the_removals_with_a_new_epoch():
    leaving = {"m2": Removal(reason="PolicyChanged", author="policy/shop/p", epoch=8)}
    previous = build.binding(build.target("m1", 3, epoch=7), placement=build.placement("m1"), removals=leaving)
    decision = decided(EVERYWHERE, M1, M2, previous=previous, replicas=3)
    assert epochs(decision) == {"m1": 7, "m2": 100}
    assert decision.removals == {}


# Ex 3-b: Divided 3/3, m2 loses its label: unchanged; a later scale to 8 puts all 8 on m1.
@pytest.mark.spec("E08", "R3.2", "R3.3")
def test_divided_workloads_do_not_follow_labels_until_they_are_placed_again():
    prod = build.placement(labels={"env": "prod"}, division=build.EQUAL)
    here, left = build.cluster("m1", labels={"env": "prod"}), build.cluster("m2")
    previous = build.binding(build.target("m1", 3), build.target("m2", 3), placement=prod)
    assert targets(decided(prod, here, left, previous=previous, replicas=6)) == {"m1": 3, "m2": 3}
    scaled = decided(prod, here, left, previous=previous, replicas=8)
    assert targets(scaled) == {"m1": 8}
    assert scaled.removals["m2"].reason == "ReplicasChanged"


@pytest.mark.spec("E08", "R3.3")
def test_duplicated_objects_follow_labels():
    prod = build.placement(labels={"env": "prod"})
    previous = build.binding(build.target("m1"), build.target("m2"), placement=prod)
    decision = decided(
        prod, build.cluster("m1", labels={"env": "prod"}), build.cluster("m2"), previous=previous, kind="ConfigMap", api_version="v1"
    )
    assert targets(decision) == {"m1": None}
    assert (decision.removals["m2"].reason, decision.removals["m2"].author) == ("ClusterChanged", "cluster/m2")


# "When no cluster fits, the targets that run stay, nothing is added, and a condition NoClusterFit" (architecture, Nothing drops out)
@pytest.mark.spec("E05", "E06", "D14", "R3.9")
def test_when_nothing_fits_what_runs_stays():
    previous = build.binding(build.target("m1", 3, epoch=7), placement=build.placement("m1"))
    decision = decided(build.placement("m9", division=build.DUPLICATED), M1, M2, previous=previous, replicas=5)
    assert decision.clusters == (build.target("m1", 3, epoch=7),)
    assert decision.removals == {}
    assert (decision.condition.status, decision.condition.reason) == ("False", "NoClusterFit")
    assert decision.condition.message == "0/2 clusters are available: 2 cluster(s) did not match the placement cluster affinity constraint."
    assert not decision.fits


@pytest.mark.spec("D14", "E06")
def test_too_little_room_keeps_the_old_result():
    dynamic = build.placement(division=build.DYNAMIC)
    small = build.cluster("m1", pods=2)
    previous = build.binding(build.target("m1", 3), placement=dynamic)
    decision = decided(dynamic, small, previous=previous, replicas=9)
    assert targets(decision) == {"m1": 3}
    assert decision.condition.reason == "Unschedulable"


@pytest.mark.spec("C16", "GX23")
def test_a_kind_that_appears_later_is_placed_then():
    bare = build.cluster("m1", apis=frozenset())
    first = decided(EVERYWHERE, bare, replicas=1)
    assert first.condition.message == "0/1 clusters are available: 1 cluster(s) did not have the API resource."
    previous = build.binding(placement=EVERYWHERE, conditions=(first.condition,))
    assert targets(decided(EVERYWHERE, M1, previous=previous, replicas=1)) == {"m1": 1}


# "A cluster leaves a binding only by moving to its removals, ... never because an entry is missing."
@pytest.mark.parametrize(
    ("division", "replicas", "expected"),
    [
        pytest.param(build.EQUAL, 6, {"m1": 3, "m2": 3}, id="divided-kept"),
        pytest.param(build.EQUAL, 9, {"m1": 6, "m2": 3}, id="divided-placed-again"),
        pytest.param(build.DUPLICATED, 3, {"m1": 3, "m2": 3}, id="duplicated"),
        pytest.param(build.DUPLICATED, 4, {"m1": 4, "m2": 4}, id="duplicated-scaled"),
    ],
)
def test_a_target_whose_cluster_is_not_known_stays(division, replicas, expected):
    to = build.placement(division=division)
    previous = build.binding(build.target("m1", 3), build.target("m2", 3, epoch=4), placement=to)
    decision = decided(to, M1, previous=previous, replicas=replicas)
    assert targets(decision) == expected
    assert decision.removals == {}


@pytest.mark.spec("L14", "R14.1")
def test_a_forgotten_cluster_drops_out():
    gone = build.cluster("m2", forgotten=True)
    leaving = {"m3": Removal(reason="PolicyChanged", author="x", epoch=2)}
    previous = build.binding(build.target("m1"), build.target("m2"), placement=build.placement(), removals=leaving)
    decision = decided(build.placement(), M1, gone, M3, previous=previous, kind="ConfigMap", api_version="v1")
    assert targets(decision) == {"m1": None, "m3": None}
    assert decision.removals == {}


@pytest.mark.spec("L14", "R14.1")
def test_a_forgotten_cluster_drops_out_also_when_nothing_fits():
    to = build.placement("m2", division=build.DUPLICATED)
    previous = build.binding(build.target("m2", 3), placement=to)
    decision = decided(to, M1, build.cluster("m2", forgotten=True), previous=previous, replicas=3)
    assert (targets(decision), decision.removals, decision.fits) == ({}, {}, False)


@pytest.mark.spec("C17", "L14", "R3.2", "R14.1")
def test_a_deleting_cluster_is_left_when_there_is_another():
    to = build.placement(division=build.EQUAL)
    previous = build.binding(build.target("m1", 3), build.target("m2", 3), placement=to)
    decision = decided(to, M1, build.cluster("m2", deleting=True), previous=previous, replicas=6)
    assert targets(decision) == {"m1": 6}
    assert (decision.removals["m2"].reason, decision.removals["m2"].wait_for) == ("ClusterDeleted", "ReplacementReady")
    alone = decided(to, build.cluster("m2", deleting=True), previous=previous, replicas=6)
    assert targets(alone) == {"m1": 3, "m2": 3}
    assert alone.condition.message == "0/1 clusters are available: 1 cluster(s) are being deleted."


@pytest.mark.spec("R2.5")
def test_a_template_made_anew_starts_over():
    previous = build.binding(build.target("m1", 3, epoch=7), build.target("m2", 3, epoch=8), uid="uid-old", placement=EVERYWHERE)
    decision = decided(build.placement("m1", division=build.DUPLICATED), M1, M2, previous=previous, replicas=3)
    assert epochs(decision) == {"m1": 100}
    assert (decision.removals["m2"].reason, decision.removals["m2"].epoch) == (
        "TemplateReplaced",
        100,
    )  # Higher than the copy's: it bears another uid.


GROUPS = build.placement(groups=(build.group("g1", labels={"tier": "a"}), build.group("g2", "m2")), division=build.DUPLICATED)
PREFERRED = build.cluster("m1", labels={"tier": "a"})


# Ex 3-d
@pytest.mark.spec("C06", "R3.8", "R3.9", "GX02")
def test_ordered_groups_fall_forward_and_never_back():
    first = decided(GROUPS, PREFERRED, M2, replicas=2)
    assert (targets(first), first.affinity_name) == ({"m1": 2}, "g1")
    previous = build.binding(*first.clusters, placement=GROUPS, affinity_name="g1")
    second = decided(GROUPS, M1, M2, previous=previous, replicas=2)
    assert (targets(second), second.affinity_name) == ({"m2": 2}, "g2")
    previous = build.binding(*second.clusters, placement=GROUPS, affinity_name="g2")
    third = decided(GROUPS, PREFERRED, M2, previous=previous, replicas=2)
    assert (targets(third), third.affinity_name) == ({"m2": 2}, "g2")
    fresh = decided(GROUPS, PREFERRED, M2, previous=previous, replicas=2, reschedule_at="2026-08-01T12:00:00Z")
    assert (targets(fresh), fresh.affinity_name) == ({"m1": 2}, "g1")


@pytest.mark.spec("C06", "R3.9")
def test_when_no_group_fits_the_observed_name_stays():
    previous = build.binding(build.target("m2", 2), placement=GROUPS, affinity_name="g2")
    decision = decided(GROUPS, M1, build.cluster("m3"), previous=previous, replicas=2)
    assert (targets(decision), decision.affinity_name, decision.fits) == ({"m2": 2}, "g2", False)


@pytest.mark.spec("C07", "R4.14")
def test_overflow_groups():
    main = build.group("idc", "m1", overflow=(build.affinity("m2"),))
    to = build.placement(groups=(main,), division=build.AGGREGATED)
    decision = decided(to, build.cluster("m1", pods=6), build.cluster("m2", pods=20), replicas=10)
    assert targets(decision) == {"m1": 6, "m2": 4}


LOST_M1 = {"m1": Removal(reason="ClusterLost", author="health-monitor", wait_for="ReplacementReady")}


@pytest.mark.spec("N04", "N11", "R11.4", "R11.5")
def test_an_eviction_moves_the_workload():
    to = build.placement(division=build.AGGREGATED)
    previous = build.binding(build.target("m1", 6, epoch=7), placement=to)
    decision = decided(to, build.cluster("m1", state=LOST), M2, previous=previous, replicas=6, evictions=LOST_M1)
    assert decision.clusters == (build.target("m2", 6, epoch=100),)
    assert decision.removals == {
        "m1": Removal(reason="ClusterLost", author="health-monitor", epoch=7, since="2026-08-01T12:00:00Z", wait_for="ReplacementReady")
    }


# "If no replacement fits, nothing is removed" (never lose the last copy; GX20)
@pytest.mark.spec("GX20", "R11.6")
def test_an_eviction_without_a_replacement_waits():
    to = build.placement("m1", division=build.AGGREGATED)
    previous = build.binding(build.target("m1", 6, epoch=7), placement=to)
    decision = decided(to, build.cluster("m1", state=LOST), M2, previous=previous, replicas=6, evictions=LOST_M1)
    assert decision.clusters == (build.target("m1", 6, epoch=7),)
    assert decision.removals == {}
    assert decision.condition.reason == "NoClusterFit"


@pytest.mark.spec("N11", "R11.7")
def test_the_source_of_an_eviction_is_no_candidate_until_it_is_gone():
    previous = build.binding(build.target("m2", 3), placement=EVERYWHERE, removals=LOST_M1)
    assert targets(decided(EVERYWHERE, M1, M2, previous=previous, replicas=3)) == {"m2": 3}
    settled = build.binding(build.target("m2", 3), placement=EVERYWHERE)
    assert targets(decided(EVERYWHERE, M1, M2, previous=settled, replicas=3)) == {"m1": 3, "m2": 3}


@pytest.mark.spec("C10", "N12", "R3.6")
def test_a_replacement_comes_from_the_best_tier():
    to = build.placement(spread=(build.spread(most=2),), division=build.DUPLICATED)
    previous = build.binding(build.target("m1", 3), build.target("m2", 3), placement=to)
    clusters = (build.cluster("m1", state=LOST), M2, build.cluster("a-far"), build.cluster("z-near"))
    tiers = (frozenset({"z-near"}), frozenset({"a-far", "m2"}))
    decision = decided(to, *clusters, previous=previous, replicas=3, evictions=LOST_M1, prefer=tiers)
    assert targets(decision) == {"m2": 3, "z-near": 3}


def test_what_is_not_heard_takes_nothing_more():
    to = build.placement(division=build.DYNAMIC)
    previous = build.binding(build.target("m1", 3), build.target("m2", 3), placement=to)
    decision = decided(to, build.cluster("m1", state=LOST), M2, previous=previous, replicas=10)
    assert targets(decision) == {"m1": 3, "m2": 7}


@pytest.mark.spec("D11", "R4.12")
def test_a_rebalance_starts_from_zero_and_is_remembered():
    to = build.placement(division=build.DYNAMIC)
    previous = build.binding(build.target("m1", 12), placement=to)
    decision = decided(
        to, build.cluster("m1", pods=12), build.cluster("m2", pods=24), previous=previous, replicas=12, reschedule_at="2026-08-01T11:00:00Z"
    )
    assert targets(decision) == {"m1": 6, "m2": 6}
    assert decision.rescheduled_at == "2026-08-01T11:00:00Z"


def test_the_time_of_transition_moves_with_the_status_only():
    first = decided(EVERYWHERE, M1, replicas=3)
    old = build.binding(
        build.target("m1", 3),
        placement=EVERYWHERE,
        conditions=(type(first.condition)(type="Scheduled", status="True", last_transition_time="2020-01-01T00:00:00Z"),),
    )
    assert decided(EVERYWHERE, M1, previous=old, replicas=3).condition.last_transition_time == "2020-01-01T00:00:00Z"
    assert decided(build.placement("m9"), M1, previous=old, replicas=3).condition.last_transition_time == "2026-08-01T12:00:00Z"


PARTS = tuple(
    Component(name=name, replicas=2, replica_requirements=ReplicaRequirements(resource_request={"cpu": "1"})) for name in ("a", "b")
)
WHOLE = build.placement(spread=(build.spread("cluster", 1, 1),))


@pytest.mark.spec("D15", "R4.1", "R4.20")
def test_a_workload_of_several_components_goes_as_a_whole():
    tight, roomy = build.cluster("m1", free={"cpu": "3"}), build.cluster("m2", free={"cpu": "4"})
    first = decided(WHOLE, tight, roomy, components=PARTS)
    assert targets(first) == {"m2": None}
    assert first.clusters[0].components == (TargetComponent(name="a", replicas=2), TargetComponent(name="b", replicas=2))
    full = build.cluster("m2", free={"cpu": "0"})
    previous = build.binding(*first.clusters, placement=WHOLE)
    assert targets(decided(WHOLE, build.cluster("m1", free={"cpu": "9"}), full, previous=previous, components=PARTS)) == {"m2": None}
    assert decided(WHOLE, tight, components=PARTS).condition.message == (
        "none of 1 feasible cluster(s) has room for all components of the workload"
    )


@pytest.mark.spec("D15", "R4.20")
def test_a_kept_set_stays_recorded_and_a_changed_one_is_recorded_anew():
    roomy = build.cluster("m1", free={"cpu": "9"})
    first = decided(WHOLE, roomy, components=PARTS)
    previous = build.binding(*first.clusters, placement=WHOLE)
    unfit = decided(build.placement("m9", spread=WHOLE.spread_constraints), roomy, previous=previous, components=PARTS)
    assert unfit.clusters == first.clusters
    more = (PARTS[0], Component(name="b", replicas=3))
    assert decided(WHOLE, roomy, previous=previous, components=more).clusters[0].components[1].replicas == 3
