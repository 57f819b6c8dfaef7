"""Kinds of Karmada that the hub checks and keeps, and what those say that nothing acts upon."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shoal.api.meta import Ref

WEB = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
QUOTA = "policy.karmada.io/v1alpha1", "FederatedResourceQuota", {"overall": {"cpu": "10"}}
TAINTS = "policy.karmada.io/v1alpha1", "ClusterTaintPolicy", {"taints": [{"key": "a", "effect": "NoSchedule"}]}
HPA = "autoscaling.karmada.io/v1alpha1", "FederatedHPA", {"scaleTargetRef": WEB, "maxReplicas": 5}
CRON = "autoscaling.karmada.io/v1alpha1", "CronFederatedHPA", {"scaleTargetRef": WEB, "rules": []}
SERVICE = "networking.karmada.io/v1alpha1", "MultiClusterService", {"types": ["CrossCluster"]}
SCRIPTS = (
    "config.karmada.io/v1alpha1",
    "ResourceInterpreterCustomization",
    {
        "target": {"apiVersion": "example.org/v1", "kind": "Fleet"},
        "customizations": {"retention": {"luaScript": "function Retain(desired, observed) return desired end"}},
    },
)
CLUSTER_SCOPED = ("ClusterTaintPolicy", "ResourceInterpreterCustomization")
PLURALS = {
    "FederatedResourceQuota": "federatedresourcequotas",
    "ClusterTaintPolicy": "clustertaintpolicies",
    "FederatedHPA": "federatedhpas",
    "CronFederatedHPA": "cronfederatedhpas",
    "MultiClusterService": "multiclusterservices",
    "ResourceInterpreterCustomization": "resourceinterpretercustomizations",
}
Told = tuple[str, str, dict[str, Any]]


def path_of(api_version: str, kind: str) -> str:
    return f"/apis/{api_version}/{'' if kind in CLUSTER_SCOPED else 'namespaces/default/'}{PLURALS[kind]}"


def made(told: Told, name: str = "web", **spec: Any) -> dict[str, Any]:
    api_version, kind, body = told
    metadata = {"name": name} | ({} if kind in CLUSTER_SCOPED else {"namespace": "default"})
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": body | spec}


@pytest.mark.parametrize("told", [pytest.param(one, id=one[1]) for one in (SERVICE, SCRIPTS)])
async def test_it_says_that_nothing_acts_upon_it(hub: Any, told: Told) -> None:
    api_version, kind, _ = told
    manifest = msgspec.json.encode(made(told)).decode()
    errors = await hub.kubectl("create", "-f", "-", "--warnings-as-errors", stdin=manifest, fails=True)
    assert f"Warning: {kind} is checked and kept, but Shoal does not act upon it" in errors
    _, shown = await hub.get(f"{path_of(api_version, kind)}/web")
    (condition,) = shown["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("Effective", "False", "NotActedOn")
    assert "finalizers" not in shown["metadata"]
    namespace = "" if kind in CLUSTER_SCOPED else "default"
    assert "status" not in (await hub.object(Ref(api_version.partition("/")[0], kind, namespace, "web"))).body


@pytest.mark.parametrize(
    ("manifest", "field"),
    [
        pytest.param(made(QUOTA, staticAssignments=[{"clusterName": "m1", "hard": {"cpu": "11"}}]), "spec.overall[cpu]", id="AA17"),
        pytest.param(made(TAINTS, taints=[{"key": "a", "effect": "NoExecute"}]), "spec.taints[0].effect", id="AA18"),
        pytest.param(made(HPA, minReplicas=9), "spec.maxReplicas", id="AA19-hpa"),
        pytest.param(made(CRON, rules=[{"name": "a", "schedule": "x", "targetReplicas": 1}]), "spec.rules[0].schedule", id="AA19-cron"),
        pytest.param(made(SERVICE, types=["LoadBalancer", "CrossCluster"]), "spec.types", id="AA20"),
        pytest.param(made(SCRIPTS, customizations={}), "spec.customizations", id="AA21"),
    ],
)
@pytest.mark.spec("AA17", "AA18", "AA19", "AA20", "AA21")
async def test_what_is_wrong_is_told_with_its_field(hub: Any, manifest: dict[str, Any], field: str) -> None:
    status, told = await hub.send("POST", path_of(manifest["apiVersion"], manifest["kind"]), manifest)
    assert (status, [cause["field"] for cause in told["details"]["causes"]]) == (422, [field])


@pytest.mark.spec("AA18", "AA21")
@pytest.mark.parametrize(
    ("told", "field"),
    [
        pytest.param(TAINTS, "spec.taints[0]", id="taint"),
        pytest.param(SCRIPTS, "spec.customizations.retention", id="script"),
    ],
)
async def test_two_objects_that_contradict_each_other(hub: Any, told: Told, field: str) -> None:
    path = path_of(*told[:2])
    assert (await hub.send("POST", path, made(told, "first")))[0] == 201
    status, refused = await hub.send("POST", path, made(told, "second"))
    assert (status, [cause["field"] for cause in refused["details"]["causes"]]) == (422, [field])
    assert "first" in refused["message"]


async def test_a_deploy_does_not_promise_it(hub: Any) -> None:
    status, told = await hub.deploy("1", application="shop", version="1", manifests=[made(SERVICE)])
    assert (status, told["accepted"], told["reason"]) == (422, False, "Forbidden")
    assert "no Service or EndpointSlice follows from it" in told["message"]


@pytest.mark.spec("AA22")
async def test_works_are_written_by_the_system_alone(hub: Any) -> None:
    work = {"apiVersion": "work.karmada.io/v1alpha1", "kind": "Work", "metadata": {"name": "w", "namespace": "karmada-es-m1"}, "spec": {}}
    status, told = await hub.send("POST", "/apis/work.karmada.io/v1alpha1/namespaces/karmada-es-m1/works", work)
    assert (status, told["reason"]) == (405, "MethodNotAllowed")
