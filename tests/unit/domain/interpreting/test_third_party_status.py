"""Kinds of other projects: health, what comes back of a copy, and the merged status (I02)."""

from __future__ import annotations

import pytest

from shoal.api.status import CopyStatus
from shoal.domain.interpreting import aggregate, health, reflect
from support import build


def of(api_version, kind, *, status=None, **spec):
    made = build.manifest(api_version, kind, "x", spec=spec)
    return {**made, "metadata": {**made["metadata"], "generation": 2}, **({"status": status} if status is not None else {})}


KRUISE, RAY, VOLCANO, KUBEFLOW = "apps.kruise.io/v1alpha1", "ray.io/v1", "batch.volcano.sh/v1alpha1", "kubeflow.org/v1"
FLINK, SPARK, ARGO, KYVERNO = "flink.apache.org/v1beta1", "sparkoperator.k8s.io/v1beta2", "argoproj.io/v1alpha1", "kyverno.io/v1"
HELM, SOURCE = "helm.toolkit.fluxcd.io/v2beta1", "source.toolkit.fluxcd.io/v1"
ROLLED = {"observedGeneration": 2, "updatedReplicas": 3, "availableReplicas": 3, "readyReplicas": 3}


def conditions(*true, **fields):
    return {"conditions": [{"type": kind, "status": "True"} for kind in true], **fields}


@pytest.mark.spec("I02", "J05", "GX22")
@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        pytest.param(of(KRUISE, "CloneSet", status=ROLLED, replicas=3), "Healthy", id="cloneset"),
        pytest.param(of(KRUISE, "CloneSet", status=ROLLED, replicas=4), "Unhealthy", id="cloneset-not-updated"),
        pytest.param(of(KRUISE, "CloneSet", replicas=3), "Unhealthy", id="cloneset-no-status"),
        pytest.param(of(KRUISE, "UnitedDeployment", status=ROLLED, replicas=3), "Healthy", id="united"),
        pytest.param(of(KRUISE, "UnitedDeployment", status={**ROLLED, "readyReplicas": 1}, replicas=3), "Unhealthy", id="united-not-ready"),
        pytest.param(of(KRUISE, "BroadcastJob", status={"desired": 2, "active": 2}), "Healthy", id="broadcast"),
        pytest.param(of(KRUISE, "BroadcastJob", status={"desired": 2, "failed": 1, "active": 1}), "Unhealthy", id="broadcast-failed"),
        pytest.param(
            of(KRUISE, "SidecarSet", status={"observedGeneration": 2, "matchedPods": 2, "updatedPods": 2}), "Healthy", id="sidecars"
        ),
        pytest.param(
            of(KRUISE, "SidecarSet", status={"observedGeneration": 2, "matchedPods": 2, "updatedPods": 1}), "Unhealthy", id="old-sidecars"
        ),
        pytest.param(of(ARGO, "Workflow", status={"phase": "Running"}), "Healthy", id="workflow"),
        pytest.param(of(ARGO, "Workflow", status={"phase": "Error"}), "Unhealthy", id="workflow-error"),
        pytest.param(of(ARGO, "Workflow"), "Unhealthy", id="workflow-unseen"),
        pytest.param(of(VOLCANO, "Job", status={"state": {"phase": "Pending"}}), "Healthy", id="volcano-pending"),
        pytest.param(of(VOLCANO, "Job", status={"state": {"phase": "Failed"}}), "Unhealthy", id="volcano-failed"),
        pytest.param(of(VOLCANO, "Job", status={}), "Unhealthy", id="volcano-unseen"),
        pytest.param(of(FLINK, "FlinkDeployment", status={"jobStatus": {"state": "RUNNING"}}), "Healthy", id="flink"),
        pytest.param(of(FLINK, "FlinkDeployment", status={"jobStatus": {"state": "FAILED"}}), "Healthy", id="flink-ended-by-itself"),
        pytest.param(of(FLINK, "FlinkDeployment", status={"jobStatus": {"state": "CREATED"}}), "Unhealthy", id="flink-starting"),
        pytest.param(
            of(FLINK, "FlinkDeployment", status={"jobStatus": {"state": "CREATED"}, "error": "no image"}), "Healthy", id="flink-user-error"
        ),
        pytest.param(of(FLINK, "FlinkDeployment", status={}), "Unhealthy", id="flink-unseen"),
        pytest.param(of(KUBEFLOW, "PyTorchJob", status=conditions("Running")), "Healthy", id="pytorch"),
        pytest.param(of(KUBEFLOW, "TFJob", status=conditions("Running", "Failed")), "Unhealthy", id="tensorflow-failed"),
        pytest.param(of(KUBEFLOW, "MPIJob", status={}), "Unhealthy", id="mpi-unseen"),
        pytest.param(of(KUBEFLOW, "Notebook", status={"containerState": {"running": {}}}), "Healthy", id="notebook"),
        pytest.param(
            of(KUBEFLOW, "Notebook", status={"containerState": {"terminated": {"exitCode": 137}}}), "Unhealthy", id="notebook-killed"
        ),
        pytest.param(of(RAY, "RayCluster", status={"state": "ready"}), "Healthy", id="ray-cluster"),
        pytest.param(of(RAY, "RayCluster", status={"state": "failed"}), "Unhealthy", id="ray-cluster-failed"),
        pytest.param(of(RAY, "RayJob", status={"jobDeploymentStatus": "Complete", "jobStatus": "SUCCEEDED"}), "Healthy", id="ray-job-done"),
        pytest.param(
            of(RAY, "RayJob", status={"jobDeploymentStatus": "Complete", "jobStatus": "FAILED"}), "Unhealthy", id="ray-job-failed"
        ),
        pytest.param(of(RAY, "RayService", status=conditions("Ready", "UpgradeInProgress")), "Healthy", id="ray-service-in-an-upgrade"),
        pytest.param(of(RAY, "RayService", status={}), "Unhealthy", id="ray-service-unseen"),
        pytest.param(of(SPARK, "SparkApplication", status={"applicationState": {"state": "RUNNING"}}), "Healthy", id="spark"),
        pytest.param(of(SPARK, "SparkApplication", status={"applicationState": {"state": "FAILED"}}), "Unhealthy", id="spark-failed"),
        pytest.param(of(KYVERNO, "Policy", status={"ready": True}), "Healthy", id="kyverno-old"),
        pytest.param(of(KYVERNO, "ClusterPolicy", status=conditions("Ready")), "Healthy", id="kyverno"),
        pytest.param(of(KYVERNO, "ClusterPolicy", status={"ready": False, **conditions("Ready")}), "Unhealthy", id="kyverno-not-ready"),
        pytest.param(of(HELM, "HelmRelease", status=conditions("Ready")), "Healthy", id="release"),
        pytest.param(of(HELM, "HelmRelease", status=conditions("Released")), "Unhealthy", id="release-not-ready"),
        pytest.param(of(SOURCE, "OCIRepository", status={}), "Unhealthy", id="source-unseen"),
    ],
)
def test_health(manifest, expected):
    assert health(manifest) == expected


