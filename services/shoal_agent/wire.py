"""The only place where the agent's parts are connected."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import structlog

from shoal.api.clock import Clock
from shoal.api.meta import Ref
from shoal.bus.entries import Entries
from shoal.bus.port import Bus
from shoal.bus.requests import serve
from shoal.bus.work_queue import WorkQueue
from shoal.kube.client.api import Api
from shoal.kube.client.member import Member
from shoal.kube.client.transport import connect as connect_member
from shoal.kube.wire import Transport
from shoal.messages.catalogue import EstimateRequest, UnschedulableRequest, estimate_subject, live, unschedulable_subject
from shoal.messages.measuring import MetricsRequest, metrics_subject
from shoal.runtime.bus import connect_bus
from shoal.runtime.clock import SystemClock
from shoal.runtime.config import AgentConfig
from shoal.runtime.reconciling import Parts, Reconciling
from shoal_agent.estimates import Estimates
from shoal_agent.join import OnlyOne, join
from shoal_agent.loops import Loops
from shoal_agent.metrics import Metrics
from shoal_agent.parked import Parked
from shoal_agent.reconcile import PARKED_RETRY_S, REFUSED_RETRY_S, DriftBudget, Reconciler
from shoal_agent.reports import Reports
from shoal_agent.unschedulable import UnschedulablePods
from shoal_agent.watch import Watches
from shoal_agent.works import Works

log = structlog.get_logger()

Close = Callable[[], Awaitable[None]]


def wire(config: AgentConfig) -> Reconciling:
    async def assemble() -> Parts:
        clock = SystemClock()
        transport, close = await _member(config, clock)
        bus = await connect_bus(config, clock, check_streams=False)  # An agent may read only what is its own.
        return await parts(config, bus, transport, clock, random.random, close=(transport.close, *close))

    return Reconciling(config.name, assemble)


async def _member(config: AgentConfig, clock: Clock) -> tuple[Transport, tuple[Close, ...]]:
    """The member's API: a real one, or the embedded cluster that this process is, too."""
    if not config.embedded:
        return await connect_member(None if config.in_cluster else config.kubeconfig, config.context, clock=clock), ()
    from shoal.kube.simulated.member import EmbeddedMember, MemberSettings

    settings = MemberSettings(
        name=config.cluster,
        directory=Path(config.embedded_dir),
        port=config.embedded_port,
        kubeconfig=Path(config.embedded_kubeconfig) if config.embedded_kubeconfig else None,
        nodes=config.embedded_nodes,
        ready_after_s=config.embedded_ready_after_s,
    )
    embedded = EmbeddedMember(settings, clock=clock)
    await embedded.start()
    return await connect_member(str(embedded.kubeconfig), clock=clock), (embedded.stop,)


async def parts(
    config: AgentConfig, bus: Bus, transport: Transport, clock: Clock, chance: Callable[[], float], close: Sequence[Close] = ()
) -> Parts:
    """The agent on a given bus and member; the simulation calls this with its own."""
    api = Api(transport, name=config.cluster, clock=clock, timeout_s=config.api_timeout_s)
    member = Member(api, field_manager="shoal-agent")
    only_one = OnlyOne(member, api, config, clock)
    await only_one.acquire()
    identity = await join(member, api, bus, config, clock)

    entries = Entries(bus, clock)
    reports = Reports(bus, entries, identity, config.cluster, clock, chance)

    def changed(ref: Ref) -> None:
        if ref in works:
            queue.add(ref, fresh=True)

    works = Works(bus, entries, identity, changed)
    watches = Watches(member, changed)
    parked = Parked(lambda ref, after_s: queue.add(ref, after_s=after_s), retry_s=PARKED_RETRY_S, refused_retry_s=REFUSED_RETRY_S)
    reconciler = Reconciler(member, works, reports, watches, parked, DriftBudget(config.drift_limit_per_minute), clock)
    queue: WorkQueue[Ref] = WorkQueue("agent", reconciler.reconcile, clock=clock, workers=config.workers, random=chance)
    loops = Loops(config, identity, bus, works, reports, member, watches, clock, chance)
    bus.on_reconnect(loops.list_soon)
    return Parts(
        bus=bus,
        queues=(queue, reports.queue),
        loops=(loops.beat, loops.probe, loops.list, loops.inventory, only_one.keep),
        serve=(
            lambda: bus.subscribe(live(identity), works.notified),
            lambda: serve(bus, estimate_subject(identity), EstimateRequest, Estimates(member, clock).answer),
            lambda: serve(bus, unschedulable_subject(identity), UnschedulableRequest, UnschedulablePods(member, clock).answer),
            lambda: serve(bus, metrics_subject(identity), MetricsRequest, Metrics(member, clock).answer),
        ),
        close=(watches.stop, only_one.release, *close),
        status=lambda: {"member": identity, "works": len(tuple(works.refs())), "listed": works.listed},
    )
