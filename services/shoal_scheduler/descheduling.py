"""Rounds of descheduling (R15.4): agents are asked for pods that no node takes, and what has some is decided again.

Nothing is decided here. What the agents said stays known until the next round, for the very decisions that they were asked about.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from shoal.api.clock import Clock
from shoal.api.errors import ShoalError
from shoal.api.meta import Ref
from shoal.api.unschedulable import Unschedulable
from shoal.bus.leases import Lease
from shoal.bus.port import Bus
from shoal.bus.requests import ask
from shoal.domain.deciding import lacking
from shoal.messages.catalogue import BINDING, STATUS, UnschedulableCounted, UnschedulableRequest, unschedulable_subject
from shoal_scheduler.knowledge import Knowledge, Unschedulables
from shoal_scheduler.reading import State

log = structlog.get_logger()

AT_ONCE = 200
"""Agents that are asked at the same time."""
REFS_MAX = 5_000
"""Of one question: about half a megabyte, far below what the bus takes. A cluster with more of them is asked again for the others."""
SLICE = 1_000
"""Bindings before others get their turn on the loop."""
Asked = dict[Ref, tuple[str, int, int]]
"""Of one member: workload -> (cluster, revision of its binding, replicas that it has there)."""


@dataclass(frozen=True)
class Descheduler:
    bus: Bus
    lease: Lease
    state: State
    knowledge: Knowledge
    clock: Clock
    look_again: Callable[[Ref], None]
    interval_s: float
    after_s: float
    timeout_s: float

    async def run(self) -> None:
        """Only the active scheduler asks; one that stands by would ask for nothing."""
        while True:
            await self.clock.sleep(self.interval_s)
            if self.lease.held:
                await self.round()

    async def round(self) -> None:
        """Who does not answer changes nothing."""
        gate = asyncio.Semaphore(AT_ONCE)
        wanted = await self._wanted()
        answers = await asyncio.gather(*(self._ask(member, asked, gate) for member, asked in wanted.items()))
        found: dict[Ref, Unschedulables] = {}
        for asked, counts in zip(wanted.values(), answers, strict=True):
            for one in counts:
                self._heard(found, one, asked)
        self.knowledge.unschedulable = found
        for ref, told in found.items():
            log.info("replicas are unschedulable", binding=str(ref), clusters=told.by_cluster)
            self.look_again(ref)

    async def _wanted(self) -> dict[str, Asked]:
        """By member: workloads whose copy there has fewer ready replicas than it was asked for."""
        wanted: dict[str, Asked] = defaultdict(dict)
        for number, entry in enumerate(list(self.state.entries(BINDING, group="apps", kind="Deployment")), 1):
            status = self.state.get(STATUS, entry.ref)
            if not entry.deleted and status is not None and not status.deleted:
                for cluster in lacking(entry.ref, entry.body, status.body):
                    view, target = self.knowledge.snapshot.get(cluster), entry.body.target(cluster)
                    if view is not None and view.ready and view.member and target is not None:
                        wanted[view.member][entry.ref] = (cluster, entry.revision, target.replicas or 0)
            if number % SLICE == 0:
                await asyncio.sleep(0)
        return wanted

    async def _ask(self, member: str, asked: Iterable[Ref], gate: asyncio.Semaphore) -> list[Unschedulable]:
        refs, found = sorted(asked), list[Unschedulable]()
        async with gate:
            for start in range(0, len(refs), REFS_MAX):
                request = UnschedulableRequest(refs=tuple(refs[start : start + REFS_MAX]), longer_than_s=self.after_s)
                try:
                    answer = await ask(self.bus, unschedulable_subject(member), request, UnschedulableCounted, timeout_s=self.timeout_s)
                except ShoalError as error:
                    log.info("unschedulable pods not counted", member=member, cause=str(error))
                    break
                found += answer.counts
        return found

    @staticmethod
    def _heard(found: dict[Ref, Unschedulables], one: Unschedulable, asked: Asked) -> None:
        """A count is about the replicas that were decided; where the copy asks for others (it is behind, or somebody else sets them) it
        says nothing."""
        cluster, revision, replicas = asked.get(one.ref, ("", 0, 0))
        if cluster and one.replicas == replicas and one.pods > 0:
            found.setdefault(one.ref, Unschedulables(revision, {})).by_cluster[cluster] = one.pods
