"""The hub's own API, called from inside: what the gateway itself writes goes through the same door as what users write."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec

from shoal.api.errors import BusUnavailable, ManifestInvalid, RevisionConflict, Terminal
from shoal.api.meta import Manifest, Ref, group_of
from shoal.kube.apiserver.registry import Registry, ResourceType, Scale
from shoal.kube.apiserver.scale import scale_of
from shoal.kube.apiserver.store import Selection, Store, decode
from shoal.kube.wire import Handler, Request, Response

encode = msgspec.json.Encoder().encode


def path_of(resource: ResourceType, version: str, namespace: str, name: str = "") -> str:
    """The path of an object, or of the collection it is in."""
    head = f"/apis/{resource.group}/{version}" if resource.group else f"/api/{version}"
    scope = f"/namespaces/{namespace}" if resource.namespaced else ""
    return f"{head}{scope}/{resource.plural}" + (f"/{name}" if name else "")


def address(registry: Registry, manifest: Manifest) -> tuple[ResourceType, str, Ref] | None:
    """(kind, version, ref) of a manifest, its namespace `default` where it names none; None for a kind that is not served."""
    api_version = str(manifest["apiVersion"])
    resource = registry.of(group_of(api_version), str(manifest["kind"]))
    version = api_version.rpartition("/")[2]
    if resource is None or version not in resource.versions:
        return None
    metadata = manifest.get("metadata") or {}
    namespace = (metadata.get("namespace") or "default") if resource.namespaced else ""
    return resource, version, Ref(resource.group, resource.kind, namespace, str(metadata.get("name") or ""))


def failure_of(answer: Response) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    """(reason, message, (field, sentence) pairs) of an answer of 400 or above."""
    body: dict[str, Any] = decode(answer.body)
    causes = (body.get("details") or {}).get("causes") or ()
    fields = tuple((str(one.get("field", "")), str(one.get("message", ""))) for one in causes)
    return str(body.get("reason", "")), str(body.get("message", "")), fields


class Hub:
    """Requests to the hub's API in this process. Who asks is the task's `origin`."""

    def __init__(self, handle: Handler, store: Store, registry: Registry) -> None:
        self._handle, self._store, self._registry = handle, store, registry

    async def settled(self) -> int:
        return await self._store.settled()

    def list(self, group: str, kind: str) -> list[Manifest]:
        return [one.object() for one in self._store.list(Selection(group, kind))]

    def get(self, ref: Ref) -> Manifest | None:
        found = self._store.get(ref)
        return found.object() if found is not None else None

    async def create(self, manifest: Manifest, *, manager: str) -> Manifest:
        """Raises `RevisionConflict` when it exists, `ManifestInvalid` when it is refused, `BusUnavailable` when it may or may not be made."""
        return await self._send("POST", manifest, manager)

    async def update(self, manifest: Manifest, *, manager: str) -> Manifest:
        """Replaces the object that `manifest` was made from. Raises as `create`."""
        return await self._send("PUT", manifest, manager)

    async def delete(self, ref: Ref, api_version: str) -> None:
        """Asks for its deletion; what is gone already is fine. Raises `ManifestInvalid` when it is refused."""
        found = address(self._registry, {"apiVersion": api_version, "kind": ref.kind, "metadata": {"namespace": ref.namespace}})
        if found is None:
            raise Terminal(f"kind {ref.kind} of {api_version} is not served")
        path = path_of(found[0], found[1], quote(ref.namespace, safe=""), quote(ref.name, safe=""))
        answer = await self._handle(Request(method="DELETE", path=path, headers={"accept": "application/json"}))
        if answer.status >= 300 and answer.status != 404:
            raise _error_of(answer, ref)

    async def patch(self, ref: Ref, api_version: str, change: Manifest, *, manager: str, subresource: str = "") -> None:
        """A merge patch of what is there; with `metadata.resourceVersion` in it, of exactly that state. Raises as `update`."""
        resource, version = self._known(ref, api_version)
        if subresource == "scale":
            _scale_of_kind(resource)
        path = path_of(resource, version, quote(ref.namespace, safe=""), quote(ref.name, safe=""))
        answer = await self._handle(
            Request(
                method="PATCH",
                path=f"{path}/{subresource}" if subresource else path,
                query={"fieldManager": manager},
                headers={"content-type": "application/merge-patch+json", "accept": "application/json"},
                body=encode(change),
            )
        )
        if answer.status >= 300:
            raise _error_of(answer, ref)

    def replicas(self, ref: Ref, api_version: str) -> tuple[int, int]:
        """(what its scale asks for, token of the state that says so). Raises `ManifestInvalid` when it is not there or has no scale."""
        resource, _ = self._known(ref, api_version)
        scale, stored = _scale_of_kind(resource), self._store.get(ref)
        if stored is None:
            raise ManifestInvalid(f'NotFound: {resource.resource} "{ref.name}" not found')
        return int(scale_of(stored.object(), scale)["spec"]["replicas"]), stored.token

    def _known(self, ref: Ref, api_version: str) -> tuple[ResourceType, str]:
        """(kind, version). Raises `ManifestInvalid`."""
        found = address(self._registry, {"apiVersion": api_version, "kind": ref.kind, "metadata": {"namespace": ref.namespace}})
        if found is None:
            raise ManifestInvalid(f"the hub does not know kind {ref.kind} of {api_version or 'v1'}; write both as in the object itself")
        return found[0], found[1]

    async def _send(self, method: str, manifest: Manifest, manager: str) -> Manifest:
        found = address(self._registry, manifest)
        if found is None:
            raise Terminal(f"kind {manifest['kind']} of {manifest['apiVersion']} is not served")
        resource, version, ref = found
        path = path_of(resource, version, quote(ref.namespace, safe=""), "" if method == "POST" else quote(ref.name, safe=""))
        answer = await self._handle(
            Request(
                method=method,
                path=path,
                query={"fieldManager": manager},
                headers={"content-type": "application/json", "accept": "application/json"},
                body=encode(manifest),
            )
        )
        if answer.status < 300:
            made: Manifest = decode(answer.body)
            return made
        raise _error_of(answer, ref)


def _scale_of_kind(resource: ResourceType) -> Scale:
    if resource.scale is None:
        raise ManifestInvalid(f"{resource.kind} has no scale, so that nothing can set its replicas")
    return resource.scale


def _error_of(answer: Response, ref: Ref) -> RevisionConflict | BusUnavailable | ManifestInvalid:
    """What an answer of 300 or above means: somebody else wrote, try again later, or it never will be."""
    reason, message, fields = failure_of(answer)
    if answer.status == 409:
        return RevisionConflict(str(ref), expected=0)
    if answer.status in (429, 500, 503, 504):
        return BusUnavailable(f"{ref}: {message}")
    return ManifestInvalid(f"{reason}: {message}", fields)
