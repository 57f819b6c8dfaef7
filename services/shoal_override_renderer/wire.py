"""The only place where the renderer's parts are connected."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shoal.api.clock import Clock
from shoal.api.meta import Ref
from shoal.bus.entries import Entries, Entry
from shoal.bus.port import Bus
from shoal.bus.progress import ProgressReporter
from shoal.bus.requests import serve
from shoal.bus.view import View
from shoal.bus.work_queue import WorkQueue
from shoal.messages.catalogue import BINDING, OBJECT, STATE, STATE_FAMILIES, STATUS, WORK, WORKS, ListWorks
from shoal.runtime.bus import connect_bus
from shoal.runtime.clock import SystemClock
from shoal.runtime.config import RendererConfig
from shoal.runtime.reconciling import Decided, Parts, Reconciling, resync, went_back
from shoal_override_renderer.answers import Answers
from shoal_override_renderer.knowledge import OVERRIDE_KINDS, Knowledge, may_select
from shoal_override_renderer.reconcile import Reconciler


def wire(config: RendererConfig) -> Reconciling:
    async def assemble() -> Parts:
        clock = SystemClock()
        return parts(config, await connect_bus(config, clock), clock, random.random)

    return Reconciling(config.name, assemble)


def parts(config: RendererConfig, bus: Bus, clock: Clock, chance: Callable[[], float]) -> Parts:
    """The renderer on a given bus; the simulation calls this with its own."""
    entries, knowledge = Entries(bus, clock), Knowledge()
    state = View(bus, STATE, STATE_FAMILIES, name="renderer-state", clock=clock)
    works = View(bus, WORK, (WORKS,), name="renderer-work", clock=clock)
    reconciler = Reconciler(entries, state, works, knowledge)
    decided: Decided[Ref] = Decided("override-renderer", state)
    queue: WorkQueue[Ref] = WorkQueue(
        "override-renderer", decided.noting(reconciler.reconcile), clock=clock, workers=config.workers, passed=works.passed, random=chance
    )
    decided.queue = queue
    triggers = Triggers(state, knowledge, queue)
    state.subscribe(triggers.heard)
    state.on_rebuilt(triggers.everything)
    answers = Answers(works, config.page_items_max)
    progress = ProgressReporter(bus, decided.current, clock=clock)
    return Parts(
        bus=bus,
        views=(state, works),
        sound=(went_back(lambda: works.entries(WORKS), "binding", "STATE", state.settled),),
        queues=(queue,),
        loops=(progress.run, resync(config.resync_interval_s, clock, chance, triggers.everything)),
        serve=(lambda: serve(bus, "ask.*.works", ListWorks, answers.works, queue="override-renderer"),),
    )


@dataclass(frozen=True)
class Triggers:
    """Which bindings to look at again when something changed."""

    state: View
    knowledge: Knowledge
    queue: WorkQueue[Ref]

    def heard(self, entry: Entry[Any], previous: Entry[Any] | None) -> None:
        cluster_differs = self.knowledge.heard(entry)
        if not self.state.complete:
            return  # Everything is queued once the view is complete.
        ref = entry.ref
        if entry.family.name == BINDING.name:
            self.queue.add(ref, fresh=True, sequence=entry.revision)
        elif entry.family.name == STATUS.name:
            self._status(entry)
        elif entry.family.name == OBJECT.name and ref.kind in OVERRIDE_KINDS:
            self._override(entry, previous)
        elif cluster_differs:
            self._cluster(entry)
        if entry.family.name in (BINDING.name, STATUS.name):
            for waiting in self.knowledge.waiting_for(ref):
                self.queue.add(waiting, sequence=entry.revision)

    def everything(self) -> None:
        """After a load, and now and then: the same reconcile over all keys."""
        for binding in self.state.entries(BINDING):
            self.queue.add(binding.ref)

    def _status(self, entry: Entry[Any]) -> None:
        binding = self.state.get(BINDING, entry.ref)
        if binding is not None and (binding.deleted or binding.body.removals):
            self.queue.add(entry.ref, fresh=True, sequence=entry.revision)

    def _override(self, entry: Entry[Any], previous: Entry[Any] | None) -> None:
        """Every binding whose template matches the old or the new selectors (R5.8)."""
        policies = [Knowledge.policy(e) for e in (entry, previous)]
        for binding in self.state.entries(BINDING, namespace=entry.ref.namespace or None):
            template = self.state.get(OBJECT, binding.ref)
            if template is not None and not template.deleted and any(may_select(policy, template.body) for policy in policies):
                self.queue.add(binding.ref, sequence=entry.revision)

    def _cluster(self, entry: Entry[Any]) -> None:
        """What runs there: Karmada waits until something else touches it (R5.8); here a rule that no longer holds is not left standing (GX03)."""
        for binding in self.state.entries(BINDING):
            if binding.body.target(entry.ref.name) or entry.ref.name in binding.body.removals:
                self.queue.add(binding.ref, sequence=entry.revision)
