"""A real gateway process-in-a-task on a real nats-server, with kubectl and HTTP in front, and the other services played by the test."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from shoal.api.binding import Binding, TargetCluster
from shoal.api.cluster import ClusterStatus, Taint
from shoal.api.meta import Condition, Ref
from shoal.api.status import Belief, CopyStatus, TemplateStatus
from shoal.api.work import Report, Work
from shoal.bus.entries import Draft, Entries, Entry
from shoal.bus.nats import NatsBus
from shoal.bus.port import Append
from shoal.messages.catalogue import BELIEF, BINDING, LEASE, OBJECT, REPORTS, STATE, STATUS, WORK, WORKS, Progress
from shoal.runtime.clock import SystemClock
from shoal.runtime.config import GatewayConfig
from shoal_gateway.wire import Service
from support.servers import NatsServer, eventually, fresh_streams, nats_server, until

KUBECTL = Path(sys.executable).with_name("kubectl")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with nats_server(tmp_path_factory.mktemp("nats")) as running:
        yield running


class Hub:
    """One gateway; `restart` gives another one over the same bus."""

    def __init__(self, server: NatsServer, bus: NatsBus, home: Path) -> None:
        self.server, self.bus, self.home = server, bus, home
        self.entries = Entries(bus, SystemClock())
        self._http = aiohttp.ClientSession()
        self._service: Service | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        assert self._service is not None
        return self._service.address

    @property
    def service(self) -> Service:
        assert self._service is not None
        return self._service

    async def start(self, **settings: Any) -> None:
        config = GatewayConfig(bus_url=self.server.url, **settings)
        service = self._service = Service(config)
        await service.start()
        self._task = asyncio.create_task(service.run())
        await until(lambda: service.ready()[0])

    async def stop(self) -> None:
        if self._service is not None:
            await self._service.stop()
        if self._task is not None:
            await self._task
        self._service = self._task = None

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def close(self) -> None:
        await self.stop()
        await self._http.close()

    # --- in front -------------------------------------------------------------------------------------------------------------------

    async def kubectl(self, *arguments: str, stdin: str = "", fails: bool = False) -> str:
        """Its output (of errors, when it is meant to fail)."""
        process = await asyncio.create_subprocess_exec(
            str(KUBECTL), "--server", self.url, "--cache-dir", str(self.home / "cache"), *arguments,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={"HOME": str(self.home), "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        out, errors = await asyncio.wait_for(process.communicate(stdin.encode()), 30)
        assert (process.returncode != 0) == fails, f"{arguments}: {out.decode()}{errors.decode()}"
        return errors.decode() if fails else out.decode()

    async def get(self, path: str, **headers: str) -> tuple[int, Any]:
        async with self._http.get(self.url + path, headers=headers) as answer:
            raw = await answer.read()
            return answer.status, msgspec.json.decode(raw) if answer.content_type == "application/json" else raw.decode()

    async def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        async with self._http.post(self.url + path, data=data, headers=headers) as answer:
            return answer.status, msgspec.json.decode(await answer.read())

    async def send(self, method: str, path: str, body: Any, *, media: str = "application/json", **headers: str) -> tuple[int, Any]:
        headers = {"content-type": media, **headers}
        async with self._http.request(method, self.url + path, data=msgspec.json.encode(body), headers=headers) as answer:
            return answer.status, msgspec.json.decode(await answer.read())

    def stream(self, path: str, *, accept: str = "text/event-stream") -> Any:
        return self._http.get(self.url + path, headers={"accept": accept})

    async def deploy(self, id_: str, *, source: str = "ci", **data: Any) -> tuple[int, Any]:
        return await self.post("/deploy", {"id": id_, "source": source, "data": {"application": "shop", **data}})

    # --- behind: what the other services would write -----------------------------------------------------------------------------------

    async def object(self, ref: Ref) -> Entry[Any]:
        found = await self.entries.read(OBJECT, ref)
        assert found is not None, ref
        return found

    async def bind(self, ref: Ref, *clusters: str, deleted: bool = False, **fields: Any) -> int:
        """The scheduler's binding of the object's present content."""
        object_, previous = await self.object(ref), await self.entries.read(BINDING, ref)
        binding = Binding(
            template_uid=object_.uid, template_revision=object_.content, replicas=2,
            clusters=tuple(TargetCluster(name=name, replicas=2, epoch=1) for name in clusters), **fields,
        )  # fmt: skip
        draft = Draft(
            family=BINDING, ref=ref, body=binding, uid=object_.uid, inputs={"template": object_.content}, change=object_.change,
            author="scheduler", deleted=deleted,
        )  # fmt: skip
        return await self.entries.write(draft, expected=previous.revision if previous else 0)

    async def render(self, ref: Ref, cluster: str, member: str, **fields: Any) -> int:
        object_, previous = await self.object(ref), await self.entries.read(WORKS, ref, member)
        work = Work(
            cluster=cluster, epoch=1, template_uid=object_.uid, template_revision=object_.content, manifest=object_.body, **fields
        )  # fmt: skip
        draft = Draft(family=WORKS, ref=ref, body=work, member=member, uid=object_.uid, change=object_.change, author="override-renderer")
        return await self.entries.write(draft, expected=previous.revision if previous else 0)

    async def report(self, ref: Ref, member: str, **fields: Any) -> int:
        object_, previous = await self.object(ref), await self.entries.read(REPORTS, ref, member)
        draft = Draft(family=REPORTS, ref=ref, body=Report(**fields), member=member, change=object_.change, author="agent")
        return await self.entries.write(draft, expected=previous.revision if previous else 0)

    async def tell(self, ref: Ref, *copies: CopyStatus, status: Any = None, applied: bool = True) -> int:
        """The monitor's status of the object."""
        object_, binding = await self.object(ref), await self.entries.read(BINDING, ref)
        previous = await self.entries.read(STATUS, ref)
        body = TemplateStatus(template_uid=object_.uid, copies=copies, fully_applied=applied, status=status)
        draft = Draft(
            family=STATUS, ref=ref, body=body, uid=object_.uid, inputs={"binding": binding.revision if binding else 0}, author="health-monitor",
        )  # fmt: skip
        return await self.entries.write(draft, expected=previous.revision if previous else 0)

    async def believe(self, name: str, state: str, *, taints: tuple[Taint, ...] = ()) -> int:
        """The monitor's belief of a cluster."""
        ref = Ref("cluster.karmada.io", "Cluster", "", name)
        previous = await self.entries.read(BELIEF, ref)
        ready = {"Ready": "True", "Lost": "Unknown"}.get(state, "False")
        body = Belief(
            member="m", state=state, since="", taints=taints, status=ClusterStatus(conditions=(Condition(type="Ready", status=ready),))
        )
        draft = Draft(family=BELIEF, ref=ref, body=body, author="health-monitor")
        return await self.entries.write(draft, expected=previous.revision if previous else 0)

    async def passed(self) -> None:
        """Scheduler and renderer say that they have decided everything there is."""
        state, work = (await self.bus.info(STATE.name)).last, (await self.bus.info(WORK.name)).last
        for progress in (
            Progress(service="scheduler", read=state, wrote=state),
            Progress(service="override-renderer", read=state, wrote=work),
        ):
            await self.bus.append(LEASE.name, Append(f"lease.progress.{progress.service}", msgspec.json.encode(progress), {}, None))

    async def eventually(self, path: str, wanted: Any, limit_s: float = 10.0) -> Any:
        """The answer to a question, once `wanted(answer)` holds."""
        last: Any = None

        async def asked() -> bool:
            nonlocal last
            _, last = await self.get(path)
            return bool(wanted(last))

        try:
            await eventually(asked, limit_s)
        except AssertionError:
            raise AssertionError(f"{path} stays at {last}") from None
        return last


@asynccontextmanager
async def running(server: NatsServer, home: Path, **settings: Any) -> AsyncIterator[Hub]:
    async with fresh_streams(server) as bus:
        hub = Hub(server, bus, home)
        try:
            await hub.start(**settings)
            yield hub
        finally:
            await hub.close()


@pytest.fixture
async def hub(server: NatsServer, tmp_path: Path) -> AsyncIterator[Hub]:
    async with running(server, tmp_path) as found:
        yield found
