"""Remedy at the door."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.domain.admission import admit

DOWN = {"clusterConditionMatch": {"conditionType": "Ready", "operator": "NotEqual", "conditionStatus": "True"}}


def refusals(**spec: Any) -> list[str]:
    body = {"actions": ["TrafficControl"]} | spec
    remedy = {"apiVersion": "remedy.karmada.io/v1alpha1", "kind": "Remedy", "metadata": {"name": "r"}, "spec": body}
    return [f"{violation.path}: {violation.message}" for violation in admit(remedy)[1]]


def but(**fields: str) -> list[dict[str, Any]]:
    return [{"clusterConditionMatch": DOWN["clusterConditionMatch"] | fields}]


def test_admitted() -> None:
    assert refusals(decisionMatches=[DOWN], clusterAffinity={"clusterNames": ["m1"]}) == []
    assert refusals() == []


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        pytest.param({"actions": []}, "spec.actions: Required value: at least one of TrafficControl", id="no-action"),
        pytest.param({"actions": ["Reboot"]}, "spec.actions[0]: Unsupported value: 'Reboot'; write one of TrafficControl", id="action"),
        pytest.param(
            {"decisionMatches": but(operator="In")},
            "spec.decisionMatches[0].clusterConditionMatch.operator: Unsupported value: 'In'; write one of Equal, NotEqual",
            id="operator",
        ),
        pytest.param(
            {"decisionMatches": but(conditionStatus="yes")},
            "spec.decisionMatches[0].clusterConditionMatch.conditionStatus: Unsupported value: 'yes'; write one of True, False, Unknown",
            id="status",
        ),
        pytest.param(
            {"decisionMatches": but(conditionType="")},
            "spec.decisionMatches[0].clusterConditionMatch.conditionType: Required value: the type of a condition in the Cluster's status, such as Ready",
            id="type",
        ),
        pytest.param(
            {"decisionMatches": [{}]},
            "spec.decisionMatches[0].clusterConditionMatch: Required value: the condition of a Cluster that decides; "
            "leave decisionMatches out to act always",
            id="an-empty-match",
        ),
        pytest.param(
            {"clusterAffinity": {"clusterNames": ["M_1"]}},
            "spec.clusterAffinity.clusterNames[0]: name of a cluster has to be 1 to 48 lower case letters, digits or '-', with a letter or digit at both ends",
            id="cluster",
        ),
    ],
)
def test_refused(spec: dict[str, Any], told: str) -> None:
    assert refusals(**spec) == [told]
