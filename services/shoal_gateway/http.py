"""The gateway's HTTP door: deploys, questions, streams of events, health; everything else is the Kubernetes API.

`/api/v1` is Kubernetes' core group; all other paths below `/api/` are ours.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote

import msgspec
import structlog
from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind

from shoal.api.errors import Retryable, Terminal
from shoal.bus.events import EventLog
from shoal.bus.port import Bus
from shoal.kube.apiserver.http import Application, Message, Receive, Scope, Send
from shoal.kube.wire import Request
from shoal.messages.catalogue import EVENT, CloudEvent, DeployAnswer
from shoal.messages.planning import PlanRequest
from shoal_gateway import origin, queries
from shoal_gateway.access import Tokens
from shoal_gateway.answers import Changes
from shoal_gateway.explain import Explainer, parse_path
from shoal_gateway.plan import Plans
from shoal_gateway.queries import NotFound, Queries
from shoal_gateway.replay import ReplayQuestion, Replays

log = structlog.get_logger()
tracer = trace.get_tracer("shoal.gateway")

RECENT_MAX = 200
"""Events in one JSON answer."""
FOLLOW_S, FOLLOW_EACH_S = 0.1, 0.001
"""A change that is followed is looked at this often, a large one more seldom, and told when it moved."""
_HEALTH = ("/healthz", "/readyz", "/metrics", "/status", "/livez")
_CONFLICTS = frozenset({"OlderVersion", "DifferentContent", "BeingDeleted", "AlreadyExists", "Conflict"})
_encode = msgspec.json.Encoder(enc_hook=str).encode


class Answer(msgspec.Struct, frozen=True):
    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Health(Protocol):
    async def answer(self, path: str) -> Any:
        """An answer with status, content_type and body, or None."""
        ...


def json_answer(value: Any, status: int = 200) -> Answer:
    return Answer(status, _encode(value))


def refusal(status: int, reason: str, message: str, *, retry_after_s: int = 0) -> Answer:
    headers = ((b"retry-after", str(retry_after_s).encode()),) if retry_after_s else ()
    return Answer(status, _encode({"reason": reason, "message": message}), headers=headers)


def deploy_status(answer: DeployAnswer) -> int:
    """The HTTP status of an answer to a deploy."""
    if answer.accepted:
        return 200 if answer.repeated else 202
    return 409 if answer.reason in _CONFLICTS else 413 if answer.reason == "TooLarge" else 422


@dataclass(kw_only=True)
class Door:
    """The ASGI application."""

    kube: Application
    deploy: Callable[[bytes], Awaitable[DeployAnswer]]
    ask: Queries
    explainer: Explainer
    plans: Plans
    replays: Replays
    changes: Changes
    events: EventLog
    bus: Bus
    health: Health
    ready: Callable[[], tuple[bool, str]]
    new_change: Callable[[], str]
    tokens: Tokens
    deploy_bytes_max: int
    keepalive_s: float
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def stop(self) -> None:
        """Ends every stream, so that the server can close (it waits for open answers)."""
        self._stopping.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        if path in _HEALTH and scope["method"] in ("GET", "HEAD"):
            found = await self.health.answer("/healthz" if path == "/livez" else path)
            await _send(send, Answer(found.status, found.body, found.content_type))
            return
        user = self.tokens.user(_header(scope, b"authorization"))
        if user is None:
            await _send(send, _unauthorized(path))
            return
        _as_user(scope, user)
        ready, why = self.ready()
        if not ready:
            await _send(send, _unready(path, why))
            return
        origin.enter(origin.Origin(user, self.new_change()))
        if scope["method"] in ("GET", "HEAD"):
            await self._route(path, scope, receive, send)
            return
        # A write is where a trace begins, unless its sender has begun one.
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        with tracer.start_as_current_span(f"{scope['method']} {path}", context=propagate.extract(headers), kind=SpanKind.SERVER):
            await self._route(path, scope, receive, send)

    async def _route(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        if path == "/deploy":
            await _send(send, await self._guarded(self._take_deploy(scope, receive)))
        elif path.startswith("/api/") and path != "/api/v1" and not path.startswith("/api/v1/"):
            await self._api(scope, receive, send)
        else:
            await self.kube(scope, receive, send)

    # --- deploys ----------------------------------------------------------------------------------------------------------------------

    async def _take_deploy(self, scope: Scope, receive: Receive) -> Answer:
        if scope["method"] != "POST":
            return refusal(405, "MethodNotAllowed", "send the deploy event with POST")
        body = await _body(receive, self.deploy_bytes_max)
        if body is None:
            limit = self.deploy_bytes_max
            return json_answer(
                DeployAnswer(
                    accepted=False, reason="TooLarge", message=f"the event has more than {limit} bytes; split it into several deploys"
                ),
                413,
            )
        answer = await self.deploy(body)
        return json_answer(answer, deploy_status(answer))

    # --- questions --------------------------------------------------------------------------------------------------------------------

    async def _api(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0].decode("latin-1")
        parts = [unquote(part) for part in raw.split("/")[2:] if part]
        request = Request(method=scope["method"], path=raw, query=_query(scope))
        if request.method == "POST" and parts in (["plan"], ["replay"]):
            await _send(send, await self._guarded(self._suppose(parts[0], receive)))
            return
        if request.method not in ("GET", "HEAD"):
            await _send(send, refusal(405, "MethodNotAllowed", "questions are asked with GET"))
            return
        wants_stream = "text/event-stream" in _header(scope, b"accept")
        match parts:
            case ["changes", change, "events"]:
                if self.changes.state(change) is None:
                    await _send(send, await self._guarded(self._answer(["changes", change], request)))
                    return
                await self._stream(self._follow(change), receive, send)
            case ["events"] if wants_stream:
                await self._stream(self._tail(request.query.get("since", "")), receive, send)
            case _:
                await _send(send, await self._guarded(self._answer(parts, request)))

    async def _answer(self, parts: list[str], request: Request) -> Answer:
        match parts:
            case ["status"]:
                return json_answer(self.ask.status())
            case ["clusters"]:
                return json_answer(self.ask.clusters())
            case ["applications"]:
                return json_answer(self.ask.applications())
            case ["where", application]:
                return json_answer(self.ask.where(application))
            case ["changes"]:
                return json_answer(self.ask.changes(_limit(request.query)))
            case ["changes", change]:
                return json_answer(self.ask.change(change))
            case ["trace", change]:
                return json_answer(await self.ask.trace(change))
            case ["explain"] if request.query.get("app"):
                return json_answer(await self.explainer.application(request.query["app"]))
            case ["explain"] if request.query.get("name"):
                ref = self.explainer.named(request.query["name"], request.query.get("namespace", ""))
                return json_answer(await self.explainer.object(ref))
            case ["explain"] if request.query.get("ref"):
                return json_answer(await self.explainer.object(parse_path(request.query["ref"].split("/"))))
            case ["explain", *rest] if rest:
                return json_answer(await self.explainer.object(parse_path(rest)))
            case ["events"]:
                return json_answer(await self._recent(request.query.get("since", "")))
        raise NotFound(f"there is no {request.path}; see the guide for what can be asked")

    async def _suppose(self, what: str, receive: Receive) -> Answer:
        """A plan or a replay: questions that bring something along, and write nothing."""
        body = await _body(receive, self.deploy_bytes_max)
        if body is None:
            return refusal(413, "TooLarge", f"the question has more than {self.deploy_bytes_max} bytes; ask about fewer objects at once")
        try:
            if what == "plan":
                return json_answer((await self.plans.plan(msgspec.json.decode(body, type=PlanRequest))).answer)
            return json_answer(await self.replays.replay(msgspec.json.decode(body, type=ReplayQuestion)))
        except msgspec.DecodeError as error:
            raise queries.Invalid(f"the question cannot be read: {error}") from error

    async def _guarded(self, work: Awaitable[Answer]) -> Answer:
        """The answer, or what an error of ours means over HTTP."""
        try:
            return await work
        except NotFound as error:
            return refusal(404, error.reason, str(error))
        except Retryable as error:
            return refusal(503, error.reason, str(error), retry_after_s=max(1, round(error.retry_after_s or 1)))
        except Terminal as error:
            return refusal(422, error.reason, str(error))
        except Exception:
            log.exception("request failed")
            return refusal(500, "Internal", "the request could not be answered; the gateway's log says why")

    # --- streams ----------------------------------------------------------------------------------------------------------------------

    async def _recent(self, since: str) -> list[CloudEvent]:
        """The last events, oldest first; `since` is the id of one, or an RFC 3339 time."""
        info = await self.bus.info(EVENT.name)
        first = max(info.first, info.last - RECENT_MAX + 1, 1)
        found = await asyncio.gather(*(self.bus.at(EVENT.name, number) for number in range(first, info.last + 1)))
        events = [msgspec.json.decode(stored.data, type=CloudEvent) for stored in found if stored is not None]
        return _newer(events, since)

    async def _tail(self, since: str) -> AsyncGenerator[bytes]:
        """Events from now on, after the recent ones when `since` asks for them."""
        after = (await self.bus.info(EVENT.name)).last
        for event in await self._recent(since) if since else ():
            yield _sse(event, event.id)
        async with contextlib.aclosing(self.events.follow(after=after)) as events:  # type: ignore[type-var]  # It is a generator.
            async for _, event in events:
                yield _sse(event, event.id)

    async def _follow(self, change: str) -> AsyncGenerator[bytes]:
        """The change as it is, and again whenever it moved; ends when nothing more will be said."""
        told = b""
        while True:
            state = self.changes.state(change)
            if state is None:
                return
            now = _encode(queries.shown(state))
            if now != told:
                told = now
                yield b"data: " + now + b"\n\n"
            if queries.final(state):
                return
            await asyncio.sleep(FOLLOW_S + FOLLOW_EACH_S * len(state.objects))

    async def _stream(self, chunks: AsyncGenerator[bytes], receive: Receive, send: Send) -> None:
        """Server-sent events until the source ends, the client goes away, or the gateway stops."""
        head = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        gone, stopping = asyncio.ensure_future(_disconnected(receive)), asyncio.ensure_future(self._stopping.wait())
        chunk: asyncio.Future[bytes | None] | None = None
        try:
            while True:
                chunk = chunk or asyncio.ensure_future(anext(chunks, None))
                await asyncio.wait((chunk, gone, stopping), timeout=self.keepalive_s, return_when=asyncio.FIRST_COMPLETED)
                if gone.done() or stopping.done():
                    break
                if not chunk.done():
                    await send({"type": "http.response.body", "body": b": still here\n\n", "more_body": True})
                    continue
                part, chunk = chunk.result(), None
                if part is None:
                    break
                await send({"type": "http.response.body", "body": part, "more_body": True})
        except Retryable as error:
            log.info("stream ends", error=str(error))
        finally:
            waiting = [task for task in (gone, stopping, chunk) if task is not None]
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            await chunks.aclose()
        if not gone.done() or gone.cancelled():
            await send({"type": "http.response.body", "body": b""})


def _newer(events: list[CloudEvent], since: str) -> list[CloudEvent]:
    if not since:
        return events
    for number, event in enumerate(events):
        if event.id == since:
            return events[number + 1 :]
    try:
        then = datetime.fromisoformat(since)
    except ValueError:
        return events  # An id that is no longer among the recent ones: all of them are newer.
    if then.tzinfo is None:
        raise queries.Invalid(f"since={since} has no time zone; write 2026-01-31T12:00:00Z")
    return [event for event in events if datetime.fromisoformat(event.time) > then]


def _sse(event: CloudEvent, id_: str) -> bytes:
    return b"id: " + id_.encode() + b"\ndata: " + _encode(event) + b"\n\n"


def _limit(query: dict[str, str]) -> int:
    text = query.get("limit", "50")
    if not text.isdecimal() or not 0 < int(text) <= 1000:
        raise queries.Invalid(f"limit={text}: write a number from 1 to 1000")
    return int(text)


def _is_kube(path: str) -> bool:
    return path in ("/", "/api", "/version") or path.startswith(("/api/v1", "/apis", "/openapi"))


def _unready(path: str, why: str) -> Answer:
    message = f"the hub is not ready: {why}; it is asked again in a moment"
    if not _is_kube(path):
        return refusal(503, "NotReady", message, retry_after_s=1)
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": "ServiceUnavailable"}
    return Answer(503, _encode({**status, "details": {"retryAfterSeconds": 1}, "code": 503}), headers=((b"retry-after", b"1"),))


def _unauthorized(path: str) -> Answer:
    message = "show a token: Authorization: Bearer <token> (SHOAL_TOKEN for the command line)"
    if _is_kube(path):
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": "Unauthorized",
            "reason": "Unauthorized",
        }
        return Answer(401, _encode({**status, "code": 401}))
    return Answer(401, _encode({"reason": "Unauthorized", "message": message}), headers=((b"www-authenticate", b"Bearer"),))


def _as_user(scope: Scope, user: str) -> None:
    """The user that the token named; what the client says of itself in that header does not count."""
    scope["headers"] = [pair for pair in scope["headers"] if pair[0] != b"x-remote-user"] + [(b"x-remote-user", user.encode())]


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def _query(scope: Scope) -> dict[str, str]:
    return dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True))


async def _body(receive: Receive, limit: int) -> bytes | None:
    """The whole body; None when it is longer than the limit."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            return None
        parts.append(part)
        if message["type"] != "http.request" or not message.get("more_body"):
            return b"".join(parts)


async def _send(send: Send, answer: Answer) -> None:
    headers = [(b"content-type", answer.content_type.encode()), (b"content-length", str(len(answer.body)).encode()), *answer.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _disconnected(receive: Receive) -> Message:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return message
