"""StatefulSets (numbered pods, one after the other) and DaemonSets (one pod on each node)."""

from __future__ import annotations

from typing import Any

from shoal.api.meta import Manifest, Ref
from shoal.kube.apiserver.lifecycle import suffix
from shoal.kube.simulated.deployments import share
from shoal.kube.simulated.nodes import admits, is_ready
from shoal.kube.simulated.replicas import count_available, pod_of, template_hash
from shoal.kube.simulated.world import DAEMON_SET, NODE, POD, STATEFUL_SET, PodState, World

REVISION = "controller-revision-hash"
NUMBER = "apps.kubernetes.io/pod-index"
POD_NAME = "statefulset.kubernetes.io/pod-name"


# --- StatefulSet ---


async def reconcile_stateful(world: World, ref: Ref) -> None:
    owner = world.read(ref)
    if owner is None or owner["metadata"].get("deletionTimestamp"):
        return
    wanted, revision = int(owner["spec"].get("replicas", 1)), _revision(owner)
    await _make_numbered(world, owner, wanted, revision)
    await _remove_numbered(world, owner, wanted, revision)
    await _tell_stateful(world, ref, wanted, revision)


async def _make_numbered(world: World, owner: Manifest, wanted: int, revision: str) -> None:
    """Missing pods from the lowest number up; in order, the next one only when the one before is ready."""
    ordered = owner["spec"].get("podManagementPolicy", "OrderedReady") == "OrderedReady"
    first = int((owner["spec"].get("ordinals") or {}).get("start", 0))
    for number in range(first, first + wanted):
        ref = Ref(*POD, owner["metadata"]["namespace"], f"{owner['metadata']['name']}-{number}")
        state = world.pods.get(ref)
        if state is None:
            await _make_claims(world, owner, number)
            labels = {REVISION: revision, NUMBER: str(number), POD_NAME: ref.name}
            await world.create(pod_of(owner, _with_claims(owner, number), ref.name, uid=world.new_uid(), labels=labels))
            state = world.pods.get(ref)
        if ordered and (state is None or not state.ready):
            return


async def _remove_numbered(world: World, owner: Manifest, wanted: int, revision: str) -> None:
    """Too high a number goes, highest first; then pods of an older template, one at a time, while the others are ready."""
    pods = world.pods_of(owner["metadata"]["uid"])
    first = int((owner["spec"].get("ordinals") or {}).get("start", 0))
    falling = sorted(pods, key=_number, reverse=True)
    for ref in falling:
        state = pods[ref]
        if _number(ref) >= first + wanted or state.phase in {"Succeeded", "Failed"}:
            await world.delete(ref)
            return
    strategy = owner["spec"].get("updateStrategy") or {}
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        return
    partition = int((strategy.get("rollingUpdate") or {}).get("partition", 0))
    for ref in falling:
        if _number(ref) < partition:
            return
        if pods[ref].labels.get(REVISION) != revision:
            await world.delete(ref)
            return
        if not pods[ref].ready:
            return


async def _tell_stateful(world: World, ref: Ref, wanted: int, revision: str) -> None:
    owner = world.read(ref)
    if owner is None:
        return
    pods = [state for state in world.pods_of(owner["metadata"]["uid"]).values() if state.active]
    ready = [state for state in pods if state.ready]
    available, wait_s = count_available(world, ready, int(owner["spec"].get("minReadySeconds", 0)))
    if wait_s:
        world.later(wait_s, STATEFUL_SET, ref)
    updated = [state for state in pods if state.labels.get(REVISION) == revision]
    before = owner.get("status") or {}
    name = f"{ref.name}-{revision}"
    done = len(updated) == wanted == len(ready)
    current = name if done or "currentRevision" not in before else before["currentRevision"]
    status: dict[str, Any] = {
        "observedGeneration": owner["metadata"].get("generation", 1),
        "replicas": len(pods),
        "readyReplicas": len(ready),
        "availableReplicas": available,
        "updatedReplicas": len(updated),
        "currentReplicas": len(updated) if current == name else len(pods) - len(updated),
        "currentRevision": current,
        "updateRevision": name,
        "collisionCount": 0,
    }
    await world.set_status(owner, {key: value for key, value in status.items() if value or key in _STATEFUL_ZEROS})


_STATEFUL_ZEROS = frozenset({"replicas", "availableReplicas", "collisionCount"})


async def _make_claims(world: World, owner: Manifest, number: int) -> None:
    for template in owner["spec"].get("volumeClaimTemplates") or ():
        name = f"{template['metadata']['name']}-{owner['metadata']['name']}-{number}"
        metadata = {**template["metadata"], "name": name, "namespace": owner["metadata"]["namespace"]}
        claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": template["spec"]}
        await world.create({**claim, "status": {"phase": "Pending"}})  # An existing one is kept: it holds the data.


