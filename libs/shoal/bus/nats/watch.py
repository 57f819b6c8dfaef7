"""A watch: an ordered push consumer that is made again at once after a reconnect or a gap (a KV watch is blind for 11 to 18 s)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as NatsSubscription

from shoal.api.errors import BusUnavailable, ShoalError
from shoal.bus.nats.failures import FOREIGN, ApiError, refusal_of
from shoal.bus.port import Event, Loaded, Passed, Reset, Stored

if TYPE_CHECKING:
    from shoal.bus.nats.jetstream import NatsBus

log = structlog.get_logger(__name__)

HEARTBEAT_S = 2.0
"""The server's sign of life when nothing is written; three missed ones make the watch anew."""
INACTIVE_S = 30.0
"""The server forgets a consumer that nobody listens to after this."""
RETRY_S = 0.5
QUIET_S = 0.05
_SECOND = 1_000_000_000


class _Created(msgspec.Struct):
    num_pending: int = 0
    error: ApiError | None = None


class _FlowControl(msgspec.Struct, frozen=True):
    """Stands in the queue where the server asked "have you come this far?"; answered when the reader is there."""

    reply: str


class NatsWatch:
    """One consumer at a time; `_generation` counts them, so that what an old one still sends is dropped."""

    def __init__(self, bus: NatsBus, stream: str, subjects: tuple[str, ...], after: int | None) -> None:
        self._bus, self._stream, self._subjects, self._after = bus, stream, subjects, after
        self._queue: deque[Event | _FlowControl] = deque()
        self._arrived = asyncio.Event()
        self._closed = False
        self._restart = asyncio.Event()
        self._generation = 0
        self._name = ""
        self._subscription: NatsSubscription | None = None
        self._expected = 1  # The next consumer sequence.
        self._position = after or 0  # Highest stream sequence received or known as passed.
        self._pending = 0  # What the server says is still to come; a hint.
        self._target = 0
        self._moved = asyncio.Event()
        self._loaded = False
        self._began = False
        self._heard = 0.0
        self._trouble = ""
        self._wanted_sync = asyncio.Event()
        bus.on_reconnect(self._on_reconnect)
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._run()), loop.create_task(self._run_syncs())]

    # --- for the reader ---

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        while True:
            while self._queue:
                item = self._queue.popleft()
                if not isinstance(item, _FlowControl):
                    return item
                self._confirm(item)
            if self._closed:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()

    def take(self) -> list[Event]:
        taken: list[Event] = []
        while self._queue:
            item = self._queue.popleft()
            if isinstance(item, _FlowControl):
                self._confirm(item)
            else:
                taken.append(item)
        return taken

    def sync(self) -> None:
        self._wanted_sync.set()

    async def aclose(self) -> None:
        self._closed = True
        self._arrived.set()
        self._bus.forget_reconnect(self._on_reconnect)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._drop()

    # --- the consumer's life ---

    def _on_reconnect(self) -> None:
        self._forget()
        self._restart.set()

    def _forget(self) -> None:
        """Tells the reader at once that its list may lack something: before the new one is there, others ask already."""
        if self._began and self._after is None:
            self._generation += 1  # What the consumer of before still sends belongs to the list of before.
            self._put(Reset())

    async def _run(self) -> None:
        while not self._closed:
            try:
                self._restart.clear()
                await self._open()
                await self._stay()
            except (ShoalError, *FOREIGN) as error:
                if not self._closed:
                    self._tell(str(error))
                    await self._pause()
            except Exception:
                log.exception("watch failed", stream=self._stream)
                await self._pause()

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble:  # One line for each new trouble, not one for each attempt.
            log.warning("watch interrupted", stream=self._stream, subjects=self._subjects, error=trouble)
        self._trouble = trouble

    async def _pause(self) -> None:
        """Waits a little, or until the connection is back."""
        try:
            await asyncio.wait_for(self._restart.wait(), RETRY_S)
        except TimeoutError:
            return

    async def _open(self) -> None:
        """Makes the consumer. The stream's last sequence is read before, so that an empty list, or a purged end, has a position too."""
        self._forget()
        await self._drop()
        last = (await self._bus.info(self._stream)).last
        self._generation += 1
        self._expected, self._loaded, self._heard = 1, False, asyncio.get_running_loop().time()
        if self._began and self._after is None:
            self._position = 0
        self._began = True
        inbox = self._bus.client.new_inbox()
        self._name = uuid4().hex
        generation = self._generation

        async def receive(message: Msg) -> None:
            if generation == self._generation:
                self._receive(message)

        # No limits: the server's flow control bounds what is on its way, and a dropped message would look like a gap.
        self._subscription = await self._bus.client.subscribe(inbox, cb=receive, pending_msgs_limit=0, pending_bytes_limit=0)
        await self._create(inbox)
        self._target = last
        self._trouble = ""

    async def _create(self, inbox: str) -> None:
        where: dict[str, Any] = {"deliver_policy": "last_per_subject"}
        if self._after is not None:
            where = {"deliver_policy": "by_start_sequence", "opt_start_seq": max(self._after, self._position) + 1}
        config = where | {
            "name": self._name,
            "deliver_subject": inbox,
            "filter_subjects": list(self._subjects),
            "ack_policy": "none",
            "max_deliver": 1,
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": int(INACTIVE_S * _SECOND),
            "idle_heartbeat": int(HEARTBEAT_S * _SECOND),
            "flow_control": True,
        }
        body = msgspec.json.encode({"stream_name": self._stream, "config": config, "action": "create"})
        answer = await self._bus.ask(f"$JS.API.CONSUMER.CREATE.{self._stream}.{self._name}", body)
        created = msgspec.json.decode(answer.data, type=_Created)
        if created.error is not None:
            raise refusal_of(created.error, f"watch of {self._stream}")
        if self._expected == 1:  # Nothing has overtaken this answer.
            self._pending = created.num_pending

    async def _stay(self) -> None:
        """Marks the end of the list, then stays until the consumer has to be made again."""
        marking = asyncio.get_running_loop().create_task(self._mark(self._target, Loaded))
        try:
            while not self._restart.is_set():
                try:
                    await asyncio.wait_for(self._restart.wait(), HEARTBEAT_S)
                except TimeoutError:
                    silent_s = asyncio.get_running_loop().time() - self._heard
                    if silent_s > 3 * HEARTBEAT_S:
                        log.warning("watch silent", stream=self._stream, silent_s=round(silent_s, 1))
                        return
                if marking.done() and not marking.cancelled() and marking.exception() is not None:
                    return  # It could not be proved that the list is complete: begin again.
        finally:
            marking.cancel()
            await asyncio.gather(marking, return_exceptions=True)

    async def _drop(self) -> None:
        subscription, self._subscription = self._subscription, None
        self._generation += 1
        if subscription is None or not self._bus.connected:
            return
        try:
            await subscription.unsubscribe()
            await self._bus.send(f"$JS.API.CONSUMER.DELETE.{self._stream}.{self._name}", b"")
        except (ShoalError, *FOREIGN) as error:  # It belongs to a connection that is gone; the server forgets the consumer by itself.
            log.debug("watch not removed", stream=self._stream, error=str(error))

    # --- receiving ---

    def _put(self, item: Event | _FlowControl) -> None:
        self._queue.append(item)
        self._arrived.set()

    def _receive(self, message: Msg) -> None:
        self._heard = asyncio.get_running_loop().time()
        headers = message.headers
        if headers and headers.get("Status") == "100":
            self._control(message, headers)
            return
        if not message.reply.startswith("$JS.ACK."):
            self._restart.set()  # 409: the consumer is gone.
            return
        # $JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>[.<random>]
        tokens = message.reply.split(".")
        start = 5 if len(tokens) == 9 else 7
        consumer_sequence = int(tokens[start + 1])
        if consumer_sequence != self._expected:
            self._gap(consumer_sequence)
            return
        self._expected += 1
        sequence = int(tokens[start])
        self._position = max(self._position, sequence)
        self._pending = int(tokens[start + 3])
        self._put(Stored(message.subject, sequence, message.data, headers or {}, int(tokens[start + 2]) / 1e9))
        if not self._moved.is_set():
            self._moved.set()

    def _control(self, message: Msg, headers: dict[str, str]) -> None:
        if message.reply:
            self._put(_FlowControl(message.reply))
            return
        stalled = headers.get("Nats-Consumer-Stalled")
        if stalled:
            self._put(_FlowControl(stalled))
        last = headers.get("Nats-Last-Consumer")
        if last is not None and int(last) >= self._expected:
            self._gap(int(last))

    def _gap(self, got: int) -> None:
        if not self._restart.is_set():
            log.warning("watch lost messages", stream=self._stream, expected=self._expected, got=got)
        self._generation += 1  # Nothing more from this consumer.
        self._restart.set()

    def _confirm(self, item: _FlowControl) -> None:
        async def answer() -> None:
            try:
                await self._bus.send(item.reply, b"")
            except BusUnavailable:
                self._restart.set()

        task = asyncio.get_running_loop().create_task(answer())
        self._tasks.append(task)
        task.add_done_callback(self._tasks.remove)

    # --- how far everything was delivered ---

    async def _mark(self, target: int, kind: type[Loaded] | type[Passed]) -> None:
        """Puts `kind(position)` into the queue once nothing at or below `target` is on its way.

        The consumer's own count of pending messages runs behind the stream (it is signalled after the write is acknowledged), so the
        stream itself is asked: "which is the next message of these subjects above what I have?"
        """
        generation = self._generation
        while self._position < target:
            await self._drained()
            upcoming = await self._next(self._position + 1)
            if generation != self._generation:
                return
            if upcoming is None or upcoming > target:
                break
            await self._wait_for(upcoming)
        if generation == self._generation:
            self._position = max(self._position, target)
            self._put(kind(self._position))

    async def _next(self, sequence: int) -> int | None:
        answers = await asyncio.gather(*(self._bus.first_from(self._stream, subject, sequence) for subject in self._subjects))
        return min((entry.sequence for entry in answers if entry is not None), default=None)

    async def _drained(self) -> None:
        """Until the server says that nothing is pending, or nothing has come for a moment: before that, asking is useless work."""
        before = -1
        while self._pending and self._expected != before:
            before = self._expected
            await asyncio.sleep(QUIET_S)

    async def _wait_for(self, sequence: int) -> None:
        """Until that sequence was received, or a moment has passed (it may have been purged or overwritten meanwhile)."""
        try:
            async with asyncio.timeout(QUIET_S * 4):
                while self._position < sequence:
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            return

    async def _run_syncs(self) -> None:
        while not self._closed:
            await self._wanted_sync.wait()
            self._wanted_sync.clear()
            try:
                target = (await self._bus.info(self._stream)).last
                await self._mark(target, Passed)
            except ShoalError as error:
                # Who still waits asks again.
                log.debug("watch not synchronised", stream=self._stream, error=str(error))
