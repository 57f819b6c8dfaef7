"""Ray (ray.io): a head and groups of workers, alone, for a job, or for a service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from shoal.api.meta import Manifest
from shoal.api.replicas import Replicas
from shoal.domain.interpreting.conditions import holds
from shoal.domain.interpreting.interpreter import Interpreter
from shoal.domain.interpreting.metadata import at, maps, number
from shoal.domain.interpreting.third_party.merging import Fields
from shoal.domain.interpreting.third_party.reading import Group, Place, components, needs_of_pods, pods_at

GROUP = "ray.io"

_CLUSTER = Fields(
    summed=("desiredWorkerReplicas", "availableWorkerReplicas", "readyWorkerReplicas", "minWorkerReplicas", "maxWorkerReplicas"),
    carried=("desiredCPU", "desiredGPU", "desiredMemory", "desiredTPU", "endpoints", "head", "stateTransitionTimes", "reason"),
    latest=("lastUpdateTime",),
    worst={"state": ("failed", "unhealthy", "suspended", "", "ready")},
    conditions=True,
)
_JOB = Fields(
    carried=("jobId", "rayClusterName", "dashboardURL", "rayJobInfo", "reason", "message"),
    summed=("succeeded", "failed"),
    earliest=("startTime",),
    latest=("endTime",),
    worst={
        "jobStatus": ("FAILED", "STOPPED", "PENDING", "RUNNING", "SUCCEEDED"),
        "jobDeploymentStatus": (
            "Failed",
            "ValidationFailed",
            "Retrying",
            "Suspended",
            "Suspending",
            "Waiting",
            "Initializing",
            "Running",
            "Complete",
        ),
    },
)
_SERVICE = Fields(
    summed=("numServeEndpoints",),
    carried=("activeServiceStatus", "pendingServiceStatus"),
    latest=("lastUpdateTime",),
    worst={"serviceStatus": ("", "Running")},
    conditions=True,
)


def _groups(spec: Any) -> Iterator[Group]:
    """The head, then each group of workers; one replica of a group may span several hosts, each of which is a pod."""
    if head := at(spec, "headGroupSpec", "template", "spec"):
        yield "ray-head", 1, head
    for position, group in enumerate(maps(at(spec, "workerGroupSpecs")), 1):
        pods = number(group.get("replicas"), number(group.get("minReplicas"))) * number(group.get("numOfHosts"), 1)
        yield str(group.get("groupName") or f"worker-{position}"), pods, at(group, "template", "spec") or {}


def _replicas(*path: str) -> Callable[[Manifest], Replicas]:
    return lambda manifest: components(manifest, _groups(at(manifest, *path)))


def _pods(*path: str) -> tuple[Place, ...]:
    return (*path, "headGroupSpec", "template", "spec"), (*path, "workerGroupSpecs", "*", "template", "spec")


def _cluster_healthy(live: Manifest) -> bool:
    return bool(at(live, "status", "state") == "ready")


def _job_healthy(live: Manifest) -> bool:
    """Runs or has succeeded."""
    deployment, job = at(live, "status", "jobDeploymentStatus"), at(live, "status", "jobStatus")
    return bool(deployment == "Running" or (deployment == "Complete" and job == "SUCCEEDED"))


def _service_healthy(live: Manifest) -> bool:
    """Ready also while an upgrade runs: it serves."""
    return holds(live.get("status") or {}, "Ready")


_CLUSTER_PODS = _pods("spec")
_JOB_PODS = (*_pods("spec", "rayClusterSpec"), ("spec", "submitterPodTemplate", "spec"))
_SERVICE_PODS = _pods("spec", "rayClusterConfig")

INTERPRETERS = (
    Interpreter(
        group=GROUP,
        kind="RayCluster",
        replicas=_replicas("spec"),
        health=_cluster_healthy,
        aggregate=_CLUSTER.aggregate,
        dependencies=needs_of_pods(*_CLUSTER_PODS),
        pods=pods_at(*_CLUSTER_PODS),
    ),
    Interpreter(
        group=GROUP,
        kind="RayJob",
        replicas=_replicas("spec", "rayClusterSpec"),
        health=_job_healthy,
        aggregate=_JOB.aggregate,
        dependencies=needs_of_pods(*_JOB_PODS),
        pods=pods_at(*_JOB_PODS),
    ),
    Interpreter(
        group=GROUP,
        kind="RayService",
        replicas=_replicas("spec", "rayClusterConfig"),
        health=_service_healthy,
        aggregate=_SERVICE.aggregate,
        dependencies=needs_of_pods(*_SERVICE_PODS),
        pods=pods_at(*_SERVICE_PODS),
    ),
)
