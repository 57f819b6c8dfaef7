"""CronFederatedHPAs (R15.7): what a rule sets of its target is written together with its status, so that each moment counts once.

A gateway that is killed has written both or none, and of two gateways compare-and-set lets one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from shoal.api.autoscaling import CRON_FEDERATED_HPA, GROUP, CronFederatedHPA, CronFederatedHPAStatus
from shoal.api.clock import Clock
from shoal.api.errors import ManifestInvalid
from shoal.api.meta import Manifest, Ref, group_of
from shoal.bus.entries import Draft, Entries, Entry
from shoal.bus.view import View
from shoal.bus.work_queue import WorkQueue
from shoal.domain.autoscaling import Due, Execution, asked, due, judge
from shoal.kube.apiserver import Store
from shoal.messages.catalogue import OBJECT
from shoal_gateway import origin
from shoal_gateway.hub import Hub
from shoal_gateway.staging import Staging
from shoal_gateway.store import HubStore

log = structlog.get_logger()

AUTHOR = "gateway/cron"
MANAGER = "shoal-cron"


class Crons:
    """Carries out the rules whose moment has come; sleeps until the next one."""

    def __init__(
        self,
        store: HubStore,
        view: View,
        entries: Entries,
        stage: Callable[[Store], Hub],
        *,
        new_change: Callable[[], str],
        clock: Clock,
    ) -> None:
        """`stage` gives the hub's API over another store."""
        self._store, self._view, self._entries, self._stage = store, view, entries, stage
        self._new_change, self._clock = new_change, clock
        self._queue: WorkQueue[Ref] | None = None
        view.subscribe(self._heard)

    def feed(self, queue: WorkQueue[Ref]) -> None:
        self._queue = queue

    def everything(self) -> None:
        for entry in self._view.entries(OBJECT, group=GROUP, kind=CRON_FEDERATED_HPA):
            self._look(entry.ref)

    async def reconcile(self, ref: Ref) -> int:
        """Carries out what is due of one object, and writes its status; the sequence written, 0 for nothing."""
        entry = self._view.get(OBJECT, ref)
        if entry is None or entry.deleted:
            return 0
        body = entry.body
        if body["metadata"].get("deletionTimestamp"):
            return 0
        cron = msgspec.convert({key: value for key, value in body.items() if key != "status"}, CronFederatedHPA)
        before, now = status_of(body), self._clock.now()
        origin.enter(origin.Origin(AUTHOR, self._new_change(), trusted=True))
        staging = Staging(self._store)
        hub = self._stage(staging)
        done = [await self._carry_out(one, cron, hub) for one in due(cron, before, now=now)]
        judged = judge(cron, before, done, now=now)
        if judged.status == before:
            if judged.wake_s is not None and self._queue is not None:
                self._queue.add(ref, after_s=judged.wake_s)
            return 0
        drafts = [(one.draft, one.expected) for one in staging.staged]
        drafts.append((_draft(entry, {**body, "status": msgspec.to_builtins(judged.status)}), entry.revision))
        revision = (await self._entries.write_all(drafts))[-1]
        for one in done:
            log.info("rule carried out", cron=str(ref), rule=one.due.rule.name, error=one.error)
        return revision

    async def _carry_out(self, one: Due, cron: CronFederatedHPA, hub: Hub) -> Execution:
        """Stages what a rule sets of its target: a workload by its scale. Raises `Retryable`; a refusal is a result."""
        if one.missed:
            return Execution(one, one.missed)
        target = cron.spec.scale_target_ref
        group = group_of(target.api_version)
        spec = asked(one.rule, of_hpa=group == GROUP)
        ref = Ref(group, target.kind, cron.metadata.namespace, target.name)
        try:
            await hub.patch(ref, target.api_version, {"spec": spec}, manager=MANAGER, subresource="" if group == GROUP else "scale")
        except ManifestInvalid as error:
            return Execution(one, str(error))
        return Execution(one, "")

    def _heard(self, new: Entry[Any], previous: Entry[Any] | None) -> None:
        if new.family is OBJECT and (new.ref.group, new.ref.kind) == (GROUP, CRON_FEDERATED_HPA):
            self._look(new.ref)

    def _look(self, ref: Ref) -> None:
        if self._queue is not None and self._view.complete:
            self._queue.add(ref)


def status_of(body: Manifest) -> CronFederatedHPAStatus:
    """As stored; one that cannot be read (written by hand) is begun anew."""
    try:
        return msgspec.convert(body.get("status") or {}, CronFederatedHPAStatus)
    except msgspec.ValidationError as error:
        log.warning("status cannot be read", cron=str(body["metadata"].get("name")), error=str(error))
        return CronFederatedHPAStatus()


def _draft(entry: Entry[Manifest], body: Manifest) -> Draft[Manifest]:
    return Draft(family=OBJECT, ref=entry.ref, body=body, uid=entry.uid, change=entry.change, author=AUTHOR, content=entry.content)
