"""The whole hub and its members in one process on virtual time: the real services on the memory bus, real (embedded) API servers, no sockets.

One seed decides order, delays, lost answers and crashes. A crash takes a service away between two of its awaits, with everything it had in memory;
what it had asked of the bus or of a member may have happened or not.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog

from shoal.api.errors import Retryable, ShoalError
from shoal.api.meta import Manifest, Ref
from shoal.api.status import READY
from shoal.bus.memory import Faults, MemoryBus
from shoal.bus.topology import bootstrap
from shoal.bus.view import View
from shoal.kube.apiserver import ApiServer, Options
from shoal.kube.client.transport import LocalTransport
from shoal.kube.simulated.cluster import SimulatedCluster
from shoal.kube.simulated.faults import Faults as MemberFaults
from shoal.kube.simulated.metrics import member_registry
from shoal.kube.simulated.world import ObservedStore, Settings
from shoal.kube.wire import Request, Response
from shoal.messages.catalogue import BELIEF, OBJECT, STATE, STATE_FAMILIES
from shoal.runtime.config import AgentConfig, GatewayConfig, MonitorConfig, RendererConfig, SchedulerConfig
from shoal.runtime.reconciling import Parts, Reconciling
from shoal_agent.wire import parts as agent_parts
from shoal_gateway.queries import shown
from shoal_gateway.wire import Gateway
from shoal_gateway.wire import assemble as gateway_assemble
from shoal_health_monitor.wire import parts as monitor_parts
from shoal_override_renderer.wire import parts as renderer_parts
from shoal_scheduler.wire import parts as scheduler_parts
from support.virtual import VirtualClock

log = structlog.get_logger()


class SimulatedMember:
    """A member cluster: its store outlives everything, its API can be switched off."""

    def __init__(self, name: str, clock: VirtualClock, new_uid: Callable[[], str], *, ready_after_s: float = 1.0) -> None:
        self.name, self.reachable, self.writes = name, True, 0
        self.store = ObservedStore()
        self.faults = MemberFaults(clock)
        self.server = ApiServer(self.store, member_registry(), now=clock.now, uid=new_uid, options=Options(deletion_finalizers=True))
        self.controllers = SimulatedCluster(
            self.store, clock=clock, faults=self.faults, settings=Settings(nodes=2, ready_after_s=ready_after_s), name=name, new_uid=new_uid
        )

    async def handle(self, request: Request) -> Response:
        if not self.reachable:
            return Response(status=503, body=b'{"kind":"Status","status":"Failure","reason":"ServiceUnavailable","code":503}')
        return await self.server.handle(request)

    def objects(self, kind: str, namespace: str) -> dict[str, Manifest]:
        """Name -> object."""
        return {s.ref.name: s.object() for s in self.store if s.ref.kind == kind and s.ref.namespace == namespace}


class Process:
    """One service that can be killed and started again."""

    def __init__(self, world: World, name: str, assemble: Callable[[], Awaitable[Parts]]) -> None:
        self._world, self.name, self._assemble = world, name, assemble
        self._task: asyncio.Task[None] | None = None
        self.crashes = 0

    def start(self) -> None:
        self._task = asyncio.create_task(self._live(), name=self.name)

    async def _live(self) -> None:
        """As the supervisor does: a service that ends by itself starts again."""
        while True:
            service = Reconciling(self.name, self._assemble)
            try:
                await service.start()
                await service.run()
            except ShoalError as error:
                log.info("process ended by itself", process=self.name, cause=str(error))
            except ExceptionGroup as group:
                log.info("process ended by itself", process=self.name, cause=str(group.exceptions))
            finally:
                self._world.bus.kill(self.name)
            await self._world.clock.sleep(1.0)

    @property
    def lives(self) -> bool:
        return self._task is not None and not self._task.done()

    async def crash(self) -> None:
        """SIGKILL: nothing is finished, nothing is drained."""
        self.crashes += 1
        await self.stop()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None


class World:
    """`async with World(seed)`; then deploy, crash, lose members, and look at the members."""

    def __init__(
        self, seed: int, members: dict[str, tuple[str, str]], *, losing: float = 0.0, quotas: bool = False, descheduling_s: float = 0.0
    ) -> None:
        """`members`: name -> (provider, region). `losing`: share of writes whose answer is lost. `quotas`: the scheduler enforces them.
        `descheduling_s`: how often it deschedules; 0: never.
        """
        self.chance = random.Random(seed)
        self.clock = VirtualClock()
        self.bus = MemoryBus(self.clock, faults=Faults(random.Random(seed + 1)))
        self.bus.faults.delay_s = (0.0, 0.02)
        self._losing = losing
        self._scheduler = SchedulerConfig(quota_enforcement=quotas, deschedule_interval_s=descheduling_s)
        self.members = {name: SimulatedMember(name, self.clock, self.new_uid) for name in members}
        self.places = members
        self.processes: dict[str, Process] = {}
        self.gateway: Gateway | None = None
        self._dying: list[asyncio.Task[None]] = []

    def new_uid(self) -> str:
        return str(uuid.UUID(int=self.chance.getrandbits(128), version=4))

    async def __aenter__(self) -> World:
        await bootstrap(self.bus, create=True)
        for member in self.members.values():
            await member.controllers.start()
        for name, assemble in self._services().items():
            self.processes[name] = Process(self, name, assemble)
            self.processes[name].start()
        self.view = View(self.bus.client("observer"), STATE, STATE_FAMILIES, name="observer", clock=self.clock)
        await self.view.start()
        self.bus.faults.lose_answers = self._losing
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.view.stop()
        for process in self.processes.values():
            await process.stop()
        for member in self.members.values():
            await member.controllers.stop()

    def _services(self) -> dict[str, Callable[[], Awaitable[Parts]]]:
        chance = random.Random(self.chance.random()).random

        async def gateway() -> Parts:
            parts, self.gateway = await gateway_assemble(
                GatewayConfig(), self.bus.client("gateway"), self.clock, chance, new_uid=self.new_uid
            )
            return parts

        async def scheduler() -> Parts:
            return scheduler_parts(self._scheduler, self.bus.client("scheduler"), self.clock, chance)

        async def renderer() -> Parts:
            return renderer_parts(RendererConfig(), self.bus.client("override-renderer"), self.clock, chance)

        async def monitor() -> Parts:
            return monitor_parts(MonitorConfig(), self.bus.client("health-monitor"), self.clock, chance)

        found: dict[str, Callable[[], Awaitable[Parts]]] = {
            "gateway": gateway, "scheduler": scheduler, "override-renderer": renderer, "health-monitor": monitor,
        }  # fmt: skip
        for name in self.members:
            found[f"agent-{name}"] = self._agent(name, chance)
        return found

    def _agent(self, name: str, chance: Callable[[], float]) -> Callable[[], Awaitable[Parts]]:
        provider, region = self.places[name]
        config = AgentConfig(name=f"agent-{name}", cluster=name, in_cluster=True, provider=provider, region=region)

        async def assemble() -> Parts:
            transport = LocalTransport(self.members[name].handle, name)
            return await agent_parts(config, self.bus.client(f"agent-{name}"), transport, self.clock, chance)

        return assemble

    # --- what a test does ---

    async def start_gateway(self, name: str, **settings: Any) -> None:
        """One gateway more, or the one of that name with other settings. `gateway` is the one that is asked."""
        chance = random.Random(self.chance.random()).random

        async def assemble() -> Parts:
            config = GatewayConfig(name=name, **settings)
            parts, gateway = await gateway_assemble(config, self.bus.client(name), self.clock, chance, new_uid=self.new_uid)
            self.gateway = gateway if name == "gateway" else self.gateway
            return parts

        if name in self.processes:
            await self.processes[name].stop()
        self.processes[name] = Process(self, name, assemble)
        self.processes[name].start()

    async def until(self, check: Callable[[], Any], *, limit_s: float, what: str) -> Any:
        """Lets virtual time pass until `check` is true."""
        deadline = self.clock.monotonic() + limit_s
        while self.clock.monotonic() < deadline:
            found = check()
            if found:
                return found
            await self.clock.sleep(0.1)
        raise AssertionError(f"not within {limit_s:g} s of virtual time: {what}")

    def lose(self, name: str) -> None:
        """The cluster is gone: no agent, no API."""
        self.members[name].reachable = False
        self.bus.disconnect(f"agent-{name}")

    def bring_back(self, name: str) -> None:
        self.members[name].reachable = True
        self.bus.reconnect(f"agent-{name}")

    def crash_some(self, chance: random.Random) -> None:
        """Arms one crash: some process dies at one of its next writes, before or after it took effect, and starts again a second later."""
        name = chance.choice(sorted(self.processes))
        client, process = self.bus.client(name), self.processes[name]
        countdown, after = chance.randint(1, 6), chance.random() < 0.5
        append, append_all = client.append, client.append_all

        async def die() -> None:
            await process.crash()
            await self.clock.sleep(1.0)
            process.start()

        def doomed(real: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
            async def write(*arguments: Any, **named: Any) -> Any:
                nonlocal countdown
                countdown -= 1
                if countdown != 0:
                    return await real(*arguments, **named)
                if after:
                    await real(*arguments, **named)
                self._dying.append(asyncio.create_task(die()))
                await asyncio.Event().wait()  # Whoever wrote does not live to see the answer.
                raise AssertionError("unreachable")

            return write

        client.append, client.append_all = doomed(append), doomed(append_all)  # type: ignore[method-assign]

    def clusters_ready(self) -> bool:
        beliefs = [entry.body for entry in self.view.entries(BELIEF)]
        return len(beliefs) == len(self.members) and all(belief.state == READY for belief in beliefs)

    def places_of(self, members: set[str]) -> set[tuple[str, str]]:
        """Where these members are."""
        return {self.places[name] for name in members}

    def positions(self) -> dict[str, int]:
        """Last sequence of every stream that rests when nothing changes; leases and progress are renewed for ever."""
        return {name: stream.last for name, stream in self.bus.streams.items() if name != "LEASE"}

    def is_gone(self, ref: Ref) -> bool:
        """The object is no longer in the hub."""
        entry = self.view.get(OBJECT, ref)
        return entry is None or entry.deleted

    async def deploy(self, event: dict[str, Any], *, limit_s: float = 60) -> str:
        """Sends a deploy event as CI does: again, with the same id, until it is answered. The change id."""
        answer = await self._insist(lambda gateway: gateway.deploy(msgspec.json.encode(event)), limit_s, f"an answer to {event['id']}")
        assert answer.accepted, answer
        return str(answer.change)

    async def delete(self, ref: Ref, *, version: str = "v1", limit_s: float = 60) -> None:
        """DELETE at the hub's API."""
        plural = f"{ref.kind.lower()}s"
        root = f"/apis/{ref.group}/{version}" if ref.group else f"/api/{version}"
        scope = f"/namespaces/{ref.namespace}" if ref.namespace else ""
        request = Request(method="DELETE", path=f"{root}{scope}/{plural}/{ref.name}")
        answer = await self._insist(lambda gateway: gateway.handle(request), limit_s, f"an answer to DELETE {ref}")
        # 404: the gateway died with its answer to an earlier try, and the object is gone meanwhile.
        assert answer.status in (200, 202, 404), answer.body

    async def patch(self, path: str, change: dict[str, Any], *, limit_s: float = 60) -> None:
        """A merge patch at the hub's API."""
        headers = {"content-type": "application/merge-patch+json"}
        request = Request(method="PATCH", path=path, headers=headers, body=msgspec.json.encode(change))
        answer = await self._insist(lambda gateway: gateway.handle(request), limit_s, f"an answer to PATCH {path}")
        assert answer.status == 200, answer.body

    async def _insist(self, ask: Callable[[Gateway], Awaitable[Any]], limit_s: float, what: str) -> Any:
        deadline = self.clock.monotonic() + limit_s
        while self.clock.monotonic() < deadline:
            if self.gateway is not None and self.processes["gateway"].lives:
                answer = await self._asked(ask(self.gateway))
                if answer is not None and getattr(answer, "status", 200) < 500:
                    return answer
            await self.clock.sleep(0.5)
        raise AssertionError(f"not within {limit_s:g} s of virtual time: {what}")

    async def _asked(self, question: Awaitable[Any]) -> Any:
        """The answer; None when the gateway died with it, or had none."""
        process = self.processes["gateway"]
        asked, crashes = asyncio.ensure_future(question), process.crashes
        deadline = self.clock.monotonic() + 15
        while not asked.done() and process.crashes == crashes and self.clock.monotonic() < deadline:
            await self.clock.sleep(0.05)
        if not asked.done():
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
            return None
        try:
            return asked.result()
        except Retryable:
            return None

    def change_state(self, change: str) -> str:
        """As the hub says it: accepted, applied, ready, failed, superseded; empty while it cannot be asked."""
        if self.gateway is None:
            return ""
        found = self.gateway.changes.state(change)
        return str(shown(found)["state"]) if found else ""
