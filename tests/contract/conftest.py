"""What contract tests share: a Kubernetes API over HTTP, ours or a real one, and kubectl to drive it."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from kube.build import PACKAGES, found
from kube.real_member import RealMember
from shoal.kube.apiserver import ApiServer, MemoryStore, Registry, asgi
from shoal.runtime.clock import SystemClock

KUBECTL = Path(sys.executable).with_name("kubectl")
LIMIT_S = 30.0
_numbers = itertools.count()


@dataclass
class Answer:
    """One answer of an API server."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        return str(self.body.get("reason", ""))

    @property
    def message(self) -> str:
        return str(self.body.get("message", ""))


@dataclass
class KubeApi:
    """A Kubernetes API at an address."""

    url: str
    kubeconfig: Path
    tls: ssl.SSLContext | None = None

    def open(self, method: str, path: str, body: Any = None, *, type_: str = "", accept: str = "", **query: Any) -> HTTPResponse:
        """Sends a request and returns the answer, unread. Raises `urllib.error.HTTPError` for 400 and above."""
        url = self.url + path + ("?" + urllib.parse.urlencode(query) if query else "")
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        headers = {"Content-Type": type_ or "application/json", "Accept": accept or "application/json", "User-Agent": "contract/1"}
        request = urllib.request.Request(url, method=method, data=data, headers=headers)
        answer: HTTPResponse = urllib.request.urlopen(request, context=self.tls, timeout=LIMIT_S)
        return answer

    def send(self, method: str, path: str, body: Any = None, *, type_: str = "", accept: str = "", **query: Any) -> Answer:
        """One exchange; every status is an answer."""
        try:
            with self.open(method, path, body, type_=type_, accept=accept, **query) as answer:
                return Answer(answer.status, _decoded(answer.read()), _headers(answer.headers.items()))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, _decoded(error.read()), _headers(error.headers.items()))

    @contextmanager
    def watch(self, path: str, **query: Any) -> Iterator[Callable[[], dict[str, Any]]]:
        """A watch: every call returns the next event, within the time limit."""
        with self.open("GET", path, watch="true", **query) as answer:
            yield lambda: json.loads(answer.readline())

    def namespace(self) -> str:
        """A new namespace of the caller's own."""
        name = f"contract-{next(_numbers)}-{uuid.uuid4().hex[:5]}"
        assert self.send("POST", "/api/v1/namespaces", {"metadata": {"name": name}}).status == 201
        return name

    def kubectl(self, *arguments: str, input_: str = "", code: int = 0) -> str:
        """Runs kubectl and returns what it printed; its exit code must be `code`."""
        cache = self.kubeconfig.with_name("kubectl-cache")
        done = subprocess.run(
            [str(KUBECTL), f"--kubeconfig={self.kubeconfig}", f"--cache-dir={cache}", *arguments],
            input=input_,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
            env={**os.environ, "NO_PROXY": "127.0.0.1", "HOME": str(self.kubeconfig.parent)},
        )
        output = done.stdout + done.stderr
        assert done.returncode == code, f"kubectl {' '.join(arguments)}: exit {done.returncode}\n{output}"
        return output


def _headers(items: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name.lower(): value for name, value in items}


def _decoded(body: bytes) -> Any:
    return json.loads(body) if body[:1] in (b"{", b"[") else body.decode()


class Served:
    """An API server of ours behind uvicorn on a loopback port, in a thread of its own."""

    def __init__(self, store: MemoryStore, registry: Registry | None = None) -> None:
        clock = SystemClock()
        self.server = ApiServer(store, registry or Registry.builtin(), now=clock.now, uid=lambda: str(uuid.uuid4()))
        application = asgi(self.server.handle)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(application, log_level="warning", lifespan="off", timeout_graceful_shutdown=2)
        self._uvicorn = uvicorn.Server(config)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(LIMIT_S)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self.server.create_namespaces()
        self._ready.set()
        await self._uvicorn.serve(sockets=[self._socket])

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self.server.stop)
        self._uvicorn.should_exit = True
        self._thread.join(LIMIT_S)
        assert not self._thread.is_alive()


def write_kubeconfig(path: Path, url: str) -> Path:
    """A kubeconfig for an address without credentials."""
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "c",
                "clusters": [{"name": "c", "cluster": {"server": url}}],
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "users": [{"name": "u", "user": {}}],
            }
        )
    )
    return path


@pytest.fixture(scope="session")
def embedded_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApi]:
    """Our API server as a member cluster has it, without controllers."""
    served = Served(MemoryStore())
    served.start()
    kubeconfig = write_kubeconfig(tmp_path_factory.mktemp("embedded") / "kubeconfig", served.url)
    yield KubeApi(served.url, kubeconfig)
    served.stop()


@pytest.fixture(scope="session")
def real_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApi]:
    """A real kube-apiserver with its controllers."""
    binaries = found()
    if missing := sorted(set(PACKAGES) - set(binaries)):
        pytest.skip(f"no {', '.join(missing)}; `python tests/kube/build.py` builds them")
    with RealMember("oracle", tmp_path_factory.mktemp("oracle"), binaries, nodes=1) as member:
        context = ssl.create_default_context(cafile=str(member.pki / "ca.crt"))
        context.load_cert_chain(member.pki / "admin.crt", member.pki / "admin.key")
        yield KubeApi(member.server, member.kubeconfig, context)


@pytest.fixture(params=["embedded_api", pytest.param("real_api", marks=pytest.mark.kube)], ids=["embedded", "real"])
def kube_api(request: pytest.FixtureRequest) -> KubeApi:
    """The same test on both."""
    api: KubeApi = request.getfixturevalue(request.param)
    return api