def item(cluster, status, *, generation=9, template_generation=4):
    return CopyStatus(cluster=cluster, applied=True, status=status, generation=generation, template_generation=template_generation)


def merged(template, *statuses):
    return aggregate(template, [item(f"m{number}", status) for number, status in enumerate(statuses, 1)], 4)


@pytest.mark.spec("I02", "R8.3", "J06")
def test_counters_and_the_observed_generation():
    template = of(KRUISE, "CloneSet", status={"observedGeneration": 3})
    first = {"replicas": 2, "readyReplicas": 1, "updateRevision": "a", "observedGeneration": 9}
    second = {"replicas": 3, "updateRevision": "", "observedGeneration": 9}
    assert merged(template, first, second) == {"replicas": 5, "readyReplicas": 1, "updateRevision": "a", "observedGeneration": 4}
    assert merged(template, first, {**second, "observedGeneration": 8})["observedGeneration"] == 3
    assert merged(template, first, None)["observedGeneration"] == 3


@pytest.mark.spec("I02", "R8.3")
def test_training_jobs_end_as_native_jobs_do():
    job = of(KUBEFLOW, "PyTorchJob")
    done = conditions("Succeeded", completionTime="2026-01-01T00:02:00Z", startTime="2026-01-01T00:00:02Z")
    also = conditions("Succeeded", completionTime="2026-01-01T00:01:00Z", startTime="2026-01-01T00:00:01Z")
    status = merged(job, done, also)
    assert [(one["type"], one["reason"]) for one in status["conditions"]] == [("Succeeded", "Completed")]
    assert (status["startTime"], status["completionTime"]) == ("2026-01-01T00:00:01Z", "2026-01-01T00:02:00Z")
    half = merged(job, done, conditions("Running", replicaStatuses={"Worker": {"active": 2, "selector": "x"}}))
    assert "conditions" not in half
    assert "completionTime" not in half
    assert half["replicaStatuses"] == {"Worker": {"active": 2}}
    failed = merged(job, done, conditions("Failed", replicaStatuses={"Worker": {"failed": 1}}))
    assert [(one["type"], one["message"]) for one in failed["conditions"]] == [
        ("Failed", "PyTorchJob executed failed in member clusters m2")
    ]


