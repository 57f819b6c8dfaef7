"""The capacity ledger: what was decided and is not yet part of any cluster's own figures, so that no room is given away twice (E11).

A cluster reports its free room some seconds after a decision used it. In between the decision is a reservation: so many pods of that size
are promised there. It ends when the copy has its pods and an inventory that was made after that came in; from then on the inventory says
it. All of it follows from the bindings, the status of their copies and the times of the inventories: a restart loses nothing, it only
knows less of the times, and then holds a reservation a little longer.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple, Protocol

import msgspec

from shoal.api.binding import Binding, Component, ReplicaRequirements
from shoal.api.cluster import ResourceSummary
from shoal.api.meta import Ref
from shoal.api.status import CopyStatus, TemplateStatus
from shoal.domain.scheduling.estimate import Amounts, Promised, Size, amounts, room_for, sets_for, size_of
from shoal.domain.scheduling.snapshot import Snapshot

SETTLE_S = 2.0
"""An inventory counts for pods that were seen so long before it came: reading nodes and pods, sending and judging takes about one second."""
QUIET_S = 45.0
"""Three times the agents' interval: an inventory that did not change since the pods were seen for so long has counted them already."""
_CACHED_MAX = 2_000
_LOG_MAX = 100_000
_COUNTED_KINDS = ("Deployment", "StatefulSet", "ReplicaSet")


class Reservations(Protocol):
    """What a decision asks: the ledger of now, or what was recorded with a decision of the past."""

    def taken(
        self, snapshot: Snapshot, requirements: ReplicaRequirements | None, components: tuple[Component, ...], *, now: datetime
    ) -> dict[str, int]:
        """By cluster: how many replicas (with several components: sets) of that size have no room any more because of reservations."""
        ...


class Recorded(msgspec.Struct, frozen=True):
    """The answer that a decision of the past was given."""

    by_cluster: dict[str, int]

    def taken(
        self, snapshot: Snapshot, requirements: ReplicaRequirements | None, components: tuple[Component, ...], *, now: datetime
    ) -> dict[str, int]:
        return self.by_cluster


class _Promise(NamedTuple):
    """What a binding puts into a cluster: pods of one size, or a whole set of several."""

    size: Size
    """Of a single pod template the number of pods is per cluster and in `wanted`."""
    whole: bool


class _Claim(NamedTuple):
    promise: _Promise
    wanted: dict[str, int]
    """Cluster -> pods; of a set: 1."""
    epochs: dict[str, int]


class _Cached(msgspec.Struct):
    version: int
    taken: dict[str, int]


