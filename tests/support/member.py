"""One simulated member on virtual time, with the client that an agent has of it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import TypeVar

from shoal.api.meta import Manifest
from shoal.kube.client.api import Api
from shoal.kube.client.transport import LocalTransport
from shoal.kube.simulated.answers import refusal
from shoal.kube.wire import Request, Response
from support import build
from support.virtual import VirtualClock, VirtualLoop
from support.world import SimulatedMember


class VirtualMember:
    """`m1`, two nodes of 8 CPU."""

    def __init__(self) -> None:
        self.clock, numbers = VirtualClock(), itertools.count(1)
        self.member = SimulatedMember("m1", self.clock, lambda: f"uid-{next(numbers)}")
        self.broken = ""
        """Path that is answered 503."""
        self.api = Api(LocalTransport(self._handle, "m1"), name="m1", clock=self.clock, page=3)

    async def _handle(self, request: Request) -> Response:
        if self.broken and request.path.startswith(self.broken):
            return refusal(503, "ServiceUnavailable", "the server is currently unable to handle the request")
        return await self.member.handle(request)

    async def apply(self, *manifests: Manifest) -> None:
        """And lets the controllers do what follows."""
        for manifest in manifests:
            manifest["metadata"].pop("uid", None)
            await self.api.apply(manifest, field_manager="test", force=True)
        await self.clock.sleep(5)


M = TypeVar("M", bound=VirtualMember)


def play_in(member: Callable[[], M], story: Callable[[M], Awaitable[None]]) -> None:
    """The story in a running member with the namespace `shop`."""

    async def whole() -> None:
        made = member()
        await made.member.controllers.start()
        try:
            await made.apply(build.namespace())
            await story(made)
        finally:
            await made.member.controllers.stop()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(whole())
