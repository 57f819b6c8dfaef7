"""What the pods of workloads use, asked of the agents of the clusters where they run: one question for all workloads of a cluster (R15.6)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

import structlog

from shoal.api import cluster
from shoal.api.binding import Binding
from shoal.api.errors import ShoalError
from shoal.api.meta import Ref
from shoal.api.status import LOST, CopyStatus, TemplateStatus
from shoal.bus.port import Bus
from shoal.bus.requests import ask
from shoal.bus.view import View
from shoal.domain.autoscaling import Answer, Place, Runs
from shoal.messages.catalogue import BELIEF, BINDING, STATUS
from shoal.messages.measuring import MetricsMeasured, MetricsRequest, metrics_subject
from shoal_gateway import bodies

log = structlog.get_logger()

AT_ONCE = 200
"""Agents that are asked at the same time."""
PODS_MAX = 5_000
"""Of one question: about 2 MB of answer, below what the bus takes. A cluster with more of them is asked again for the others."""


class Measuring:
    """Reads where workloads run, and asks there. Decides nothing."""

    def __init__(self, view: View, bus: Bus, *, timeout_s: float) -> None:
        self._view, self._bus, self._timeout_s = view, bus, timeout_s

    def runs(self, ref: Ref) -> Runs:
        """By the last decision and what the members have said since."""
        entry = self._view.get(BINDING, ref)
        if entry is None or entry.deleted:
            return Runs((), duplicated=False)
        binding, status = bodies.binding(entry), self._status(ref, entry.uid)
        division = binding.placement.replica_scheduling
        whole = any(target.replicas is None for target in binding.clusters)  # Of a kind that nobody can divide.
        duplicated = whole or division is None or division.replica_scheduling_type != "Divided"
        return Runs(tuple(self._places(binding, status)), duplicated)

    async def ask(self, workloads: dict[Ref, Runs], resources: Iterable[str]) -> dict[tuple[str, Ref], Answer]:
        """By cluster and workload. Who does not answer in time is told of as such."""
        wanted: dict[tuple[str, str], dict[Ref, int]] = {}
        for ref, runs in workloads.items():
            for place in runs.places:
                if place.member:
                    wanted.setdefault((place.cluster, place.member), {})[ref] = place.pods
        gate, names = asyncio.Semaphore(AT_ONCE), tuple(sorted(resources))

        async def one(cluster_: str, member: str, refs: dict[Ref, int]) -> dict[tuple[str, Ref], Answer]:
            async with gate:
                found = [await self._ask(member, part, names) for part in _parts(refs)]
            return {(cluster_, ref): told for part in found for ref, told in part.items()}

        answers = await asyncio.gather(*(one(*key, refs) for key, refs in wanted.items()))
        return {key: told for answer in answers for key, told in answer.items()}

    async def _ask(self, member: str, refs: tuple[Ref, ...], resources: tuple[str, ...]) -> dict[Ref, Answer]:
        request = MetricsRequest(refs=refs, resources=resources)
        try:
            answer = await ask(self._bus, metrics_subject(member), request, MetricsMeasured, timeout_s=self._timeout_s)
        except ShoalError as error:
            log.info("no metrics", member=member, cause=str(error))
            return dict.fromkeys(refs, f"did not answer ({error.reason})")
        found: dict[Ref, Answer] = dict.fromkeys(refs, "did not tell of it")
        return found | {one.ref: (answer.at, one) for one in answer.targets}

    def _status(self, ref: Ref, uid: str) -> TemplateStatus | None:
        entry = self._view.get(STATUS, ref)
        return bodies.status(entry) if entry is not None and not entry.deleted and entry.uid == uid else None

    def _places(self, binding: Binding, status: TemplateStatus | None) -> Iterator[Place]:
        for target in binding.clusters:
            yield self._place(target.name, status.copy(target.name) if status else None, target.replicas or 0, stays=True)
        for name in binding.removals:
            copy = status.copy(name) if status else None
            if copy is not None:
                yield self._place(name, copy, 0, stays=False)

    def _place(self, name: str, copy: CopyStatus | None, replicas: int, *, stays: bool) -> Place:
        told = (copy.status or {}).get("replicas") if copy is not None else None
        pods = told if isinstance(told, int) else replicas
        entry = self._view.get(BELIEF, Ref(cluster.GROUP, cluster.KIND, "", name))
        belief = bodies.belief(entry) if entry is not None and not entry.deleted else None
        if belief is None or not belief.member or belief.state == LOST:
            return Place(name, "", pods, stays, "is lost" if belief is not None and belief.state == LOST else "has not joined")
        return Place(name, belief.member, pods, stays)


def _parts(refs: dict[Ref, int]) -> Iterator[tuple[Ref, ...]]:
    """Questions that are small enough."""
    part, pods = list[Ref](), 0
    for ref in sorted(refs):
        if part and pods + refs[ref] > PODS_MAX:
            yield tuple(part)
            part, pods = [], 0
        part.append(ref)
        pods += refs[ref] + 1
    if part:
        yield tuple(part)
