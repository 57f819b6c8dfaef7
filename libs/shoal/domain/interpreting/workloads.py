"""What Deployments, ReplicaSets and StatefulSets share: replicas and the rollout of a template."""

from __future__ import annotations

from shoal.api.meta import Manifest
from shoal.api.replicas import Replicas
from shoal.domain.interpreting.metadata import at, number, put
from shoal.domain.interpreting.pods import requirements_of


def replicas(manifest: Manifest) -> Replicas:
    """`spec.replicas`; missing is 0 here, the hub's API server has defaulted it to 1 (R7.2)."""
    return Replicas(count=number(at(manifest, "spec", "replicas")), requirements=requirements_of(manifest))


def revise(manifest: Manifest, count: int) -> Manifest:
    return put(manifest, count, "spec", "replicas")


def wanted(live: Manifest) -> int:
    """What the member's controller aims at: `spec.replicas`, 1 when missing."""
    count = at(live, "spec", "replicas")
    return 1 if count is None else int(count)


def observed(live: Manifest) -> bool:
    """The controller has taken in the newest spec."""
    return bool((at(live, "status", "observedGeneration") or 0) == at(live, "metadata", "generation"))


def rolled_out(live: Manifest) -> bool:
    """The newest template runs: observed, all updated, all updated ones available (R7.4)."""
    status = live.get("status") or {}
    updated = status.get("updatedReplicas", 0)
    return bool(observed(live) and updated >= wanted(live) and status.get("availableReplicas", 0) >= updated)
