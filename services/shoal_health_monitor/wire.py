"""The only place where the monitor's parts are connected."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shoal.api.clock import Clock
from shoal.api.meta import Ref
from shoal.api.status import LOST
from shoal.bus.entries import Entries, Entry
from shoal.bus.port import Bus
from shoal.bus.requests import serve
from shoal.bus.view import View
from shoal.bus.work_queue import WorkQueue
from shoal.domain.health import Thresholds
from shoal.messages.catalogue import (
    BELIEF,
    BINDING,
    INVENTORY,
    OBJECT,
    REPORT,
    REPORTS,
    STATE,
    STATE_FAMILIES,
    STATUS,
    WORK,
    Beat,
    ListReports,
)
from shoal.runtime.bus import connect_bus
from shoal.runtime.clock import SystemClock
from shoal.runtime.config import MonitorConfig
from shoal.runtime.reconciling import Parts, Reconciling, resync, went_back
from shoal_health_monitor.answers import Answers
from shoal_health_monitor.beats import Beats
from shoal_health_monitor.judge import Judge
from shoal_health_monitor.reconcile import Reconciler
from shoal_health_monitor.steering import Steering

AFTERWARDS_S = 0.01
"""A time has to be exceeded: the look comes a little after its end."""


def wire(config: MonitorConfig) -> Reconciling:
    async def assemble() -> Parts:
        clock = SystemClock()
        return parts(config, await connect_bus(config, clock), clock, random.random)

    return Reconciling(config.name, assemble)


def parts(config: MonitorConfig, bus: Bus, clock: Clock, chance: Callable[[], float]) -> Parts:
    """The monitor on a given bus; the simulation calls this with its own."""
    entries = Entries(bus, clock)
    state = View(bus, STATE, STATE_FAMILIES, name="monitor-state", clock=clock)
    reports = View(bus, REPORT, (REPORTS, INVENTORY), name="monitor-report", clock=clock)
    thresholds = Thresholds(beat_s=config.beat_interval_s, suspect_after_s=config.suspect_after_s, lost_after_s=config.grace_s)
    beats = Beats(clock, config.grace_s)
    judge = Judge(bus, entries, state, reports, beats, Steering(state), thresholds, clock)
    judge.queue = WorkQueue("beliefs", judge.reconcile, clock=clock, workers=2, passed=state.passed, random=chance)

    def again(ref: Ref, after_s: float) -> None:
        queue.add(ref, after_s=after_s + AFTERWARDS_S)

    reconciler = Reconciler(entries, state, reports, clock, config.grace_s, judge.listened_s, again)
    queue: WorkQueue[Ref] = WorkQueue(
        "statuses", reconciler.reconcile, clock=clock, workers=config.workers, passed=state.passed, random=chance
    )
    triggers = Triggers(state, reports, queue, config.status_interval_s, clock, {})
    state.subscribe(triggers.heard)
    reports.subscribe(triggers.reported)
    state.on_rebuilt(triggers.everything)
    reports.on_rebuilt(triggers.everything)

    async def last_work() -> int:
        return (await bus.info(WORK.name)).last

    answers = Answers(reports, config.page_items_max)
    return Parts(
        bus=bus,
        views=(state, reports),
        sound=(went_back(lambda: reports.entries(REPORTS), "work", "WORK", last_work),),
        queues=(queue, judge.queue),
        loops=(judge.loop, resync(config.resync_interval_s, clock, chance, triggers.everything)),
        serve=(
            lambda: serve(bus, "beat.*", Beat, beats.beat),
            lambda: serve(bus, "ask.*.reports", ListReports, answers.reports, queue="health-monitor"),
            lambda: bus.subscribe("live.>", beats.live),
        ),
    )


@dataclass(frozen=True)
class Triggers:
    """Which templates to look at again when something changed; one object's status is looked at only a few times a second."""

    state: View
    reports: View
    queue: WorkQueue[Ref]
    interval_s: float
    clock: Clock
    looked: dict[Ref, float]
    """When each template was last queued; monotonic."""

    def heard(self, entry: Entry[Any], previous: Entry[Any] | None) -> None:
        if not self._complete():
            return
        family = entry.family.name
        if family in (BINDING.name, STATUS.name) or (family == OBJECT.name and self.state.get(BINDING, entry.ref) is not None):
            self._look(entry.ref)
        elif family == BELIEF.name and _lost(entry) != _lost(previous):
            for binding in self.state.entries(BINDING):
                if binding.body.target(entry.ref.name) or entry.ref.name in binding.body.removals:
                    self.queue.add(binding.ref)

    def reported(self, entry: Entry[Any], _: Entry[Any] | None) -> None:
        if self._complete() and entry.family.name == REPORTS.name:
            self._look(entry.ref)

    def everything(self) -> None:
        """After a load, and now and then: the same reconcile over all keys."""
        for ref in (*(e.ref for e in self.state.entries(BINDING)), *(e.ref for e in self.state.entries(STATUS))):
            self.queue.add(ref)

    def _complete(self) -> bool:
        return self.state.complete and self.reports.complete

    def _look(self, ref: Ref) -> None:
        now = self.clock.monotonic()
        wait_s = self.looked.get(ref, -self.interval_s) + self.interval_s - now
        if wait_s <= 0:
            self.looked[ref] = now
            self.queue.add(ref, fresh=True)
        else:
            self.queue.add(ref, after_s=wait_s)


def _lost(entry: Entry[Any] | None) -> bool:
    return entry is not None and not entry.deleted and entry.body.state == LOST
