"""What is being left does not get it back meanwhile."""

from __future__ import annotations

import pytest

from support import build
from support.plugin import refused


@pytest.mark.spec("N11", "R3.4")
def test_cluster_eviction():
    assert refused("ClusterEviction", build.cluster("m1"), build.cluster("m2"), leaving=("m1",)) == {"m1": "ClusterEvicting"}
