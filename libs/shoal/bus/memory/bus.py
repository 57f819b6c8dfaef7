"""The memory bus: streams, core messages, and one client for each service."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import structlog

from shoal.api.clock import Clock
from shoal.api.errors import BusUnavailable, StreamDrifted
from shoal.bus.memory.faults import Faults
from shoal.bus.memory.store import MemoryStream
from shoal.bus.memory.watch import MemoryWatch
from shoal.bus.port import (
    BATCH_MAX,
    SEQUENCE,
    SOURCE,
    TIMEOUT_S,
    Append,
    Config,
    Handler,
    Message,
    Stored,
    StreamInfo,
    check_payload,
    check_subject,
    subject_matches,
)

log = structlog.get_logger(__name__)


class MemoryBus:
    """The server's part. `client(name)` gives one connection; asking for the same name again gives the same one."""

    def __init__(self, clock: Clock, *, faults: Faults | None = None) -> None:
        self.clock, self.faults = clock, faults or Faults()
        self.streams: dict[str, MemoryStream] = {}
        self.clients: dict[str, MemoryClient] = {}
        self._turns: dict[tuple[str, str], int] = {}

    def client(self, name: str) -> MemoryClient:
        if name not in self.clients:
            self.clients[name] = MemoryClient(self, name)
        return self.clients[name]

    def lose_answers(self, rate: float, random: Random) -> None:
        self.faults.lose_answers, self.faults.random = rate, random

    def disconnect(self, client: str) -> None:
        """Cuts one client off: it hears nothing and its questions fail."""
        self.client(client).cut()

    def reconnect(self, client: str) -> None:
        self.client(client).restore()

    def kill(self, client: str) -> None:
        """The client's process is gone: nothing is drained, nothing more is delivered; the name is free for a new one."""
        self.client(client).cut()
        del self.clients[client]

    def forget(self, stream: str, *, below: int) -> None:
        """Old entries go, as by age or bytes."""
        self.streams[stream].purge(">", below)

    # --- streams ---

    async def stream_config(self, name: str) -> Config | None:
        return dict(self.streams[name].config) if name in self.streams else None

    async def create_stream(self, config: Config) -> None:
        loop = asyncio.get_running_loop()
        self.streams[config["name"]] = MemoryStream(config, now=self.now, later=loop.call_later, stored=self._stored)

    async def update_stream(self, config: Config) -> None:
        self.stream(config["name"]).config = config

    async def consumer_config(self, stream: str, name: str) -> Config | None:
        return self.stream(stream).consumers.get(name)

    async def create_consumer(self, stream: str, config: Config) -> None:
        self.stream(stream).consumers[config["name"]] = dict(config)

    def now(self) -> float:
        return self.clock.now().timestamp()

    def stream(self, name: str) -> MemoryStream:
        if name not in self.streams:
            raise StreamDrifted(f"stream {name} is missing: run `shoal bootstrap`")
        return self.streams[name]

    def stream_of(self, subject: str) -> MemoryStream | None:
        return next((stream for stream in self.streams.values() if stream.takes(subject)), None)

    def _stored(self, stream: MemoryStream, entry: Stored) -> None:
        for client in self.clients.values():
            client.offer(stream, entry)
        republish = stream.config.get("republish")
        if republish and subject_matches(republish["src"], entry.subject):
            self._republish(stream, entry, bool(republish.get("headers_only")))
        for copy in self.streams.values():
            for source in copy.config.get("sources") or ():
                if source["name"] == stream.name:
                    asyncio.get_running_loop().call_soon(self._copy, copy, source, entry)

    def _republish(self, stream: MemoryStream, entry: Stored, headers_only: bool) -> None:
        headers = entry.headers | {"Nats-Stream": stream.name, "Nats-Subject": entry.subject, SEQUENCE: str(entry.sequence)}
        headers["Nats-Msg-Size"] = str(len(entry.data))
        self.route(Message("live." + entry.subject.partition(".")[2], b"" if headers_only else entry.data, headers))

    @staticmethod
    def _copy(copy: MemoryStream, source: dict[str, Any], entry: Stored) -> None:
        transform = source["subject_transforms"][0]
        subject = transform["dest"].removesuffix(">") + entry.subject.removeprefix(transform["src"].removesuffix(">"))
        headers = {key: value for key, value in entry.headers.items() if not key.startswith(("Nats-Expected-", "Nats-Batch-"))}
        headers[SOURCE] = f"{source['name']} {entry.sequence} {transform['src']} {transform['dest']} {entry.subject}"
        copy.store(subject, entry.data, headers)

    # --- core messages ---

    def route(self, message: Message) -> int:
        """Gives a message to every subscription, one of each queue group; how many got it. A stream that takes the subject stores it."""
        if message.subject.startswith("_INBOX."):
            client = self.clients.get(message.subject.split(".")[1])
            if client is not None and client.answer(message):
                return 1
        receivers: list[MemorySubscription] = []
        groups: dict[tuple[str, str], list[MemorySubscription]] = {}
        for client in self.clients.values():
            for subscription in client.subscriptions:
                if client.connected and subject_matches(subscription.subject, message.subject):
                    if subscription.queue:
                        groups.setdefault((subscription.subject, subscription.queue), []).append(subscription)
                    else:
                        receivers.append(subscription)
        for key, members in groups.items():
            turn = self._turns[key] = self._turns.get(key, -1) + 1
            receivers.append(members[turn % len(members)])
        for subscription in receivers:
            subscription.client.deliver(lambda to=subscription: to.push(message))  # type: ignore[misc]  # mypy infers no lambda with a default.
        return len(receivers)


