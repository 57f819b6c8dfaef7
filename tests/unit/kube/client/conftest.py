"""An API server of a few lines that answers what a test tells it to, and virtual time for what waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest

from shoal.api.meta import Manifest
from shoal.kube.client.api import Api
from shoal.kube.client.transport import LocalTransport
from shoal.kube.wire import Request, Response
from support.virtual import VirtualClock, VirtualLoop

DISCOVERY = {
    "/api": [("", "v1", "ConfigMap", "configmaps", True), ("", "v1", "Node", "nodes", False)],
    "/apis": [("apps", "v1", "Deployment", "deployments", True), ("coordination.k8s.io", "v1", "Lease", "leases", True)],
}
VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]


def aggregated(kinds: list[tuple[str, str, str, str, bool]], freshness: str = "Current") -> Manifest:
    """One answer of aggregated discovery."""
    groups = [
        {
            "metadata": {"name": group},
            "versions": [
                {
                    "version": version,
                    "freshness": freshness,
                    "resources": [
                        {
                            "resource": plural,
                            "responseKind": {"group": group, "version": version, "kind": kind},
                            "scope": "Namespaced" if namespaced else "Cluster",
                            "verbs": VERBS,
                        }
                    ],
                }
            ],
        }
        for group, version, kind, plural, namespaced in kinds
    ]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": groups}


def answer(body: Any, status: int = 200, **headers: str) -> Response:
    return Response(status=status, body=msgspec.json.encode(body), headers=headers)


def failure(code: int, reason: str = "", message: str = "", **details: Any) -> Response:
    status = {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}
    return answer({**status, **({"details": details} if details else {})}, code)


def stream(*chunks: bytes, then: Callable[[], Awaitable[None]] | None = None) -> Response:
    """A watch that sends chunks and ends, or first waits for `then`."""

    async def generate() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk
        if then is not None:
            await then()

    return Response(status=200, stream=generate())


class Script:
    """Answers discovery, and everything else by `respond`; remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.respond: Callable[[Request], Response] = lambda request: failure(404, "NotFound")
        self.discoveries = 0

    async def handle(self, request: Request) -> Response:
        if request.path in DISCOVERY:
            self.discoveries += 1
            return answer(aggregated(DISCOVERY[request.path]))
        self.asked.append(request)
        return self.respond(request)


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def api(script: Script, clock: VirtualClock) -> Api:
    return Api(LocalTransport(script.handle), name="m1", clock=clock)


@pytest.fixture
def run() -> Callable[[Awaitable[Any]], Any]:
    """Runs a coroutine on virtual time."""

    def run(work: Any) -> Any:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            return runner.run(work)

    return run
