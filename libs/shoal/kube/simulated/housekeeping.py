"""What a cluster keeps in order by itself: what every namespace has, namespaces that end, objects whose owners are gone, claims."""

from __future__ import annotations

from shoal.api.meta import Manifest, Ref
from shoal.kube.simulated.world import CONFIG_MAP, SERVICE_ACCOUNT, World

COLLECT = ("", "Collect")
"""Queue name of the garbage collector; its refs name an object that may have lost its owners."""
ROOT_CA = "kube-root-ca.crt"
_FOREGROUND, _ORPHAN = "foregroundDeletion", "orphan"


async def reconcile_namespace(world: World, ref: Ref) -> None:
    """A live namespace has its default ServiceAccount and the CA; one that ends loses its content, then itself."""
    namespace = world.read(ref)
    if namespace is None:
        return
    if namespace["metadata"].get("deletionTimestamp"):
        await _end(world, ref, namespace)
        return
    account: Manifest = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": ref.name}}
    certificate: Manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": ROOT_CA, "namespace": ref.name},
        "data": {"ca.crt": ""},
    }
    for manifest, kind in ((account, SERVICE_ACCOUNT), (certificate, CONFIG_MAP)):
        if not world.exists(Ref(*kind, ref.name, manifest["metadata"]["name"])):
            await world.create(manifest)


async def _end(world: World, ref: Ref, namespace: Manifest) -> None:
    content = [stored.ref for stored in world.store if stored.ref.namespace == ref.name]
    for object_ in content:
        await world.delete(object_)
    if any(world.exists(object_) for object_ in content):
        return  # Finalizers hold something; its removal wakes this again.
    if not (namespace["metadata"].get("finalizers")):
        await world.delete(ref)


async def collect(world: World, ref: Ref) -> None:
    """One object: let go of dependents if it is deleted as an orphaning or a waiting owner, removed if all its owners are gone."""
    manifest = world.read(ref)
    if manifest is None:
        return
    metadata = manifest["metadata"]
    finalizers = metadata.get("finalizers") or []
    if metadata.get("deletionTimestamp") and _ORPHAN in finalizers:
        await _orphan(world, metadata["uid"])
        await _without_finalizer(world, ref, _ORPHAN)
    elif metadata.get("deletionTimestamp") and _FOREGROUND in finalizers:
        for dependent in world.dependents(metadata["uid"]):
            await _end_owned(world, dependent)
        if not world.dependents(metadata["uid"]):
            await _without_finalizer(world, ref, _FOREGROUND)
    elif (owners := metadata.get("ownerReferences")) and not any(_lives(world, ref, owner) for owner in owners):
        await world.delete(ref)


async def _end_owned(world: World, ref: Ref) -> None:
    """What owns something itself waits for that in turn: a ReplicaSet for its pods."""
    manifest = world.read(ref)
    if manifest is None:
        return
    metadata = manifest["metadata"]
    if world.dependents(metadata["uid"]) and not metadata.get("deletionTimestamp"):
        finalizers = [*(metadata.get("finalizers") or ()), _FOREGROUND]
        await world.update({**manifest, "metadata": {**metadata, "finalizers": finalizers}})
    await world.delete(ref)


async def _orphan(world: World, uid: str) -> None:
    for dependent in world.dependents(uid):
        manifest = world.read(dependent)
        if manifest is not None:
            rest = [owner for owner in manifest["metadata"]["ownerReferences"] if owner["uid"] != uid]
            metadata = {**manifest["metadata"], "ownerReferences": rest}
            if not rest:
                del metadata["ownerReferences"]
            await world.update({**manifest, "metadata": metadata})


async def _without_finalizer(world: World, ref: Ref, finalizer: str) -> None:
    manifest = world.read(ref)
    if manifest is None:
        return
    rest = [one for one in manifest["metadata"].get("finalizers") or () if one != finalizer]
    metadata = {**manifest["metadata"], "finalizers": rest}
    if not rest:
        del metadata["finalizers"]
    await world.update({**manifest, "metadata": metadata})
    if not rest:
        await world.delete(ref)


def _lives(world: World, ref: Ref, owner: dict[str, str]) -> bool:
    """Whether the owner of that very uid exists, in the object's namespace or in none."""
    group = owner["apiVersion"].rpartition("/")[0] if "/" in owner["apiVersion"] else ""
    for namespace in {ref.namespace, ""}:
        stored = world.store.get(Ref(group, owner["kind"], namespace, owner["name"]))
        if stored is not None and owner["uid"].encode() in stored.body and stored.object()["metadata"]["uid"] == owner["uid"]:
            return True
    return False


async def bind_claim(world: World, ref: Ref) -> None:
    """A claim is bound at once; there is room enough."""
    claim = world.read(ref)
    if claim is None or (claim.get("status") or {}).get("phase") == "Bound" or claim["metadata"].get("deletionTimestamp"):
        return
    capacity = ((claim["spec"].get("resources") or {}).get("requests")) or {}
    await world.set_status(claim, {"phase": "Bound", "accessModes": claim["spec"].get("accessModes") or [], "capacity": capacity})
