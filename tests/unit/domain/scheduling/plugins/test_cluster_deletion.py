"""Clusters that are being deleted take nothing."""

from __future__ import annotations

import pytest

from support import build
from support.plugin import refused


@pytest.mark.spec("C17", "R3.4")
def test_cluster_deletion():
    assert refused("ClusterDeletion", build.cluster("m1", deleting=True), build.cluster("m2"), current=("m1",)) == {"m1": "ClusterDeleting"}
