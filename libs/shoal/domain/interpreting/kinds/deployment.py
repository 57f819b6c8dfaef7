"""Deployment (apps): replicas, rollout counters, and the revision annotations that its controller writes."""

from __future__ import annotations

from collections.abc import Sequence

from shoal.api.autoscaling import RETAIN_REPLICAS_LABEL
from shoal.api.meta import Manifest
from shoal.api.status import CopyStatus
from shoal.domain.interpreting.interpreter import Interpreter
from shoal.domain.interpreting.metadata import at, put, without
from shoal.domain.interpreting.pods import pod_dependencies
from shoal.domain.interpreting.statuses import counted, reflected
from shoal.domain.interpreting.workloads import replicas, revise, rolled_out

_COUNTERS = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas")
_REVISIONS = ("deployment.kubernetes.io/revision", "deployment.kubernetes.io/revision-history", "deprecated.deployment.rollback.to")


def retain(desired: Manifest, live: Manifest) -> Manifest:
    """The member's number of replicas where the rendered object asks for it, by label, so that a member's autoscaler can own it (R7.3)."""
    count = at(live, "spec", "replicas")
    if at(desired, "metadata", "labels", RETAIN_REPLICAS_LABEL) != "true" or count is None:
        return desired
    return put(desired, count, "spec", "replicas")


def reflect(live: Manifest) -> Manifest | None:
    return reflected(live, (*_COUNTERS, "observedGeneration", "conditions"))


def aggregate(template: Manifest, items: Sequence[CopyStatus], generation: int) -> Manifest:
    return counted(template, items, generation, _COUNTERS)


def prune(manifest: Manifest) -> Manifest:
    for annotation in _REVISIONS:
        manifest = without(manifest, "metadata", "annotations", annotation)
    return manifest


INTERPRETER = Interpreter(
    group="apps",
    kind="Deployment",
    replicas=replicas,
    revise=revise,
    retain=retain,
    reflect=reflect,
    health=rolled_out,
    aggregate=aggregate,
    prune=prune,
    dependencies=pod_dependencies,
)
