"""Faults of an embedded member, switched on and off while it runs: `PUT /shoal/faults` with the JSON of `FaultSettings`, `GET` reads it.

{"down": true}                                     every request is answered 503, open watches end (in process: the connection breaks)
{"slowS": 2}                                       every answer comes that much later
{"refuseStatus": 429, "refuseShare": 0.5}          half of the requests are answered so
{"reject": {"deployments": "no deploys today"}}    writes of a resource are refused as by an admission webhook
{"images": {"*:broken": "ImagePullBackOff"}}       containers whose image matches never start
"""

from __future__ import annotations

import asyncio
import fnmatch
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Annotated

import msgspec

from shoal.api.clock import Clock
from shoal.api.meta import Strict
from shoal.kube.simulated.answers import refusal
from shoal.kube.wire import Handler, Request, Response

PATH = "/shoal/faults"
STARTING_IMAGES = {"*:broken": "ImagePullBackOff", "*:crash": "CrashLoopBackOff"}
"""Tags that never work anywhere, so that a broken deploy can be shown without touching the members."""


class FaultSettings(Strict, frozen=True, kw_only=True):
    """What is wrong with a member. Everything is off by default, but for the image tags of `STARTING_IMAGES`."""

    down: bool = False
    slow_s: Annotated[float, msgspec.Meta(ge=0, le=600)] = 0.0
    refuse_status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 503
    refuse_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    """0: none, 1: all requests."""
    refuse_retry_after_s: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Sent as Retry-After when above 0."""
    reject: dict[str, str] = {}
    """Resource, in the plural as webhooks name it -> message."""
    images: dict[str, str] = msgspec.field(default_factory=lambda: dict(STARTING_IMAGES))
    """Pattern of an image -> reason in which its container waits."""


class Faults:
    """The present faults of one member, and the handler that plays those of the API server."""

    def __init__(self, clock: Clock, chance: Callable[[], float] = random.random) -> None:
        """`chance` gives numbers in [0, 1); the simulation passes a seeded one."""
        self.settings = FaultSettings()
        self.on_change: Callable[[], None] = lambda: None
        """Called after every change; pods that wait for an image look again."""
        self._clock, self._chance = clock, chance
        self._down = asyncio.Event()

    def set(self, settings: FaultSettings) -> None:
        self.settings = settings
        if settings.down:
            self._down.set()
        else:
            self._down.clear()
        self.on_change()

    def waits_for_image(self, image: str) -> str:
        """The reason for which a container of this image does not start; empty when it starts."""
        return next((reason for pattern, reason in self.settings.images.items() if fnmatch.fnmatchcase(image, pattern)), "")

    def wrap(self, handler: Handler, *, breaks: bool = False) -> Handler:
        """A handler that answers as the faults say. `breaks`: a member that is down raises ConnectionRefusedError instead of answering."""

        async def handle(request: Request) -> Response:
            if request.path == PATH:
                return self._admin(request)
            if self.settings.slow_s:
                await self._clock.sleep(self.settings.slow_s)
            if self.settings.down:
                if breaks:
                    raise ConnectionRefusedError("the member is down")
                return refusal(503, "ServiceUnavailable", "the member is down")
            if self.settings.refuse_share and self._chance() < self.settings.refuse_share:
                return self._refused()
            if rejection := self._rejection(request):
                return rejection
            response = await handler(request)
            if response.stream is None:
                return response
            return msgspec.structs.replace(response, stream=self._until_down(response.stream))

        return handle

    def _admin(self, request: Request) -> Response:
        if request.method == "PUT":
            try:
                self.set(msgspec.json.decode(request.body, type=FaultSettings))
            except msgspec.MsgspecError as error:
                return refusal(400, "BadRequest", f"no fault settings: {error}")
        elif request.method == "DELETE":
            self.set(FaultSettings())
        return Response(status=200, body=msgspec.json.encode(msgspec.to_builtins(self.settings)))

    def _refused(self) -> Response:
        code = self.settings.refuse_status
        reason = {429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable"}.get(code, "Unknown")
        response = refusal(code, reason, "refused by a fault of this member")
        if after := self.settings.refuse_retry_after_s:
            return msgspec.structs.replace(response, headers={"retry-after": str(after)})
        return response

    def _rejection(self, request: Request) -> Response | None:
        """As an admission webhook that says no."""
        if not self.settings.reject or request.method not in {"POST", "PUT", "PATCH"}:
            return None
        if (message := self.settings.reject.get(_resource_of(request.path))) is None:
            return None
        return refusal(403, "Forbidden", f'admission webhook "faults.shoal.dev" denied the request: {message}')

    async def _until_down(self, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """A watch that ends when the member goes down."""
        down = asyncio.ensure_future(self._down.wait())
        chunk: asyncio.Future[bytes] | None = None
        try:
            while not down.done():
                chunk = asyncio.ensure_future(anext(stream))
                await asyncio.wait({chunk, down}, return_when=asyncio.FIRST_COMPLETED)
                if not chunk.done():
                    return
                try:
                    yield chunk.result()
                except StopAsyncIteration:
                    return
        finally:
            down.cancel()
            if chunk is not None and chunk.cancel():
                await asyncio.wait({chunk})
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()


def _resource_of(path: str) -> str:
    """The plural in a path: `/apis/apps/v1/namespaces/shop/deployments/web` -> `deployments`."""
    parts = path.strip("/").split("/")
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    if len(rest) >= 3 and rest[0] == "namespaces":
        rest = rest[2:]
    return rest[0] if rest else ""
