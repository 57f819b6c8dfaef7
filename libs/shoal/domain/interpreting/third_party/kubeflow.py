"""Kubeflow (kubeflow.org): training jobs of roles, and notebooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from shoal.api.meta import Manifest
from shoal.api.replicas import Replicas
from shoal.domain.interpreting.interpreter import Interpreter
from shoal.domain.interpreting.metadata import at, maps, number
from shoal.domain.interpreting.pods import pod_dependencies, requirements_of
from shoal.domain.interpreting.third_party.merging import Fields
from shoal.domain.interpreting.third_party.reading import Group, components, needs_of_pods, pods_at

GROUP = "kubeflow.org"

_ROLES: dict[str, tuple[str, tuple[str, ...]]] = {
    "PyTorchJob": ("pytorchReplicaSpecs", ("Master", "Worker")),
    "TFJob": ("tfReplicaSpecs", ("Chief", "Master", "PS", "Worker", "Evaluator")),
    "MPIJob": ("mpiReplicaSpecs", ("Launcher", "Worker")),
}
"""Kind -> field of its roles, and the roles in their order; others follow."""
_NOTEBOOK = Fields(summed=("readyReplicas",), carried=("containerState",), conditions=True)


def _replicas(field: str, roles: tuple[str, ...], missing: dict[str, int]) -> Callable[[Manifest], Replicas]:
    """A role without a number has one pod, or what `missing` says."""

    def groups(manifest: Manifest) -> Iterator[Group]:
        specs = at(manifest, "spec", field) or {}
        for role in (*(role for role in roles if role in specs), *sorted(specs.keys() - set(roles))):
            spec = specs[role] or {}
            yield role.lower(), number(spec.get("replicas"), missing.get(role, 1)), at(spec, "template", "spec") or {}

    return lambda manifest: components(manifest, groups(manifest))


def _not_failed(live: Manifest) -> bool:
    """It has said something, and not that it failed."""
    conditions = maps(at(live, "status", "conditions"))
    return bool(conditions) and not any(item.get("type") == "Failed" and item.get("status") == "True" for item in conditions)


def _training(kind: str) -> Interpreter:
    field, roles = _ROLES[kind]
    pods = ("spec", field, "*", "template", "spec")
    fields = Fields(
        summed=("replicaStatuses",),
        earliest=("startTime",),
        latest=("lastReconcileTime",),
        finished=("completionTime",),
        outcome=("Succeeded", kind),
    )
    return Interpreter(
        group=GROUP,
        kind=kind,
        replicas=_replicas(field, roles, {"Worker": 0} if kind == "MPIJob" else {}),
        reflect=fields.reflect,
        health=_not_failed,
        aggregate=fields.aggregate,
        dependencies=needs_of_pods(pods),
        pods=pods_at(pods),
    )


def _notebook_replicas(manifest: Manifest) -> Replicas:
    return Replicas(count=1, requirements=requirements_of(manifest))


def _notebook_healthy(live: Manifest) -> bool:
    """Its container runs, is about to, or ended well."""
    state = at(live, "status", "containerState") or {}
    ended = state.get("terminated")
    return "running" in state or "waiting" in state or (ended is not None and not number(ended.get("exitCode")))


INTERPRETERS = (
    *(_training(kind) for kind in _ROLES),
    Interpreter(
        group=GROUP,
        kind="Notebook",
        replicas=_notebook_replicas,
        reflect=_NOTEBOOK.reflect,
        health=_notebook_healthy,
        aggregate=_NOTEBOOK.aggregate,
        dependencies=pod_dependencies,
    ),
)
