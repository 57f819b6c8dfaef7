from __future__ import annotations

import pytest

from shoal.domain.interpreting import health, reflect
from support import build


def live(api_version, kind, status, *, generation=2, **spec):
    manifest = build.manifest(api_version, kind, "x", spec=spec, status=status)
    return {**manifest, "metadata": {**manifest["metadata"], "generation": generation}}


def rolled(updated, available, observed=2):
    return {"observedGeneration": observed, "updatedReplicas": updated, "availableReplicas": available}


def ready(word):
    return {"phase": "Running", "conditions": [{"type": "Ready", "status": word}]}


ADDRESS = {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}


@pytest.mark.spec("J05", "R7.4")
@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        pytest.param(live("apps/v1", "Deployment", rolled(3, 3), replicas=3), "Healthy", id="deployment"),
        pytest.param(live("apps/v1", "Deployment", rolled(3, 3, 1), replicas=3), "Unhealthy", id="deployment-not-observed"),
        pytest.param(live("apps/v1", "Deployment", rolled(2, 2), replicas=3), "Unhealthy", id="deployment-not-updated"),
        pytest.param(live("apps/v1", "Deployment", rolled(3, 2), replicas=3), "Unhealthy", id="deployment-not-available"),
        pytest.param(live("apps/v1", "Deployment", {}, replicas=3), "Unhealthy", id="deployment-no-status"),
        pytest.param(live("apps/v1", "Deployment", {"observedGeneration": 2}, replicas=0), "Healthy", id="deployment-scaled-to-0"),
        pytest.param(live("apps/v1", "Deployment", {"observedGeneration": 2, "updatedReplicas": "x"}), "Unknown", id="odd-status"),
        pytest.param(live("apps/v1", "StatefulSet", rolled(1, 1), replicas=1), "Healthy", id="statefulset"),
        pytest.param(
            live("apps/v1", "ReplicaSet", {"observedGeneration": 2, "availableReplicas": 1}, replicas=2), "Unhealthy", id="replicaset"
        ),
        pytest.param(
            live(
                "apps/v1",
                "DaemonSet",
                {"observedGeneration": 2, "updatedNumberScheduled": 3, "desiredNumberScheduled": 3, "numberAvailable": 3},
            ),
            "Healthy",
            id="daemonset",
        ),
        pytest.param(
            live("apps/v1", "DaemonSet", {"observedGeneration": 2, "desiredNumberScheduled": 3}), "Unhealthy", id="daemonset-not-updated"
        ),
        pytest.param(live("v1", "Service", {}, type="ClusterIP"), "Healthy", id="service"),
        pytest.param(live("v1", "Service", {}, type="LoadBalancer"), "Unhealthy", id="load-balancer-without-address"),
        pytest.param(live("v1", "Service", ADDRESS, type="LoadBalancer"), "Healthy", id="load-balancer"),
        pytest.param(live("networking.k8s.io/v1", "Ingress", ADDRESS), "Healthy", id="ingress"),
        pytest.param(live("networking.k8s.io/v1", "Ingress", {}), "Unhealthy", id="ingress-without-address"),
        pytest.param(live("v1", "PersistentVolumeClaim", {"phase": "Bound"}), "Healthy", id="claim"),
        pytest.param(live("v1", "PersistentVolumeClaim", {"phase": "Pending"}), "Unhealthy", id="claim-pending"),
        pytest.param(live("v1", "Pod", ready("True")), "Healthy", id="pod"),
        pytest.param(live("v1", "Pod", ready("False")), "Unhealthy", id="pod-not-ready"),
        pytest.param(live("v1", "Pod", {"phase": "Succeeded"}), "Healthy", id="pod-done"),
        pytest.param(live("policy/v1", "PodDisruptionBudget", {"currentHealthy": 1, "desiredHealthy": 2}), "Unhealthy", id="budget"),
        pytest.param(live("batch/v1", "Job", {"active": 1}), "Healthy", id="job"),
        pytest.param(live("batch/v1", "Job", {"conditions": [{"type": "Failed", "status": "True"}]}), "Unhealthy", id="job-failed"),
        pytest.param(live("v1", "Namespace", {"phase": "Terminating"}), "Unhealthy", id="namespace-going"),
        pytest.param(live("v1", "ConfigMap", None), "Healthy", id="no-rule"),
        pytest.param(live("example.com/v1", "Widget", {"phase": "Odd"}), "Healthy", id="unknown-kind"),
    ],
)
def test_health(manifest, expected):
    assert health(manifest) == expected


@pytest.mark.spec("J01", "R7.5")
def test_reflection_of_a_deployment_keeps_counts_and_generations():
    status = {**rolled(3, 3), "replicas": 3, "collisionCount": 1, "conditions": [{"type": "Available", "status": "True"}]}
    deployment = live("apps/v1", "Deployment", status)
    deployment["metadata"]["annotations"] = {"resourcetemplate.karmada.io/generation": "7"}
    expected = {key: value for key, value in status.items() if key != "collisionCount"}
    assert reflect(deployment) == {**expected, "generation": 2, "resourceTemplateGeneration": 7}
    assert "observedGeneration" not in reflect(live("apps/v1", "StatefulSet", rolled(1, 1)))


@pytest.mark.spec("R7.5")
@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        pytest.param(live("v1", "Service", ADDRESS, type="LoadBalancer"), ADDRESS, id="load-balancer"),
        pytest.param(live("v1", "Service", {"loadBalancer": {}}, type="ClusterIP"), None, id="other-service"),
        pytest.param(live("apps/v1", "DaemonSet", {"numberReady": 1, "x": 1}), {"numberReady": 1, "generation": 2}, id="daemonset"),
        pytest.param(live("apps/v1", "ReplicaSet", {"replicas": 1, "x": 1}), {"replicas": 1, "generation": 2}, id="replicaset"),
        pytest.param(live("policy/v1", "PodDisruptionBudget", {"expectedPods": 1, "x": 1}), {"expectedPods": 1}, id="budget"),
        pytest.param(live("batch/v1", "Job", {"active": 1, "uncountedTerminatedPods": {}}), {"active": 1}, id="job"),
        pytest.param(live("autoscaling/v2", "HorizontalPodAutoscaler", {"currentReplicas": 1, "x": 1}), {"currentReplicas": 1}, id="hpa"),
        pytest.param(live("example.com/v1", "Widget", {"phase": "Odd"}), {"phase": "Odd"}, id="whole-status"),
        pytest.param(live("apps/v1", "Deployment", {}), None, id="no-status-yet"),
        pytest.param(live("v1", "ConfigMap", None), None, id="none"),
    ],
)
def test_reflection(manifest, expected):
    assert reflect(manifest) == expected