class MemoryClient:
    """One service's connection to the memory bus."""

    def __init__(self, bus: MemoryBus, name: str) -> None:
        self.bus, self.name = bus, name
        self.subscriptions: list[MemorySubscription] = []
        self.watches: list[MemoryWatch] = []
        self._connected = asyncio.Event()
        self._connected.set()
        self._silent_since: float | None = None
        self._callbacks: list[Callable[[], None]] = []
        self._answers: dict[str, asyncio.Future[Message]] = {}
        self._numbers = 0
        self._line = 0.0
        self._epoch = 0

    # --- state ---

    @property
    def connected(self) -> bool:
        return self._connected.is_set()

    @property
    def silent_since(self) -> float | None:
        return self._silent_since

    def on_reconnect(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)

    def cut(self) -> None:
        self._connected.clear()
        self._epoch += 1
        self._silent_since = self.bus.clock.monotonic()
        for future in self._answers.values():
            if not future.done():
                future.set_exception(BusUnavailable("the connection to the bus broke before the answer came"))

    def restore(self) -> None:
        self._connected.set()
        self._silent_since = None
        for watch in self.watches:
            watch.begin()
        for callback in self._callbacks:
            callback()

    def deliver(self, action: Callable[[], None]) -> None:
        """Runs `action` later on the loop, after everything given before; not at all once the connection is cut."""
        loop, epoch = asyncio.get_running_loop(), self._epoch

        def arrive() -> None:
            if epoch == self._epoch and self.connected:
                action()

        delay = self.bus.faults.delay()
        if delay <= 0 and self._line <= loop.time():
            loop.call_soon(arrive)
            return
        # A hair later than the one before: timers of equal time have no order.
        self._line = max(loop.time() + delay, self._line + 1e-6)
        loop.call_at(self._line, arrive)

    def offer(self, stream: MemoryStream, entry: Stored) -> None:
        if self.connected:
            for watch in self.watches:
                if watch.stream is stream:
                    watch.offer(entry)

    async def _ask(self, what: str, timeout_s: float = TIMEOUT_S) -> None:
        """The way to the server. Raises `BusUnavailable` when nothing arrives there."""
        await asyncio.sleep(self.bus.faults.delay())
        if not self.connected:
            try:
                await asyncio.wait_for(self._connected.wait(), timeout_s)
            except TimeoutError as error:
                raise BusUnavailable(f"not connected to the bus, so nothing was asked on {what[:200]}") from error
        if self.bus.faults.happens(self.bus.faults.lose_questions):
            raise BusUnavailable(f"no answer on {what[:200]}")

    async def _answered(self, what: str, epoch: int) -> None:
        """The way back of a write."""
        await asyncio.sleep(self.bus.faults.delay())
        if epoch != self._epoch or self.bus.faults.happens(self.bus.faults.lose_answers):
            raise BusUnavailable(f"no answer on {what[:200]}")

    # --- core messages ---

    async def publish(self, subject: str, data: bytes = b"", headers: dict[str, str] | None = None) -> None:
        check_subject(subject)
        check_payload(subject, data)
        if not self.connected:
            raise BusUnavailable("not connected to the bus")
        self.bus.route(Message(subject, data, dict(headers or {})))
        stream = self.bus.stream_of(subject)
        if stream is not None:
            stream.append(Append(subject, data, dict(headers or {})))

    async def request(
        self, subject: str, data: bytes = b"", *, timeout_s: float = TIMEOUT_S, headers: dict[str, str] | None = None
    ) -> Message:
        check_subject(subject)
        check_payload(subject, data)
        await self._ask(subject, timeout_s)
        self._numbers += 1
        reply = f"_INBOX.{self.name}.{self._numbers}"
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Message] = loop.create_future()
        self._answers[reply] = future
        timer = loop.call_later(timeout_s, _expire, future, subject, timeout_s)
        try:
            if not self.bus.route(Message(subject, data, dict(headers or {}), reply)):
                raise BusUnavailable(f"nobody answers on {subject[:200]}")
            return await future
        finally:
            timer.cancel()
            del self._answers[reply]

    def answer(self, message: Message) -> bool:
        future = self._answers.get(message.subject)
        if future is None or not self.connected:
            return False
        self.deliver(lambda: None if future.done() else future.set_result(message))
        return True

    async def respond(self, message: Message, data: bytes, headers: dict[str, str] | None = None) -> None:
        if not message.reply.startswith("_INBOX."):
            log.warning("reply subject refused", subject=message.subject, reply=message.reply[:200])
            return
        await self.publish(message.reply, data, headers)

    async def subscribe(self, subject: str, handler: Handler, *, queue: str = "") -> MemorySubscription:
        check_subject(subject)
        subscription = MemorySubscription(self, subject, queue, handler)
        self.subscriptions.append(subscription)
        return subscription

    # --- streams ---

    async def append(self, stream: str, item: Append, *, timeout_s: float = TIMEOUT_S) -> int:
        check_subject(item.subject)
        check_payload(item.subject, item.data)
        await self._ask(item.subject, timeout_s)
        epoch = self._epoch
        sequence = self._target(stream, item).append(item)
        await self._answered(item.subject, epoch)
        return sequence

    async def append_all(self, stream: str, items: Sequence[Append], *, timeout_s: float = TIMEOUT_S) -> int:
        if len(items) == 1:
            return await self.append(stream, items[0], timeout_s=timeout_s)
        if not 0 < len(items) <= BATCH_MAX:
            raise ValueError(f"a batch has 1 to {BATCH_MAX} entries, not {len(items)}")
        for item in items:
            check_subject(item.subject)
            check_payload(item.subject, item.data)
        await self._ask(items[0].subject, timeout_s)
        epoch = self._epoch
        target = self._target(stream, items[0])
        if not target.config.get("allow_atomic"):
            raise StreamDrifted(f"stream {stream} does not take batches: run `shoal bootstrap`")
        sequence = target.append_all(items)
        await self._answered(items[0].subject, epoch)
        return sequence

    def _target(self, stream: str, item: Append) -> MemoryStream:
        found = self.bus.stream(stream)
        if not found.takes(item.subject):
            raise StreamDrifted(f"{item.subject[:200]} is not stored in {stream}")
        return found

    async def last(self, stream: str, subject: str) -> Stored | None:
        await self._ask(subject)
        return self.bus.stream(stream).last_entry(subject)

    async def last_direct(self, stream: str, subject: str) -> Stored | None:
        return await self.last(stream, subject)

    async def last_many(self, stream: str, subjects: Sequence[str], *, up_to: int | None = None) -> list[Stored]:
        await self._ask(stream)
        return self.bus.stream(stream).last_entries(subjects, up_to) if subjects else []

    async def at(self, stream: str, sequence: int) -> Stored | None:
        await self._ask(stream)
        return self.bus.stream(stream).entries.get(sequence)

    async def first_from(self, stream: str, subject: str, sequence: int) -> Stored | None:
        await self._ask(stream)
        return self.bus.stream(stream).first_from(subject, sequence)

    async def purge(self, stream: str, subject: str, *, below: int) -> None:
        await self._ask(subject)
        self.bus.stream(stream).purge(subject, below)

    async def info(self, stream: str) -> StreamInfo:
        await self._ask(stream)
        found = self.bus.stream(stream)
        return StreamInfo(first=found.first, last=found.last, messages=len(found.entries))

    def watch(self, stream: str, subjects: Sequence[str], *, after: int | None = None) -> MemoryWatch:
        watch = MemoryWatch(self, self.bus.stream(stream), tuple(subjects), after)
        self.watches.append(watch)
        if self.connected:
            asyncio.get_running_loop().call_soon(watch.begin)
        return watch

    async def close(self) -> None:
        await asyncio.gather(*(subscription.unsubscribe() for subscription in tuple(self.subscriptions)))
        for watch in tuple(self.watches):
            await watch.aclose()
        self._connected.clear()
        self._epoch += 1
        if self.bus.clients.get(self.name) is self:
            del self.bus.clients[self.name]


class MemorySubscription:
    """Handles one message at a time, in order."""

    def __init__(self, client: MemoryClient, subject: str, queue: str, handler: Handler) -> None:
        self.client, self.subject, self.queue, self._handler = client, subject, queue, handler
        self._messages: deque[Message] = deque()
        self._task: asyncio.Task[None] | None = None

    def push(self, message: Message) -> None:
        self._messages.append(message)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        try:
            while self._messages:
                message = self._messages.popleft()
                try:
                    await self._handler(message)
                except Exception:
                    log.exception("handler failed", subject=message.subject)
        finally:
            self._task = None

    async def unsubscribe(self) -> None:
        if self in self.client.subscriptions:
            self.client.subscriptions.remove(self)
        if self._task is not None and self._task is not asyncio.current_task():
            await asyncio.wait([self._task])


def _expire(future: asyncio.Future[Message], subject: str, timeout_s: float) -> None:
    if not future.done():
        future.set_exception(BusUnavailable(f"no answer on {subject[:200]} within {timeout_s:g} s"))
