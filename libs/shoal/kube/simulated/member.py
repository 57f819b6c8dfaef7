"""`EmbeddedMember`: a whole member cluster in one process: journal, API server on loopback, controllers, faults.

    member = EmbeddedMember(MemberSettings(name="m1", directory=Path("m1")), clock)
    await member.start()        # member.kubeconfig, member.handler
    await member.stop()

What ran there is still there after a SIGKILL: every acknowledged write is in the journal. The port, the token and the UID of
`kube-system` stay over restarts, so that a kubeconfig once handed out keeps working.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import secrets
import signal
import socket
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import msgspec
import structlog
import uvicorn

from shoal.api.clock import Clock
from shoal.api.errors import AlreadyInUse
from shoal.kube.apiserver import ApiServer, Journal, Options, asgi
from shoal.kube.simulated.answers import refusal
from shoal.kube.simulated.binding import with_binding
from shoal.kube.simulated.cluster import SimulatedCluster
from shoal.kube.simulated.faults import Faults
from shoal.kube.simulated.metrics import member_registry
from shoal.kube.simulated.world import ObservedStore, Settings
from shoal.kube.wire import Handler, Request, Response

log = structlog.get_logger(__name__)

VERSION = "v1.37.0"
OPEN_PATHS = frozenset({"/healthz", "/livez", "/readyz"})
"""Answered without a token, as a real API server does."""
STOP_S = 2
"""Open requests get this long to end; watches are ended at once."""


class MemberSettings(Settings, frozen=True, kw_only=True):
    name: str
    directory: Path
    """Journal, token, port and (unless told otherwise) the kubeconfig lie here. One process at a time."""
    port: int = 0
    """0: the port of the last time, or any free one."""
    kubeconfig: Path | None = None
    """Where the kubeconfig is written; None: `<directory>/kubeconfig`."""


class EmbeddedMember:
    """One simulated member cluster. `start` may be called once."""

    def __init__(self, settings: MemberSettings, clock: Clock, *, new_uid: Callable[[], str] = lambda: str(uuid.uuid4())) -> None:
        self.settings, self.clock, self._new_uid = settings, clock, new_uid
        self.kubeconfig = settings.kubeconfig or settings.directory / "kubeconfig"
        self.faults = Faults(clock)
        self.address = ""
        """URL of the API server once it is started, without the token that the kubeconfig's has."""
        self._lock: TextIO | None = None
        self._store: ObservedStore | None = None
        self._api: ApiServer | None = None
        self._cluster: SimulatedCluster | None = None
        self._http: _Http | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def handler(self) -> Handler:
        """The API server by a function call, faults included, for a client in this process; it needs no token."""
        return self.faults.wrap(self._whole(), breaks=True)

    async def start(self) -> None:
        """Returns when the API server answers and the controllers run. Raises `AlreadyInUse` for a directory or port that somebody has,
        `JournalCorrupt` for a damaged journal."""
        settings = self.settings
        settings.directory.mkdir(mode=0o700, parents=True, exist_ok=True)  # The journal holds Secrets.
        self._lock = _lock(settings.directory)
        try:
            self._store = ObservedStore(Journal(settings.directory / "journal"))
            self._api = ApiServer(
                self._store,
                member_registry(),
                now=self.clock.now,
                uid=self._new_uid,
                version=VERSION,
                options=Options(deletion_finalizers=True),
            )
            self._cluster = SimulatedCluster(
                self._store,
                clock=self.clock,
                faults=self.faults,
                settings=settings,
                name=settings.name,
                version=VERSION,
                new_uid=self._new_uid,
            )
            await self._cluster.start()
            await self._serve()
        except BaseException:
            await self.stop()
            raise
        log.info("member started", member=settings.name, address=self.address, nodes=settings.nodes)

    async def stop(self) -> None:
        """Ends watches, answers what is under way, closes the journal. Twice is harmless."""
        if self._api is not None:
            self._api.stop()
        if self._http is not None and self._serving is not None:
            self._http.should_exit = True
            await asyncio.gather(self._serving, return_exceptions=True)
        if self._cluster is not None:
            await self._cluster.stop()
        if self._store is not None:
            self._store.close()
        if self._lock is not None:
            self._lock.close()
        self._api = self._http = self._serving = self._cluster = self._store = self._lock = None

    def _whole(self) -> Handler:
        """The API server and what stands in front of it, without faults."""
        if self._api is None or self._cluster is None:
            raise RuntimeError("the member is not started")
        return with_binding(self._api.handle, self._cluster.world)

    async def _serve(self) -> None:
        token = _kept(self.settings.directory / "token", lambda: secrets.token_urlsafe(32))
        listening = _listen(self.settings.directory / "port", self.settings.port)
        port = listening.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        _write_private(self.settings.directory / "port", str(port))
        _write_kubeconfig(self.kubeconfig, self.settings.name, self.address, token)
        handler = _authenticated(self.faults.wrap(self._whole()), token)
        self._http = _Http(
            uvicorn.Config(asgi(handler), log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=STOP_S)
        )
        self._serving = asyncio.create_task(self._http.serve(sockets=[listening]), name=f"API server of {self.settings.name}")
        while not self._http.started:
            if self._serving.done():
                await self._serving
            await asyncio.sleep(0.005)  # uvicorn has no other way to say that it listens; it takes one or two rounds.


