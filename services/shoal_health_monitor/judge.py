"""The judge: looks at every cluster twice a second and writes what it believes of it when that changed."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import structlog

from shoal.api.clock import Clock
from shoal.api.cluster import GROUP as CLUSTER_GROUP
from shoal.api.cluster import KIND as CLUSTER_KIND
from shoal.api.cluster import MEMBER_ID_ANNOTATION
from shoal.api.meta import Manifest, Ref
from shoal.api.status import LOST, Belief
from shoal.bus.entries import Draft, Entries, Entry
from shoal.bus.port import Bus
from shoal.bus.view import View
from shoal.bus.work_queue import WorkQueue
from shoal.domain.health import Evidence, Listening, Thresholds, hold, judge, listen, silence_s, verdict
from shoal.messages.catalogue import BELIEF, INVENTORY, OBJECT
from shoal_health_monitor.beats import Beats
from shoal_health_monitor.steering import Steering

log = structlog.get_logger()

LOOK_S = 0.5
"""How often the judge looks; a verdict is at most this late."""


@dataclass
class Judge:
    """Its queue's key is the Cluster's ref. `look` finds what changed, `reconcile` writes it."""

    bus: Bus
    entries: Entries
    state: View
    reports: View
    beats: Beats
    steering: Steering
    thresholds: Thresholds
    clock: Clock
    queue: WorkQueue[Ref] | None = None
    _listening: Listening | None = None
    _held: bool = False

    async def loop(self) -> None:
        while True:
            self.look()
            await self.clock.sleep(LOOK_S)

    def look(self) -> None:
        """One look at all clusters. Silence counts only while this loop ran, the bus was connected and the views were complete."""
        at = self.clock.monotonic()
        able = self.bus.connected and self.state.complete and self.reports.complete
        self._listening = listen(self._listening, at, able=able, beat_s=self.thresholds.beat_s)
        clusters = {entry.ref: entry for entry in self.state.entries(OBJECT, group=CLUSTER_GROUP, kind=CLUSTER_KIND) if not entry.deleted}
        manifests = {ref: entry.body for ref, entry in clusters.items()}
        self.beats.known = {member: clusters[ref] for ref, manifest in manifests.items() if (member := _member(manifest))}
        self.beats.trusts_absence = self.state.complete
        self._brake({ref: m for ref, manifest in manifests.items() if (m := _member(manifest))}, at)
        for ref, cluster in clusters.items():
            previous = self.state.get(BELIEF, ref)
            belief = self._judge(cluster, previous, at)
            if belief is not None and self.queue is not None and (previous is None or previous.deleted or previous.body != belief):
                self.queue.add(ref, fresh=True)
        for gone in self.state.entries(BELIEF):
            if not gone.deleted and self._forgotten(gone.ref) and self.queue is not None:
                self.queue.add(gone.ref)

    def listened_s(self) -> float:
        """For how long every beat and report would have been heard; 0 while none would be."""
        return self.clock.monotonic() - self._listening.since if self._listening is not None else 0.0

    def _brake(self, members: dict[Ref, str], at: float) -> None:
        """No verdict when many fall silent within one grace: the fault is then nearer than they are."""
        beliefs = {ref: self.state.get(BELIEF, ref) for ref in members}
        standing = {ref: m for ref, m in members.items() if (belief := beliefs[ref]) is not None and belief.body.state != LOST}
        silent = sum(silence_s(self._heard(ref, m, at)) >= self.thresholds.suspect_after_s for ref, m in standing.items())
        held = hold(silent, len(standing))
        if held != self._held:
            log.warning("mass silence, no verdict is passed" if held else "mass silence is over", silent=silent, clusters=len(standing))
        self._held = held

    def _heard(self, ref: Ref, member: str, at: float) -> Evidence:
        """What agents and inventories say."""
        beat, inventory = self.beats.heard.get(member), self.reports.get(INVENTORY, ref, member)
        return Evidence(
            member=member,
            at=at,
            listening=self._listening,
            last_beat=beat.at if beat else None,
            steady_since=beat.steady_since if beat else None,
            api_unhealthy_since=beat.api_unhealthy_since if beat else None,
            held=self._held,
            inventory=inventory.body if inventory is not None and not inventory.deleted else None,
        )

    def _judge(self, cluster: Entry[Manifest], previous: Entry[Belief] | None, at: float) -> Belief | None:
        member = _member(cluster.body)
        if not member:
            return None  # Made by a user; no agent has registered yet.
        before = previous.body if previous is not None and not previous.deleted else None
        if before is not None and before.member != member:
            before = None
        evidence = msgspec.structs.replace(
            self._heard(cluster.ref, member, at),
            cluster=cluster.ref.name,
            graded=bool((cluster.body.get("spec") or {}).get("resourceModels")),
            told=self.steering.told(cluster),
            remedies=self.steering.remedies(),
            taintings=self.steering.taintings(cluster),
        )
        return judge(evidence, before, now=self.clock.now(), thresholds=self.thresholds)

    def _forgotten(self, ref: Ref) -> bool:
        entry = self.state.get(OBJECT, ref)
        return entry is not None and entry.deleted

    async def reconcile(self, ref: Ref) -> int:
        """Writes the belief of one cluster when it differs; ends it when the Cluster's entry is a tombstone."""
        previous, cluster = self.state.get(BELIEF, ref), self.state.get(OBJECT, ref)
        if cluster is None:
            return 0
        if cluster.deleted:
            return await self._end(ref, previous)
        belief = self._judge(cluster, previous, self.clock.monotonic())
        before = previous.body if previous is not None and not previous.deleted else None
        if belief is None or belief == before:
            return 0
        told = verdict(before, belief)
        if told is not None:
            log.info(told.event, cluster=ref.name, reason=told.reason, message=told.message)
        return await self._write(ref, cluster.uid, belief, previous)

    async def _end(self, ref: Ref, previous: Entry[Belief] | None) -> int:
        if previous is None or previous.deleted:
            return 0
        return await self._write(ref, previous.uid, previous.body, previous, deleted=True)

    async def _write(self, ref: Ref, uid: str, belief: Belief, previous: Entry[Belief] | None, *, deleted: bool = False) -> int:
        draft = Draft(family=BELIEF, ref=ref, body=belief, uid=uid, author="health-monitor", deleted=deleted, previous=previous)
        return await self.entries.write(draft, expected=previous.revision if previous else 0)


def _member(manifest: Manifest) -> str:
    annotations: dict[str, str] = manifest["metadata"].get("annotations") or {}
    return annotations.get(MEMBER_ID_ANNOTATION, "")
