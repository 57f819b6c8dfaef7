"""The only place where the gateway's parts are connected."""

from __future__ import annotations

import asyncio
import random
import socket
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from shoal.api.clock import Clock
from shoal.api.errors import BusUnavailable
from shoal.api.meta import Ref
from shoal.bus.entries import Entries
from shoal.bus.events import DeployInbox, EventLog
from shoal.bus.leases import Lease
from shoal.bus.nats.inbox import FastStreamInbox
from shoal.bus.port import Bus, Subscription
from shoal.bus.progress import ProgressReader
from shoal.bus.requests import serve
from shoal.bus.view import View
from shoal.bus.work_queue import WorkQueue
from shoal.kube.apiserver import HUB, ApiServer, Registry, Store, asgi
from shoal.kube.apiserver.errors import failure
from shoal.kube.wire import Handler, Request, Response
from shoal.messages.catalogue import PLAN_SUBJECT, REGISTER_SUBJECT, STATE, STATE_FAMILIES, WORK, WORKS, DeployAnswer, Register
from shoal.messages.planning import PlanRequest
from shoal.runtime import health
from shoal.runtime.bus import bus_settings, connect_bus
from shoal.runtime.clock import SystemClock
from shoal.runtime.config import GatewayConfig
from shoal.runtime.reconciling import Parts, Reconciling, resync
from shoal_gateway import finalize, kinds, origin
from shoal_gateway.access import Tokens
from shoal_gateway.admit import KEPT_NAMESPACES, HubAdmission
from shoal_gateway.answers import Changes
from shoal_gateway.deploy import Deploys
from shoal_gateway.deploy_staging import Limits
from shoal_gateway.explain import Explainer
from shoal_gateway.facts import ViewFacts
from shoal_gateway.finalize import Finalizer
from shoal_gateway.http import Door
from shoal_gateway.hub import Hub
from shoal_gateway.index import Index
from shoal_gateway.keepers import keepers
from shoal_gateway.listen import Listener
from shoal_gateway.plan import Plans
from shoal_gateway.project import Projector
from shoal_gateway.queries import Queries
from shoal_gateway.register import Registrar
from shoal_gateway.replay import Replays
from shoal_gateway.retain import Retention
from shoal_gateway.store import HubStore

LEASE_TTL_S = 10.0
"""Of the projection: facts may be late by that much after the holder was killed; nothing waits for them."""
SPLIT_ANSWERS = 4
"""Change records answered at once; each waits for one fsync."""

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Gateway:
    """What stands behind the doors: for the HTTP door, and for whoever runs a gateway without one."""

    api: ApiServer
    store: HubStore
    deploys: Deploys
    changes: Changes
    queries: Queries
    explainer: Explainer
    plans: Plans
    replays: Replays
    events: EventLog
    new_change: Callable[[], str]
    stopping: asyncio.Event
    timeout_s: float
    """How long a request waits for the bus; what it wrote may be stored all the same, and asking again is safe."""

    async def handle(self, request: Request) -> Response:
        """One request of the Kubernetes API; its user is the header `x-remote-user`."""
        origin.enter(origin.Origin(request.headers.get("x-remote-user", ""), self.new_change()))
        try:
            async with asyncio.timeout(self.timeout_s):
                return await self.api.handle(request)
        except TimeoutError:
            status = failure(503, "ServiceUnavailable", f"the bus did not answer within {self.timeout_s:g} s", {"retryAfterSeconds": 1})
            return Response(status=503, body=_encode(status), headers={"retry-after": "1"})

    async def deploy(self, event: bytes, source: str = "") -> DeployAnswer:
        """Raises `Retryable` when it is neither accepted nor refused in time."""
        try:
            async with asyncio.timeout(self.timeout_s):
                return await self.deploys.handle(event, source=source)
        except TimeoutError as error:
            raise BusUnavailable(f"the bus did not answer within {self.timeout_s:g} s; send the event again with the same id") from error

    async def answer_deploy(self, source: str, event: bytes) -> bytes:
        """For the inbox: an event of `deploy.<source>`."""
        return _encode(await self.deploys.handle(event, source=source))

    async def close(self) -> None:
        """Ends every watch and stream."""
        self.stopping.set()
        self.api.stop()


