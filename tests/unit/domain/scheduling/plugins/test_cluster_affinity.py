"""Only clusters that the placement speaks of."""

from __future__ import annotations

import pytest

from support import build
from support.plugin import refused


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