class Ledger:
    """Fed in the order of the stream; `decided` also before a decision is written, so that the next one knows of it."""

    def __init__(self) -> None:
        self._claims: dict[Ref, _Claim] = {}
        self._seen: dict[Ref, dict[str, list[tuple[int, float]]]] = {}
        """Template -> cluster -> (pods, since when at least so many are there), rising."""
        self._copies: dict[Ref, tuple[TemplateStatus, float]] = {}
        self._counted: dict[str, tuple[ResourceSummary | None, float]] = {}
        """Cluster -> its last figures, and when they were heard to change."""
        self._open: dict[str, dict[Ref, tuple[tuple[Amounts, int], ...]]] = {}
        self._promised: dict[str, Promised] = {}
        self._due: list[tuple[float, str, Ref]] = []
        """When a reservation ends by itself; each once."""
        self._awaited: set[tuple[float, str, Ref]] = set()
        self._log: list[str] = []
        """Clusters whose reservations changed, in order."""
        self._cache: dict[Size, _Cached] = {}
        self._cached_for: Snapshot | None = None

    def copy(self) -> Ledger:
        """One that goes its own way from here: for what is only supposed."""
        other = Ledger()
        other._claims = dict(self._claims)
        other._seen = {ref: {name: list(counts) for name, counts in seen.items()} for ref, seen in self._seen.items()}
        other._copies, other._counted = dict(self._copies), dict(self._counted)
        other._due, other._awaited = list(self._due), set(self._awaited)
        for name, refs in self._open.items():
            for ref, promises in refs.items():
                other._set(name, ref, promises)
        return other

    # --- what is heard ---

    def decided(self, ref: Ref, binding: Binding | None, at: float) -> None:
        """A decision stands, or is about to be written; None: there is none any more. `at` in seconds, when it was made."""
        before = self._claims.pop(ref, None)
        claim = _claim(binding) if binding is not None else None
        if claim is not None:
            self._claims[ref] = claim
            if before is not None and claim != before:
                self._shorten(ref, claim)
            elif before is None and ref in self._copies:
                status, told = self._copies[ref]
                self._count(ref, claim, status, max(told, at))
        else:
            self._seen.pop(ref, None)
        for name in {**(before.wanted if before else {}), **(claim.wanted if claim else {})}:
            self._weigh(ref, name)

    def reported(self, ref: Ref, status: TemplateStatus | None, at: float) -> None:
        """What is known of the copies; `at` in seconds, when that was written."""
        if status is None:
            self._copies.pop(ref, None)
            self._seen.pop(ref, None)
            return
        self._copies[ref] = (status, at)
        claim = self._claims.get(ref)
        if claim is not None:
            self._count(ref, claim, status, at)
            for name in claim.wanted:
                self._weigh(ref, name)

    def counted(self, cluster: str, summary: ResourceSummary | None, at: float) -> None:
        """A cluster's figures. Only their change has a time: figures that are heard for the first time may be old."""
        before = self._counted.get(cluster)
        if before is not None and before[0] == summary:
            return
        self._counted[cluster] = (summary, at if before is not None else -math.inf)
        for ref in list(self._open.get(cluster, ())):
            self._weigh(ref, cluster)

    # --- what is asked ---

    def taken(
        self, snapshot: Snapshot, requirements: ReplicaRequirements | None, components: tuple[Component, ...], *, now: datetime
    ) -> dict[str, int]:
        """See `Reservations`. Kept per size of a pod, and brought up to date for the clusters that changed since it was asked last."""
        self._end(now.timestamp())
        if not self._open:
            return {}
        if self._cached_for is not snapshot or len(self._cache) >= _CACHED_MAX:
            self._cached_for = snapshot
            self._cache.clear()
        key = size_of(requirements, components)
        known = self._cache.get(key)
        if known is None:
            known = self._cache[key] = _Cached(len(self._log), {})
            changed = set(self._open)
        else:
            changed = set(self._log[known.version :])
            known.version = len(self._log)
        if changed:
            taken, request = dict(known.taken), amounts(requirements)
            for name in changed:
                count = self._taken_of(snapshot, name, request, components)
                if count:
                    taken[name] = count
                else:
                    taken.pop(name, None)
            known.taken = taken
        return known.taken

    def until(self, now: datetime) -> float | None:
        """Seconds until some reservation ends by itself; None when none does."""
        self._end(now.timestamp())
        return max(0.0, self._due[0][0] - now.timestamp()) if self._due else None

    def _taken_of(self, snapshot: Snapshot, name: str, request: dict[str, int], components: tuple[Component, ...]) -> int:
        cluster, promised = snapshot.get(name), self._promised.get(name)
        if cluster is None or promised is None:
            return 0
        if len(components) > 1:
            return sets_for(cluster, components) - sets_for(cluster, components, promised)
        return room_for(cluster, request) - room_for(cluster, request, promised)

    # --- how long a reservation stands ---

    def _count(self, ref: Ref, claim: _Claim, status: TemplateStatus, at: float) -> None:
        """Keeps since when how many pods are there."""
        seen = self._seen.setdefault(ref, {})
        for name in [name for name in seen if name not in claim.wanted]:
            del seen[name]
        for name, wanted in claim.wanted.items():
            pods = min(wanted, _pods(ref.kind, status.copy(name), wanted, claim.epochs[name]))
            had = seen.get(name, [])
            counts = [(count, since) for count, since in had if count <= pods]
            if pods and (not counts or counts[-1][0] < pods):
                counts.append((pods, min(at, next((since for count, since in had if count > pods), at))))
            seen[name] = counts

    def _shorten(self, ref: Ref, claim: _Claim) -> None:
        """What was seen counts for a new decision only as far as it was asked for: a status from before may tell of pods that go."""
        seen = self._seen.get(ref, {})
        for name in list(seen):
            wanted = claim.wanted.get(name, 0)
            counts = [(count, since) for count, since in seen[name] if count <= wanted]
            above = next((since for count, since in seen[name] if count > wanted), None)
            if above is not None and wanted and (not counts or counts[-1][0] < wanted):
                counts.append((wanted, above))
            if counts:
                seen[name] = counts
            else:
                del seen[name]

    def _weigh(self, ref: Ref, name: str) -> None:
        """Puts down what is still promised of one binding in one cluster."""
        claim = self._claims.get(ref)
        wanted = claim.wanted.get(name, 0) if claim is not None else 0
        counts = self._seen.get(ref, {}).get(name, []) if wanted else []
        heard = self._counted.get(name, (None, -math.inf))[1]
        settled = 0
        for count, since in counts:
            if since + SETTLE_S <= heard:
                settled = max(settled, count)
            elif (due := (since + QUIET_S, name, ref)) not in self._awaited:
                self._awaited.add(due)
                heapq.heappush(self._due, due)
        self._put(ref, name, claim, wanted - min(settled, wanted))

    def _end(self, now: float) -> None:
        """Pods that were seen for long enough are in the figures, though these did not change."""
        while self._due and self._due[0][0] <= now:
            self._awaited.discard(self._due[0])
            due, name, ref = heapq.heappop(self._due)
            claim = self._claims.get(ref)
            counts = self._seen.get(ref, {}).get(name, [])
            settled = max((count for count, since in counts if since + QUIET_S <= due), default=0)
            if claim is not None and settled:
                # From here on they count as seen before everything.
                self._seen[ref][name] = [(settled, -math.inf), *((count, since) for count, since in counts if count > settled)]
                self._weigh(ref, name)

    def _put(self, ref: Ref, name: str, claim: _Claim | None, left: int) -> None:
        promises = tuple(_promises(claim.promise, left)) if claim is not None and left > 0 else ()
        if self._open.get(name, {}).get(ref, ()) != promises:
            self._set(name, ref, promises)

    def _set(self, name: str, ref: Ref, promises: tuple[tuple[Amounts, int], ...]) -> None:
        there, promised = self._open.setdefault(name, {}), self._promised.setdefault(name, Promised())
        for request, pods in there.pop(ref, ()):
            promised.add(request, -pods)
        for request, pods in promises:
            promised.add(request, pods)
        if promises:
            there[ref] = promises
        elif not there:
            del self._open[name], self._promised[name]
        self._log.append(name)
        if len(self._log) > _LOG_MAX:
            self._log.clear()
            self._cache.clear()


