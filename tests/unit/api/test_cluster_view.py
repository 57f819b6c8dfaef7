"""What the user says of a cluster and what the monitor believes of it, in one noun."""

from __future__ import annotations

import pytest

from shoal.api.cluster import APIEnablement, APIResource, Cluster, ClusterSpec, ClusterStatus, ResourceSummary, Taint
from shoal.api.cluster_view import view_of
from shoal.api.meta import ObjectMeta
from shoal.api.status import JOINING, LOST, READY, Belief

CLUSTER = Cluster(metadata=ObjectMeta(name="m1", labels={"env": "prod"}), spec=ClusterSpec(region="hz", zone="z1"))


def belief(state=READY, **fields):
    return Belief(member="id-1", state=state, since="2026-08-01T12:00:00Z", **fields)


def test_without_a_belief_it_is_joining():
    view = view_of(CLUSTER, None)
    assert (view.state, view.ready, view.apis, view.free) == (JOINING, False, frozenset(), None)
    assert (view.region, view.zones, view.labels) == ("hz", ("z1",), {"env": "prod"})


def test_taints_of_both_are_joined_and_the_users_win():
    spec = ClusterSpec(taints=(Taint(key="gpu", value="user"), Taint(key="mine")))
    view = view_of(Cluster(metadata=ObjectMeta(name="m1"), spec=spec), belief(taints=(Taint(key="gpu", value="belief"), Taint(key="lost"))))
    assert [(taint.key, taint.value) for taint in view.taints] == [("gpu", "user"), ("lost", ""), ("mine", "")]


@pytest.mark.spec("C16", "L09")
def test_apis_come_from_the_belief():
    status = ClusterStatus(
        api_enablements=(APIEnablement(group_version="apps/v1", resources=(APIResource(name="deployments", kind="Deployment"),)),)
    )
    assert view_of(CLUSTER, belief(status=status)).apis == {("apps/v1", "Deployment")}


# Ex 4-j: "allocatable cpu 10, mem 20Gi, pods 110; allocated 4, 6Gi, 30; allocating 1 cpu, 2 pods" -> cpu 5, mem 14Gi, pods 78 are free.
@pytest.mark.spec("R4.16", "L10")
def test_free_is_what_nobody_has():
    summary = ResourceSummary(
        allocatable={"cpu": "10", "memory": "20Gi", "pods": "110"},
        allocated={"cpu": "4", "memory": "6Gi", "pods": "30"},
        allocating={"cpu": "1", "pods": "2"},
    )
    view = view_of(CLUSTER, belief(status=ClusterStatus(resource_summary=summary)))
    assert view.free == {"cpu": 5_000, "memory": 14 * 1024**3 * 1000, "pods": 78_000}


def test_free_is_never_negative():
    summary = ResourceSummary(allocatable={"cpu": "1"}, allocated={"cpu": "2"})
    assert view_of(CLUSTER, belief(status=ClusterStatus(resource_summary=summary))).free == {"cpu": 0}


@pytest.mark.spec("L11", "R4.17")
def test_models_join_counts_and_lower_bounds():
    grades = tuple({"grade": grade, "ranges": [{"name": "cpu", "min": low}]} for grade, low in ((0, "0"), (1, "1"), (2, "2")))
    summary = ResourceSummary(allocatable={"cpu": "4"}, allocatable_modelings=({"grade": 1, "count": 2}, {"grade": 2, "count": 1}))
    cluster = Cluster(metadata=ObjectMeta(name="m1"), spec=ClusterSpec(resource_models=grades))
    view = view_of(cluster, belief(status=ClusterStatus(resource_summary=summary)))
    assert view.models == ((0, {"cpu": 0}), (2, {"cpu": 1000}), (1, {"cpu": 2000}))


@pytest.mark.spec("C17")
def test_deleting_and_forgotten():
    leaving = Cluster(metadata=ObjectMeta(name="m1", deletion_timestamp="2026-08-01T12:00:00Z"))
    assert view_of(leaving, belief()).deleting
    assert not view_of(leaving, belief()).ready
    assert view_of(CLUSTER, belief(LOST), forgotten=True).deleting
