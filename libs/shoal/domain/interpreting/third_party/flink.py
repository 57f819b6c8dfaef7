"""Flink (flink.apache.org): a job manager and its task managers."""

from __future__ import annotations

from collections.abc import Iterator

from shoal.api.meta import Manifest
from shoal.api.replicas import Replicas
from shoal.domain.interpreting.interpreter import Interpreter
from shoal.domain.interpreting.metadata import at, number
from shoal.domain.interpreting.third_party.merging import Fields
from shoal.domain.interpreting.third_party.reading import Group, components, memory_bytes, pod_with

_FIELDS = Fields(
    carried=(
        "clusterInfo",
        "error",
        "jobManagerDeploymentStatus",
        "jobStatus",
        "lifecycleState",
        "reconciliationStatus",
        "taskManager",
    ),
)
_STARTING = ("CREATED", "INITIALIZING", "RECONCILING")


def replicas(manifest: Manifest) -> Replicas:
    return components(manifest, _groups(manifest))


def _groups(manifest: Manifest) -> Iterator[Group]:
    spec = at(manifest, "spec") or {}
    yield "jobmanager", number(at(spec, "jobManager", "replicas"), 1), _pod(spec, "jobManager")
    yield "taskmanager", number(at(spec, "taskManager", "replicas"), _task_managers(spec)), _pod(spec, "taskManager")


def _task_managers(spec: Manifest) -> int:
    """As many as the job's parallelism fills with task slots; 1 when one of both is not given."""
    slots = number((spec.get("flinkConfiguration") or {}).get("taskmanager.numberOfTaskSlots"))
    parallelism = number(at(spec, "job", "parallelism"))
    return -(-parallelism // slots) if slots and parallelism else 1


def _pod(spec: Manifest, role: str) -> Manifest:
    """Memory is in Flink's spelling, where `2048m` is 2 GiB."""
    resource = at(spec, role, "resource") or {}
    requests = {"cpu": resource.get("cpu"), "memory": memory_bytes(resource.get("memory"))}
    pod = at(spec, role, "podTemplate", "spec") or at(spec, "podTemplate", "spec")
    return pod_with({name: value for name, value in requests.items() if value}, pod)


def healthy(live: Manifest) -> bool:
    """A job that is starting is not healthy yet, unless an error says that the user has to act: another cluster would not help."""
    status = live.get("status") or {}
    state = at(status, "jobStatus", "state")
    if state is None or state in _STARTING:
        return bool(status.get("error")) or (state is not None and status.get("jobManagerDeploymentStatus") == "ERROR")
    return True


INTERPRETERS = (
    Interpreter(
        group="flink.apache.org",
        kind="FlinkDeployment",
        replicas=replicas,
        reflect=_FIELDS.reflect,
        health=healthy,
        aggregate=_FIELDS.aggregate,
    ),
)
