"""How many further replicas a cluster has room for."""

from __future__ import annotations

import pytest

from shoal.api.binding import ReplicaRequirements
from shoal.domain.scheduling.estimate import room_for
from support import build


def needs(**requests):
    return ReplicaRequirements(resource_request=requests)


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
        pytest.param(build.cluster(models=((9, {"cpu": 0}),)), needs(cpu="1"), 0, id="the-lowest-grade-holds-nothing"),
    ],
)
def test_room_for(cluster, requirements, expected):
    assert room_for(cluster, requirements) == expected
