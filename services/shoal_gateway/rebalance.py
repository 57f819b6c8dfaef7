"""The status of WorkloadRebalancers (R15.3): the scheduler carries them out, the gateway says how far that is, and lets them go."""

from __future__ import annotations

from typing import Any

import msgspec
import structlog

from shoal.api.apps import GROUP, ObjectReference, WorkloadRebalancer, WorkloadRebalancerStatus
from shoal.api.clock import Clock
from shoal.api.meta import Manifest, Ref
from shoal.bus.entries import Draft, Entries, Entry
from shoal.bus.progress import ProgressReader
from shoal.bus.view import View
from shoal.bus.work_queue import WorkQueue
from shoal.domain.rebalancing import Carried, judge
from shoal.messages.catalogue import BINDING, OBJECT, Progress
from shoal_gateway import bodies

log = structlog.get_logger()

KIND = "WorkloadRebalancer"
RECHECK_S = 2.0
"""While it waits for the scheduler: its progress wakes us, this is for what got lost."""


class Rebalancers:
    """Several gateways may try, compare-and-set lets one of them."""

    def __init__(self, view: View, entries: Entries, progress: ProgressReader, *, clock: Clock) -> None:
        self._view, self._entries, self._progress, self._clock = view, entries, progress, clock
        self._waiting: set[Ref] = set()
        self._queue: WorkQueue[Ref] | None = None
        view.subscribe(self._heard)
        progress.subscribe(self._passed)

    def feed(self, queue: WorkQueue[Ref]) -> None:
        self._queue = queue

    def everything(self) -> None:
        for entry in self._view.entries(OBJECT, group=GROUP, kind=KIND):
            self._look(entry.ref)

    async def reconcile(self, ref: Ref) -> int:
        """Writes the status of one rebalancer, or its end; the sequence written, 0 for nothing."""
        entry = self._view.get(OBJECT, ref)
        if entry is None or entry.deleted:
            self._waiting.discard(ref)
            return 0
        body = entry.body
        rebalancer = msgspec.convert({key: value for key, value in body.items() if key != "status"}, WorkloadRebalancer)
        before = msgspec.convert(body.get("status") or {}, WorkloadRebalancerStatus)
        known = {workload: self._carried(workload, rebalancer, entry) for workload in rebalancer.spec.workloads}
        judged = judge(rebalancer, before, known, now=self._clock.now())
        (self._waiting.add if judged.waits else self._waiting.discard)(ref)
        if judged.status != before:
            return await self._write(entry, {**body, "status": msgspec.to_builtins(judged.status)})
        if judged.delete_after_s == 0.0 and not body["metadata"].get("finalizers"):
            return await self._write(entry, None)
        if self._queue is not None and (judged.waits or judged.delete_after_s):
            self._queue.add(ref, after_s=judged.delete_after_s or RECHECK_S)
        return 0

    def _carried(self, workload: ObjectReference, rebalancer: WorkloadRebalancer, entry: Entry[Manifest]) -> Carried:
        binding = self._view.get(BINDING, workload.ref)
        if binding is None or binding.deleted:
            return Carried(bound=False, done=False)
        asked = rebalancer.metadata.creation_timestamp or ""
        done = bool(asked) and bodies.binding(binding).rescheduled_at >= asked
        # It looked and found no better place: that is an answer, too.
        progress = self._progress.get("scheduler")
        return Carried(bound=True, done=done or (progress is not None and progress.read >= entry.content and not progress.behind))

    async def _write(self, entry: Entry[Manifest], body: Manifest | None) -> int:
        draft: Draft[Manifest] = Draft(
            family=OBJECT,
            ref=entry.ref,
            body=body,
            uid=entry.uid,
            change=entry.change,
            author="gateway/rebalancer",
            deleted=body is None,
            content=0 if body is None else entry.content,
        )
        revision = await self._entries.write(draft, expected=entry.revision)
        log.info("rebalancer over" if body is None else "rebalancer judged", rebalancer=entry.ref.name)
        return revision

    def _heard(self, new: Entry[Any], previous: Entry[Any] | None) -> None:
        if new.family is OBJECT and (new.ref.group, new.ref.kind) == (GROUP, KIND):
            self._look(new.ref)

    def _passed(self, progress: Progress) -> None:
        if progress.service == "scheduler":
            for ref in tuple(self._waiting):
                self._look(ref)

    def _look(self, ref: Ref) -> None:
        if self._queue is not None and self._view.complete:
            self._queue.add(ref)
