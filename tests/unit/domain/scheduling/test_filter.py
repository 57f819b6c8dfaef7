"""The plugins in a row: the first reason counts, and the summary counts the reasons."""

from __future__ import annotations

import pytest

from shoal.domain.scheduling import PLUGINS, Snapshot, chosen
from shoal.domain.scheduling.filter import run_filters, summary
from shoal.domain.scheduling.question import Question
from support import build


def filtered(clusters, to, **facts):
    snapshot = Snapshot(clusters)
    question = Question(build.request(to), snapshot, (to.cluster_affinity,), snapshot.bits(facts.get("current", ())), 0)
    return snapshot, run_filters(question, facts.get("plugins", PLUGINS))


# "each rejected cluster records its first reason. No cluster left -> FitError with text `0/<N> clusters are available: ...`" (R3.4)
@pytest.mark.spec("E01", "E05", "R3.4")
def test_first_reason_and_summary():
    clusters = (
        build.cluster("m1", taints=(build.taint("gpu", value="yes"),)),
        build.cluster("m2", apis=frozenset(), taints=(build.taint("gpu", value="yes"),)),
        build.cluster("m3", taints=(build.taint("gpu", value="yes"),)),
        build.cluster("m4"),
    )
    snapshot, result = filtered(clusters, build.placement(exclude=("m4",)))
    assert result.feasible == 0
    assert {name: rejection.reason for bits, rejection in result.refusals for name in snapshot.names_in(bits)} == {
        "m1": "TaintNotTolerated",
        "m2": "APINotEnabled",
        "m3": "TaintNotTolerated",
        "m4": "AffinityMismatch",
    }
    assert summary(snapshot, result.refusals) == (
        "0/4 clusters are available: 1 cluster(s) did not have the API resource, "
        "1 cluster(s) did not match the placement cluster affinity constraint, 2 cluster(s) had untolerated taint {gpu=yes:NoSchedule}."
    )


def test_no_clusters_at_all():
    snapshot, result = filtered((), build.placement())
    assert summary(snapshot, result.refusals) == "0/0 clusters are available."


@pytest.mark.spec("C17")
def test_forgotten_clusters_are_not_even_counted():
    snapshot, result = filtered((build.cluster("m1", forgotten=True), build.cluster("m2", deleting=True)), build.placement())
    assert summary(snapshot, result.refusals) == "0/1 clusters are available: 1 cluster(s) are being deleted."


@pytest.mark.spec("E03")
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(["*"], list(PLUGINS), id="all"),
        pytest.param(["*", "-TaintToleration"], [name for name in PLUGINS if name != "TaintToleration"], id="all-but-one"),
        pytest.param(["ClusterAffinity", "APIEnablement"], ["APIEnablement", "ClusterAffinity"], id="the-order-of-the-table-stays"),
        pytest.param([], [], id="none"),
    ],
)
def test_chosen(names, expected):
    assert list(chosen(names)) == expected


@pytest.mark.spec("E03")
def test_a_disabled_plugin_refuses_nothing():
    clusters = (build.cluster("m1", taints=(build.taint("gpu"),)),)
    assert filtered(clusters, build.placement())[1].feasible == 0
    assert filtered(clusters, build.placement(), plugins=chosen(["*", "-TaintToleration"]))[1].feasible == 1


def test_an_unknown_plugin_is_told():
    with pytest.raises(ValueError, match="Nonsense is no filter plugin; there are ClusterDeletion, "):
        chosen(["*", "-Nonsense"])
