"""The status of FederatedResourceQuotas (R15.2): what is used of them, from the bindings of their namespace; the scheduler enforces them."""

from __future__ import annotations

from typing import Any

import msgspec
import structlog

from shoal.api.meta import Manifest, Ref
from shoal.api.quota import GROUP, KIND, FederatedResourceQuotaStatus
from shoal.bus.entries import Draft, Entries, Entry
from shoal.bus.view import View
from shoal.bus.work_queue import WorkQueue
from shoal.domain.quota import add, texts, usage_of
from shoal.messages.catalogue import BINDING, OBJECT
from shoal_gateway import bodies

log = structlog.get_logger()

GATHER_S = 1.0
"""Bindings of a namespace change together; one count serves them all."""


class Quotas:
    """Several gateways may try, compare-and-set lets one of them."""

    def __init__(self, view: View, entries: Entries) -> None:
        self._view, self._entries = view, entries
        self._queue: WorkQueue[Ref] | None = None
        view.subscribe(self._heard)

    def feed(self, queue: WorkQueue[Ref]) -> None:
        self._queue = queue

    def everything(self) -> None:
        """Now and then: the full recount."""
        for entry in self._of(None):
            self._look(entry.ref, 0.0)

    async def reconcile(self, ref: Ref) -> int:
        """Counts what is used of one quota; the sequence written, 0 for nothing."""
        entry = self._view.get(OBJECT, ref)
        if entry is None or entry.deleted:
            return 0
        body = entry.body
        overall = {name: str(value) for name, value in ((body.get("spec") or {}).get("overall") or {}).items()}
        bindings = (one for one in self._view.entries(BINDING, namespace=ref.namespace) if not one.deleted)
        used = add(*(usage_of(bodies.binding(one)) for one in bindings))
        before = msgspec.convert(body.get("status") or {}, FederatedResourceQuotaStatus)
        status = msgspec.structs.replace(before, overall=overall, overall_used=texts(overall, used))
        if status == before:
            return 0
        draft: Draft[Manifest] = Draft(
            family=OBJECT,
            ref=ref,
            body={**body, "status": msgspec.to_builtins(status)},
            uid=entry.uid,
            change=entry.change,
            author="gateway/quota",
            content=entry.content,
        )
        return await self._entries.write(draft, expected=entry.revision)

    def _of(self, namespace: str | None) -> list[Entry[Manifest]]:
        return [one for one in self._view.entries(OBJECT, group=GROUP, kind=KIND, namespace=namespace) if not one.deleted]

    def _heard(self, new: Entry[Any], previous: Entry[Any] | None) -> None:
        if new.family is OBJECT and (new.ref.group, new.ref.kind) == (GROUP, KIND):
            self._look(new.ref, 0.0)
        elif new.family is BINDING:
            for entry in self._of(new.ref.namespace):
                self._look(entry.ref, GATHER_S)

    def _look(self, ref: Ref, after_s: float) -> None:
        if self._queue is not None and self._view.complete:
            self._queue.add(ref, after_s=after_s)
