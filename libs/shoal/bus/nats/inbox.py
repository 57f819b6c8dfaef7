"""The deploy inbox on FastStream."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from faststream import AckPolicy
from faststream.message import StreamMessage
from faststream.nats import JStream, NatsBroker, PullSub
from faststream.nats.security import NatsCredentials, NatsSecurity, NatsToken, NatsUserPassword
from nats.aio.msg import Msg

from shoal.api.clock import Clock
from shoal.api.errors import ShoalError, StreamDrifted
from shoal.bus.events import Delivery, Done, Handle, deliver, header_text
from shoal.bus.nats.connection import PENDING_BYTES, RECONNECT_WAIT_S
from shoal.bus.nats.failures import FOREIGN
from shoal.bus.nats.jetstream import NatsBus
from shoal.bus.nats.options import BusSettings, connection_options
from shoal.bus.topology import DEPLOY_CONSUMER
from shoal.messages.catalogue import DEPLOY

log = structlog.get_logger(__name__)

FETCH_S = 2.0
"""How long one question for an event stands; a server that restarts forgets it, and the next one is asked after this."""
CHECK_EVERY_S = 5.0
"""How often the consumer is looked for: FastStream's loop spins when it is gone."""
MISSING_S = 4.0
"""A cluster that elects a leader may not find it for a moment."""
IN_PROGRESS_S = 20.0
"""A third of the consumer's `ack_wait`."""
GRACE_S = 20.0


class FastStreamInbox:
    """Its own connection, made anew when nats-py closes it for good. `bus` carries answers and dead letters."""

    def __init__(self, settings: BusSettings, bus: NatsBus, *, clock: Clock) -> None:
        self._settings, self._bus, self._clock = settings, bus, clock
        self._stopping = asyncio.Event()
        self._closed = asyncio.Event()
        self._missing_since: float | None = None

    async def run(self, handle: Handle) -> None:
        while not self._stopping.is_set():
            if await self._found() is not True:
                await self._clock.sleep(RECONNECT_WAIT_S)
                continue
            self._closed.clear()
            broker = self._broker(handle)
            try:
                await broker.start()
                await self._stay()
            except FOREIGN as error:
                log.warning("deploy inbox interrupted", error=str(error))
                await self._clock.sleep(RECONNECT_WAIT_S)
            finally:
                await self._end(broker)

    async def stop(self) -> None:
        self._stopping.set()
        self._closed.set()

    def _broker(self, handle: Handle) -> NatsBroker:
        broker = NatsBroker(
            [url.strip() for url in self._settings.url.split(",")],
            name="deploy-inbox",
            codec=_Plain(),
            apply_types=False,
            logger=None,
            graceful_timeout=GRACE_S,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type]  # It says int and means a number.
            pending_size=PENDING_BYTES,
            error_cb=self._on_error,
            closed_cb=self._on_closed,
            security=_security(self._settings),
        )

        async def receive(message: Msg) -> None:
            await self._receive(message, handle)

        broker.subscriber(
            self._bus.outside("deploy.*"),
            stream=JStream(DEPLOY.name, declare=False),
            durable=DEPLOY_CONSUMER,
            pull_sub=PullSub(batch_size=1, timeout=FETCH_S),
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
        )(receive)
        return broker

    async def _receive(self, message: Msg, handle: Handle) -> None:
        metadata = message.metadata
        delivery = Delivery(
            self._bus.inside(message.subject),
            message.data,
            header_text(message.headers),
            metadata.sequence.stream,
            int(metadata.num_delivered or 1),
        )
        holding = asyncio.get_running_loop().create_task(self._hold(message))
        try:
            outcome = await deliver(self._bus, delivery, handle)
            if isinstance(outcome, Done):
                await message.ack()
            else:
                await message.nak(delay=outcome.delay_s)
        except FOREIGN as error:  # It will be delivered again, and answered the same.
            log.warning("deploy event not acknowledged", source=delivery.source, error=str(error))
        finally:
            holding.cancel()

    async def _hold(self, message: Msg) -> None:
        """Tells the server that it is being worked on, so that no other replica gets it."""
        while True:
            await self._clock.sleep(IN_PROGRESS_S)
            try:
                await message.in_progress()
            except FOREIGN as error:
                log.info("deploy event not held", error=str(error))

    async def _stay(self) -> None:
        while not self._closed.is_set():
            try:
                await asyncio.wait_for(self._closed.wait(), CHECK_EVERY_S)
            except TimeoutError:
                await self._found()

    async def _found(self) -> bool | None:
        """Whether the consumer is there; None when it is not known. Raises `StreamDrifted` when it is missing for long.

        FastStream would make a missing one by itself, with other settings.
        """
        try:
            found = await self._bus.consumer_config(DEPLOY.name, DEPLOY_CONSUMER)
        except ShoalError as error:  # Not known now; FastStream waits for the server as well.
            log.debug("deploy consumer not checked", error=str(error))
            return None
        now = self._clock.monotonic()
        if found is not None:
            self._missing_since = None
            return True
        if self._missing_since is None:
            self._missing_since = now
        if now - self._missing_since > MISSING_S:
            raise StreamDrifted(f"consumer {DEPLOY_CONSUMER} of {DEPLOY.name} is missing: run `shoal bootstrap`")
        return False

    async def _on_error(self, error: Exception) -> None:
        log.debug("deploy inbox trouble", error=f"{type(error).__name__}: {error}")

    async def _on_closed(self) -> None:
        self._closed.set()

    async def _end(self, broker: NatsBroker) -> None:
        try:
            await broker.stop()
        except FOREIGN as error:  # It drains, and cannot when the server is down.
            log.info("deploy inbox not drained", error=str(error))


class _Plain:
    """FastStream would read JSON; the handler takes the message as it is."""

    async def decode(self, msg: StreamMessage[Any]) -> Any:
        return msg.raw_message

    async def encode(self, msg: Any, serializer: Any = None) -> tuple[bytes, str | None]:
        return bytes(msg), None


def _security(settings: BusSettings) -> NatsSecurity | None:
    options = connection_options(settings)
    tls = options.get("tls")
    if "user_credentials" in options:
        return NatsCredentials(options["user_credentials"], ssl_context=tls)
    if "user" in options:
        return NatsUserPassword(options["user"], options["password"], ssl_context=tls)
    if "token" in options:
        return NatsToken(options["token"], ssl_context=tls)
    return NatsSecurity(ssl_context=tls) if tls is not None else None
