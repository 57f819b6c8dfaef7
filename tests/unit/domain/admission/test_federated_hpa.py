"""FederatedHPA at the door (AA19)."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.domain.admission import admit

WEB = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}


def hpa(**spec: Any) -> dict[str, Any]:
    body = {"scaleTargetRef": WEB, "maxReplicas": 5} | spec
    metadata = {"name": "h", "namespace": "shop"}
    return {"apiVersion": "autoscaling.karmada.io/v1alpha1", "kind": "FederatedHPA", "metadata": metadata, "spec": body}


def refusals(manifest: dict[str, Any]) -> list[str]:
    return [f"{violation.path}: {violation.message}" for violation in admit(manifest)[1]]


def resource(**target: Any) -> dict[str, Any]:
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


PODS = {"type": "Pods", "pods": {"metric": {"name": "qps"}, "target": {"type": "AverageValue", "averageValue": "100"}}}
OBJECT = {
    "type": "Object",
    "object": {"metric": {"name": "qps"}, "describedObject": WEB, "target": {"type": "Value", "value": "10k"}},
}


@pytest.mark.spec("AA19")
def test_defaults() -> None:
    spec = admit(hpa())[0]["spec"]
    assert spec["minReplicas"] == 1
    assert spec["metrics"] == [resource(type="Utilization", averageUtilization=80)]


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param(hpa(metrics=[PODS, OBJECT], minReplicas=5), id="metrics"),
        pytest.param(
            hpa(behavior={"scaleDown": {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}}),
            id="behaviour",
        ),
        pytest.param(hpa() | {"status": {"currentReplicas": 3, "anything": []}}, id="status-is-not-looked-at"),
    ],
)
def test_admitted(manifest: dict[str, Any]) -> None:
    assert refusals(manifest) == []


METRIC = "spec.metrics[0]"


@pytest.mark.spec("AA19")
@pytest.mark.parametrize(
    ("manifest", "refusal"),
    [
        pytest.param(hpa(minReplicas=0), "spec.minReplicas: must be greater than or equal to 1", id="to-zero"),
        pytest.param(hpa(maxReplicas=0), "spec.maxReplicas: must be greater than 0", id="no-maximum"),
        pytest.param(hpa(minReplicas=6), "spec.maxReplicas: must be greater than or equal to `minReplicas`, which is 6", id="bounds-cross"),
        pytest.param(hpa(maxReplicas=None), "spec.maxReplicas: Required value", id="maximum-is-required"),
        pytest.param(
            hpa(scaleTargetRef=WEB | {"name": ""}),
            "spec.scaleTargetRef.name: Required value: what is scaled, such as Deployment web of apps/v1",
            id="target",
        ),
        pytest.param(
            hpa(metrics=[{"type": "External"}]),
            f"{METRIC}.type: Unsupported value: 'External'; write one of Resource, ContainerResource, Pods, Object",
            id="external",
        ),
        pytest.param(
            hpa(metrics=[{"type": "Pods"}]),
            f"{METRIC}.pods: Required value: must populate the given metric source of type Pods",
            id="no-source",
        ),
        pytest.param(
            hpa(metrics=[PODS | {"object": OBJECT["object"]}]),
            f"{METRIC}.object: may not be specified beside type Pods: leave it out",
            id="two-sources",
        ),
        pytest.param(
            hpa(metrics=[resource(type="Value", value="1")]),
            f"{METRIC}.resource.target.type: Unsupported value: 'Value'; write one of Utilization, AverageValue",
            id="target-type",
        ),
        pytest.param(
            hpa(metrics=[resource(type="Utilization")]),
            f"{METRIC}.resource.target.averageUtilization: Required value: a target of type Utilization has its number here",
            id="no-number",
        ),
        pytest.param(
            hpa(metrics=[resource(type="AverageValue", averageValue="0")]),
            f"{METRIC}.resource.target.averageValue: must be positive: write a number or quantity above 0",
            id="zero",
        ),
        pytest.param(
            hpa(
                metrics=[{"type": "ContainerResource", "containerResource": resource(type="Utilization", averageUtilization=1)["resource"]}]
            ),
            f"{METRIC}.containerResource.container: Required value: must specify a container",
            id="container",
        ),
        pytest.param(
            hpa(metrics=[OBJECT | {"object": {key: value for key, value in OBJECT["object"].items() if key != "describedObject"}}]),
            f"{METRIC}.object.describedObject: Required value: must specify the object that is measured",
            id="object",
        ),
        pytest.param(
            hpa(behavior={"scaleUp": {"stabilizationWindowSeconds": 3601}}),
            "spec.behavior.scaleUp.stabilizationWindowSeconds: must be between 0 and 3600, inclusive",
            id="window",
        ),
        pytest.param(
            hpa(behavior={"scaleUp": {"selectPolicy": "Most"}}),
            "spec.behavior.scaleUp.selectPolicy: Unsupported value: 'Most'; write one of Max, Min, Disabled",
            id="select-policy",
        ),
        pytest.param(
            hpa(behavior={"scaleUp": {"policies": [{"type": "Pods", "value": 0, "periodSeconds": 60}]}}),
            "spec.behavior.scaleUp.policies[0].value: must be greater than zero",
            id="policy-value",
        ),
        pytest.param(
            hpa(behavior={"scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 1801}]}}),
            "spec.behavior.scaleUp.policies[0].periodSeconds: must be between 1 and 1800, inclusive",
            id="policy-period",
        ),
        pytest.param(
            hpa(behavior={"scaleUp": {"tolerance": "-1"}}),
            'spec.behavior.scaleUp.tolerance: must be a quantity of 0 or more, such as "0.05"',
            id="tolerance",
        ),
        pytest.param(
            hpa(metrics=[PODS | {"pod": {}}]),
            f"{METRIC}.pod: unknown field; did you mean pods?",
            id="unknown-field",
        ),
    ],
)
def test_refused(manifest: dict[str, Any], refusal: str) -> None:
    assert refusals(manifest) == [refusal]
