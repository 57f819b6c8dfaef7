"""Groups of clusters by region, provider, zones and labels."""

from __future__ import annotations

import pytest

from shoal.domain.scheduling.topology import groups_by, key_of
from support import build

CLUSTERS = (
    build.cluster("m1", region="hz", provider="ali", zones=("a",), labels={"rack": "r1"}),
    build.cluster("m2", region="hz", provider="aws", zones=("b", "a"), labels={"rack": "r2"}),
    build.cluster("m3", zones=("c", "d")),
    build.cluster("m4"),
    build.cluster("m5", zones=("d",)),
)


@pytest.mark.spec("GX09", "C12", "C13")
@pytest.mark.parametrize(
    ("key", "expected"),
    [
        pytest.param("region", ("hz", "hz", "", "", ""), id="region"),
        pytest.param("provider", ("ali", "aws", "", "", ""), id="provider"),
        pytest.param("zone", ("a+b", "a+b", "c+d", "", "c+d"), id="clusters-that-share-a-zone-are-one-group"),
        pytest.param("label:rack", ("r1", "r2", "", "", ""), id="label"),
    ],
)
def test_groups_by(key, expected):
    assert groups_by(key, CLUSTERS) == expected


def test_key_of():
    assert [key_of("cluster", ""), key_of("zone", ""), key_of("", "rack")] == ["", "zone", "label:rack"]
