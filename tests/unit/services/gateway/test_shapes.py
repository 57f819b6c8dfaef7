"""Bindings and works in Karmada's shapes."""

import pytest

from shoal.api.binding import REPLACEMENT_READY, Binding, Claim, Removal, TargetCluster
from shoal.api.meta import Condition, Ref
from shoal.api.status import CopyStatus, TemplateStatus
from shoal.api.work import Work
from shoal_gateway import shapes

NGINX = Ref("apps", "Deployment", "default", "nginx")


@pytest.mark.spec("R2.1", "R2.2", "R6.4")
def test_names() -> None:
    assert shapes.binding_ref(NGINX) == Ref("work.karmada.io", "ResourceBinding", "default", "nginx-deployment")
    role = Ref("rbac.authorization.k8s.io", "ClusterRole", "", "system:reader")
    assert shapes.binding_ref(role) == Ref("work.karmada.io", "ClusterResourceBinding", "", "system.reader-clusterrole")
    assert shapes.work_ref("m1", NGINX) == Ref("work.karmada.io", "Work", "karmada-es-m1", "nginx-687f7fb96f")


def test_binding() -> None:
    binding = Binding(
        template_uid="u",
        template_revision=3,
        claim=Claim(policy=Ref("policy.karmada.io", "PropagationPolicy", "default", "p"), uid="puid", revision=2),
        replicas=3,
        clusters=(TargetCluster(name="m1", replicas=3),),
        removals={
            "m2": Removal(reason="ClusterLost", author="health-monitor", wait_for=REPLACEMENT_READY),
            "m3": Removal(reason="x", author="y"),
        },
        conditions=(Condition(type="Scheduled", status="True", reason="Success"),),
    )
    status = TemplateStatus(template_uid="u", fully_applied=True, copies=(CopyStatus(cluster="m1", applied=True, health="Healthy"),))
    made = shapes.binding_object(
        NGINX, binding, api_version="apps/v1", revision=7, created="2026-01-01T00:00:00Z", change="C", status=status
    )
    assert made["metadata"]["labels"] == {"propagationpolicy.karmada.io/permanent-id": "puid"}
    assert made["metadata"]["ownerReferences"][0]["uid"] == "u"
    assert made["spec"]["resource"] == {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "default", "name": "nginx", "uid": "u"}
    assert made["spec"]["clusters"] == [{"name": "m1", "replicas": 3}]
    assert [task["fromCluster"] for task in made["spec"]["gracefulEvictionTasks"]] == ["m2"]
    assert [one["type"] for one in made["status"]["conditions"]] == ["Scheduled", "FullyApplied"]
    assert made["status"]["aggregatedStatus"] == [{"clusterName": "m1", "applied": True, "health": "Healthy"}]


@pytest.mark.parametrize(
    ("copy", "applied", "reason"),
    [
        pytest.param(None, "Unknown", "Pending", id="not-heard"),
        pytest.param(CopyStatus(cluster="m1", work_revision=4, applied=True), "Unknown", "Pending", id="heard-of-an-older-revision"),
        pytest.param(CopyStatus(cluster="m1", work_revision=5, applied=True), "True", "AppliedSuccessful", id="applied"),
        pytest.param(CopyStatus(cluster="m1", work_revision=5, reason="Conflict", message="not ours"), "False", "Conflict", id="refused"),
    ],
)
def test_work(copy: CopyStatus | None, applied: str, reason: str) -> None:
    work = Work(cluster="m1", epoch=2, template_uid="u", template_revision=3, manifest={"apiVersion": "apps/v1", "kind": "Deployment"})
    made = shapes.work_object(NGINX, work, revision=5, created="2026-01-01T00:00:00Z", change="C", copy=copy)
    (condition,) = made["status"]["conditions"]
    assert (condition["status"], condition["reason"]) == (applied, reason)
    assert made["spec"]["workload"]["manifests"] == [work.manifest]
    assert made["metadata"]["annotations"]["resourcebinding.karmada.io/name"] == "nginx-deployment"