@pytest.mark.spec("I02", "R8.3")
@pytest.mark.parametrize(
    ("template", "statuses", "expected"),
    [
        pytest.param(
            of(VOLCANO, "Job"),
            [
                {"running": 1, "taskStatusCount": {"w": {"phase": {"Running": 1}}}, "state": {"phase": "Running"}},
                {"running": 2, "taskStatusCount": {"w": {"phase": {"Running": 1, "Pending": 1}}}, "state": {"phase": "Failed"}},
            ],
            {"running": 3, "taskStatusCount": {"w": {"phase": {"Running": 2, "Pending": 1}}}, "state": {"phase": "Failed"}},
            id="volcano",
        ),
        pytest.param(
            of(FLINK, "FlinkDeployment"),
            [{"jobStatus": {"state": "RUNNING"}, "lifecycleState": "STABLE"}, None],
            {"jobStatus": {"state": "RUNNING"}, "lifecycleState": "STABLE"},
            id="flink",
        ),
        pytest.param(
            of(RAY, "RayCluster"),
            [{"state": "ready", "readyWorkerReplicas": 1}, {"state": "failed", "readyWorkerReplicas": 2}],
            {"state": "failed", "readyWorkerReplicas": 3},
            id="ray-cluster",
        ),
        pytest.param(
            of(RAY, "RayJob"),
            [{"jobStatus": "SUCCEEDED", "jobDeploymentStatus": "Complete"}, {"jobStatus": "RUNNING", "jobDeploymentStatus": "Running"}],
            {"jobStatus": "RUNNING", "jobDeploymentStatus": "Running"},
            id="ray-job-runs-while-one-copy-does",
        ),
        pytest.param(
            of(RAY, "RayService"),
            [{"numServeEndpoints": 1, "serviceStatus": "Running"}, {"numServeEndpoints": 2, "serviceStatus": ""}],
            {"numServeEndpoints": 3, "serviceStatus": ""},
            id="ray-service",
        ),
        pytest.param(
            of(SPARK, "SparkApplication"),
            [
                {"applicationState": {"state": "RUNNING"}, "executionAttempts": 1},
                {"applicationState": {"state": "FAILED", "errorMessage": "x"}, "executionAttempts": 2},
            ],
            {"applicationState": {"state": "FAILED", "errorMessage": "x"}, "executionAttempts": 3},
            id="spark",
        ),
        pytest.param(
            of(KYVERNO, "ClusterPolicy"),
            [{"ready": True, "rulecount": {"validate": 1, "mutate": 0}}, {"ready": False, "rulecount": {"validate": 1}}],
            {"ready": False, "rulecount": {"validate": 2, "mutate": 0}},
            id="kyverno",
        ),
        pytest.param(
            of(KRUISE, "AdvancedCronJob"),
            [{"active": [{"name": "a"}], "lastScheduleTime": "2026-01-01T00:00:00Z"}, {"active": [{"name": "b"}]}],
            {"active": [{"name": "a"}, {"name": "b"}], "lastScheduleTime": "2026-01-01T00:00:00Z"},
            id="advanced-cron-job",
        ),
        pytest.param(of(KYVERNO, "Policy"), [None], {}, id="nobody-has-said-anything"),
    ],
)
def test_aggregation(template, statuses, expected):
    status = merged(template, *statuses)
    status.pop("observedGeneration", None)
    assert status == expected


@pytest.mark.spec("I02", "R8.3")
def test_conditions_of_all_copies_name_their_clusters():
    ready = {"type": "Ready", "status": "True", "reason": "Succeeded"}
    stalled = {"type": "Ready", "status": "False", "reason": "Failed", "message": "no route"}
    statuses = [
        {"conditions": [{**ready, "message": "stored"}]},
        {"conditions": [{**ready, "message": "stored"}]},
        {"conditions": [stalled]},
    ]
    assert merged(of(SOURCE, "GitRepository"), *statuses)["conditions"] == [
        {**ready, "message": "m1=stored, m2=stored"},
        {**stalled, "message": "m3=no route"},
    ]


@pytest.mark.spec("I02", "R7.5")
def test_reflection_keeps_what_is_merged():
    release = of(HELM, "HelmRelease", status={**conditions("Ready"), "failures": 1, "history": [1], "observedGeneration": 2})
    assert reflect(release) == {**conditions("Ready"), "failures": 1, "observedGeneration": 2, "generation": 2}
    assert reflect(of(RAY, "RayCluster", status={"state": "ready", "other": 1})) == {"state": "ready", "other": 1}
