"""When a binding is placed again (R3.2)."""

from __future__ import annotations

import pytest

from shoal.api.binding import Removal
from shoal.api.policy import AffinityGroup, WorkloadAffinity
from shoal.domain.scheduling import Snapshot
from shoal.domain.scheduling.ladder import due, placement_changed
from support import build

M1 = build.placement("m1")
SNAPSHOT = Snapshot([build.cluster("m1"), build.cluster("m2"), build.cluster("gone", deleting=True)])


def asked(to, *targets, before=None, **facts):
    previous = build.binding(*targets, placement=before or to)
    request = build.request(to, **facts)
    return due(request, SNAPSHOT, previous, {target.name: target for target in targets})


DIVIDED = build.placement(division=build.EQUAL)


@pytest.mark.spec("E08", "R3.2")
@pytest.mark.parametrize(
    ("why", "expected"),
    [
        pytest.param(asked(DIVIDED, build.target("m1", 3), build.target("m2", 3), replicas=6), "", id="divided-stands"),
        pytest.param(asked(DIVIDED, replicas=6), "nothing is placed yet", id="no-targets"),
        pytest.param(asked(DIVIDED, build.target("m1", 6), replicas=6, before=M1), "the placement changed", id="placement"),
        pytest.param(asked(DIVIDED, build.target("m1", 6), replicas=8), "the number of replicas changed", id="divided-sum"),
        pytest.param(asked(DIVIDED, build.target("m1", None), replicas=6), "the number of replicas changed", id="was-no-workload"),
        pytest.param(
            asked(DIVIDED, build.target("m1", 6), replicas=6, reschedule_at="2026-08-01T12:00:00Z"),
            "a rebalance was requested",
            id="rebalance-D11",
        ),
        pytest.param(asked(DIVIDED, build.target("gone", 6), replicas=6), "a cluster is being deleted", id="cluster-deleted"),
        pytest.param(
            asked(DIVIDED, build.target("m1", 6), replicas=6, evictions={"m1": Removal(reason="ClusterLost", author="health-monitor")}),
            "a cluster has to be left",
            id="eviction",
        ),
        pytest.param(
            asked(build.placement(division=build.DUPLICATED), build.target("m1", 2), replicas=3),
            "the number of replicas changed",
            id="duplicated",
        ),
        pytest.param(
            asked(build.placement(division=build.DUPLICATED), build.target("m1", 3), replicas=3),
            "the object follows its clusters",
            id="follows",
        ),
        pytest.param(
            asked(build.placement(), build.target("m1", 2), replicas=3), "the object follows its clusters", id="no-block-never-by-number"
        ),
        pytest.param(asked(DIVIDED, build.target("m1"), kind="ConfigMap"), "the object follows its clusters", id="no-workload"),
    ],
)
def test_due(why, expected):
    assert why == expected


@pytest.mark.spec("D11", "R3.2")
def test_a_rebalance_is_carried_out_once():
    previous = build.binding(build.target("m1", 6), placement=DIVIDED, rescheduled_at="2026-08-01T12:00:00Z")
    request = build.request(DIVIDED, replicas=6, reschedule_at="2026-08-01T12:00:00Z")
    assert due(request, SNAPSHOT, previous, {"m1": previous.clusters[0]}) == ""


GROUPS = build.placement(groups=(build.group("g1", "m1"), build.group("g2", "m2")))


# "for clusterAffinities only the term with the currently observed name (if that term vanished or changed -> changed; an unobserved list ->
#  changed; adding or editing terms other than the observed one -> not changed)" (R3.2-1)
@pytest.mark.spec("C06", "R3.2")
@pytest.mark.parametrize(
    ("before", "after", "observed", "expected"),
    [
        pytest.param(M1, M1, "", False, id="equal"),
        pytest.param(M1, build.placement("m2"), "", True, id="affinity"),
        pytest.param(M1, build.placement("m1", spread=(build.spread(),)), "", True, id="spread"),
        pytest.param(M1, build.placement("m1", division=build.EQUAL), "", True, id="division"),
        pytest.param(
            GROUPS, build.placement(groups=(build.group("g1", "m1"), build.group("g2", "m9"))), "g1", False, id="another-group-edited"
        ),
        pytest.param(
            GROUPS, build.placement(groups=(*GROUPS.cluster_affinities, build.group("g3", "m3"))), "g1", False, id="a-group-added"
        ),
        pytest.param(
            GROUPS, build.placement(groups=(build.group("g1", "m9"), build.group("g2", "m2"))), "g1", True, id="the-used-group-edited"
        ),
        pytest.param(GROUPS, build.placement(groups=(build.group("g2", "m2"),)), "g1", True, id="the-used-group-gone"),
        pytest.param(GROUPS, build.placement(groups=(build.group("g2", "m2"), build.group("g1", "m1"))), "", True, id="nothing-observed"),
        pytest.param(M1, GROUPS, "", True, id="from-plain-to-groups"),
        pytest.param(GROUPS, M1, "g1", True, id="from-groups-to-plain"),
    ],
)
def test_placement_changed(before, after, observed, expected):
    assert placement_changed(before, after, observed) == expected


@pytest.mark.spec("R3.2")
def test_workload_affinity_counts_with_a_plain_affinity_only():
    together = WorkloadAffinity(affinity=AffinityGroup(group_by_label_key="app"))
    plain = build.placement("m1")
    assert placement_changed(plain, type(plain)(cluster_affinity=plain.cluster_affinity, workload_affinity=together), "")
    grouped = type(plain)(cluster_affinities=GROUPS.cluster_affinities, workload_affinity=together)
    assert not placement_changed(GROUPS, grouped, "g1")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        pytest.param({"follow": "all", "rate": "1/1m", "return_after": "1m"}, "", id="how-it-reacts-moves-nothing"),
        pytest.param({"replica_bounds": '[{"max": 5}]'}, "the placement changed", id="bounds"),
        pytest.param({"static_weights": "capped"}, "the placement changed", id="capped"),
    ],
)
def test_options_that_change(options, why):
    targets = {"m1": build.target("m1", 6)}
    request = build.request(DIVIDED, replicas=6, options=build.options(**options))
    assert due(request, SNAPSHOT, build.binding(*targets.values(), placement=DIVIDED), targets) == why
