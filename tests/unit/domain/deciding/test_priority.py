"""Who is decided first."""

from __future__ import annotations

import pytest

from shoal.api.policy import SchedulePriority
from shoal.domain.deciding import pod_class_of, priority_of
from support import build

CLASSES = {"high": 1000, "low": -5}


@pytest.mark.spec("R05", "B29")
@pytest.mark.parametrize(
    ("source", "name", "pods", "priority"),
    [
        pytest.param("KubePriorityClass", "high", "", 1000, id="named"),
        pytest.param("KubePriorityClass", "low", "high", -5, id="below-zero"),
        pytest.param("KubePriorityClass", "missing", "", 0, id="no-such-class"),
        pytest.param("PodPriorityClass", "", "high", 1000, id="of-the-pods"),
        pytest.param("PodPriorityClass", "high", "", 0, id="the-pods-name-none"),
        pytest.param("FederatedPriorityClass", "high", "", 0, id="a-source-that-is-not-there-yet"),
        pytest.param(None, "", "high", 0, id="the-policy-does-not-ask"),
    ],
)
def test_priority_of(source, name, pods, priority):
    wanted = SchedulePriority(priority_class_source=source, priority_class_name=name) if source else None
    assert priority_of(wanted, pods, CLASSES) == priority


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        pytest.param(build.deployment(priorityClassName="high"), "high", id="named"),
        pytest.param(build.deployment(), "", id="none"),
        pytest.param(build.config_map(), "", id="no-pods"),
    ],
)
def test_pod_class_of(template, expected):
    assert pod_class_of(template) == expected
