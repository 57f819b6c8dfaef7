"""Volcano (batch.volcano.sh): a Job of tasks that start together."""

from __future__ import annotations

from shoal.api.meta import Manifest
from shoal.api.replicas import Replicas
from shoal.domain.interpreting.interpreter import Interpreter
from shoal.domain.interpreting.metadata import at, maps, number
from shoal.domain.interpreting.third_party.merging import Fields
from shoal.domain.interpreting.third_party.reading import components, needs_of_pods, pods_at

_PODS = ("spec", "tasks", "*", "template", "spec")
_FIELDS = Fields(
    summed=(
        "minAvailable",
        "pending",
        "running",
        "succeeded",
        "failed",
        "terminating",
        "unknown",
        "retryCount",
        "taskStatusCount",
    ),
    carried=("version", "controlledResources", "runningDuration"),
    worst={"state": ("Failed", "Unknown", "Terminated", "Terminating", "Aborted", "Aborting", "Restarting", "Pending", "Running")},
    conditions=True,
)
_UNHEALTHY = ("", "Failed", "Unknown")


def replicas(manifest: Manifest) -> Replicas:
    """What has to be there for a task to start: `minAvailable`, which is all of its replicas when it is not given."""
    tasks = maps(at(manifest, "spec", "tasks"))
    return components(
        manifest,
        [
            (
                str(task.get("name") or f"task-{position}"),
                number(task.get("minAvailable"), number(task.get("replicas"), 1)),
                at(task, "template", "spec") or {},
            )
            for position, task in enumerate(tasks, 1)
        ],
    )


def healthy(live: Manifest) -> bool:
    return (at(live, "status", "state", "phase") or "") not in _UNHEALTHY


INTERPRETERS = (
    Interpreter(
        group="batch.volcano.sh",
        kind="Job",
        replicas=replicas,
        reflect=_FIELDS.reflect,
        health=healthy,
        aggregate=_FIELDS.aggregate,
        dependencies=needs_of_pods(_PODS),
        pods=pods_at(_PODS),
    ),
)
