"""One connection to NATS that does not give up: reconnects, and is built anew when nats-py closes for good."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as NatsSubscription

from shoal.api.clock import Clock
from shoal.api.errors import BusUnavailable
from shoal.bus.nats.failures import FOREIGN, failure_of
from shoal.bus.nats.options import BusSettings, connection_options
from shoal.bus.nats.server import check_version
from shoal.bus.port import TIMEOUT_S, Handler, Message, check_payload, check_subject

if TYPE_CHECKING:
    from shoal.bus.nats.jetstream import NatsBus

log = structlog.get_logger(__name__)

RECONNECT_WAIT_S = 0.5
"""Between two attempts. A server restart takes about 0.2 s."""
REBUILD_AFTER_S = 15.0
"""A connection that nats-py has not brought back by then is made anew."""
PING_INTERVAL_S = 10.0
"""Two unanswered pings end a dead connection: a cut cable is noticed within 30 s, a closed socket at once."""
PENDING_BYTES = 64 * 1024 * 1024
"""Not yet sent; a batch of 1,000 objects must fit without stalling."""
DRAIN_S = 10.0
TROUBLES = 8
"""Different ones that are remembered while there is no connection; an outage of hours must not collect them."""


class Connection:
    """Core NATS with what a service needs of it: `publish`, `request`, `subscribe` of the port."""

    def __init__(self, settings: BusSettings, *, name: str, clock: Clock) -> None:
        self._settings, self._name, self._clock = settings, name, clock
        self._options = connection_options(settings)
        self._client = Client()
        self._ready = asyncio.Event()
        self._closing = False
        self._silent_since: float | None = clock.monotonic()
        self._callbacks: list[Callable[[], None]] = []
        self._subscriptions: set[Subscribed] = set()
        self._waiting: dict[str, asyncio.Future[Msg]] = {}
        self._numbers = count(1)
        self._inbox = ""
        self._troubles: list[str] = []
        """What went wrong since it was last connected, each once, in the order of its first time: a refusal of the server is not
        hidden by the resets that follow it."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._rebuilding = False

    # --- state ---

    @property
    def connected(self) -> bool:
        return self._ready.is_set()

    @property
    def silent_since(self) -> float | None:
        return self._silent_since

    def on_reconnect(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)

    def forget_reconnect(self, callback: Callable[[], None]) -> None:
        self._callbacks.remove(callback)

    @property
    def server_version(self) -> str:
        return str(self._client._server_info.get("version", ""))  # nats-py's own property drops the part after the dash.

    async def open(self, timeout_s: float | None) -> None:
        """Connects, for as long as it takes (None) or raises `BusUnavailable`. Raises `SettingInvalid` for a server too old."""
        try:
            await asyncio.wait_for(self._dial(), timeout_s)
        except TimeoutError as error:
            self._closing = True
            raise BusUnavailable(f"no bus at {self._settings.url}: {', then '.join(self._troubles) or 'no answer'}") from error
        check_version(self.server_version, self._settings.url)
        self._spawn(self._watchdog())

    async def _dial(self) -> None:
        client = Client()
        await client.connect(
            [url.strip() for url in self._settings.url.split(",")],
            name=self._name,
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnected,
            reconnected_cb=self._on_reconnected,
            closed_cb=self._on_closed,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type]  # nats-py says int and means a number.
            ping_interval=PING_INTERVAL_S,  # type: ignore[arg-type]  # Likewise.
            pending_size=PENDING_BYTES,
            drain_timeout=int(DRAIN_S),
            **self._options,
        )
        self._client, self._inbox = client, client.new_inbox() + "."
        await client.subscribe(self._inbox + "*", cb=self._on_answer)
        for subscription in tuple(self._subscriptions):
            await subscription.renew(client)
        self._up()

    # --- what nats-py tells ---

    async def _on_error(self, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"
        if text in self._troubles:  # One line for each new trouble, not one for each attempt.
            return
        log.warning("bus trouble", url=self._settings.url, error=text)
        self._troubles = [*self._troubles, text][-TROUBLES:]

    async def _on_disconnected(self) -> None:
        if not self._ready.is_set():
            return
        self._ready.clear()
        self._silent_since = self._clock.monotonic()
        if not self._closing:
            log.warning("bus disconnected", url=self._settings.url)
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(BusUnavailable("the connection to the bus broke before the answer came"))

    async def _on_reconnected(self) -> None:
        for subscription in tuple(self._subscriptions):
            if not subscription.made:  # Wanted while there was no connection.
                await subscription.renew(self._client)
        self._up()
        for callback in tuple(self._callbacks):
            callback()

    def _up(self) -> None:
        self._troubles = []
        self._silent_since = None
        self._ready.set()
        log.info("bus connected", url=self._settings.url, server=self.server_version)

    async def _on_closed(self) -> None:
        # Any -ERR but a few closes nats-py for good, whatever the number of attempts says.
        if not self._closing and not self._rebuilding:
            self._rebuilding = True
            self._spawn(self._rebuild())

    async def _rebuild(self) -> None:
        old, self._rebuilding = self._client, True
        try:
            while not self._closing:
                try:
                    await old.close()
                    await self._on_disconnected()
                    await self._dial()
                    break
                except FOREIGN as error:
                    await self._on_error(error if isinstance(error, Exception) else ConnectionError())
                    await asyncio.sleep(RECONNECT_WAIT_S)
        finally:
            self._rebuilding = False
        for callback in tuple(self._callbacks):
            callback()

    async def _watchdog(self) -> None:
        while not self._closing:
            await asyncio.sleep(REBUILD_AFTER_S / 3)
            since = self._silent_since
            if since is not None and not self._rebuilding and self._client.is_connected:
                await self._on_reconnected()  # A late word of a connection that is gone has overtaken.
            elif since is not None and not self._rebuilding and self._clock.monotonic() - since > REBUILD_AFTER_S:
                self._rebuilding = True
                self._spawn(self._rebuild())

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- sending ---

    def outside(self, subject: str) -> str:
        """The subject as the server sees it."""
        return subject if subject[0] in "$_" else self._settings.prefix + subject

    def inside(self, subject: str) -> str:
        """The subject as we name it."""
        return subject.removeprefix(self._settings.prefix)

    async def publish(self, subject: str, data: bytes = b"", headers: dict[str, str] | None = None) -> None:
        check_subject(subject)
        check_payload(subject, data)
        await self.send(self.outside(subject), data, headers=headers)

    async def send(
        self, subject: str, data: bytes, *, reply: str = "", headers: dict[str, str] | None = None, timeout_s: float = TIMEOUT_S
    ) -> None:
        """Publishes under the outside subject, now or not at all."""
        if not self._ready.is_set():
            raise BusUnavailable(f"not connected to the bus at {self._settings.url}")
        try:
            # A server that reads nothing blocks nats-py's flusher, and then its publish.
            async with asyncio.timeout(timeout_s):
                await self._client.publish(subject, data, reply=reply, headers=headers)
        except FOREIGN as error:
            raise failure_of(error, f"publishing on {subject[:200]}") from error

    async def respond(self, message: Message, data: bytes, headers: dict[str, str] | None = None) -> None:
        if not message.reply.startswith("_INBOX."):
            log.warning("reply subject refused", subject=message.subject, reply=message.reply[:200])
            return
        check_payload(message.reply, data)
        await self.send(message.reply, data, headers=headers)

    async def request(
        self, subject: str, data: bytes = b"", *, timeout_s: float = TIMEOUT_S, headers: dict[str, str] | None = None
    ) -> Message:
        check_subject(subject)
        check_payload(subject, data)
        answer = await self.ask(self.outside(subject), data, timeout_s=timeout_s, headers=headers)
        return Message(subject=self.inside(answer.subject), data=answer.data, headers=dict(answer.headers or {}))

    async def ask(self, subject: str, data: bytes, *, timeout_s: float = TIMEOUT_S, headers: dict[str, str] | None = None) -> Msg:
        """One question under the outside subject. It fails at once when the connection breaks, and is never kept for later."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        if not self._ready.is_set():
            await self._connected(timeout_s, subject)
        token = str(next(self._numbers))
        future: asyncio.Future[Msg] = loop.create_future()
        self._waiting[token] = future
        timer = loop.call_at(deadline, _expire, future, subject, timeout_s)
        try:
            await self.send(subject, data, reply=self._inbox + token, headers=headers, timeout_s=timeout_s)
            answer = await future
        finally:
            timer.cancel()
            del self._waiting[token]
        if not answer.data and answer.headers and answer.headers.get("Status") == "503":
            raise BusUnavailable(f"nobody answers on {subject[:200]}")
        return answer

    async def _connected(self, timeout_s: float, subject: str) -> None:
        try:
            await asyncio.wait_for(self._ready.wait(), timeout_s)
        except TimeoutError as error:
            raise BusUnavailable(f"not connected to the bus at {self._settings.url}, so nothing was asked on {subject[:200]}") from error

    async def _on_answer(self, message: Msg) -> None:
        future = self._waiting.get(message.subject[len(self._inbox) :])
        if future is not None and not future.done():
            future.set_result(message)

    # --- receiving ---

    async def subscribe(self, subject: str, handler: Handler, *, queue: str = "") -> Subscribed:
        check_subject(subject)
        subscription = Subscribed(self, self.outside(subject), queue, handler)
        self._subscriptions.add(subscription)
        if self._ready.is_set():
            try:
                await subscription.renew(self._client)
            except FOREIGN as error:  # It is in the set: the next connection makes it.
                log.warning("subscription postponed", subject=subject, error=str(error))
        return subscription

    def forget(self, subscription: Subscribed) -> None:
        self._subscriptions.discard(subscription)

    @property
    def client(self) -> Client:
        return self._client

    async def close(self) -> None:
        """Handlers finish what they received, then everything written is sent, then the connection closes."""
        self._closing = True
        await asyncio.gather(*(subscription.unsubscribe() for subscription in tuple(self._subscriptions)))
        for task in tuple(self._tasks):
            task.cancel()
        try:
            if self._client.is_connected:
                await self._client.drain()
            elif not self._client.is_closed:
                await self._client.close()
        except FOREIGN as error:
            log.warning("bus not closed in order", error=str(error))
        self._ready.clear()


def _expire(future: asyncio.Future[Msg], subject: str, timeout_s: float) -> None:
    if not future.done():
        future.set_exception(BusUnavailable(f"no answer on {subject[:200]} within {timeout_s:g} s"))


class Subscribed:
    """A subscription of a service, made again on each new connection."""

    def __init__(self, connection: Connection, subject: str, queue: str, handler: Handler) -> None:
        self._connection, self._subject, self._queue, self._handler = connection, subject, queue, handler
        self._current: NatsSubscription | None = None

    @property
    def made(self) -> bool:
        return self._current is not None

    async def renew(self, client: Client) -> None:
        self._current = await client.subscribe(self._subject, queue=self._queue, cb=self._deliver)

    async def _deliver(self, message: Msg) -> None:
        subject = self._connection.inside(message.subject)
        try:
            await self._handler(Message(subject, message.data, dict(message.headers or {}), message.reply))
        except Exception:
            log.exception("handler failed", subject=subject)

    async def unsubscribe(self) -> None:
        self._connection.forget(self)
        current, self._current = self._current, None
        if current is None:
            return
        try:
            if not self._connection.connected:
                await current.unsubscribe()
                return
            await asyncio.wait_for(current.drain(), DRAIN_S)  # type: ignore[no-untyped-call]  # nats-py names no type.
        except FOREIGN as error:  # The connection is gone, and the subscription with it.
            log.debug("subscription not drained", subject=self._subject, error=str(error))


async def connect(settings: BusSettings, *, name: str, clock: Clock, timeout_s: float | None = None) -> NatsBus:
    """A bus; waits for the server as long as it takes, or raises `BusUnavailable` after `timeout_s`."""
    from shoal.bus.nats.jetstream import NatsBus

    bus = NatsBus(settings, name=name, clock=clock)
    await bus.open(timeout_s)
    return bus