def _claim(binding: Binding) -> _Claim | None:
    """None for what has no pods of its own."""
    components = binding.components
    if len(components) > 1:
        promise = _Promise(size_of(None, components), whole=True)
        wanted = {target.name: 1 for target in binding.clusters if target.name not in binding.attached}
    elif binding.replicas > 0 or binding.replica_requirements is not None:
        promise = _Promise(size_of(binding.replica_requirements, ()), whole=False)
        wanted = {
            target.name: binding.replicas if target.replicas is None else target.replicas
            for target in binding.clusters
            if target.name not in binding.attached
        }
    else:
        return None
    wanted = {name: count for name, count in wanted.items() if count > 0}
    return _Claim(promise, wanted, {target.name: target.epoch for target in binding.clusters}) if wanted else None


def _promises(promise: _Promise, left: int) -> Iterator[tuple[Amounts, int]]:
    for request, pods in promise.size:
        yield request, pods if promise.whole else left


def _pods(kind: str, copy: CopyStatus | None, wanted: int, epoch: int) -> int:
    """How many pods of a copy are there; where its status does not count them, all of them once it is applied."""
    if copy is None or copy.epoch < epoch:
        return 0
    status = copy.status or {}
    if kind in _COUNTED_KINDS:
        return int(status.get("replicas") or 0)
    if kind == "Job":
        return wanted if any(status.get(field) for field in ("active", "succeeded", "failed")) else 0
    return wanted if copy.applied else 0
