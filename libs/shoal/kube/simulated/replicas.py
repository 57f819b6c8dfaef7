"""ReplicaSets: as many pods as asked for. Also what every controller needs that makes pods from a template."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import msgspec

from shoal.api.meta import Manifest, Ref
from shoal.kube.apiserver.lifecycle import suffix
from shoal.kube.simulated.world import REPLICA_SET, PodState, World, owned_by

_encode = msgspec.json.Encoder(order="deterministic").encode


async def reconcile(world: World, ref: Ref) -> None:
    """One ReplicaSet: makes or removes pods, then says how many there are."""
    replica_set = world.read(ref)
    if replica_set is None or replica_set["metadata"].get("deletionTimestamp"):
        return
    spec = replica_set["spec"]
    pods = world.pods_of(replica_set["metadata"]["uid"])
    wanted = int(spec.get("replicas", 1))
    active = {pod: state for pod, state in pods.items() if state.active}
    for _ in range(wanted - len(active)):
        uid = world.new_uid()
        await world.create(pod_of(replica_set, spec["template"], f"{ref.name}-{suffix(uid)}", uid=uid))
    for pod in dispensable(active)[: max(0, len(active) - wanted)]:
        await world.delete(pod)
    await _tell(world, ref)


async def _tell(world: World, ref: Ref) -> None:
    replica_set = world.read(ref)
    if replica_set is None:
        return
    spec, uid = replica_set["spec"], replica_set["metadata"]["uid"]
    pods = [state for state in world.pods_of(uid).values() if state.active]
    ready = [state for state in pods if state.ready]
    available, wait_s = count_available(world, ready, int(spec.get("minReadySeconds", 0)))
    if wait_s:
        world.later(wait_s, REPLICA_SET, ref)
    status = {
        "replicas": len(pods),
        "fullyLabeledReplicas": len(pods),
        "readyReplicas": len(ready),
        "availableReplicas": available,
        "observedGeneration": replica_set["metadata"].get("generation", 1),
    }
    # The real one leaves zeros out, but for `replicas`.
    await world.set_status(replica_set, {name: value for name, value in status.items() if value or name == "replicas"})


def pod_of(owner: Manifest, template: Manifest, name: str, *, uid: str, labels: dict[str, str] | None = None) -> Manifest:
    """A pod from a template, not yet on any node."""
    metadata: dict[str, Any] = {"name": name, "namespace": owner["metadata"]["namespace"], "uid": uid, "ownerReferences": owned_by(owner)}
    meta = template.get("metadata") or {}
    if all_labels := {**(meta.get("labels") or {}), **(labels or {})}:
        metadata["labels"] = all_labels
    if meta.get("annotations"):
        metadata["annotations"] = meta["annotations"]
    spec = {**template["spec"]}
    spec.setdefault("serviceAccountName", "default")
    spec.setdefault("schedulerName", "default-scheduler")
    spec.setdefault("restartPolicy", "Always")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": spec,
        "status": {"phase": "Pending", "qosClass": _quality(spec)},
    }


def dispensable(pods: dict[Ref, PodState]) -> list[Ref]:
    """Pods in the order in which they are given up: without a node, pending, not ready, youngest first."""
    order = {ref: (bool(state.node), state.phase == "Running", state.ready) for ref, state in pods.items()}
    youngest_first = sorted(pods, key=lambda ref: (pods[ref].created, ref), reverse=True)
    return sorted(youngest_first, key=lambda ref: order[ref])


def count_available(world: World, ready: list[PodState], min_ready_s: int) -> tuple[int, float]:
    """(ready pods that have been so for long enough, seconds until the next one has; 0 when none waits)."""
    if not min_ready_s:
        return len(ready), 0.0
    now = world.clock.now()
    left = [min_ready_s - (now - datetime.fromisoformat(state.ready_since)).total_seconds() for state in ready]
    waiting = [seconds for seconds in left if seconds > 0]
    return len(left) - len(waiting), min(waiting) + 0.05 if waiting else 0.0


def template_hash(template: Manifest) -> str:
    """Ten characters that change with the template; equal for an equal one, also after a restart."""
    return hashlib.blake2b(_encode(template), digest_size=5).hexdigest()


def _quality(spec: Manifest) -> str:
    """QoS class, as far as tests look at it."""
    resources = [container.get("resources") or {} for container in spec.get("containers") or ()]
    if not any(one.get("requests") or one.get("limits") for one in resources):
        return "BestEffort"
    limited = all({"cpu", "memory"} <= set(one.get("limits") or {}) for one in resources)
    if limited and all((one.get("requests") or one["limits"]) == one["limits"] for one in resources):
        return "Guaranteed"
    return "Burstable"
