"""Deploy events from CI, until they are answered (stream DEPLOY), and facts in the past tense (stream EVENT).

The inbox stands on FastStream: it binds to the consumer that `topology` makes, acknowledges by hand, and puts off with growing delays
(FastStream's own policies terminate a message at the first error, or deliver it again at once). What cannot be handled goes to DEAD.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol
from uuid import uuid4

import msgspec
import structlog

from shoal.api.clock import Clock
from shoal.api.errors import BusUnavailable, Retryable, ShoalError, Terminal
from shoal.bus.port import MESSAGE_ID, Append, Bus, Message, Stored
from shoal.messages import subject as subjects
from shoal.messages.catalogue import DEAD, DEPLOY, EVENT, CloudEvent

log = structlog.get_logger(__name__)

Handle = Callable[[str, bytes], Awaitable[bytes | None]]
"""`handle(source, event)` -> the answer. A refusal is an answer; an error means that there is none yet (Retryable) or never (Terminal)."""

REPLY = "Shoal-Reply"
"""Header with the inbox for the answer: a stored message does not keep its reply subject."""
REASON, FROM, DELIVERIES = "Shoal-Reason", "Shoal-From", "Shoal-Deliveries"
DELAYS_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
BUG_ATTEMPTS = 8
"""Deliveries of an event at which the handler's bug stops being tried; about two minutes."""


class DeployInbox(Protocol):
    async def run(self, handle: Handle) -> None:
        """Handles events one at a time and in order until `stop`; what was put off comes again later. Raises `StreamDrifted`."""
        ...

    async def stop(self) -> None:
        """The event in flight is finished."""
        ...


class Delivery(msgspec.Struct, frozen=True):
    """One event as it came from the stream."""

    subject: str
    data: bytes
    headers: dict[str, str]
    sequence: int
    deliveries: int
    """1 for the first time."""

    @property
    def source(self) -> str:
        return subjects.decode_token(self.subject.partition(".")[2])


class Later(msgspec.Struct, frozen=True):
    """Put off for so many seconds."""

    delay_s: float


class Done(msgspec.Struct, frozen=True):
    """Answered, or in DEAD."""


async def deliver(bus: Bus, delivery: Delivery, handle: Handle) -> Done | Later:
    """Hands one event over and says what becomes of it."""
    try:
        answer = await handle(delivery.source, delivery.data)
    except Retryable as error:
        delay_s = max(error.retry_after_s or 0.0, _delay_s(delivery))
        log.info("deploy event put off", source=delivery.source, reason=error.reason, delay_s=delay_s, error=str(error))
        return Later(delay_s)
    except Terminal as error:
        return await _bury(bus, delivery, f"{error.reason}: {error}")
    except Exception as error:
        log.exception("bug while handling a deploy event", source=delivery.source, sequence=delivery.sequence)
        # The type alone: the text of a foreign error may hold what the event holds.
        return Later(_delay_s(delivery)) if delivery.deliveries < BUG_ATTEMPTS else await _bury(bus, delivery, type(error).__name__)
    reply = delivery.headers.get(REPLY, "")
    if answer is not None and reply:
        try:
            await bus.respond(Message(delivery.subject, b"", {}, reply), answer)
        except BusUnavailable as error:
            return Later(error.retry_after_s or _delay_s(delivery))  # The handler answers the same again.
    return Done()


def _delay_s(delivery: Delivery) -> float:
    return DELAYS_S[min(delivery.deliveries, len(DELAYS_S)) - 1]


async def _bury(bus: Bus, delivery: Delivery, reason: str) -> Done | Later:
    """Keeps the event with its reason for an operator, once."""
    headers = {
        MESSAGE_ID: f"{DEPLOY.name}.{delivery.sequence}",
        REASON: " ".join(reason.split())[:500].encode("ascii", "replace").decode(),
        FROM: delivery.subject,
        DELIVERIES: str(delivery.deliveries),
    }
    try:
        await bus.append(DEAD.name, Append(f"dead.{delivery.subject}", delivery.data, headers))
    except ShoalError as error:
        log.warning("dead letter not stored yet", source=delivery.source, error=str(error))
        return Later(_delay_s(delivery))
    log.error("deploy event cannot be handled", source=delivery.source, sequence=delivery.sequence, reason=reason)
    return Done()


async def send_deploy(bus: Bus, source: str, event: bytes, *, timeout_s: float) -> bytes:
    """What CI does: stores a deploy event and waits for the direct answer. Raises `BusUnavailable`; the event may be stored then.

    The same event (by its id) may be sent again: nothing is done twice.
    """
    inbox, answer = f"_INBOX.{uuid4().hex}", asyncio.get_running_loop().create_future()

    async def hear(message: Message) -> None:
        if not answer.done():
            answer.set_result(message.data)

    listening = await bus.subscribe(inbox, hear)
    item = Append(f"deploy.{subjects.encode_token(source)}", event, {REPLY: inbox, MESSAGE_ID: inbox})
    try:
        await bus.append(DEPLOY.name, item)
        async with asyncio.timeout(timeout_s):
            return bytes(await answer)
    except TimeoutError as error:
        raise BusUnavailable(f"the deploy event is stored, but was not answered within {timeout_s:g} s") from error
    finally:
        await listening.unsubscribe()


class EventLog:
    """Facts for CI, chat and dashboards. One gateway writes them, with ids that name their source position."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus, self._clock = bus, clock

    async def publish(self, event: CloudEvent, headers: dict[str, str] | None = None) -> int:
        """Its sequence. The same id within two minutes is stored once, so it may be asked again."""
        item = Append(event_subject(event), msgspec.json.encode(event), {**(headers or {}), MESSAGE_ID: event.id})
        for wait_s in (0.2, 1.0, 3.0):
            try:
                return await self._bus.append(EVENT.name, item)
            except BusUnavailable as error:
                log.info("event not stored yet", type=event.type, error=str(error))
                await self._clock.sleep(wait_s)
        return await self._bus.append(EVENT.name, item)

    async def follow(self, pattern: str = ">", *, after: int | None = None) -> AsyncIterator[tuple[int, CloudEvent]]:
        """(sequence, event) of every event above `after`, or from now on; `pattern` begins with the type: `deploy.>`."""
        start = (await self._bus.info(EVENT.name)).last if after is None else after
        watch = self._bus.watch(EVENT.name, (f"event.{pattern}",), after=start)
        try:
            async for item in watch:
                if isinstance(item, Stored):
                    yield item.sequence, msgspec.json.decode(item.data, type=CloudEvent)
        finally:
            await watch.aclose()

    async def last(self, type_: str, subject: str) -> CloudEvent | None:
        """The newest event of a type about one subject."""
        found = await self._bus.last(EVENT.name, f"event.{type_}.{subjects.encode_token(subject)}")
        return None if found is None else msgspec.json.decode(found.data, type=CloudEvent)


def event_subject(event: CloudEvent) -> str:
    """`event.<type>.<subject as one token>`; a type is dotted words."""
    return f"event.{event.type}.{subjects.encode_token(event.subject)}"


def delivery_of(stored: Stored, deliveries: int) -> Delivery:
    """Of an entry that was read from the stream."""
    return Delivery(stored.subject, stored.data, stored.headers, stored.sequence, deliveries)


def header_text(headers: Any) -> dict[str, str]:
    """Headers of a foreign client as plain text."""
    return {str(key): str(value) for key, value in (headers or {}).items()}
