"""Pod (core), where a user propagates one by hand."""

from __future__ import annotations

from collections.abc import Sequence

from shoal.api.meta import Manifest
from shoal.api.replicas import Replicas
from shoal.api.status import CopyStatus
from shoal.domain.interpreting.conditions import holds
from shoal.domain.interpreting.interpreter import Interpreter
from shoal.domain.interpreting.metadata import at, maps, put
from shoal.domain.interpreting.pods import pod_dependencies, requirements_of
from shoal.domain.interpreting.statuses import pick

_WORST_FIRST = ("Failed", "Pending", "Running", "Succeeded")
_OWNED_BY_MEMBER = ("nodeName", "serviceAccountName", "volumes")


def replicas(manifest: Manifest) -> Replicas:
    return Replicas(count=1, requirements=requirements_of(manifest))


def retain(desired: Manifest, live: Manifest) -> Manifest:
    """What scheduling and admission in the member added, all of it immutable there (R7.3)."""
    for field in _OWNED_BY_MEMBER:
        if value := at(live, "spec", field):
            desired = put(desired, value, "spec", field)
    for field in ("containers", "initContainers"):
        mounts = {container.get("name"): container.get("volumeMounts") for container in maps(at(live, "spec", field))}
        if kept := [_with_mounts(container, mounts.get(container.get("name"))) for container in maps(at(desired, "spec", field))]:
            desired = put(desired, kept, "spec", field)
    return desired


def _with_mounts(container: Manifest, mounts: object) -> Manifest:
    return {**container, "volumeMounts": mounts} if mounts else container


def healthy(live: Manifest) -> bool:
    """Succeeded, or Running and Ready (R7.4)."""
    status = live.get("status") or {}
    return status.get("phase") == "Succeeded" or (status.get("phase") == "Running" and holds(status, "Ready"))


def aggregate(template: Manifest, items: Sequence[CopyStatus], generation: int) -> Manifest | None:
    """The worst phase, a missing one being Pending; container states of all copies (R8.3)."""
    if not items:
        return None
    statuses = [item.status or {} for item in items]
    phases = {status.get("phase") or "Pending" for status in statuses}
    merged: Manifest = {"phase": next((phase for phase in _WORST_FIRST if phase in phases), "Pending")}
    for field in ("containerStatuses", "initContainerStatuses"):
        if states := [pick(state, ("ready", "state")) for status in statuses for state in maps(status.get(field))]:
            merged[field] = states
    return merged


INTERPRETER = Interpreter(
    group="", kind="Pod", replicas=replicas, retain=retain, health=healthy, aggregate=aggregate, dependencies=pod_dependencies
)
