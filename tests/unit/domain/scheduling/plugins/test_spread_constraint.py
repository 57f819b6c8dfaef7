"""A cluster without the property cannot be counted."""

from __future__ import annotations

import pytest

from support import build
from support.plugin import refused


@pytest.mark.spec("C11", "C12", "R3.4")
def test_spread_constraint():
    clusters = (build.cluster("m1", region="hz", provider="ali", zones=("z1",)), build.cluster("m2", region="hz"))
    assert refused("SpreadConstraint", *clusters, to=build.placement(spread=(build.spread("region"),))) == {}
    assert refused("SpreadConstraint", *clusters, to=build.placement(spread=(build.spread("provider"),))) == {"m2": "SpreadPropertyMissing"}
    assert refused("SpreadConstraint", *clusters, to=build.placement(spread=(build.spread("zone"),))) == {"m2": "SpreadPropertyMissing"}
