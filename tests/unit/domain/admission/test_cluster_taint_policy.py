"""ClusterTaintPolicy at the door (AA18)."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.domain.admission import admit, clashes

CUT = {"key": "network", "effect": "NoSchedule"}
DOWN = {"conditionType": "Ready", "operator": "NotIn", "statusValues": ["True"]}


def policy(*taints: dict[str, Any], name: str = "p", **spec: Any) -> dict[str, Any]:
    body = {"addOnConditions": [DOWN], "taints": list(taints)} | spec
    return {"apiVersion": "policy.karmada.io/v1alpha1", "kind": "ClusterTaintPolicy", "metadata": {"name": name}, "spec": body}


def refusals(manifest: dict[str, Any]) -> list[str]:
    return [f"{violation.path}: {violation.message}" for violation in admit(manifest)[1]]


def test_admitted() -> None:
    whole = policy(
        CUT, {"key": "a", "effect": "NoSchedule", "value": "b"}, removeOnConditions=[DOWN | {"operator": "In"}], targetClusters={}
    )
    assert refusals(whole) == []


@pytest.mark.spec("AA18")
@pytest.mark.parametrize(
    ("manifest", "refusal"),
    [
        pytest.param(
            policy(CUT | {"effect": "NoExecute"}),
            "spec.taints[0].effect: NoExecute is not allowed in a policy, since a condition that flaps would evict workloads: write NoSchedule, "
            "or taint the Cluster",
            id="no-execute",
        ),
        pytest.param(
            policy(CUT | {"effect": "Never"}), "spec.taints[0].effect: Unsupported value: 'Never'; write one of NoSchedule", id="effect"
        ),
        pytest.param(policy(CUT, CUT), "spec.taints[1]: Duplicate value: taint(network:NoSchedule) already exist", id="twice"),
        pytest.param(policy(), "spec.taints: Required value: at least one taint that the conditions set and remove", id="no-taint"),
        pytest.param(
            policy(CUT, addOnConditions=[DOWN | {"operator": "Exists"}]),
            "spec.addOnConditions[0].operator: Unsupported value: 'Exists'; write one of In, NotIn",
            id="operator",
        ),
        pytest.param(
            policy(CUT, removeOnConditions=[DOWN | {"statusValues": ["True", "Yes"]}]),
            "spec.removeOnConditions[0].statusValues[1]: Unsupported value: 'Yes'; write one of True, False, Unknown",
            id="status-value",
        ),
        pytest.param(
            policy(CUT, addOnConditions=[DOWN | {"statusValues": []}]),
            "spec.addOnConditions[0].statusValues: Required value: at least one of True, False, Unknown",
            id="no-status-value",
        ),
        pytest.param(
            policy(CUT, addOnConditions=[DOWN | {"conditionType": ""}]),
            "spec.addOnConditions[0].conditionType: Required value: the type of a condition in the Cluster's status, such as Ready",
            id="no-condition",
        ),
        pytest.param(
            policy(CUT | {"key": "-"}),
            "spec.taints[0].key: the name part has to be 1 to 63 letters, digits, '-', '_' or '.', with a letter or digit at both ends",
            id="key",
        ),
        pytest.param(
            policy(CUT, targetClusters={"fieldSelector": {"matchExpressions": [{"key": "name", "operator": "In", "values": ["x"]}]}}),
            "spec.targetClusters.fieldSelector.matchExpressions[0].key: unsupported key 'name', must be provider, region, or zone",
            id="target",
        ),
    ],
)
def test_refused(manifest: dict[str, Any], refusal: str) -> None:
    assert refusals(manifest) == [refusal]


@pytest.mark.spec("AA18")
def test_two_policies_do_not_share_a_taint() -> None:
    new, others = (
        policy({"key": "a", "effect": "NoSchedule"}, CUT),
        [policy(CUT, name="older"), {"metadata": {"name": "broken"}, "spec": 1}],
    )
    assert [(one.path, one.message) for one in clashes(new, others)] == [
        ("spec.taints[1]", "Duplicate value: taint(network:NoSchedule) is set by ClusterTaintPolicy older; change that one")
    ]
    assert clashes(new, [policy(CUT)]) == ()
