"""Typed questions and answers over core messages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
import structlog

from shoal.api.errors import BusUnavailable, Retryable, ShoalError, Terminal
from shoal.api.meta import Struct
from shoal.bus.port import TIMEOUT_S, Bus, Message, Subscription

log = structlog.get_logger(__name__)
T = TypeVar("T")
R = TypeVar("R")

ERROR, ERROR_TEXT, ERROR_KIND = "Shoal-Error", "Shoal-Error-Text", "Shoal-Error-Kind"
AT_ONCE = 64
"""Questions of one subject that are worked on at once; more of them wait in the subscription."""


async def ask(bus: Bus, subject: str, message: Struct, answer: type[T], *, timeout_s: float = TIMEOUT_S) -> T:
    """The answer. Raises `BusUnavailable` when nobody answers in time, else what the other side raised: a `Retryable` or a `Terminal`."""
    raw = await bus.request(subject, msgspec.json.encode(message), timeout_s=timeout_s)
    reason = raw.headers.get(ERROR)
    if reason is not None:
        kind = Terminal if raw.headers.get(ERROR_KIND) == "terminal" else Retryable
        error: ShoalError = kind(raw.headers.get(ERROR_TEXT, reason))
        error.reason = reason
        raise error
    try:
        return msgspec.json.decode(raw.data, type=answer)
    except msgspec.DecodeError as error:
        raise Terminal(f"the answer on {subject[:200]} is not a {answer.__name__}: {error}") from error


async def serve(
    bus: Bus, subject: str, request: type[R], handler: Callable[[str, R], Awaitable[Struct]], *, queue: str = ""
) -> Subscription:
    """Answers every question on `subject` (wildcards allowed) with `handler(subject, question)`; an empty question is `{}`.

    Errors of ours go back to the asker; a bug is logged and answered as a retryable error without its text.
    """
    room = asyncio.Semaphore(AT_ONCE)
    running: set[asyncio.Task[None]] = set()

    async def answer(message: Message) -> None:
        try:
            data, headers = await _answer(message, request, handler)
            await bus.respond(message, data, headers)
        except BusUnavailable as error:
            log.info("answer not sent", subject=message.subject, error=str(error))
        finally:
            room.release()

    async def receive(message: Message) -> None:
        await room.acquire()
        task = asyncio.get_running_loop().create_task(answer(message))
        running.add(task)
        task.add_done_callback(running.discard)

    return _Served(await bus.subscribe(subject, receive, queue=queue), running)


async def _answer(
    message: Message, request: type[R], handler: Callable[[str, R], Awaitable[Struct]]
) -> tuple[bytes, dict[str, str] | None]:
    try:
        question = msgspec.json.decode(message.data or b"{}", type=request)
        return msgspec.json.encode(await handler(message.subject, question)), None
    except msgspec.DecodeError as error:
        return b"{}", _failed("Invalid", f"not a {request.__name__}: {error}", terminal=True)
    except ShoalError as error:
        return b"{}", _failed(error.reason, str(error), terminal=isinstance(error, Terminal))
    except Exception:
        log.exception("bug while answering", subject=message.subject)
        return b"{}", _failed("Internal", "the question could not be answered; the log of the service says why", terminal=False)


def _failed(reason: str, text: str, *, terminal: bool) -> dict[str, str]:
    one_line = " ".join(text.split())[:1000].encode("ascii", "replace").decode()  # Headers are lines.
    return {ERROR: reason, ERROR_TEXT: one_line, ERROR_KIND: "terminal" if terminal else "retryable"}


class _Served:
    """Ends with its last answer."""

    def __init__(self, subscription: Subscription, running: set[asyncio.Task[None]]) -> None:
        self._subscription, self._running = subscription, running

    async def unsubscribe(self) -> None:
        await self._subscription.unsubscribe()
        if self._running:
            await asyncio.wait(tuple(self._running))