class Service(Reconciling):
    """The gateway as a process: `Reconciling` with a web server in front, which also carries the endpoints of every process."""

    def __init__(self, config: GatewayConfig) -> None:
        self._config, self._clock = config, SystemClock()
        self._gateway: Gateway | None = None
        self._bus: Bus | None = None
        self._door: Door | None = None
        self._listener: Listener | None = None
        self._tokens = Tokens.read(config.tokens_file)
        self.address = ""
        """Base URL of the HTTP door, once it is open."""
        super().__init__(config.name, self._assemble)

    async def _assemble(self) -> Parts:
        settings = bus_settings(self._config)
        bus = await connect_bus(self._config, self._clock)
        inbox = FastStreamInbox(settings, bus, clock=self._clock)
        parts, self._gateway = await assemble(self._config, bus, self._clock, random.random, inbox=inbox)
        self._bus = bus
        return parts

    async def start(self) -> None:
        await super().start()
        gateway, bus, config = self._gateway, self._bus, self._config
        if gateway is None or bus is None:
            raise RuntimeError("the parts are assembled by then")
        self._door = Door(
            kube=asgi(gateway.handle, body_bytes_max=config.request_bytes_max),
            deploy=gateway.deploy,
            ask=gateway.queries,
            explainer=gateway.explainer,
            plans=gateway.plans,
            replays=gateway.replays,
            changes=gateway.changes,
            events=gateway.events,
            bus=bus,
            health=health.Endpoints(self, config, self._clock),
            ready=self.ready,
            new_change=gateway.new_change,
            tokens=self._tokens,
            deploy_bytes_max=config.deploy_bytes_max,
            keepalive_s=config.sse_keepalive_s,
        )
        self._listener = Listener(self._door, config)
        self.address = await self._listener.start()
        health.announce(config, self.address, self._clock)

    async def stop(self) -> None:
        if self._door is not None:
            self._door.stop()
        if self._gateway is not None:
            await self._gateway.close()
        if self._listener is not None:
            await self._listener.stop()
            self._listener = None
        health.withdraw(self._config)
        await super().stop()


def wire(config: GatewayConfig) -> Service:
    return Service(config)


async def assemble(
    config: GatewayConfig,
    bus: Bus,
    clock: Clock,
    chance: Callable[[], float],
    *,
    inbox: DeployInbox | None = None,
    new_uid: Callable[[], str] = lambda: str(uuid.uuid4()),
) -> tuple[Parts, Gateway]:
    """The gateway on a given bus, without sockets; the simulation calls this with its own. All ids come from `new_uid`."""
    base = _base(config, bus, clock, chance, new_uid)
    front = _front(base)
    work = _work(base, front)
    lease = Lease(bus, "projection", holder=f"{config.name}@{socket.gethostname()}:{config.state_dir}", ttl_s=LEASE_TTL_S, clock=clock)
    projector = Projector(bus, base.index, base.events.publish, lease, clock=clock)
    retention = Retention(base.state, base.entries, clock=clock, keep_days=config.change_keep_days, keep_min=config.changes_keep_min)
    gateway = _gateway(base, front, work)
    loops: list[Callable[[], Awaitable[None]]] = [
        lambda: _held(lease, gateway.stopping),
        projector.run,
        retention.run,
        resync(config.resync_interval_s, clock, chance, work.everything),
        lambda: _again(finalize.RECHECK_S, clock, work.recheck),
    ]
    close: list[Callable[[], Awaitable[None]]] = [gateway.close, lease.release, base.progress.stop]
    if inbox is not None:
        received = inbox
        loops.append(lambda: _until_stopped(received.run(gateway.answer_deploy), gateway.stopping))
        close.insert(1, inbox.stop)
    parts = Parts(
        bus=bus,
        views=(base.state, base.works),
        queues=work.queues,
        loops=loops,
        serve=(
            lambda: _open_to_members(base, front),
            lambda: serve(bus, PLAN_SUBJECT, PlanRequest, gateway.plans.answer, queue="gateway"),
        ),
        close=close,
        status=lambda: {"projected": projector.positions, "projecting": lease.held},
    )
    return parts, gateway


@dataclass(frozen=True, kw_only=True)
class _Base:
    """What every part stands on."""

    config: GatewayConfig
    bus: Bus
    clock: Clock
    chance: Callable[[], float]
    new_uid: Callable[[], str]
    entries: Entries
    events: EventLog
    state: View
    works: View
    registry: Registry
    index: Index
    progress: ProgressReader

    def new_change(self) -> str:
        return origin.change_id(self.clock.now(), self.new_uid())

    def queue(self, name: str, handle: Callable[[Ref], Awaitable[int]], workers: int = 1) -> WorkQueue[Ref]:
        return WorkQueue(name, handle, clock=self.clock, workers=workers, passed=self.state.passed, random=self.chance)


def _base(config: GatewayConfig, bus: Bus, clock: Clock, chance: Callable[[], float], new_uid: Callable[[], str]) -> _Base:
    state = View(bus, STATE, STATE_FAMILIES, name="gateway-state", clock=clock)
    works = View(bus, WORK, (WORKS,), name="gateway-work", clock=clock)
    return _Base(
        config=config, bus=bus, clock=clock, chance=chance, new_uid=new_uid, entries=Entries(bus, clock), events=EventLog(bus, clock),
        state=state, works=works, registry=kinds.registry(), index=Index(state, works), progress=ProgressReader(bus, clock=clock),
    )  # fmt: skip


@dataclass(frozen=True)
class _Front:
    """What takes writes."""

    api: ApiServer
    store: HubStore
    hub: Hub
    """The API as the gateway itself uses it."""
    deploys: Deploys
    stage: Callable[[Store], Hub]
    """The same over another store, whose writes go into one batch; it knows every kind that is defined by now."""


