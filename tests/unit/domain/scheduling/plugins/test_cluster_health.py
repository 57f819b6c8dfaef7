"""New copies go only to clusters that are heard."""

from __future__ import annotations

import pytest

from shoal.api.status import JOINING, LOST, SUSPECT
from support import build
from support.plugin import refused


@pytest.mark.spec("C19", "R3.3")
@pytest.mark.parametrize("state", [JOINING, SUSPECT, LOST])
def test_cluster_health(state):
    clusters = (build.cluster("m1", state=state), build.cluster("m2"))
    assert refused("ClusterHealth", *clusters, to=build.placement(tolerations=(build.tolerate(effect=""),))) == {"m1": "ClusterNotReady"}
    assert refused("ClusterHealth", *clusters, current=("m1",)) == {}
