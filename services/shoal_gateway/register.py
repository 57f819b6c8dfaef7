"""Joining: an agent says who it is, and gets the member id under which it speaks on the bus. Idempotent by the member's UID."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

import msgspec
import structlog

from shoal.api import cluster
from shoal.api.cluster import MEMBER_ID_ANNOTATION
from shoal.api.errors import ManifestInvalid, RevisionConflict, Terminal
from shoal.api.meta import Manifest
from shoal.messages.catalogue import Register, Registered
from shoal_gateway import origin
from shoal_gateway.hub import Hub

log = structlog.get_logger()

MANAGER = "shoal-gateway"
_ALPHABET = string.ascii_letters + string.digits
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_TRIES = 5


def member_id(uid: str) -> str:
    """16 characters that say nothing of the cluster, out of a fresh random uid: an agent cannot guess another one's."""
    number, out = UUID(uid).int, ""
    for _ in range(16):
        number, digit = divmod(number, len(_ALPHABET))
        out += _ALPHABET[digit]
    return out


class Refused(Terminal):
    """An agent cannot join as it asked to; the text says what to do."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def decide(request: Register, clusters: Iterable[Manifest], new_id: Callable[[], str]) -> tuple[Manifest, bool, str]:
    """(the Cluster object as it should be, whether it is new, what the agent should hear). Raises `Refused`."""
    if not _NAME.fullmatch(request.name):
        raise Refused("InvalidName", f"cluster name {request.name!r}: write lower case letters, digits, '-' or '.' (SHOAL_CLUSTER)")
    if not request.uid:
        raise Refused("NoIdentity", "the agent did not send the UID of the member's kube-system namespace; check its rights to read it")
    known = list(clusters)
    if any(_member(one) == request.member and _spec(one).get("id") != request.uid for one in known):
        request = msgspec.structs.replace(request, member="")  # Another cluster's: a copied Secret names nobody.
    found = next((one for one in known if _spec(one).get("id") == request.uid), None)
    if found is not None:
        name = found["metadata"]["name"]
        if found["metadata"].get("deletionTimestamp"):
            raise Refused("BeingDeleted", f"cluster {name} is being deleted in the hub; wait until it is gone, then start the agent again")
        message = "" if name == request.name else f"this cluster is known as {name}; the name {request.name} is not used"
        return _filled(found, request, new_id), False, message
    named = next((one for one in known if one["metadata"]["name"] == request.name), None)
    if named is None:
        return _filled(_fresh(request.name), request, new_id), True, ""
    if _spec(named).get("id"):
        raise Refused(
            "NameTaken",
            f"the name {request.name} belongs to another cluster (id {_spec(named)['id']}): start the agent with another SHOAL_CLUSTER, "
            f"or, if the old cluster is gone for good, run `kubectl delete cluster {request.name}` first",
        )
    if named["metadata"].get("deletionTimestamp"):
        raise Refused(
            "BeingDeleted", f"cluster {request.name} is being deleted in the hub; wait until it is gone, then start the agent again"
        )
    return _filled(named, request, new_id), False, ""


def _spec(manifest: Manifest) -> dict[str, Any]:
    found: dict[str, Any] = manifest.get("spec") or {}
    return found


def _member(manifest: Manifest) -> str:
    return str((manifest["metadata"].get("annotations") or {}).get(MEMBER_ID_ANNOTATION, ""))


def _fresh(name: str) -> Manifest:
    return {"apiVersion": "cluster.karmada.io/v1alpha1", "kind": cluster.KIND, "metadata": {"name": name}, "spec": {"syncMode": "Pull"}}


def _filled(found: Manifest, request: Register, new_id: Callable[[], str]) -> Manifest:
    """What the agent says fills what nobody has said yet; what a user wrote stays."""
    metadata, spec = dict(found["metadata"]), dict(_spec(found))
    annotations = dict(metadata.get("annotations") or {})
    if not annotations.get(MEMBER_ID_ANNOTATION):
        annotations[MEMBER_ID_ANNOTATION] = request.member or new_id()
    metadata["annotations"] = annotations
    if request.labels:
        metadata["labels"] = {**request.labels, **(metadata.get("labels") or {})}
    spec["id"] = request.uid
    spec.setdefault("syncMode", "Pull")
    for field, value in (("provider", request.provider), ("region", request.region), ("apiEndpoint", request.api_endpoint)):
        if value and not spec.get(field):
            spec[field] = value
    if request.zones and not spec.get("zones"):
        spec["zones"] = list(request.zones)
    return {**found, "metadata": metadata, "spec": spec}


class Registrar:
    """Answers `ask.hub.register`. Several gateways may answer: compare-and-set decides."""

    def __init__(self, hub: Hub, *, new_uid: Callable[[], str], new_change: Callable[[], str]) -> None:
        self._hub, self._new_uid, self._new_change = hub, new_uid, new_change

    async def register(self, _subject: str, request: Register) -> Registered:
        origin.enter(origin.Origin(f"agent/{request.name}/{MANAGER}", self._new_change(), trusted=True))
        try:
            return await self._register(request)
        except (Refused, ManifestInvalid) as error:
            log.warning("registration refused", cluster=request.name, reason=error.reason, message=str(error))
            return Registered(reason=error.reason, message=str(error))

    async def _register(self, request: Register) -> Registered:
        for attempt in range(_TRIES):
            await self._hub.settled()
            wanted, new, message = decide(request, self._hub.list(cluster.GROUP, cluster.KIND), lambda: member_id(self._new_uid()))
            name, member = wanted["metadata"]["name"], wanted["metadata"]["annotations"][MEMBER_ID_ANNOTATION]
            try:
                await (self._hub.create if new else self._hub.update)(wanted, manager=MANAGER)
            except RevisionConflict:
                if attempt == _TRIES - 1:
                    raise
                continue
            log.info("cluster registered", cluster=name, member=member, new=new)
            return Registered(member=member, cluster=name, message=message)
        raise AssertionError("the loop returns or raises")