def _front(base: _Base) -> _Front:
    config, state, entries, registry, index = base.config, base.state, base.entries, base.registry, base.index
    store = HubStore(state, base.works, entries, registry, index, new_change=base.new_change, window=config.watch_window)
    admission = HubAdmission(
        state, now=base.clock.now, object_bytes_max=config.object_bytes_max, default_models=config.default_resource_models
    )
    options = msgspec.structs.replace(HUB, object_bytes_max=config.object_bytes_max, request_bytes_max=config.request_bytes_max)

    def api_over(store: Store, served: Registry, uid: Callable[[], str]) -> ApiServer:
        return ApiServer(store, served, now=base.clock.now, uid=uid, admission=admission, options=options)

    def serve_staged(store: Store, uid: Callable[[], str]) -> Handler:
        return api_over(store, Registry(registry), uid).handle  # Its own registry: what a refused deploy would have defined is not served.

    api = api_over(store, registry, base.new_uid)
    deploys = Deploys(
        store=store, view=state, entries=entries, registry=registry, index=index, serve=serve_staged, events=base.events,
        clock=base.clock, new_uid=base.new_uid, new_change=base.new_change, refresh=api.refresh,
        limits=Limits(deploy_bytes_max=config.deploy_bytes_max, objects_max=config.deploy_objects_max),
    )  # fmt: skip

    def stage(staging: Store) -> Hub:
        api.refresh()
        return Hub(serve_staged(staging, base.new_uid), staging, registry)

    return _Front(api, store, Hub(api.handle, store, registry), deploys, stage)


@dataclass(frozen=True)
class _Work:
    """What the gateway carries on by itself, each with its queue."""

    changes: Changes
    finalizer: Finalizer
    queues: tuple[WorkQueue[Ref], ...]
    everything: Callable[[], None]
    """Looks at all there is, after a view was built anew and from time to time."""
    recheck: Callable[[], None]


def _work(base: _Base, front: _Front) -> _Work:
    state, index = base.state, base.index
    facts = ViewFacts(state, base.works, index, base.progress)
    changes = Changes(state, base.works, index, facts, base.entries, base.events, clock=base.clock)
    finalizer = Finalizer(state, base.entries)
    kept = keepers(
        front.store, state, base.entries, front.hub, front.stage, base.progress, base.config,
        bus=base.bus, new_change=base.new_change, clock=base.clock,
    )  # fmt: skip

    answering = base.queue("answers", changes.reconcile, SPLIT_ANSWERS)
    finalizing = base.queue("finalizing", finalizer.reconcile, base.config.workers)
    keeping = {name: base.queue(name, keeper.reconcile) for name, keeper in kept.items()}

    changes.feed(answering)
    base.progress.subscribe(changes.on_progress)
    finalize.feed(state, finalizing)
    for name, keeper in kept.items():
        keeper.feed(keeping[name])

    def everything() -> None:
        changes.on_rebuilt()
        for keeper in kept.values():
            keeper.everything()
        finalize.sweep(state, finalizing)

    state.on_rebuilt(everything)
    queues = (answering, finalizing, *keeping.values())
    return _Work(changes, finalizer, queues, everything, lambda: finalize.recheck(state, finalizing))


def _gateway(base: _Base, front: _Front, work: _Work) -> Gateway:
    """With everything that answers questions."""
    state, works, index, bus = base.state, base.works, base.index, base.bus
    explainer = Explainer(view=state, works=works, index=index, finalizer=work.finalizer, registry=base.registry, bus=bus)
    return Gateway(
        api=front.api,
        store=front.store,
        deploys=front.deploys,
        changes=work.changes,
        queries=Queries(state, works, index, work.changes, work.finalizer, base.entries, bus),
        explainer=explainer,
        plans=Plans(view=state, works=works, entries=base.entries, deploys=front.deploys, bus=bus, clock=base.clock),
        replays=Replays(explainer=explainer, bus=bus),
        events=base.events,
        new_change=base.new_change,
        stopping=asyncio.Event(),
        timeout_s=base.config.request_timeout_s,
    )


async def _open_to_members(base: _Base, front: _Front) -> Subscription:
    """What every hub has from its first moment is there before anybody may join."""
    await asyncio.create_task(_first_namespaces(base, front.api))  # Its origin ends with it.
    await base.progress.start()
    registrar = Registrar(front.hub, new_uid=base.new_uid, new_change=base.new_change)
    return await serve(base.bus, REGISTER_SUBJECT, Register, registrar.register, queue="gateway")


async def _first_namespaces(base: _Base, api: ApiServer) -> None:
    origin.enter(origin.Origin("gateway", base.new_change(), trusted=True))
    await api.create_namespaces(("kube-node-lease", "kube-public", *KEPT_NAMESPACES))


async def _held(lease: Lease, stopping: asyncio.Event) -> None:
    """Tries to hold the lease until the gateway stops; then it is given back, and nobody has to wait for its end."""
    await lease.run()
    await stopping.wait()
    await asyncio.Event().wait()


async def _until_stopped(work: Awaitable[None], stopping: asyncio.Event) -> None:
    """The inbox ends when the gateway stops, which is no failure of it."""
    await work
    await stopping.wait()
    await asyncio.Event().wait()


async def _again(interval_s: float, clock: Clock, act: Callable[[], None]) -> None:
    while True:
        await clock.sleep(interval_s)
        act()
