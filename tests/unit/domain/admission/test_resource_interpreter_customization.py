"""ResourceInterpreterCustomization at the door (AA21)."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.domain.admission import admit, clashes

SCRIPT = {"luaScript": "function GetReplicas(obj) return obj.spec.replicas end"}
TARGET = {"apiVersion": "example.org/v1", "kind": "Fleet"}


def customization(name: str = "c", target: dict[str, Any] = TARGET, **scripts: Any) -> dict[str, Any]:
    spec = {"target": target, "customizations": scripts}
    return {
        "apiVersion": "config.karmada.io/v1alpha1",
        "kind": "ResourceInterpreterCustomization",
        "metadata": {"name": name},
        "spec": spec,
    }


def refusals(manifest: dict[str, Any]) -> list[str]:
    return [f"{violation.path}: {violation.message}" for violation in admit(manifest)[1]]


def test_admitted() -> None:
    assert refusals(customization(replicaResource=SCRIPT, retention=SCRIPT, componentResource=SCRIPT)) == []


@pytest.mark.spec("AA21")
@pytest.mark.parametrize(
    ("manifest", "refusal"),
    [
        pytest.param(
            customization(),
            "spec.customizations: Required value: at least one of retention, replicaResource, componentResource, replicaRevision, "
            "statusReflection, statusAggregation, healthInterpretation, dependencyInterpretation",
            id="nothing-said",
        ),
        pytest.param(
            customization(replicaResource={"luaScript": " \n"}),
            "spec.customizations.replicaResource.luaScript: Required value: the whole function GetReplicas, from function to end",
            id="empty-script",
        ),
        pytest.param(
            customization(retention={"luaScript": "x" * 70_000}),
            "spec.customizations.retention.luaScript: Too long: may not be more than 65536 characters",
            id="long-script",
        ),
        pytest.param(customization(retention={}), "spec.customizations.retention.luaScript: Required value", id="no-script"),
        pytest.param(
            customization(target={"apiVersion": "v1", "kind": ""}, retention=SCRIPT),
            "spec.target.kind: Required value: the kind that the scripts speak of, such as apps/v1 Deployment",
            id="no-kind",
        ),
        pytest.param(
            customization(health=SCRIPT),
            "spec.customizations.health: unknown field; there are retention, replicaResource, componentResource, replicaRevision, "
            "statusReflection, statusAggregation, healthInterpretation, dependencyInterpretation",
            id="unknown-operation",
        ),
    ],
)
def test_refused(manifest: dict[str, Any], refusal: str) -> None:
    assert refusals(manifest) == [refusal]


@pytest.mark.spec("AA21")
@pytest.mark.parametrize(
    ("other", "paths"),
    [
        pytest.param(customization("older", replicaResource=SCRIPT), ["spec.customizations.replicaResource"], id="same-operation"),
        pytest.param(customization("older", healthInterpretation=SCRIPT), [], id="another-operation"),
        pytest.param(customization("older", TARGET | {"kind": "Ship"}, replicaResource=SCRIPT), [], id="another-kind"),
        pytest.param(customization("c", replicaResource=SCRIPT), [], id="itself"),
    ],
)
def test_one_script_for_an_operation_of_a_kind(other: dict[str, Any], paths: list[str]) -> None:
    new = customization(replicaResource=SCRIPT, retention=SCRIPT)
    found = clashes(new, [other])
    assert [one.path for one in found] == paths
    assert all("ResourceInterpreterCustomization older" in one.message for one in found)
