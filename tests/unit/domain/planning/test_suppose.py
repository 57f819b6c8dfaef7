from __future__ import annotations

import msgspec
import pytest

from shoal.api.cluster import APIEnablement, APIResource, Cluster, ClusterSpec, ClusterStatus, ResourceSummary
from shoal.api.cluster_view import view_of
from shoal.api.meta import ObjectMeta
from shoal.api.status import LOST, READY, Belief
from shoal.domain.planning import joined, lost
from support import build

APPS = (APIEnablement(group_version="apps/v1", resources=(APIResource(name="deployments", kind="Deployment"),)),)


def neighbour(name: str, *, region: str, provider: str = "alpha", state: str = READY, cpu: str = "8") -> tuple[Cluster, Belief]:
    summary = ResourceSummary(allocatable={"cpu": cpu, "pods": "110"}, allocated={"cpu": "7"})
    belief = Belief(member=name, state=state, since="", status=ClusterStatus(api_enablements=APPS, resource_summary=summary))
    return Cluster(metadata=ObjectMeta(name=name), spec=ClusterSpec(region=region, provider=provider)), belief


def manifest(**more: object) -> dict[str, object]:
    spec = {"region": "hz", "provider": "alpha"}
    return {"apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster", "metadata": {"name": "new"}, "spec": spec, **more}


def test_a_lost_cluster_is_as_the_monitor_would_say_it() -> None:
    before = Belief(member="id", state=READY, since="2026-01-01T00:00:00Z", status=ClusterStatus(api_enablements=APPS))
    after = lost(before, now=build.NOW)
    assert (after.state, after.member, after.since) == (LOST, "id", "2026-08-01T12:00:00Z")
    assert [(taint.key, taint.effect) for taint in after.taints] == [("cluster.karmada.io/unreachable", "NoSchedule")]
    assert after.status.api_enablements == APPS
    assert [(one.type, one.status) for one in after.status.conditions] == [("Ready", "Unknown")]


@pytest.mark.parametrize(
    ("others", "like"),
    [
        pytest.param([neighbour("a", region="bj", cpu="4"), neighbour("b", region="hz", provider="beta", cpu="6")], "b", id="same-region"),
        pytest.param([neighbour("a", region="x", provider="beta"), neighbour("b", region="bj", cpu="6")], "b", id="same-provider"),
        pytest.param([neighbour("a", region="hz", state=LOST), neighbour("b", region="bj", cpu="6")], "b", id="lost-ones-are-no-example"),
    ],
)
def test_a_newcomer_without_a_status_is_like_its_nearest_neighbour(others, like) -> None:
    found = joined(manifest(), others, now=build.NOW)
    seen = view_of(Cluster(metadata=ObjectMeta(name="new"), spec=ClusterSpec()), found.belief)
    assert seen.ready
    assert ("apps/v1", "Deployment") in seen.apis
    assert seen.free is not None
    assert seen.free["cpu"] == 6000  # As large as its neighbour, and empty.
    assert f"serves what {like} serves" in found.assumptions[0]
    assert seen.member == "", "nobody is there who could be asked anything"


@pytest.mark.spec("L11")
def test_how_full_the_nodes_of_its_neighbour_are_says_nothing_of_a_newcomer() -> None:
    cluster, belief = neighbour("a", region="hz")
    summary = ResourceSummary(allocatable={"cpu": "8"}, allocatable_modelings=({"grade": 0, "count": 3},))
    status = msgspec.structs.replace(belief.status, resource_summary=summary)
    found = joined(manifest(), [(cluster, msgspec.structs.replace(belief, status=status))], now=build.NOW)
    assert found.belief.status.resource_summary == ResourceSummary(allocatable={"cpu": "8"})


def test_a_status_of_its_own_counts() -> None:
    status = {"apiEnablements": [{"groupVersion": "batch/v1", "resources": [{"name": "jobs", "kind": "Job"}]}]}
    found = joined(manifest(status=status), [neighbour("a", region="hz")], now=build.NOW)
    assert [one.group_version for one in found.belief.status.api_enablements] == ["batch/v1"]
    assert found.assumptions == ("cluster new is Ready",)


def test_the_first_cluster_of_all() -> None:
    found = joined(manifest(), [], now=build.NOW)
    assert found.belief.state == READY
    assert "nothing is known" in found.assumptions[0]
