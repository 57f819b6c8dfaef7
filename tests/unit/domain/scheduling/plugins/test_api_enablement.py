"""New copies go only where their kind is served."""

from __future__ import annotations

import pytest

from support import build
from support.plugin import refused


# "cluster already in the result, or the kind is listed in its API enablements" (R3.4)
@pytest.mark.spec("C16", "R3.4")
@pytest.mark.parametrize(
    ("current", "expected"),
    [pytest.param((), {"m1": "APINotEnabled"}, id="a-new-cluster"), pytest.param(("m1",), {}, id="already-there")],
)
def test_api_enablement(current, expected):
    bare = build.cluster("m1", apis=frozenset({("apps/v1", "DaemonSet")}))
    assert refused("APIEnablement", bare, build.cluster("m2"), current=current) == expected


@pytest.mark.spec("C16")
def test_api_enablement_compares_versions():
    old = build.cluster("m1", apis=frozenset({("apps/v1beta1", "Deployment")}))
    assert refused("APIEnablement", old) == {"m1": "APINotEnabled"}
