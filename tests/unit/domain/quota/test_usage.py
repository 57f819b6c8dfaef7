"""What bindings use, and what quotas say to it."""

from __future__ import annotations

import pytest

from shoal.api.binding import Component, ReplicaRequirements
from shoal.domain.quota import Quota, exceeded, texts, usage_of
from support import build

SMALL = ReplicaRequirements(resource_request={"cpu": "500m", "memory": "1Ki"})


@pytest.mark.spec("R02", "R04", "R15.2")
@pytest.mark.parametrize(
    ("binding", "usage"),
    [
        pytest.param(build.binding(build.target("m1"), build.target("m2")), {"pods": 0}, id="no-pods"),
        pytest.param(
            build.binding(build.target("m1", 2), build.target("m2", 1), replicas=3, replica_requirements=SMALL),
            {"pods": 3000, "cpu": 1500, "memory": 3072000}, id="divided",
        ),
        pytest.param(
            build.binding(build.target("m1", 3), build.target("m2", 3), replicas=3, replica_requirements=SMALL),
            {"pods": 6000, "cpu": 3000, "memory": 6144000}, id="duplicated",
        ),
        pytest.param(build.binding(build.target("m1"), replicas=2), {"pods": 2000}, id="no-number-means-all"),
        pytest.param(
            build.binding(
                build.target("m1"), build.target("m2"),
                components=(Component(name="a", replicas=1, replica_requirements=SMALL), Component(name="b", replicas=3)),
            ),
            {"pods": 8000, "cpu": 1000, "memory": 2048000}, id="components",
        ),
    ],
)  # fmt: skip
def test_usage(binding, usage):
    assert usage_of(binding) == usage


@pytest.mark.spec("R02", "R15.2")
@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        pytest.param({}, {"cpu": 4000}, False, id="just-fits"),
        pytest.param({}, {"cpu": 4001}, True, id="one-too-many"),
        pytest.param({"cpu": 9000}, {"cpu": 8000}, False, id="decreases-pass"),
        pytest.param({"cpu": 9000}, {"cpu": 9000}, False, id="what-stands-passes"),
        pytest.param({"cpu": 9000}, {"cpu": 9001}, True, id="more-of-too-much"),
        pytest.param({}, {"memory": 10**9}, False, id="a-resource-that-no-quota-names"),
    ],
)
def test_exceeded(before, after, refused):
    quota = Quota(name="q", overall={"requests.cpu": 10000}, used={"cpu": 6000})
    said = exceeded((quota,), before, after)
    assert bool(said) == refused
    assert not refused or "FederatedResourceQuota q would be exceeded (requests.cpu: " in said


def test_texts():
    assert texts(("cpu", "requests.memory", "pods"), {"cpu": 1500, "memory": 2000}) == {"cpu": "1500m", "pods": "0", "requests.memory": "2"}
