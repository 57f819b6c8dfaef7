"""Taints keep new copies away and leave what runs."""

from __future__ import annotations

import pytest

from shoal.api.policy import Toleration
from support import build
from support.plugin import refused

TOLERATE_ALL = (Toleration(operator="Exists"),)


@pytest.mark.spec("C08", "C09", "C18", "R3.4")
@pytest.mark.parametrize(
    ("taint", "tolerations", "current", "expected"),
    [
        pytest.param(build.taint("gpu"), (), (), "TaintNotTolerated", id="untolerated"),
        pytest.param(build.taint("gpu", "NoExecute"), (), (), "TaintNotTolerated", id="no-execute-blocks-too"),
        pytest.param(build.taint("gpu", "PreferNoSchedule"), (), (), None, id="a-preference-blocks-nothing"),
        pytest.param(build.taint("cluster.karmada.io/unschedulable"), (), ("m1",), None, id="cordoned-keeps-what-runs"),
        pytest.param(build.taint("gpu", value="a"), (Toleration(key="gpu", value="a"),), (), None, id="equal"),
        pytest.param(build.taint("gpu", value="b"), (Toleration(key="gpu", value="a"),), (), "TaintNotTolerated", id="other-value"),
        pytest.param(
            build.taint("gpu"), (Toleration(key="gpu", operator="Exists", effect="NoExecute"),), (), "TaintNotTolerated", id="other-effect"
        ),
        pytest.param(build.taint("gpu"), TOLERATE_ALL, (), None, id="everything-tolerated"),
    ],
)
def test_taint_toleration(taint, tolerations, current, expected):
    result = refused("TaintToleration", build.cluster("m1", taints=(taint,)), to=build.placement(tolerations=tolerations), current=current)
    assert result.get("m1") == expected
