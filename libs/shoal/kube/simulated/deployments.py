"""Deployments: a ReplicaSet for each template, and the way from one to the next within maxSurge and maxUnavailable."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from shoal.api.meta import Manifest, Ref
from shoal.kube.simulated.replicas import template_hash
from shoal.kube.simulated.world import DEPLOYMENT, REPLICA_SET, World, condition, find_condition, owned_by

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
HISTORY = 10


async def reconcile(world: World, ref: Ref) -> None:
    deployment = world.read(ref)
    if deployment is None or deployment["metadata"].get("deletionTimestamp"):
        return
    sets = _replica_sets(world, deployment)
    new = await _new_set(world, deployment, sets)
    if new is None:
        return
    old = [one for one in sets if one["metadata"]["uid"] != new["metadata"]["uid"]]
    spec = deployment["spec"]
    if spec.get("paused"):
        await _scale(world, new, min(_wanted(new), _replicas(deployment)) if old else _replicas(deployment))
    elif (spec.get("strategy") or {}).get("type") == "Recreate":
        await _recreate(world, deployment, new, old)
    else:
        await _roll(world, deployment, new, old)
    await _forget(world, deployment, old)
    await _tell(world, ref, new)


def _replica_sets(world: World, deployment: Manifest) -> list[Manifest]:
    found = [world.read(ref) for ref in world.dependents(deployment["metadata"]["uid"], REPLICA_SET)]
    return [one for one in found if one is not None and not one["metadata"].get("deletionTimestamp")]


async def _new_set(world: World, deployment: Manifest, sets: list[Manifest]) -> Manifest | None:
    """The ReplicaSet of the present template; made when there is none, with the next revision number."""
    metadata, spec = deployment["metadata"], deployment["spec"]
    hash_ = template_hash(spec["template"])
    revisions = [int((one["metadata"].get("annotations") or {}).get(REVISION, 0)) for one in sets]
    new = next((one for one in sets if (one["metadata"].get("labels") or {}).get(HASH) == hash_), None)
    if new is None:
        new = await world.create(_set_of(deployment, hash_, max(revisions, default=0) + 1))
        if new is None:
            return None
    elif int(new["metadata"]["annotations"][REVISION]) < max(revisions):
        annotations = {**new["metadata"]["annotations"], REVISION: str(max(revisions) + 1)}
        await world.update({**new, "metadata": {**new["metadata"], "annotations": annotations}})
        new = world.read(Ref(*REPLICA_SET, metadata["namespace"], new["metadata"]["name"])) or new
    revision = new["metadata"]["annotations"][REVISION]
    if (metadata.get("annotations") or {}).get(REVISION) != revision:
        await world.update(
            {**deployment, "metadata": {**metadata, "annotations": {**(metadata.get("annotations") or {}), REVISION: revision}}}
        )
    return new


def _set_of(deployment: Manifest, hash_: str, revision: int) -> Manifest:
    metadata, spec = deployment["metadata"], deployment["spec"]
    template = spec["template"]
    labels = {**((template.get("metadata") or {}).get("labels") or {}), HASH: hash_}
    selector = {**spec["selector"], "matchLabels": {**(spec["selector"].get("matchLabels") or {}), HASH: hash_}}
    set_spec: dict[str, Any] = {"replicas": 0, "selector": selector}
    set_spec["template"] = {**template, "metadata": {**(template.get("metadata") or {}), "labels": labels}}
    if spec.get("minReadySeconds"):
        set_spec["minReadySeconds"] = spec["minReadySeconds"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{metadata['name']}-{hash_}",
            "namespace": metadata["namespace"],
            "generation": 1,
            "labels": labels,
            "annotations": {REVISION: str(revision)},
            "ownerReferences": owned_by(deployment),
        },
        "spec": set_spec,
        "status": {"replicas": 0},
    }


async def _roll(world: World, deployment: Manifest, new: Manifest, old: list[Manifest]) -> None:
    """One step: up as far as the surge allows, down as far as enough stay available. Every change of a pod brings the next step."""
    wanted = _replicas(deployment)
    surge, unavailable = limits(deployment["spec"])
    running_old = [one for one in old if _wanted(one)]
    if not any(_wanted(one) or _active(world, one) for one in old):
        await _scale(world, new, wanted)
        return
    # Pods that a smaller ReplicaSet has not removed yet still count, so that the surge is never exceeded.
    total = _wanted(new) + sum(max(_wanted(one), _active(world, one)) for one in old)
    up = max(0, min(wanted - _wanted(new), wanted + surge - total)) if _wanted(new) < wanted else wanted - _wanted(new)
    if up:
        new = await _scale(world, new, _wanted(new) + up)
    missing_new = _wanted(new) - _available(new)
    room = _wanted(new) + sum(_wanted(one) for one in running_old) - (wanted - unavailable) - missing_new
    # Copies that do not work are given up first; they keep nothing available.
    for one in running_old:
        broken = min(room, _wanted(one) - _available(one))
        if broken > 0:
            await _scale(world, one, _wanted(one) - broken)
            room -= broken
    room = min(room, _available(new) + sum(_available(one) for one in running_old) - (wanted - unavailable))
    for one in running_old:
        live = world.read(Ref(*REPLICA_SET, one["metadata"]["namespace"], one["metadata"]["name"]))
        if live is not None and (down := min(room, _wanted(live))) > 0:
            await _scale(world, live, _wanted(live) - down)
            room -= down


async def _recreate(world: World, deployment: Manifest, new: Manifest, old: list[Manifest]) -> None:
    for one in old:
        await _scale(world, one, 0)
    if not any(world.pods_of(one["metadata"]["uid"]) for one in old):
        await _scale(world, new, _replicas(deployment))


async def _scale(world: World, replica_set: Manifest, replicas: int) -> Manifest:
    """The ReplicaSet as it stands afterwards."""
    if _wanted(replica_set) == replicas:
        return replica_set
    metadata = {**replica_set["metadata"], "generation": replica_set["metadata"].get("generation", 1) + 1}
    await world.update({**replica_set, "metadata": metadata, "spec": {**replica_set["spec"], "replicas": replicas}})
    return world.read(Ref(*REPLICA_SET, metadata["namespace"], metadata["name"])) or replica_set


async def _forget(world: World, deployment: Manifest, old: list[Manifest]) -> None:
    """Old ReplicaSets beyond the history limit go, oldest first."""
    limit = int(deployment["spec"].get("revisionHistoryLimit", HISTORY))
    idle = [one for one in old if not _wanted(one) and not (one.get("status") or {}).get("replicas")]
    idle.sort(key=lambda one: int(one["metadata"]["annotations"][REVISION]))
    for one in idle[: max(0, len(idle) - limit)]:
        await world.delete(Ref(*REPLICA_SET, one["metadata"]["namespace"], one["metadata"]["name"]))


async def _tell(world: World, ref: Ref, new: Manifest) -> None:
    deployment = world.read(ref)
    if deployment is None:
        return
    sets = [one.get("status") or {} for one in _replica_sets(world, deployment)]
    updated = world.read(Ref(*REPLICA_SET, ref.namespace, new["metadata"]["name"])) or new
    wanted, before = _replicas(deployment), deployment.get("status") or {}
    counts = {
        "observedGeneration": deployment["metadata"].get("generation", 1),
        "replicas": sum(one.get("replicas", 0) for one in sets),
        "updatedReplicas": (updated.get("status") or {}).get("replicas", 0),
        "readyReplicas": sum(one.get("readyReplicas", 0) for one in sets),
        "availableReplicas": sum(one.get("availableReplicas", 0) for one in sets),
    }
    counts["unavailableReplicas"] = max(0, max(wanted, counts["replicas"]) - counts["availableReplicas"])
    status: dict[str, Any] = {name: value for name, value in counts.items() if value}
    status["conditions"] = [_available_condition(world, deployment, counts, before), _progress(world, ref, deployment, counts, new, before)]
    await world.set_status(deployment, status)


def _available_condition(world: World, deployment: Manifest, counts: dict[str, int], before: Manifest) -> dict[str, Any]:
    _, unavailable = limits(deployment["spec"])
    enough = counts["availableReplicas"] >= _replicas(deployment) - unavailable
    word = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    if not enough:
        word = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    out = condition(before, "Available", *word, world.now())
    return {**out, "lastUpdateTime": out["lastTransitionTime"]}


def _progress(world: World, ref: Ref, deployment: Manifest, counts: dict[str, int], new: Manifest, before: Manifest) -> dict[str, Any]:
    """Progressing: done, under way, or stuck for longer than `progressDeadlineSeconds`."""
    wanted, name, now = _replicas(deployment), new["metadata"]["name"], world.now()
    old = find_condition(before, "Progressing")
    complete = counts["updatedReplicas"] == counts["replicas"] == counts["availableReplicas"] == wanted
    if complete:
        word = ("True", "NewReplicaSetAvailable", f'ReplicaSet "{name}" has successfully progressed.')
        same = old is not None and (old["reason"], old["message"]) == word[1:]
        return condition(before, "Progressing", *word, now, lastUpdateTime=old["lastUpdateTime"] if old and same else now)
    moved = any(counts[field] > (before.get(field) or 0) for field in ("updatedReplicas", "readyReplicas", "availableReplicas"))
    message = f'ReplicaSet "{name}" is progressing.'
    if old is None or moved or old.get("reason") == "NewReplicaSetAvailable" or not old["message"].startswith(f'ReplicaSet "{name}"'):
        world.later(_deadline_s(deployment), DEPLOYMENT, ref)
        return condition(before, "Progressing", "True", "ReplicaSetUpdated", message, now, lastUpdateTime=now)
    waited = (world.clock.now() - datetime.fromisoformat(old["lastUpdateTime"])).total_seconds()
    if old["status"] == "True" and waited < _deadline_s(deployment):
        world.later(_deadline_s(deployment) - waited, DEPLOYMENT, ref)
        return old
    message = f'ReplicaSet "{name}" has timed out progressing.'
    updated = old["lastUpdateTime"] if old["status"] == "False" else now
    return condition(before, "Progressing", "False", "ProgressDeadlineExceeded", message, now, lastUpdateTime=updated)


def limits(spec: Manifest) -> tuple[int, int]:
    """(pods above, pods below what is wanted) during an update; percentages round up and down, and both are never 0."""
    strategy = spec.get("strategy") or {}
    wanted = int(spec.get("replicas", 1))
    if strategy.get("type") == "Recreate":
        return 0, wanted
    rolling = strategy.get("rollingUpdate") or {}
    surge = share(rolling.get("maxSurge", "25%"), wanted, up=True)
    unavailable = share(rolling.get("maxUnavailable", "25%"), wanted, up=False)
    return surge, unavailable if surge or unavailable else 1


def share(value: int | str, whole: int, *, up: bool) -> int:
    """A number, or a percentage of `whole`."""
    if isinstance(value, int):
        return value
    part = int(value.rstrip("%")) * whole
    return -(-part // 100) if up else part // 100


def _deadline_s(deployment: Manifest) -> float:
    return float(deployment["spec"].get("progressDeadlineSeconds") or 600)


def _replicas(deployment: Manifest) -> int:
    return int(deployment["spec"].get("replicas", 1))


def _wanted(replica_set: Manifest) -> int:
    return int(replica_set["spec"].get("replicas", 0))


def _active(world: World, replica_set: Manifest) -> int:
    return sum(state.active for state in world.pods_of(replica_set["metadata"]["uid"]).values())


def _available(replica_set: Manifest) -> int:
    """Pods that may be counted on: not those which the ReplicaSet is about to remove."""
    return min(_wanted(replica_set), int((replica_set.get("status") or {}).get("availableReplicas", 0)))
