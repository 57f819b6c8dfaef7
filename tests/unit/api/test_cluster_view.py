"""What the user says of a cluster and what the monitor believes of it, in one noun."""

from __future__ import annotations

import pytest

from shoal.api.cluster import (
    APIEnablement,
    APIResource,
    Cluster,
    ClusterSpec,
    ClusterStatus,
    Grade,
    ResourceModel,
    ResourceRange,
    ResourceSummary,
    Taint,
)
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


def models(*bounds):
    return tuple(ResourceModel(grade=grade, ranges=(ResourceRange(name="cpu", min=low),)) for grade, low in enumerate(bounds))


def counted(*counts):
    return tuple({"grade": grade, "count": count} for grade, count in counts)


TWO_GRADES = (Grade(number=0, least={"cpu": "0"}), Grade(number=1, least={"cpu": "1500m"}))


@pytest.mark.spec("L11", "R4.17")
@pytest.mark.parametrize(
    ("spec", "counts", "counted_by", "expected"),
    [
        pytest.param(
            models("0", "1", "2"), counted((1, 2), (2, 1)), (), ((0, {"cpu": 0}), (2, {"cpu": 1000}), (1, {"cpu": 2000})), id="user"
        ),
        pytest.param(models("0", 4), counted((0, 3), (1, 2)), TWO_GRADES, ((3, {"cpu": 0}), (2, {"cpu": 1500})), id="the-spec-is-newer"),
        pytest.param((), counted((0, 3), (1, 2)), TWO_GRADES, ((3, {"cpu": 0}), (2, {"cpu": 1500})), id="the-spec-has-none-any-more"),
        pytest.param(models("0", "1"), (), (), (), id="nothing-counted-yet"),
        pytest.param((), counted((0, 3)), (), (), id="counts-of-nobody-knows-what"),
    ],
)
def test_models_join_counts_and_the_bounds_they_were_counted_by(spec, counts, counted_by, expected):
    summary = ResourceSummary(allocatable={"cpu": "4"}, allocatable_modelings=counts)
    cluster = Cluster(metadata=ObjectMeta(name="m1"), spec=ClusterSpec(resource_models=spec))
    view = view_of(cluster, belief(status=ClusterStatus(resource_summary=summary), grades=counted_by))
    assert view.models == expected


@pytest.mark.spec("C17")
def test_deleting_and_forgotten():
    leaving = Cluster(metadata=ObjectMeta(name="m1", deletion_timestamp="2026-08-01T12:00:00Z"))
    assert view_of(leaving, belief()).deleting
    assert not view_of(leaving, belief()).ready
    assert view_of(CLUSTER, belief(LOST), forgotten=True).deleting
