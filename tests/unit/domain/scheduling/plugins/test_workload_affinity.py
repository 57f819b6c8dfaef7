"""Workloads of a group share their clusters."""

from __future__ import annotations

import pytest

from support import build
from support.plugin import refused


# "every *other* binding of the same namespace and affinity group with a non-empty result targets the cluster" (R3.4)
@pytest.mark.spec("C14", "R3.4")
def test_workload_affinity():
    clusters = [build.cluster(name) for name in ("m1", "m2", "m3")]
    peers = (frozenset({"m1", "m2"}), frozenset({"m1"}))
    assert refused("WorkloadAffinity", *clusters, affinity_peers=peers, current=("m3",)) == {"m2": "WorkloadAffinityMismatch"}
    assert refused("WorkloadAffinity", *clusters) == {}
