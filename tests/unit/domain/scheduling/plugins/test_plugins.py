"""Each plugin alone: which clusters it refuses, and what it lets pass."""

from __future__ import annotations

import pytest

from shoal.api.policy import Placement, Toleration
from shoal.api.status import JOINING, LOST, SUSPECT
from shoal.domain.scheduling import PLUGINS, Snapshot
from shoal.domain.scheduling.question import Question
from support import build


def refused(plugin, *clusters, to=None, current=(), leaving=(), overflow=(), **facts):
    """Cluster -> reason, of one plugin."""
    snapshot = Snapshot(clusters)
    request = build.request(to or Placement(), **facts)
    affinities = (request.placement.cluster_affinity, *overflow)
    question = Question(request, snapshot, affinities, snapshot.bits(current), snapshot.bits(leaving))
    return {name: rejection.reason for bits, rejection in PLUGINS[plugin](question) for name in snapshot.names_in(bits)}


@pytest.mark.spec("C17", "R3.4")
def test_cluster_deletion():
    assert refused("ClusterDeletion", build.cluster("m1", deleting=True), build.cluster("m2"), current=("m1",)) == {"m1": "ClusterDeleting"}


# "cluster already in the result, or the kind is listed in its API enablements" (R3.4)
@pytest.mark.spec("C16", "R3.4")
@pytest.mark.parametrize(
    ("current", "expected"),
    [pytest.param((), {"m1": "APINotEnabled"}, id="a-new-cluster"), pytest.param(("m1",), {}, id="already-there")],
)
def test_api_enablement(current, expected):
    bare = build.cluster("m1", apis=frozenset({("apps/v1", "DaemonSet")}))
    assert refused("APIEnablement", bare, build.cluster("m2"), current=current) == expected


@pytest.mark.spec("C16")
def test_api_enablement_compares_versions():
    old = build.cluster("m1", apis=frozenset({("apps/v1beta1", "Deployment")}))
    assert refused("APIEnablement", old) == {"m1": "APINotEnabled"}


@pytest.mark.spec("C01", "R3.4")
def test_cluster_affinity_has_no_exemption_for_what_runs():
    assert refused("ClusterAffinity", build.cluster("m1"), build.cluster("m2"), to=build.placement("m1"), current=("m2",)) == {
        "m2": "AffinityMismatch"
    }


@pytest.mark.spec("C07", "R3.4")
def test_cluster_affinity_with_overflow():
    result = refused(
        "ClusterAffinity",
        build.cluster("m1"),
        build.cluster("m2"),
        build.cluster("m3"),
        to=build.placement("m1"),
        overflow=(build.affinity("m2"),),
    )
    assert result == {"m3": "AffinityMismatch"}


TOLERATE_ALL = (Toleration(operator="Exists"),)


@pytest.mark.spec("C08", "C09", "C18", "R3.4")
@pytest.mark.parametrize(
    ("taint", "tolerations", "current", "expected"),
    [
        pytest.param(build.taint("gpu"), (), (), "TaintNotTolerated", id="untolerated"),
        pytest.param(build.taint("gpu", "NoExecute"), (), (), "TaintNotTolerated", id="no-execute-blocks-too"),
        pytest.param(build.taint("gpu", "PreferNoSchedule"), (), (), None, id="a-preference-blocks-nothing"),
        pytest.param(build.taint("cluster.karmada.io/unschedulable"), (), ("m1",), None, id="cordoned-keeps-what-runs"),
        pytest.param(build.taint("gpu", value="a"), (Toleration(key="gpu", value="a"),), (), None, id="equal"),
        pytest.param(build.taint("gpu", value="b"), (Toleration(key="gpu", value="a"),), (), "TaintNotTolerated", id="other-value"),
        pytest.param(
            build.taint("gpu"), (Toleration(key="gpu", operator="Exists", effect="NoExecute"),), (), "TaintNotTolerated", id="other-effect"
        ),
        pytest.param(build.taint("gpu"), TOLERATE_ALL, (), None, id="everything-tolerated"),
    ],
)
def test_taint_toleration(taint, tolerations, current, expected):
    result = refused("TaintToleration", build.cluster("m1", taints=(taint,)), to=build.placement(tolerations=tolerations), current=current)
    assert result.get("m1") == expected


@pytest.mark.spec("C19", "R3.3")
@pytest.mark.parametrize("state", [JOINING, SUSPECT, LOST])
def test_cluster_health(state):
    clusters = (build.cluster("m1", state=state), build.cluster("m2"))
    assert refused("ClusterHealth", *clusters, to=build.placement(tolerations=TOLERATE_ALL)) == {"m1": "ClusterNotReady"}
    assert refused("ClusterHealth", *clusters, current=("m1",)) == {}


@pytest.mark.spec("C11", "C12", "R3.4")
def test_spread_constraint():
    clusters = (build.cluster("m1", region="hz", provider="ali", zones=("z1",)), build.cluster("m2", region="hz"))
    assert refused("SpreadConstraint", *clusters, to=build.placement(spread=(build.spread("region"),))) == {}
    assert refused("SpreadConstraint", *clusters, to=build.placement(spread=(build.spread("provider"),))) == {"m2": "SpreadPropertyMissing"}
    assert refused("SpreadConstraint", *clusters, to=build.placement(spread=(build.spread("zone"),))) == {"m2": "SpreadPropertyMissing"}


@pytest.mark.spec("N11", "R3.4")
def test_cluster_eviction():
    assert refused("ClusterEviction", build.cluster("m1"), build.cluster("m2"), leaving=("m1",)) == {"m1": "ClusterEvicting"}


@pytest.mark.spec("N12")
def test_failover_preference():
    clusters = [build.cluster(name) for name in ("m1", "m2", "m3")]
    tiers = (frozenset({"m1"}),)
    assert refused("FailoverPreference", *clusters, prefer=tiers, strict=True, current=("m3",)) == {"m2": "NotPreferred"}
    assert refused("FailoverPreference", *clusters, prefer=tiers) == {}


# "every *other* binding of the same namespace and affinity group with a non-empty result targets the cluster" (R3.4)
@pytest.mark.spec("C14", "R3.4")
def test_workload_affinity():
    clusters = [build.cluster(name) for name in ("m1", "m2", "m3")]
    peers = (frozenset({"m1", "m2"}), frozenset({"m1"}))
    assert refused("WorkloadAffinity", *clusters, affinity_peers=peers, current=("m3",)) == {"m2": "WorkloadAffinityMismatch"}
    assert refused("WorkloadAffinity", *clusters) == {}


@pytest.mark.spec("C15", "R3.4")
def test_workload_anti_affinity():
    clusters = [build.cluster(name) for name in ("m1", "m2", "m3")]
    peers = (frozenset({"m1"}), frozenset({"m2"}))
    assert refused("WorkloadAntiAffinity", *clusters, anti_affinity_peers=peers, current=("m2",)) == {"m1": "WorkloadAntiAffinityMismatch"}