class _Http(uvicorn.Server):
    """uvicorn without its signal handlers: whoever hosts the member decides what a signal means."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run_member(settings: MemberSettings, clock: Clock) -> None:
    """Runs one member until SIGTERM or SIGINT."""
    member = EmbeddedMember(settings, clock)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await member.start()
    try:
        await stopping.wait()
    finally:
        await member.stop()


def _authenticated(handler: Handler, token: str) -> Handler:
    """Takes the token as a bearer token or as the first part of the path. kubectl sends no credentials over plain HTTP, but it keeps to
    the path of a kubeconfig's `server`; so that address is the credential, and the file is readable by its owner only."""
    wanted = token.encode()

    def same(given: str) -> bool:
        return secrets.compare_digest(given.encode(), wanted)

    async def handle(request: Request) -> Response:
        first, _, rest = request.path.removeprefix("/").partition("/")
        if same(first):
            return await handler(msgspec.structs.replace(request, path=f"/{rest}"))
        if request.path in OPEN_PATHS or same(request.headers.get("authorization", "").removeprefix("Bearer ")):
            return await handler(request)
        return refusal(401, "Unauthorized", "Unauthorized")

    return handle


def _lock(directory: Path) -> TextIO:
    lock = (directory / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise AlreadyInUse(f"another member runs in {directory}; stop it or use another directory") from error
    return lock


def _listen(kept: Path, port: int) -> socket.socket:
    """A listening socket on the port that is asked for, else on the one of last time, else on any."""
    wanted = [port] if port else [int(kept.read_text()) if kept.exists() else 0, 0]
    for number in wanted:
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", number))
        except OSError as error:
            listening.close()
            if port:
                raise AlreadyInUse(f"port {port} is taken ({error.strerror}); choose another one, or 0 for any") from error
            log.warning("the port of last time is taken", port=number)
            continue
        listening.listen(512)
        listening.setblocking(False)
        return listening
    raise AlreadyInUse("no port is free on 127.0.0.1")


def _kept(path: Path, make: Callable[[], str]) -> str:
    """The content of a file; made and written when there is none."""
    if not path.exists() or not path.read_text():
        _write_private(path, make())
    return path.read_text()


def _write_private(path: Path, content: str) -> None:
    """Whole or not at all, readable by this user only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        out.write(content)
    beside.replace(path)


def _write_kubeconfig(path: Path, name: str, address: str, token: str) -> None:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": f"{address}/{token}"}}],
        "users": [{"name": name, "user": {}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }
    _write_private(path, json.dumps(content, indent=1) + "\n")  # JSON is YAML.
