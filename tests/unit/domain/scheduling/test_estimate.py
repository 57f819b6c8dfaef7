"""How many further replicas a cluster has room for."""

from __future__ import annotations

import pytest

from shoal.api.binding import Component, ReplicaRequirements
from shoal.domain.scheduling.estimate import amounts, room_for, sets_for
from support import build


def needs(**requests):
    return ReplicaRequirements(resource_request=requests)


GPU = {"nvidia.com/gpu": "1"}
GRADES = ((0, {"cpu": 0, "memory": 0}), (2, {"cpu": 1000, "memory": 4 * 1024**3 * 1000}), (1, {"cpu": 2000, "memory": 16 * 1024**3 * 1000}))


@pytest.mark.spec("Q01", "R4.16", "R4.17", "L11")
@pytest.mark.parametrize(
    ("cluster", "requirements", "expected"),
    [
        pytest.param(build.cluster(pods=None), needs(cpu="1"), 0, id="no-summary"),
        pytest.param(build.cluster(pods=0, free={"cpu": "9"}), needs(cpu="1"), 0, id="no-pods-left"),
        pytest.param(build.cluster(pods=7), None, 7, id="no-requirements-count-pods"),
        pytest.param(build.cluster(pods=7), needs(cpu="0"), 7, id="a-request-of-nothing"),
        pytest.param(build.cluster(pods=78, free={"cpu": "5", "memory": "14Gi"}), needs(cpu="500m", memory="1Gi"), 10, id="Ex-4-j"),
        pytest.param(build.cluster(pods=3, free={"cpu": "5"}), needs(cpu="500m"), 3, id="pods-limit-too"),
        pytest.param(build.cluster(free={"cpu": "5"}), needs(**{"nvidia.com/gpu": "1"}), 0, id="a-resource-the-cluster-does-not-have"),
        pytest.param(build.cluster(models=GRADES), needs(cpu="1500m", memory="4Gi"), 1, id="Ex-4-k-only-the-big-node"),
        pytest.param(build.cluster(models=GRADES), needs(cpu="1", memory="4Gi"), 4, id="Ex-4-k-all-nodes"),
        pytest.param(build.cluster(pods=2, models=GRADES), needs(cpu="1", memory="4Gi"), 2, id="pods-limit-the-models"),
        pytest.param(build.cluster(free={"nvidia.com/gpu": "3"}, models=GRADES), needs(cpu="1", **GPU), 3, id="gpus-no-grade-speaks-of"),
        pytest.param(build.cluster(free={"nvidia.com/gpu": "9"}, models=GRADES), needs(cpu="1", **GPU), 4, id="gpus-and-nodes-for-them"),
        pytest.param(build.cluster(models=GRADES), needs(cpu="1", **GPU), 0, id="no-gpus-on-graded-nodes"),
        pytest.param(build.cluster(free={"nvidia.com/gpu": "4"}), needs(**{"nvidia.com/gpu": "2"}), 2, id="gpus-by-two"),
        pytest.param(build.cluster(models=((9, {"cpu": 0}),)), needs(cpu="1"), 0, id="the-lowest-grade-holds-nothing"),
        pytest.param(build.cluster(models=((0, {"cpu": 1000}),)), needs(cpu="1"), 0, id="counted-and-no-node-left"),
    ],
)
def test_room_for(cluster, requirements, expected):
    assert room_for(cluster, amounts(requirements)) == expected


# Ex 4-l: "Set = 1x(1 cpu,2Gi) + 3x(2 cpu,4Gi) = 7 cpu,14Gi,4 pods; free 20 cpu,30Gi,9 pods -> min(2,2,2) = 2 sets."
SET = (
    Component(name="manager", replicas=1, replica_requirements=needs(cpu="1", memory="2Gi")),
    Component(name="worker", replicas=3, replica_requirements=needs(cpu="2", memory="4Gi")),
)
NODES = ((2, {"cpu": 4000, "memory": 8 * 1024**3 * 1000}),)


@pytest.mark.spec("D15", "Q04", "R4.20")
@pytest.mark.parametrize(
    ("cluster", "expected"),
    [
        pytest.param(build.cluster(pods=9, free={"cpu": "20", "memory": "30Gi"}), 2, id="Ex-4-l"),
        pytest.param(build.cluster(pods=7, free={"cpu": "20", "memory": "30Gi"}), 1, id="pods-limit"),
        pytest.param(build.cluster(pods=9, free={"cpu": "20"}), 0, id="a-resource-is-missing"),
        pytest.param(build.cluster(pods=None), 0, id="no-summary"),
        pytest.param(build.cluster(models=NODES, free={"nvidia.com/gpu": "0"}), 1, id="gpus-that-nobody-asks-for"),
        pytest.param(build.cluster(models=NODES), 1, id="on-nodes-1+2-and-2"),
        pytest.param(build.cluster(models=((1, NODES[0][1]),)), 0, id="one-node-is-not-enough"),
        pytest.param(build.cluster(pods=3, models=NODES), 0, id="pods-limit-the-nodes"),
    ],
)
def test_sets_for(cluster, expected):
    assert sets_for(cluster, SET) == expected
