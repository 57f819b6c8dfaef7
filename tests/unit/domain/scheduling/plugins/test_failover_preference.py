"""A replacement goes only into the listed tiers."""

from __future__ import annotations

import pytest

from support import build
from support.plugin import refused


@pytest.mark.spec("N12")
def test_failover_preference():
    clusters = [build.cluster(name) for name in ("m1", "m2", "m3")]
    tiers = (frozenset({"m1"}),)
    assert refused("FailoverPreference", *clusters, prefer=tiers, strict=True, current=("m3",)) == {"m2": "NotPreferred"}
    assert refused("FailoverPreference", *clusters, prefer=tiers) == {}