def _with_claims(owner: Manifest, number: int) -> Manifest:
    """The template with a volume for each claim, and the pod's own host name."""
    template = owner["spec"]["template"]
    spec = {**template["spec"], "hostname": f"{owner['metadata']['name']}-{number}"}
    if owner["spec"].get("serviceName"):
        spec["subdomain"] = owner["spec"]["serviceName"]
    names = [claim["metadata"]["name"] for claim in owner["spec"].get("volumeClaimTemplates") or ()]
    if names:
        others = [volume for volume in spec.get("volumes") or () if volume["name"] not in names]
        claimed = [{"name": name, "persistentVolumeClaim": {"claimName": f"{name}-{owner['metadata']['name']}-{number}"}} for name in names]
        spec["volumes"] = [*others, *claimed]
    return {**template, "spec": spec}


def _number(pod: Ref) -> int:
    tail = pod.name.rpartition("-")[2]
    return int(tail) if tail.isdigit() else -1


def _revision(owner: Manifest) -> str:
    return template_hash(owner["spec"]["template"])


# --- DaemonSet ---


async def reconcile_daemon(world: World, ref: Ref) -> None:
    owner = world.read(ref)
    if owner is None or owner["metadata"].get("deletionTimestamp"):
        return
    wanted = _nodes_for(world, owner)
    await _place(world, owner, wanted)
    await _renew(world, owner, wanted)
    await _tell_daemon(world, ref, wanted)


def _nodes_for(world: World, owner: Manifest) -> list[str]:
    spec = owner["spec"]["template"]["spec"]
    # The real controller tolerates what a node gets when it has trouble of its own.
    tolerations = [*(spec.get("tolerations") or ()), {"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]
    nodes = [stored.object() for stored in world.list(NODE)]
    return [node["metadata"]["name"] for node in nodes if is_ready(node) and not admits(node, {**spec, "tolerations": tolerations})]


async def _place(world: World, owner: Manifest, wanted: list[str]) -> None:
    """One pod on each node that should have one, none elsewhere."""
    pods = world.pods_of(owner["metadata"]["uid"])
    placed = {state.node: ref for ref, state in pods.items() if state.active}
    for ref, state in pods.items():
        if state.node not in wanted or state.phase in {"Succeeded", "Failed"}:
            await world.delete(ref)
    for node in wanted:
        if node not in placed:
            uid = world.new_uid()
            name = f"{owner['metadata']['name']}-{suffix(uid)}"
            pod = pod_of(owner, owner["spec"]["template"], name, uid=uid, labels={REVISION: _revision(owner)})
            await world.create({**pod, "spec": {**pod["spec"], "nodeName": node}})


async def _renew(world: World, owner: Manifest, wanted: list[str]) -> None:
    """Pods of an older template go, as many at once as may be unavailable; `_place` makes the new ones."""
    strategy = owner["spec"].get("updateStrategy") or {}
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        return
    may_miss = max(1, share((strategy.get("rollingUpdate") or {}).get("maxUnavailable", 1), len(wanted), up=True))
    pods, revision = world.pods_of(owner["metadata"]["uid"]), _revision(owner)
    room = may_miss - sum(not state.ready for state in pods.values())
    for ref, state in sorted(pods.items()):
        if state.labels.get(REVISION) == revision:
            continue
        if not state.ready:
            await world.delete(ref)
        elif room > 0:
            await world.delete(ref)
            room -= 1


async def _tell_daemon(world: World, ref: Ref, wanted: list[str]) -> None:
    owner = world.read(ref)
    if owner is None:
        return
    pods: list[PodState] = [state for state in world.pods_of(owner["metadata"]["uid"]).values() if state.active]
    ready = [state for state in pods if state.ready]
    available, wait_s = count_available(world, ready, int(owner["spec"].get("minReadySeconds", 0)))
    if wait_s:
        world.later(wait_s, DAEMON_SET, ref)
    counts = {
        "observedGeneration": owner["metadata"].get("generation", 1),
        "desiredNumberScheduled": len(wanted),
        "currentNumberScheduled": len(pods),
        "numberMisscheduled": 0,
        "numberReady": len(ready),
        "numberAvailable": available,
        "numberUnavailable": len(wanted) - available,
        "updatedNumberScheduled": sum(state.labels.get(REVISION) == _revision(owner) for state in pods),
    }
    zeros = {"desiredNumberScheduled", "currentNumberScheduled", "numberMisscheduled", "numberReady"}
    await world.set_status(owner, {name: value for name, value in counts.items() if value or name in zeros})
