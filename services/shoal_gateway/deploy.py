"""The deploy event: one decision, one atomic batch.

Manifests go through the hub's own API server over a `Staging` store; what came out is written together with the change record and the
application's head, or nothing is. NATS and HTTP share `Deploys.handle`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from typing import Any, NamedTuple

import msgspec
import structlog

from shoal.api.clock import Clock
from shoal.api.errors import DeployRefused, ManifestInvalid, Retryable, RevisionConflict
from shoal.api.meta import Manifest, Ref
from shoal.bus.entries import Draft, Entries, Entry
from shoal.bus.view import View
from shoal.kube.apiserver.registry import Registry
from shoal.kube.apiserver.store import Store
from shoal.kube.wire import Handler
from shoal.messages.catalogue import OBJECT, ApplicationHead, ChangeRecord, DeployAnswer, DeployData, DeployEvent
from shoal_gateway import origin
from shoal_gateway.answers import Publisher, refused
from shoal_gateway.deploy_event import check_version, digest_of, head_ref, read_event, record_ref
from shoal_gateway.deploy_staging import Attempt, Limits, Stager
from shoal_gateway.index import Index
from shoal_gateway.staging import Staged, Staging
from shoal_gateway.store import HubStore

log = structlog.get_logger()

TRIES = 5
"""Decided again that often when somebody else wrote in between; then the sender is asked to send it again."""
HEAD_CHANGES_MAX = 50
_EVENTS = uuid.UUID("5e0a1d0c-9a52-4b0e-8c53-6f1f0e2f7f4d")
"""Namespace of uids that come from deploy events (RFC 9562, version 5)."""
_API_VERSION = "shoal.dev/v1alpha1"


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

    @property
    def _stager(self) -> Stager:
        return Stager(self.view, self.registry, self.index, self.limits)

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
        deploy = Attempt(event, change, staging, self.serve(staging, _uids(event)), f"deploy:{event.source}"[:128])
        await self._stager.stage(deploy)
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
        deploy = Attempt(event, "", staging, self.serve(staging, _uids(event)), f"deploy:{event.source}"[:128], refusals=[])
        head = self.view.get(OBJECT, head_ref(event.data.application)) if event.data.application else None
        with deploy.part():
            check_version(
                msgspec.convert(head.body["spec"], ApplicationHead) if head is not None and not head.deleted else None, event.data
            )
        with deploy.part():
            await self._stager.stage(deploy)
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

    # --- the two records ---------------------------------------------------------------------------------------------------------------

    def _head(
        self, event: DeployEvent, change: str, version: str, head: ApplicationHead | None, entry: Entry[Manifest] | None
    ) -> tuple[Draft[Manifest], int]:
        name = event.data.application
        names = (record_ref(event.source, event.id).name, *(head.changes if head is not None else ()))[:HEAD_CHANGES_MAX]
        spec = ApplicationHead(application=name, version=version, change=change, changes=names)
        old = entry.body["metadata"] if entry is not None and not entry.deleted else None
        return self._own(head_ref(name), spec, event, change, old), entry.revision if entry is not None else 0

    def _record(self, deploy: Attempt, digest: str, version: str) -> tuple[Draft[Manifest], int]:
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
