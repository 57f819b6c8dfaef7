"""FederatedHPAs (R15.6): in rounds, each cluster is asked once what the pods use, then each target gets the number that follows from it.

What is set of a target is written together with the status that tells of it, on top of the very states that the round began with: of several
gateways compare-and-set lets one of them. The others hear of its step and count it, as far as `spec.behavior` limits the pace. What was
recommended lately is known to each gateway by itself, as in Kubernetes: one that starts takes nothing away for a whole window.

The status is written at once when a number or what a condition says has changed, and otherwise once a minute when anything else has.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import msgspec
import structlog

from shoal.api.autoscaling import FEDERATED_HPA, GROUP, FederatedHPA, FederatedHPAStatus, MetricSpec
from shoal.api.clock import Clock
from shoal.api.errors import ManifestInvalid
from shoal.api.meta import Manifest, Ref, group_of
from shoal.bus.entries import Draft, Entries, Entry
from shoal.bus.view import View
from shoal.bus.work_queue import WorkQueue
from shoal.domain.autoscaling import (
    Memory,
    Readiness,
    Runs,
    Settings,
    Situation,
    Step,
    autoscale,
    is_worth_writing,
    situation,
    with_step,
)
from shoal.kube.apiserver import Store
from shoal.messages.catalogue import OBJECT
from shoal.runtime.config import GatewayConfig
from shoal_gateway import origin
from shoal_gateway.hub import Hub
from shoal_gateway.measuring import Measuring
from shoal_gateway.staging import Staged, Staging
from shoal_gateway.store import HubStore

log = structlog.get_logger()

AUTHOR = "gateway/federated-hpa"
MANAGER = "shoal-federated-hpa"
ROUND = Ref(GROUP, FEDERATED_HPA, "", "")
"""Key of a round in the queue; no object has this name."""
SLICE = 100
"""Objects read before others get their turn on the loop."""


class _Look(NamedTuple):
    """One of them, as the round found it."""

    entry: Entry[Manifest]
    hpa: FederatedHPA
    target: Ref
    replicas: int
    token: int
    """Revision of the target; what is set of it is set on top of this one."""
    problem: str
    """Why its scale cannot be read."""


class _Known(NamedTuple):
    look: _Look
    situation: Situation | str
    notes: tuple[str, ...]


class FederatedHPAs:
    """Looks at all of them in rounds; between these nothing is done."""

    def __init__(
        self,
        store: HubStore,
        view: View,
        entries: Entries,
        hub: Hub,
        stage: Callable[[Store], Hub],
        measuring: Measuring,
        config: GatewayConfig,
        *,
        new_change: Callable[[], str],
        clock: Clock,
    ) -> None:
        """`stage` gives the hub's API over another store."""
        self._store, self._view, self._entries, self._hub, self._stage = store, view, entries, hub, stage
        self._measuring, self._new_change, self._clock = measuring, new_change, clock
        readiness = Readiness(config.federated_hpa_cpu_initialization_s, config.federated_hpa_initial_readiness_s)
        self._settings = Settings(config.federated_hpa_tolerance, readiness, config.federated_hpa_downscale_stabilization_s)
        self._every_s, self._next_s = config.federated_hpa_sync_s, 0.0
        self._known: dict[Ref, _Known] = {}
        self._memories: dict[Ref, Memory] = {}
        self._queue: WorkQueue[Ref] | None = None
        view.subscribe(self._heard)

    def feed(self, queue: WorkQueue[Ref]) -> None:
        self._queue = queue

    def everything(self) -> None:
        if self._queue is not None and self._view.complete:
            self._queue.add(ROUND)

    async def reconcile(self, ref: Ref) -> int:
        """A round, or one object by what the round has found; the sequence written, 0 for nothing."""
        if ref == ROUND:
            await self._round_when_due()
            return 0
        known = self._known.pop(ref, None)  # Used once: who meets a conflict waits for the next round.
        if known is None:
            return 0
        return await self._carry_out(ref, known)

    async def _round_when_due(self) -> None:
        if self._queue is None:
            return
        wait_s = self._next_s - self._clock.monotonic()
        if wait_s > 0:
            self._queue.add(ROUND, after_s=wait_s)
            return
        try:
            if self._view.complete:
                await self._round(self._queue)
        finally:
            self._next_s = self._clock.monotonic() + self._every_s
            self._queue.add(ROUND, after_s=self._every_s)

    async def _round(self, queue: WorkQueue[Ref]) -> None:
        looks = list[_Look]()
        for number, entry in enumerate(self._view.entries(OBJECT, group=GROUP, kind=FEDERATED_HPA), 1):
            if (look := self._look(entry)) is not None:
                looks.append(look)
            if number % SLICE == 0:
                await asyncio.sleep(0)
        runs = {look.target: self._measuring.runs(look.target) for look in looks if look.replicas}
        told = await self._measuring.ask(runs, {name for look in looks for name in map(_resource_of, look.hpa.spec.metrics) if name})
        of = defaultdict[Ref, list[str]](list)
        for look in looks:
            of[look.target].append(look.entry.ref.name)
        for look in looks:
            found, notes = situation(look.target, look.replicas, runs.get(look.target, Runs((), duplicated=False)), told)
            if len(of[look.target]) > 1:
                found = found._replace(rivals=tuple(sorted(of[look.target])))
            self._known[look.entry.ref] = _Known(look, look.problem or found, notes)
            queue.add(look.entry.ref)

    def _look(self, entry: Entry[Manifest]) -> _Look | None:
        """None for what is gone, or on its way."""
        body = {} if entry.deleted else entry.body
        if not body or body["metadata"].get("deletionTimestamp"):
            return None
        try:
            hpa = msgspec.convert({key: value for key, value in body.items() if key != "status"}, FederatedHPA)
        except msgspec.ValidationError as error:
            log.warning("autoscaler cannot be read", hpa=str(entry.ref), error=str(error))
            return None
        wanted = hpa.spec.scale_target_ref
        target = Ref(group_of(wanted.api_version), wanted.kind, entry.ref.namespace, wanted.name)
        try:
            replicas, token = self._hub.replicas(target, wanted.api_version)
        except ManifestInvalid as error:
            return _Look(entry, hpa, target, 0, 0, str(error))
        return _Look(entry, hpa, target, replicas, token, "")

    async def _carry_out(self, ref: Ref, known: _Known) -> int:
        look, now = known.look, self._clock.now()
        body = look.entry.body
        before = status_of(body)
        if before.last_scale_time is not None and 0 <= (now - before.last_scale_time).total_seconds() < self._every_s - 1:
            return 0  # Another gateway has just scaled; what was measured is of before.
        memory = self._memories.get(ref, Memory())
        decide = partial(autoscale, look.hpa, before, known.situation, memory, self._settings, notes=known.notes, now=now)
        judged, staged = decide(), list[Staged]()
        if judged.replicas is not None:
            try:
                staged = await self._scaled(look, judged.replicas)
            except ManifestInvalid as error:
                judged = decide(refused=str(error))
            else:
                if [one.expected for one in staged] != [look.token]:
                    return 0  # Somebody has written the target meanwhile.
        self._memories[ref] = judged.memory
        age_s = now.timestamp() - look.entry.time
        if not staged and not is_worth_writing(before, judged.status, age_s=age_s):
            return 0
        drafts = [(one.draft, one.expected) for one in staged]
        drafts.append((_draft(look.entry, {**body, "status": msgspec.to_builtins(judged.status)}), look.entry.revision))
        revision = (await self._entries.write_all(drafts))[-1]
        if staged:
            log.info("target scaled", hpa=str(ref), target=str(look.target), replicas=judged.replicas, cause=judged.cause)
        return revision

    async def _scaled(self, look: _Look, replicas: int) -> list[Staged]:
        """What sets the number of the target. Raises `ManifestInvalid` when it is refused."""
        origin.enter(origin.Origin(AUTHOR, self._new_change(), trusted=True))
        staging = Staging(self._store)
        version = look.hpa.spec.scale_target_ref.api_version
        await self._stage(staging).patch(look.target, version, {"spec": {"replicas": replicas}}, manager=MANAGER, subresource="scale")
        return staging.staged

    def _heard(self, new: Entry[Any], previous: Entry[Any] | None) -> None:
        """A step counts, whichever gateway has made it."""
        if new.family is not OBJECT or (new.ref.group, new.ref.kind) != (GROUP, FEDERATED_HPA):
            return
        if new.deleted:
            self._memories.pop(new.ref, None)
        if new.author != AUTHOR or new.deleted or previous is None or previous.deleted:
            return
        before, after = status_of(previous.body), status_of(new.body)
        if after.last_scale_time != before.last_scale_time and after.last_scale_time is not None:
            step = Step(self._clock.now(), (after.desired_replicas or 0) - (after.current_replicas or 0))
            self._memories[new.ref] = with_step(self._memories.get(new.ref, Memory()), step)


def status_of(body: Manifest) -> FederatedHPAStatus:
    """As stored; one that cannot be read (written by hand) is begun anew."""
    try:
        return msgspec.convert(body.get("status") or {}, FederatedHPAStatus)
    except msgspec.ValidationError as error:
        log.warning("status cannot be read", hpa=str(body["metadata"].get("name")), error=str(error))
        return FederatedHPAStatus()


def _resource_of(metric: MetricSpec) -> str:
    source = metric.resource or metric.container_resource
    return source.name if source is not None else ""


def _draft(entry: Entry[Manifest], body: Manifest) -> Draft[Manifest]:
    return Draft(family=OBJECT, ref=entry.ref, body=body, uid=entry.uid, change=entry.change, author=AUTHOR, content=entry.content)
