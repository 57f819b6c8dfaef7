"""The deploy event: one decision, one atomic batch (architecture.md, "A deploy event and an application").

Manifests go through the hub's own API server over a `Staging` store; what came out is written together with the change record and the
application's head, or nothing is. NATS and HTTP share `Deploys.handle`.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from typing import Any, NamedTuple, NoReturn
from urllib.parse import quote

import msgspec
import structlog

from shoal.api.clock import Clock
from shoal.api.errors import DeployRefused, ManifestInvalid, Retryable, RevisionConflict
from shoal.api.meta import Manifest, Ref
from shoal.api.shoal import APPLICATION_LABEL
from shoal.bus.entries import Draft, Entries, Entry
from shoal.bus.view import View
from shoal.kube.apiserver.registry import Registry, ResourceType
from shoal.kube.apiserver.store import Store, Stored
from shoal.kube.wire import Handler, Request
from shoal.messages.catalogue import BINDING, OBJECT, STATUS, ApplicationHead, ChangeRecord, DeployAnswer, DeployData, DeployEvent
from shoal_gateway import images, merge, origin
from shoal_gateway.answers import Publisher, refused
from shoal_gateway.changes import holding
from shoal_gateway.deploy_event import check_version, digest_of, head_ref, manifests_of, parse_ref, read_event, record_ref
from shoal_gateway.hub import address, failure_of, path_of
from shoal_gateway.index import Index
from shoal_gateway.kinds import is_template
from shoal_gateway.staging import Staged, Staging
from shoal_gateway.store import HubStore

log = structlog.get_logger()

YIELD_EVERY = 20
"""Objects staged before others get their turn on the loop: about 15 ms."""
TRIES = 5
"""Decided again that often when somebody else wrote in between; then the sender is asked to send it again."""
HEAD_CHANGES_MAX = 50
_EVENTS = uuid.UUID("5e0a1d0c-9a52-4b0e-8c53-6f1f0e2f7f4d")
"""Namespace of uids that come from deploy events (RFC 9562, version 5)."""
_API_VERSION = "shoal.dev/v1alpha1"
_encode = msgspec.json.Encoder(order="deterministic").encode


@dataclass(frozen=True)
class Limits:
    """How much one deploy may be; see `GatewayConfig`."""

    deploy_bytes_max: int = 33_554_432
    objects_max: int = 998


@dataclass
class _Deploy:
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


class Rehearsal(NamedTuple):
    """What a deploy would write, and everything in it that the hub would refuse."""

    staged: list[Staged]
    refusals: list[DeployRefused | ManifestInvalid]


@dataclass(frozen=True, kw_only=True)
class Deploys:
    """Handles deploy events. Any gateway may handle any event; compare-and-set on record and head decides."""

    store: HubStore
    view: View
    entries: Entries
    registry: Registry
    index: Index
    serve: Callable[[Store, Callable[[], str]], Handler]
    """Makes an API server over a store, with where the uids of new objects come from. Kinds that are only staged are not served by others."""
    refresh: Callable[[], None]
    """Brings `registry` up to the definitions that the hub has by now."""
    events: Publisher
    clock: Clock
    new_uid: Callable[[], str]
    new_change: Callable[[], str]
    limits: Limits

    async def handle(self, raw: bytes, *, source: str = "") -> DeployAnswer:
        """Accepts or refuses. Raises `Retryable` when it is neither: the bus is away, or others wrote all the time."""
        event: DeployEvent | None = None
        try:
            event = read_event(raw, source=source, bytes_max=self.limits.deploy_bytes_max)
            answer = await self._decide(event)
        except DeployRefused as error:
            if event is None and source:  # Over the bus nobody may be waiting for the answer; the log of events keeps it.
                await self._tell_refused(source, sha256(raw).hexdigest()[:16], "", error.reason, str(error))
            return await self._refused(event, error.reason, str(error))
        except ManifestInvalid as error:
            return await self._refused(event, "InvalidManifest", str(error), error.violations)
        log.info("deploy repeated" if answer.repeated else "deploy accepted", change=answer.change, application=answer.application)
        return answer

    async def _decide(self, event: DeployEvent) -> DeployAnswer:
        change, digest = self.new_change(), digest_of(event.data)
        for _ in range(TRIES):
            await self.view.settled()
            self.refresh()
            known = self._known(event, digest)
            if known is not None:
                return known
            try:
                return await self._try(event, change, digest)
            except RevisionConflict as error:
                log.info("deploy decided again", change=change, conflict=str(error))
        raise Retryable(f"others wrote the objects of {event.data.application} all the time; send the event again", retry_after_s=1.0)

    def _known(self, event: DeployEvent, digest: str) -> DeployAnswer | None:
        """The answer to an event that was accepted before. Raises `DeployRefused` when it has other content."""
        entry = self.view.get(OBJECT, record_ref(event.source, event.id))
        if entry is None or entry.deleted:
            return None
        record = msgspec.convert(entry.body["spec"], ChangeRecord)
        if record.digest != digest:
            raise DeployRefused(
                "DifferentContent",
                f"event {event.id} of {event.source} was accepted before with other content (change {record.change}); use a new id",
            )
        return DeployAnswer(accepted=True, change=record.change, application=record.application, version=record.version, repeated=True)

    async def _try(self, event: DeployEvent, change: str, digest: str) -> DeployAnswer:
        data = event.data
        head_entry = self.view.get(OBJECT, head_ref(data.application))
        head = None
        if head_entry is not None and not head_entry.deleted:
            head = msgspec.convert(head_entry.body["spec"], ApplicationHead)
        check_version(head, data)
        origin.enter(origin.Origin(f"deploy/{event.source}", change))
        staging = Staging(self.store)
        deploy = _Deploy(event, change, staging, self.serve(staging, _uids(event)), f"deploy:{event.source}"[:128])
        await self._stage(deploy)
        staged = staging.staged
        if len(staged) > self.limits.objects_max:
            raise DeployRefused("TooMany", f"{len(staged)} objects change, {self.limits.objects_max} fit into one deploy; split it")
        version = data.version or (head.version if head is not None else "")
        batch = [(one.draft, one.expected) for one in staged]
        batch.append(self._head(event, change, version, head, head_entry))
        batch.append(self._record(deploy, digest, version))  # Last: its sequence is the end of the change.
        revisions = await self.entries.write_all(batch)
        await self.store.passed(revisions[-1])
        return DeployAnswer(accepted=True, change=change, application=data.application, version=version)

    async def rehearse(self, event: DeployEvent) -> Rehearsal:
        """Stages a deploy as `handle` does and writes nothing. An empty application labels nothing and has no versions."""
        await self.view.settled()
        self.refresh()
        origin.enter(origin.Origin(f"deploy/{event.source}", self.new_change()))
        staging = Staging(self.store)
        deploy = _Deploy(event, "", staging, self.serve(staging, _uids(event)), f"deploy:{event.source}"[:128], refusals=[])
        head = self.view.get(OBJECT, head_ref(event.data.application)) if event.data.application else None
        with deploy.part():
            check_version(
                msgspec.convert(head.body["spec"], ApplicationHead) if head is not None and not head.deleted else None, event.data
            )
        with deploy.part():
            await self._stage(deploy)
        return Rehearsal(staging.staged, deploy.refusals or [])

    async def _refused(
        self, event: DeployEvent | None, reason: str, message: str, violations: tuple[tuple[str, str], ...] = ()
    ) -> DeployAnswer:
        data = event.data if event is not None else DeployData(application="")
        log.info("deploy refused", reason=reason, message=message, application=data.application)
        if event is not None:
            await self._tell_refused(event.source, event.id, data.application, reason, message)
        return DeployAnswer(
            accepted=False, application=data.application, version=data.version, reason=reason, message=message, violations=violations
        )

    async def _tell_refused(self, source: str, event_id: str, application: str, reason: str, message: str) -> None:
        await self.events.publish(refused(source, event_id, application, reason=reason, message=message, now=self.clock.now().isoformat))

    # --- staging ----------------------------------------------------------------------------------------------------------------------

    async def _stage(self, deploy: _Deploy) -> None:
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

    async def _apply(self, deploy: _Deploy, where: str, manifest: Manifest, resource: ResourceType, version: str, ref: Ref) -> None:
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

    async def _set_images(self, deploy: _Deploy) -> None:
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

    def _check_images_used(self, deploy: _Deploy) -> None:
        data = deploy.event.data
        unused = sorted(set(data.images) - deploy.used)
        if not unused:
            return
        refs = {*deploy.refs, *self.index.objects_of(data.application)}
        stored = [one for ref in refs if (one := deploy.staging.get(ref)) is not None]
        known = sorted({f"{box.name} ({images.repository(box.image)})" for one in stored for box in images.containers(one.object())})
        there = f"it has {', '.join(known)}" if known else "it has no containers in the hub yet; deploy its manifests first"
        raise DeployRefused("InvalidEvent", f"images: no container of {data.application} is meant by {', '.join(unused)}; {there}")

    async def _delete(self, deploy: _Deploy, text: str) -> None:
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
        deploy: _Deploy,
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

    # --- the two records ---------------------------------------------------------------------------------------------------------------

    def _head(
        self, event: DeployEvent, change: str, version: str, head: ApplicationHead | None, entry: Entry[Manifest] | None
    ) -> tuple[Draft[Manifest], int]:
        name = event.data.application
        names = (record_ref(event.source, event.id).name, *(head.changes if head is not None else ()))[:HEAD_CHANGES_MAX]
        spec = ApplicationHead(application=name, version=version, change=change, changes=names)
        old = entry.body["metadata"] if entry is not None and not entry.deleted else None
        return self._own(head_ref(name), spec, event, change, old), entry.revision if entry is not None else 0

    def _record(self, deploy: _Deploy, digest: str, version: str) -> tuple[Draft[Manifest], int]:
        event, ref = deploy.event, record_ref(deploy.event.source, deploy.event.id)
        spec = ChangeRecord(
            change=deploy.change,
            source=event.source,
            event_id=event.id,
            digest=digest,
            application=event.data.application,
            version=version,
            accepted_at=self.clock.now().isoformat(timespec="milliseconds"),
            objects=tuple(deploy.refs),
            deletes=tuple(deploy.deletes),
        )
        entry = self.view.get(OBJECT, ref)
        return self._own(ref, spec, event, deploy.change, None), entry.revision if entry is not None else 0

    def _own(self, ref: Ref, spec: msgspec.Struct, event: DeployEvent, change: str, old: dict[str, Any] | None) -> Draft[Manifest]:
        """The entry of an object that only the gateway writes."""
        created = self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        metadata: dict[str, Any] = {"name": ref.name, "uid": self.new_uid(), "creationTimestamp": created, "generation": 0} | (old or {})
        metadata["generation"] += 1
        body = {"apiVersion": _API_VERSION, "kind": ref.kind, "metadata": metadata, "spec": msgspec.to_builtins(spec)}
        return Draft(family=OBJECT, ref=ref, body=body, uid=metadata["uid"], change=change, author=f"deploy/{event.source}")


def _uids(event: DeployEvent) -> Callable[[], str]:
    """The uids of objects that this event makes, one after the other.

    An event is carried out once, so that its source and id are as good as chance. And a plan of the same event knows them before: they
    decide who gets a replica that is left over (R4.4).
    """
    numbers = count(1)
    return lambda: str(uuid.uuid5(_EVENTS, f"{event.source}\0{event.id}\0{next(numbers)}"))


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
