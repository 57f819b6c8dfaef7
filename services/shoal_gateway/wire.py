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
from shoal_gateway.deploy import Deploys, Limits
from shoal_gateway.explain import Explainer
from shoal_gateway.facts import ViewFacts
from shoal_gateway.finalize import Finalizer
from shoal_gateway.http import Door
from shoal_gateway.hub import Hub
from shoal_gateway.index import Index
from shoal_gateway.listen import Listener
from shoal_gateway.plan import Plans
from shoal_gateway.project import Projector
from shoal_gateway.queries import Queries
from shoal_gateway.quotas import Quotas
from shoal_gateway.rebalance import Rebalancers
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

    def new_change() -> str:
        return origin.change_id(clock.now(), new_uid())

    entries, events = Entries(bus, clock), EventLog(bus, clock)
    state = View(bus, STATE, STATE_FAMILIES, name="gateway-state", clock=clock)
    works = View(bus, WORK, (WORKS,), name="gateway-work", clock=clock)
    registry, index, progress = kinds.registry(), Index(state, works), ProgressReader(bus, clock=clock)
    store = HubStore(state, works, entries, registry, index, new_change=new_change, window=config.watch_window)
    admission = HubAdmission(state, now=clock.now, object_bytes_max=config.object_bytes_max)
    options = msgspec.structs.replace(HUB, object_bytes_max=config.object_bytes_max, request_bytes_max=config.request_bytes_max)

    def api_over(store: Store, served: Registry, uid: Callable[[], str]) -> ApiServer:
        return ApiServer(store, served, now=clock.now, uid=uid, admission=admission, options=options)

    def serve_staged(store: Store, uid: Callable[[], str]) -> Handler:
        return api_over(store, Registry(registry), uid).handle  # Its own registry: what a refused deploy would have defined is not served.

    api = api_over(store, registry, new_uid)
    hub = Hub(api.handle, store, registry)
    limits = Limits(deploy_bytes_max=config.deploy_bytes_max, objects_max=config.deploy_objects_max)
    deploys = Deploys(
        store=store, view=state, entries=entries, registry=registry, index=index, serve=serve_staged, events=events, clock=clock,
        new_uid=new_uid, new_change=new_change, limits=limits, refresh=api.refresh,
    )  # fmt: skip

    changes = Changes(state, works, index, ViewFacts(state, works, index, progress), entries, events, clock=clock)
    answering: WorkQueue[Ref] = WorkQueue(
        "answers", changes.reconcile, clock=clock, workers=SPLIT_ANSWERS, passed=state.passed, random=chance
    )
    changes.feed(answering)
    progress.subscribe(changes.on_progress)

    finalizer = Finalizer(state, entries, clock, index.forget)
    finalizing: WorkQueue[Ref] = WorkQueue(
        "finalizing", finalizer.reconcile, clock=clock, workers=config.workers, passed=state.passed, random=chance
    )
    finalize.feed(state, finalizing)

    rebalancers = Rebalancers(state, entries, progress, clock=clock)
    rebalancing: WorkQueue[Ref] = WorkQueue(
        "rebalancing", rebalancers.reconcile, clock=clock, workers=1, passed=state.passed, random=chance
    )
    rebalancers.feed(rebalancing)
    quotas = Quotas(state, entries)
    counting: WorkQueue[Ref] = WorkQueue("quotas", quotas.reconcile, clock=clock, workers=1, passed=state.passed, random=chance)
    quotas.feed(counting)

    def everything() -> None:
        changes.on_rebuilt()
        rebalancers.everything()
        quotas.everything()
        finalize.sweep(state, finalizing)

    state.on_rebuilt(everything)
    lease = Lease(bus, "projection", holder=f"{config.name}@{socket.gethostname()}:{config.state_dir}", ttl_s=LEASE_TTL_S, clock=clock)
    projector = Projector(bus, index, events.publish, lease, clock=clock)
    retention = Retention(state, entries, clock=clock, keep_days=config.change_keep_days, keep_min=config.changes_keep_min)
    queries = Queries(state, works, index, changes, finalizer, entries, bus)
    explainer = Explainer(view=state, works=works, index=index, finalizer=finalizer, registry=registry, bus=bus)
    plans = Plans(view=state, works=works, entries=entries, deploys=deploys, bus=bus, clock=clock)
    replays = Replays(explainer=explainer, bus=bus)
    gateway = Gateway(
        api=api, store=store, deploys=deploys, changes=changes, queries=queries, explainer=explainer, plans=plans, replays=replays,
        events=events, new_change=new_change, stopping=asyncio.Event(), timeout_s=config.request_timeout_s,
    )  # fmt: skip

    async def first_namespaces() -> None:
        origin.enter(origin.Origin("gateway", new_change(), trusted=True))
        await api.create_namespaces(("kube-node-lease", "kube-public", *KEPT_NAMESPACES))

    async def register() -> Subscription:
        """What every hub has from its first moment is there before anybody may join."""
        await asyncio.create_task(first_namespaces())  # Its origin ends with it.
        await progress.start()
        registrar = Registrar(hub, new_uid=new_uid, new_change=new_change)
        return await serve(bus, REGISTER_SUBJECT, Register, registrar.register, queue="gateway")

    loops: list[Callable[[], Awaitable[None]]] = [
        lambda: _held(lease, gateway.stopping),
        projector.run,
        retention.run,
        resync(config.resync_interval_s, clock, chance, everything),
        lambda: _again(finalize.RECHECK_S, clock, lambda: finalize.recheck(state, finalizing)),
    ]
    if inbox is not None:
        received = inbox
        loops.append(lambda: _until_stopped(received.run(gateway.answer_deploy), gateway.stopping))
    close: list[Callable[[], Awaitable[None]]] = [gateway.close, lease.release, progress.stop]
    if inbox is not None:
        close.insert(1, inbox.stop)
    return (
        Parts(
            bus=bus,
            views=(state, works),
            queues=(answering, finalizing, rebalancing, counting),
            loops=loops,
            serve=(register, lambda: serve(bus, PLAN_SUBJECT, PlanRequest, plans.answer, queue="gateway")),
            close=close,
            status=lambda: {"projected": projector.positions, "projecting": lease.held},
        ),
        gateway,
    )


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
