"""Workloads of a group never meet."""

from __future__ import annotations

import pytest

from support import build
from support.plugin import refused


@pytest.mark.spec("C15", "R3.4")
def test_workload_anti_affinity():
    clusters = [build.cluster(name) for name in ("m1", "m2", "m3")]
    peers = (frozenset({"m1"}), frozenset({"m2"}))
    assert refused("WorkloadAntiAffinity", *clusters, anti_affinity_peers=peers, current=("m2",)) == {"m1": "WorkloadAntiAffinityMismatch"}
