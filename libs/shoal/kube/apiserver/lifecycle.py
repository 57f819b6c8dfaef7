"""What every write does to an object whatever its kind: identity, system metadata, generation, status, and whether anything changed."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from shoal.api.meta import Manifest
from shoal.kube.apiserver.errors import Cause, StatusError, bad_request, invalid
from shoal.kube.apiserver.fields import same_managers
from shoal.kube.apiserver.paths import Target
from shoal.kube.apiserver.registry import ResourceType
from shoal.kube.apiserver.store import encode

_SYSTEM = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink")
"""Metadata that only the server writes."""

_DROPPED_IF_EMPTY = ("labels", "annotations", "finalizers", "ownerReferences")

_NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"

_CREATED_WITH_STATUS = {("", "Node"), ("", "Namespace"), ("apiextensions.k8s.io", "CustomResourceDefinition")}
"""Kinds whose status a create may bring."""


def timestamp(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def identify(object_: Manifest, target: Target, *, uid: str) -> None:
    """Makes an object that was sent agree with the path, in place; raises a 400 where they contradict each other."""
    api_version, kind = object_.get("apiVersion") or target.api_version, object_.get("kind") or target.resource.kind
    if (api_version, kind) != (target.api_version, target.resource.kind):
        raise bad_request(
            f'{kind} in version "{str(api_version).rpartition("/")[2]}" cannot be handled as a {target.resource.kind}: '
            f'no kind "{kind}" is registered for version "{api_version}" at this path, which is for {target.api_version}'
        )
    object_["apiVersion"], object_["kind"] = api_version, kind
    metadata = object_.setdefault("metadata", {})
    if not isinstance(metadata, dict):
        raise bad_request("metadata must be an object")
    if target.resource.namespaced:
        sent = metadata.get("namespace") or target.namespace
        if sent != target.namespace:
            raise bad_request(
                f"the namespace of the provided object does not match the namespace sent on the request ({sent} is not {target.namespace})"
            )
        metadata["namespace"] = target.namespace
    else:
        metadata.pop("namespace", None)
    if target.name:
        sent = metadata.get("name") or target.name
        if sent != target.name:
            raise bad_request(f"the name of the object ({sent}) does not match the name on the URL ({target.name})")
        metadata["name"] = target.name
    elif not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = metadata["generateName"] + suffix(uid)
    for field in _DROPPED_IF_EMPTY:
        if field in metadata and not metadata[field]:
            del metadata[field]


def suffix(uid: str) -> str:
    """Five characters for a generated name, from a uid, so that a seeded run makes the same names."""
    number = int.from_bytes(hashlib.blake2b(uid.encode(), digest_size=8).digest(), "big")
    out = ""
    for _ in range(5):
        number, digit = divmod(number, len(_NAME_ALPHABET))
        out += _NAME_ALPHABET[digit]
    return out


def born(object_: Manifest, resource: ResourceType, *, uid: str, now: str) -> None:
    """System metadata of a new object, in place."""
    metadata = object_["metadata"]
    for field in (*_SYSTEM, "resourceVersion"):
        metadata.pop(field, None)
    metadata["uid"], metadata["creationTimestamp"] = uid, now
    if resource.generation:
        metadata["generation"] = 1
    if resource.status and (resource.group, resource.kind) not in _CREATED_WITH_STATUS:
        object_.pop("status", None)


def carry_over(new: Manifest, old: Manifest) -> None:
    """System metadata of an object that replaces another, in place."""
    metadata, before = new["metadata"], old["metadata"]
    for field in (*_SYSTEM, "generateName"):
        if field in before:
            metadata[field] = before[field]
        elif field != "generateName":
            metadata.pop(field, None)


def count_generation(new: Manifest, old: Manifest, resource: ResourceType) -> None:
    """Raises the generation when more than metadata and status changed, in place."""
    if not resource.generation:
        return
    skipped = ("metadata", "status", "apiVersion") if resource.status else ("metadata", "apiVersion")
    annotations = [one["metadata"].get("annotations") for one in (new, old)]
    counted = (resource.group, resource.kind) == ("apps", "Deployment")  # Whose revision history lives in annotations.
    if _without(new, skipped) != _without(old, skipped) or (counted and annotations[0] != annotations[1]):
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


def with_status_of(new: Manifest, old: Manifest) -> Manifest:
    """`new` with the status of `old`: what a write of the object itself leaves alone."""
    out = {key: value for key, value in new.items() if key != "status"}
    if "status" in old:
        out["status"] = old["status"]
    return out


def with_only_status_of(old: Manifest, new: Manifest) -> Manifest:
    """`old` with the status of `new`: what a write of the status subresource may change."""
    out = with_status_of(old, new)
    managed = new["metadata"].get("managedFields")
    if managed and managed != old["metadata"].get("managedFields"):
        out["metadata"] = {**old["metadata"], "managedFields": managed}
    return out


def same(new: Manifest, old: Manifest) -> bool:
    """True when a write would change nothing that anybody sees, times of field managers aside."""
    skipped = ("resourceVersion", "managedFields")
    return (
        _without(new, ("metadata",)) == _without(old, ("metadata",))
        and _without(new["metadata"], skipped) == _without(old["metadata"], skipped)
        and same_managers(new, old)
    )


def check_size(object_: Manifest, limit: int) -> None:
    """Raises a 413 for an object above the limit."""
    size = len(encode(object_))
    if size > limit:
        message = f"Request entity too large: limit is {limit} bytes, the object has {size}"
        raise StatusError(413, "RequestEntityTooLarge", message)


def check_deleting(new: Manifest, old: Manifest, resource: ResourceType) -> None:
    """An object under deletion gets no new finalizers. Raises a 422."""
    if not old["metadata"].get("deletionTimestamp"):
        return
    added = [one for one in new["metadata"].get("finalizers") or () if one not in (old["metadata"].get("finalizers") or ())]
    if added:
        told = ", ".join(f'"{one}"' for one in added)
        because = f"Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{{{told}}}"
        raise invalid(resource, old["metadata"]["name"], [Cause("metadata.finalizers", "FieldValueForbidden", because)])


def is_gone(object_: Manifest) -> bool:
    """True when an object under deletion waits for nobody any more."""
    return bool(object_["metadata"].get("deletionTimestamp")) and not object_["metadata"].get("finalizers")


def _without(value: dict[str, Any], skipped: tuple[str, ...]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key not in skipped}
