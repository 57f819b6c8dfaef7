"""Argo Workflows (argoproj.io): a Workflow runs as a whole in each cluster; how many of its pods run at once is divided."""

from __future__ import annotations

from collections.abc import Iterator

from shoal.api.meta import Manifest, Ref
from shoal.api.replicas import Replicas
from shoal.domain.interpreting.interpreter import Interpreter
from shoal.domain.interpreting.metadata import at, maps, number, put
from shoal.domain.interpreting.pods import pod_requirements, without_claims
from shoal.domain.interpreting.third_party.reading import keep_suspend, needs_of_pods

_FAILED = ("", "Error", "Failed")


def replicas(manifest: Manifest) -> Replicas:
    """`parallelism`, 1 when missing. Node constraints stand in the spec itself; requests stand in steps that do not all run at once."""
    constraints = {
        name: value for name, value in (at(manifest, "spec") or {}).items() if name in ("affinity", "nodeSelector", "tolerations")
    }
    namespace = at(manifest, "metadata", "namespace") or ""
    return Replicas(count=number(at(manifest, "spec", "parallelism"), 1), requirements=pod_requirements(constraints, namespace))


def revise(manifest: Manifest, count: int) -> Manifest:
    return put(manifest, count, "spec", "parallelism")


def healthy(live: Manifest) -> bool:
    return (at(live, "status", "phase") or "") not in _FAILED


def dependencies(manifest: Manifest) -> Iterator[Ref]:
    """What its volumes and accounts name, but for claims that it makes itself."""
    made = {at(claim, "metadata", "name") for claim in maps(at(manifest, "spec", "volumeClaimTemplates"))}
    needs = needs_of_pods(("spec",), ServiceAccount=(("spec", "executor", "serviceAccountName"),))
    return without_claims(needs(manifest), made)


INTERPRETERS = (
    Interpreter(
        group="argoproj.io",
        kind="Workflow",
        replicas=replicas,
        revise=revise,
        retain=keep_suspend,
        health=healthy,
        dependencies=dependencies,
    ),
)
