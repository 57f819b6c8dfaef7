"""The only place where the scheduler's parts are connected."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable

from shoal.api.clock import Clock
from shoal.api.meta import Ref
from shoal.bus.entries import Entries
from shoal.bus.leases import Lease
from shoal.bus.port import Bus
from shoal.bus.progress import ProgressReporter
from shoal.bus.requests import serve
from shoal.bus.together import Together
from shoal.bus.view import View
from shoal.bus.work_queue import Backoff, WorkQueue
from shoal.messages.catalogue import EXPLAIN_SUBJECT, FORESEE_SUBJECT, REPLAY_SUBJECT, STATE, STATE_FAMILIES
from shoal.messages.planning import ExplainRequest, Foresee, ReplayRequest
from shoal.runtime.bus import connect_bus
from shoal.runtime.clock import SystemClock
from shoal.runtime.config import SchedulerConfig
from shoal.runtime.reconciling import Decided, OnlyHolder, Parts, Reconciling, resync
from shoal_scheduler.answers import Answers
from shoal_scheduler.descheduling import Descheduler
from shoal_scheduler.estimates import Estimators
from shoal_scheduler.knowledge import Knowledge
from shoal_scheduler.reconcile import Reconciler
from shoal_scheduler.triggers import Prioritized, Triggers

BACKOFF = Backoff(max_s=10.0)
"""Of what failed, which is mostly a bus that is away: ten seconds at most (E07)."""


def wire(config: SchedulerConfig) -> Reconciling:
    async def assemble() -> Parts:
        clock = SystemClock()
        return parts(config, await connect_bus(config, clock), clock, random.random)

    return Reconciling(config.name, assemble)


def parts(config: SchedulerConfig, bus: Bus, clock: Clock, chance: Callable[[], float]) -> Parts:
    """The scheduler on a given bus; the simulation calls this with its own."""
    entries, knowledge = Entries(bus, clock), Knowledge(quotas=config.quota_enforcement)
    state = View(bus, STATE, STATE_FAMILIES, name="scheduler-state", clock=clock)
    estimators = Estimators(bus, clock, config.estimates, config.estimate_timeout_s)
    reconciler = Reconciler(
        entries,
        Together(entries),
        state,
        knowledge,
        clock,
        estimators,
        again=lambda ref, after_s: queue.add(ref, after_s=after_s),
    )
    # The holder is the same after a restart, so that a killed scheduler that comes back waits for nobody.
    holder = f"{config.name}@{socket.gethostname()}:{config.state_dir}"
    lease = Lease(bus, "scheduler", holder=holder, ttl_s=config.lease_ttl_s, clock=clock)
    decided: Decided[Ref] = Decided("scheduler", state)
    handle = OnlyHolder(lease, state).only(decided.noting(reconciler.reconcile))
    queue: WorkQueue[Ref] = WorkQueue(
        "scheduler", handle, clock=clock, workers=config.workers, passed=state.passed, random=chance, backoff=BACKOFF
    )
    decided.queue = queue
    progress = ProgressReporter(bus, lambda: decided.current() if lease.held else None, clock=clock)
    triggered = Prioritized(queue, state, knowledge)
    triggers = Triggers(state, knowledge, triggered)
    state.subscribe(triggers.heard)
    state.on_rebuilt(triggers.everything)
    descheduler = Descheduler(
        bus,
        lease,
        state,
        knowledge,
        clock,
        look_again=triggered.add,
        interval_s=config.deschedule_interval_s,
        after_s=config.deschedule_after_s,
        timeout_s=config.estimate_timeout_s,
    )
    answers = Answers(entries, state, knowledge, clock, estimators)
    return Parts(
        bus=bus,
        views=(state,),
        queues=(queue,),
        serve=(
            lambda: serve(bus, EXPLAIN_SUBJECT, ExplainRequest, answers.explain, queue="scheduler"),
            lambda: serve(bus, FORESEE_SUBJECT, Foresee, answers.foresee, queue="scheduler"),
            lambda: serve(bus, REPLAY_SUBJECT, ReplayRequest, answers.replay, queue="scheduler"),
        ),
        close=(lease.release,),  # So that a standby has it at once.
        loops=(
            lease.run,
            progress.run,
            resync(config.resync_interval_s, clock, chance, triggers.everything),
            *((descheduler.run,) if config.deschedule_interval_s else ()),
        ),
    )
