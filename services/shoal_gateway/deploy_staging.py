"""What a deploy event names, put through the hub's own API server object by object into a `Staging` store.

Belongs here: in which order, with which labels and images, and what a refusal of one object means for the whole. Not here: whether the
event was seen before, and the batch that is written (`deploy.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import quote

import msgspec

from shoal.api.errors import DeployRefused, ManifestInvalid, Retryable, RevisionConflict
from shoal.api.meta import Manifest, Ref
from shoal.api.shoal import APPLICATION_LABEL
from shoal.bus.view import View
from shoal.kube.apiserver.registry import Registry, ResourceType
from shoal.kube.apiserver.store import Stored
from shoal.kube.wire import Handler, Request
from shoal.messages.catalogue import BINDING, STATUS, DeployEvent
from shoal_gateway import images, merge
from shoal_gateway.changes import holding
from shoal_gateway.deploy_event import manifests_of, parse_ref
from shoal_gateway.hub import address, failure_of, path_of
from shoal_gateway.index import Index
from shoal_gateway.kinds import is_template
from shoal_gateway.staging import Staging

YIELD_EVERY = 20
"""Objects staged before others get their turn on the loop: about 15 ms."""
_encode = msgspec.json.Encoder(order="deterministic").encode


@dataclass(frozen=True)
class Limits:
    """How much one deploy may be; see `GatewayConfig`."""

    deploy_bytes_max: int = 33_554_432
    objects_max: int = 998


@dataclass
class Attempt:
    """One try to decide an event."""

    event: DeployEvent
    change: str
    staging: Staging
    handle: Handler
    manager: str
    refs: list[Ref] = field(default_factory=list)
    deletes: list[Ref] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    refusals: list[DeployRefused | ManifestInvalid] | None = None
    """Of a rehearsal: what is refused is noted here and left out; None: the first refusal is that of the whole deploy."""

    @contextlib.contextmanager
    def part(self) -> Iterator[None]:
        """Around what may be refused by itself."""
        try:
            yield
        except (DeployRefused, ManifestInvalid) as error:
            if self.refusals is None:
                raise
            self.refusals.append(error)


@dataclass(frozen=True)
class Stager:
    """Stages the objects of one event after the other; nothing of it is stored."""

    view: View
    registry: Registry
    index: Index
    limits: Limits

    async def stage(self, deploy: Attempt) -> None:
        """Everything that the event names, object by object. Raises `DeployRefused`, `ManifestInvalid`, `RevisionConflict`, `Retryable`."""
        data = deploy.event.data
        found = []
        for where, manifest in manifests_of(data):
            with deploy.part():
                found.append((where, manifest, *self._address(where, manifest)))
        if len(found) > self.limits.objects_max:
            raise DeployRefused("TooMany", f"{len(found)} objects, {self.limits.objects_max} fit into one deploy; split it")
        seen: dict[Ref, str] = {}
        # Namespaces and definitions come first: the others may need them.
        for where, manifest, resource, version, ref in sorted(
            found, key=lambda one: one[4].kind not in ("Namespace", "CustomResourceDefinition")
        ):
            if len(seen) % YIELD_EVERY == 0:
                await asyncio.sleep(0)
            with deploy.part():
                if ref in seen:
                    raise DeployRefused("InvalidManifest", f"{where}: {ref} stands in {seen[ref]} already; name each object once")
                seen[ref] = where
                await self._apply(deploy, where, manifest, resource, version, ref)
        with deploy.part():
            await self._set_images(deploy)
        for text in data.delete:
            with deploy.part():
                await self._delete(deploy, text)

    def _address(self, where: str, manifest: Manifest) -> tuple[ResourceType, str, Ref]:
        found = address(self.registry, manifest)
        if found is None:
            raise DeployRefused("UnknownKind", f"{where}: {self._unknown(str(manifest['apiVersion']), str(manifest['kind']))}")
        return found

    def _unknown(self, api_version: str, kind: str) -> str:
        near = sorted({one.api_version(version) for one in self.registry if one.kind == kind for version in one.versions})
        hint = f"did you mean {' or '.join(near)}?" if near else "if a CustomResourceDefinition makes it, deploy that first"
        return f"the hub does not know kind {kind} of {api_version}; {hint}"

    async def _apply(self, deploy: Attempt, where: str, manifest: Manifest, resource: ResourceType, version: str, ref: Ref) -> None:
        self._check_alive(deploy.staging.get(ref), ref)
        wanted = _labelled(manifest, ref, deploy.event.data.application)
        wanted, used = images.with_images(wanted, deploy.event.data.images)
        deploy.used |= used
        wanted = {key: value for key, value in wanted.items() if key != "status"}
        wanted["metadata"] = {
            key: value for key, value in wanted["metadata"].items() if key not in ("resourceVersion", "managedFields", "uid")
        }
        query = {"fieldManager": deploy.manager, "force": "true", "fieldValidation": "Strict"}
        await self._send(deploy, "PATCH", resource, version, ref, query, wanted, where)
        deploy.refs.append(ref)

    async def _set_images(self, deploy: Attempt) -> None:
        data = deploy.event.data
        if not data.images:
            return
        given = set(deploy.refs)
        for ref in sorted(self.index.objects_of(data.application)):
            stored = deploy.staging.get(ref) if ref not in given else None
            if stored is None:
                continue
            live = stored.object()
            wanted, used = images.with_images(live, data.images)
            deploy.used |= used
            if wanted is live:
                deploy.refs += [ref] if used else []  # It has the image already: the change is about it all the same.
                continue
            self._check_alive(stored, ref)
            resource, version, _ = self._address(str(ref), live)
            await self._send(deploy, "PUT", resource, version, ref, {"fieldManager": deploy.manager}, wanted, str(ref))
            deploy.refs.append(ref)
        self._check_images_used(deploy)

    def _check_images_used(self, deploy: Attempt) -> None:
        data = deploy.event.data
        unused = sorted(set(data.images) - deploy.used)
        if not unused:
            return
        refs = {*deploy.refs, *self.index.objects_of(data.application)}
        stored = [one for ref in refs if (one := deploy.staging.get(ref)) is not None]
        known = sorted({f"{box.name} ({images.repository(box.image)})" for one in stored for box in images.containers(one.object())})
        there = f"it has {', '.join(known)}" if known else "it has no containers in the hub yet; deploy its manifests first"
        raise DeployRefused("InvalidEvent", f"images: no container of {data.application} is meant by {', '.join(unused)}; {there}")

    async def _delete(self, deploy: Attempt, text: str) -> None:
        api_version, kind, namespace, name = parse_ref(text)
        manifest = {"apiVersion": api_version, "kind": kind, "metadata": {"namespace": namespace, "name": name}}
        resource, version, ref = self._address(f"delete {text}", manifest)
        if ref in deploy.refs:
            raise DeployRefused("InvalidEvent", f"{ref} stands in delete and among the manifests; choose one")
        if deploy.staging.get(ref) is not None:
            await self._send(deploy, "DELETE", resource, version, ref, {}, None, f"delete {text}")
        deploy.deletes.append(ref)  # What is gone already is deleted, too.

    async def _send(
        self,
        deploy: Attempt,
        method: str,
        resource: ResourceType,
        version: str,
        ref: Ref,
        query: dict[str, str],
        body: Manifest | None,
        where: str,
    ) -> None:
        media = "application/apply-patch+yaml" if method == "PATCH" else "application/json"
        request = Request(
            method=method,
            path=path_of(resource, version, quote(ref.namespace, safe=""), quote(ref.name, safe=":")),
            query=query,
            headers={"content-type": media, "accept": "application/json"},
            body=_encode(body) if body is not None else b"",
        )
        answer = await deploy.handle(request)
        if answer.status >= 300:
            _refuse(ref, where, answer.status, *failure_of(answer))

    def _check_alive(self, stored: Stored | None, ref: Ref) -> None:
        if stored is None or b'"deletionTimestamp"' not in stored.body:
            return
        metadata = stored.object()["metadata"]
        if not metadata.get("deletionTimestamp"):
            return
        names = holding(self.view.get(BINDING, ref), self.view.get(STATUS, ref), str(metadata.get("uid", "")))
        waits = f"waiting for {', '.join(names)}" if names else "waiting for its finalizers"
        raise DeployRefused("BeingDeleted", f"{ref} is being deleted, {waits}; send the deploy again with a new id when it is gone")


def _labelled(manifest: Manifest, ref: Ref, application: str) -> Manifest:
    """The manifest with the application's label, where its own labels do not say the same. Raises `DeployRefused`."""
    if not application or not is_template(ref) or ref.kind in ("Namespace", "CustomResourceDefinition"):
        return manifest
    metadata = manifest["metadata"]
    labels = metadata.get("labels") or {}
    if not isinstance(labels, dict) or merge.application_of(labels, ref) == application:
        return manifest
    if labels.get(APPLICATION_LABEL):
        raise DeployRefused(
            "InvalidManifest",
            f"{ref} has label {APPLICATION_LABEL}={labels[APPLICATION_LABEL]}, the deploy is of {application}; make them the same",
        )
    return {**manifest, "metadata": {**metadata, "labels": {**labels, APPLICATION_LABEL: application}}}


def _refuse(ref: Ref, where: str, status: int, reason: str, message: str, fields: Sequence[tuple[str, str]]) -> NoReturn:
    """Raises what an answer of the API server means for the whole deploy."""
    text = f"{where}: {message}"
    if status == 404 and message.startswith("namespaces "):
        raise DeployRefused(
            "NamespaceMissing",
            f"{where}: namespace {ref.namespace} of {ref.kind} {ref.name} does not exist; add it to the deploy or create it first",
        )
    if status == 409 and reason == "Conflict" and "modified" in message:
        raise RevisionConflict(str(ref), expected=0)
    if status == 405:
        raise DeployRefused(
            "Forbidden", f"{where}: {ref.kind} is read only, Shoal writes it itself; change the template or its policy instead"
        )
    if status == 413:
        raise DeployRefused("TooLarge", text)
    if status in (400, 422):
        raise ManifestInvalid(text, tuple((f"{ref}: {path}", told) for path, told in fields))
    if status in (429, 500, 503, 504):
        raise Retryable(text)
    raise DeployRefused("Forbidden" if status == 403 else reason or "Refused", text)
