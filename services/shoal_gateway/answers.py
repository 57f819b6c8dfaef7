"""Answers to deploys: what is due is computed from the change record and the views, sent as an event, and recorded as sent.

Level, not edge: after a restart everything that is not recorded is computed and sent again, under the same id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec
import structlog

from shoal.api.clock import Clock
from shoal.api.errors import RevisionConflict
from shoal.api.meta import Manifest, Ref
from shoal.bus.entries import Draft, Entries, Entry
from shoal.bus.view import View
from shoal.bus.work_queue import WorkQueue
from shoal.messages.catalogue import OBJECT, ChangeRecord, CloudEvent, Progress
from shoal_gateway import bodies, changes
from shoal_gateway.changes import ChangeState, Facts, State
from shoal_gateway.index import Index
from shoal_gateway.kinds import CHANGE

log = structlog.get_logger()

SOURCE = "shoal/gateway"
GATHER_S, GATHER_EACH_S = 0.02, 0.0005
"""Reports of several clusters come close together: one look at the change answers them together. A look costs about 0.1 ms for each object,
so a large deploy is looked at more seldom."""
_WHOLE = ("applied", "ready", "failed", "superseded")


class Publisher(Protocol):
    async def publish(self, event: CloudEvent) -> int:
        """Its sequence. Stores a fact; one with an id that was stored lately is dropped."""
        ...


def record_in(manifest: Manifest) -> ChangeRecord:
    return msgspec.convert(manifest["spec"], ChangeRecord)


def state_of(record: ChangeRecord, at: int, facts: Facts) -> ChangeState:
    """How far a recorded deploy has come; `at` is the content revision of its record, the end of its batch."""
    objects = changes.judge(record.objects, record.deletes, at=at, facts=facts)
    return _summed(record, objects)


def _summed(record: ChangeRecord, objects: tuple[changes.ObjectState, ...]) -> ChangeState:
    state, reason, message = changes.combine(objects)
    by = ""
    if state == State.SUPERSEDED:
        by = message.rpartition("change ")[2] if "change " in message else ""
        if "ready" in record.answered:
            state, reason = State.READY, "Superseded"  # It was everywhere before the newer one came.
    return ChangeState(
        change=record.change,
        application=record.application,
        version=record.version,
        source=record.source,
        event_id=record.event_id,
        accepted_at=record.accepted_at,
        state=state,
        reason=reason,
        message=message,
        superseded_by=by,
        objects=objects,
        clusters=changes.clusters(objects),
        answered=record.answered,
    )


class Changes:
    """Knows every change of now, and answers those that came as deploys."""

    def __init__(self, view: View, works: View, index: Index, facts: Facts, entries: Entries, events: Publisher, *, clock: Clock) -> None:
        self._view, self._index, self._facts = view, index, facts
        self._entries, self._events, self._clock = entries, events, clock
        self._open: dict[Ref, tuple[Ref, ...]] = {}
        """Record -> what it is about, while something may still be said of it."""
        self._about: dict[Ref, dict[Ref, None]] = {}
        self._waiting: set[Ref] = set()
        """Records that wait for scheduler or renderer to pass them; others need not be looked at when those move."""
        self._sent: dict[Ref, set[str]] = {}
        """Answers that were sent by this process and are not recorded yet."""
        self._queue: WorkQueue[Ref] | None = None
        view.subscribe(self._on_entry)
        works.subscribe(lambda new, _: self._touch(new.ref))

    def feed(self, queue: WorkQueue[Ref]) -> None:
        self._queue = queue

    def on_progress(self, _progress: Progress) -> None:
        for ref in self._waiting:
            self._look(ref)

    def on_rebuilt(self) -> None:
        for ref in self._open:
            self._look(ref)

    # --- questions --------------------------------------------------------------------------------------------------------------------

    def state(self, change: str) -> ChangeState | None:
        """The state of a deploy or of a change that kubectl made; None when nothing of now is of that change."""
        ref = self._index.record_of(change)
        entry = self._view.get(OBJECT, ref) if ref is not None else None
        if entry is not None and not entry.deleted:
            return state_of(record_in(entry.body), entry.content, self._facts)
        refs = self._index.objects_changed_by(change)
        found = [entry for ref in refs if (entry := self._view.get(OBJECT, ref)) is not None]
        if not found:
            return None
        record = ChangeRecord(
            change=change, source="", event_id="", digest="", application=self._index.application_of(refs[0]), version="",
            accepted_at=_iso(min(entry.time for entry in found)),
        )  # fmt: skip
        deleting = [entry.ref for entry in found if entry.deleted or bodies.is_deleting(entry)]
        at = max(entry.content for entry in found)
        objects = changes.judge([ref for ref in refs if ref not in deleting], deleting, at=at, facts=self._facts)
        return _summed(record, objects)

    def open_records(self) -> list[ChangeRecord]:
        """Deploys that are not everywhere yet, oldest first."""
        found = [entry for ref in self._open if (entry := self._view.get(OBJECT, ref)) is not None and not entry.deleted]
        return [record_in(entry.body) for entry in sorted(found, key=lambda entry: entry.content)]

    def records(self) -> Iterable[ChangeRecord]:
        """All records that are kept, newest first."""
        found = [entry for entry in self._view.entries(OBJECT, group=CHANGE[0], kind=CHANGE[1]) if not entry.deleted]
        return [record_in(entry.body) for entry in sorted(found, key=lambda entry: -entry.content)]

    # --- answering --------------------------------------------------------------------------------------------------------------------

    async def reconcile(self, ref: Ref) -> int:
        """Sends what is due for one record; returns the sequence of the record when it was written."""
        entry = self._view.get(OBJECT, ref)
        if entry is None or entry.deleted:
            self._close(ref)
            return 0
        body = entry.body
        record = record_in(body)
        sent = self._sent.setdefault(ref, set())
        state = state_of(msgspec.structs.replace(record, answered=(*record.answered, *sent)), entry.content, self._facts)
        steps = {one.state for one in state.objects}
        (self._waiting.add if State.PENDING in steps or State.UNPLACED in steps else self._waiting.discard)(ref)
        due = changes.answers(state)
        for answer in due:
            await self._events.publish(self._event(state, answer))
            sent.add(answer)
        # Answers of single clusters are recorded along with the next one of the whole: each write of the record is an fsync.
        if not any(answer in _WHOLE for answer in due):
            return 0
        return await self._record(ref, entry, body, record, sent)

    async def _record(self, ref: Ref, entry: Entry[Manifest], body: Manifest, record: ChangeRecord, sent: set[str]) -> int:
        answered = (*record.answered, *sorted(sent - set(record.answered)))
        spec = msgspec.to_builtins(msgspec.structs.replace(record, answered=answered))
        draft: Draft[Manifest] = Draft(
            family=OBJECT,
            ref=ref,
            body={**body, "spec": spec},
            uid=entry.uid,
            change=entry.change,
            author=entry.author,
            content=entry.content,
        )
        try:
            revision = await self._entries.write(draft, expected=entry.revision)
        except RevisionConflict:
            log.info("another gateway answered", change=record.change)
            raise
        sent.clear()
        if changes.closed(answered):
            self._close(ref)
        return revision

    def _event(self, state: ChangeState, answer: str) -> CloudEvent:
        kind, _, cluster = answer.partition("@")
        data: dict[str, Any] = {
            "change": state.change,
            "application": state.application,
            "version": state.version,
            "source": state.source,
            "eventId": state.event_id,
        }
        if cluster:
            data["cluster"] = cluster
        if kind in ("failed", "superseded") and not cluster:
            data |= {"reason": state.reason, "message": state.message}
        if kind == "failed" and cluster:
            failed = next(
                (copy for one in state.objects for copy in one.copies if copy.cluster == cluster and copy.state == State.FAILED), None
            )
            data |= {"reason": failed.reason, "message": failed.message} if failed else {}
        if kind == "superseded" and state.superseded_by:
            data["supersededBy"] = state.superseded_by
        now = self._clock.now().isoformat(timespec="milliseconds")
        return CloudEvent(
            id=f"CHANGE/{state.change}/{answer}", source=SOURCE, type=f"deploy.{kind}", subject=state.application, time=now, data=data
        )

    # --- what to look at --------------------------------------------------------------------------------------------------------------

    def _on_entry(self, new: Entry[Any], previous: Entry[Any] | None) -> None:
        if (new.ref.group, new.ref.kind) == CHANGE and new.family is OBJECT:
            self._take_record(new)
        else:
            self._touch(new.ref)

    def _take_record(self, entry: Entry[Any]) -> None:
        if entry.deleted:
            self._close(entry.ref)
            return
        record = record_in(entry.body)
        if changes.closed(record.answered):
            self._close(entry.ref)
            return
        if entry.ref not in self._open:
            refs = (*record.objects, *record.deletes)
            self._open[entry.ref] = refs
            for ref in refs:
                self._about.setdefault(ref, {})[entry.ref] = None
            self._look(entry.ref)

    def _close(self, record: Ref) -> None:
        for ref in self._open.pop(record, ()):
            about = self._about.get(ref)
            if about is not None:
                about.pop(record, None)
                if not about:
                    del self._about[ref]
        self._waiting.discard(record)
        self._sent.pop(record, None)

    def _touch(self, ref: Ref) -> None:
        for record in self._about.get(ref, ()):
            self._look(record)

    def _look(self, record: Ref) -> None:
        if self._queue is not None:
            self._queue.add(record, after_s=GATHER_S + GATHER_EACH_S * len(self._open.get(record, ())))


def refused(source: str, event_id: str, application: str, *, reason: str, message: str, now: Callable[[], str]) -> CloudEvent:
    """The event that tells of a refused deploy; a repeated refusal has the same id."""
    data = {"application": application, "source": source, "eventId": event_id, "reason": reason, "message": message}
    return CloudEvent(
        id=f"REFUSED/{source}/{event_id}/{reason}",
        source=SOURCE,
        type="deploy.refused",
        subject=application or source,
        time=now(),
        data=data,
    )


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
