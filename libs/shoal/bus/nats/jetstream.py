"""`Bus` and `Admin` over the JetStream API, by its own JSON: nats-py's classes lack settings that we need."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import uuid4

import msgspec
from nats.aio.msg import Msg

from shoal.api.clock import Clock
from shoal.api.errors import BusUnavailable, StreamDrifted, Terminal
from shoal.bus.nats.connection import Connection
from shoal.bus.nats.failures import CONSUMER_NOT_FOUND, NO_MESSAGE, STREAM_NOT_FOUND, ApiError, refusal_of
from shoal.bus.nats.options import BusSettings
from shoal.bus.nats.watch import NatsWatch
from shoal.bus.port import (
    BATCH,
    BATCH_COMMIT,
    BATCH_MAX,
    BATCH_SEQUENCE,
    GET_MAX,
    TIMEOUT_S,
    Append,
    Config,
    Loaded,
    Reset,
    Stored,
    StreamInfo,
    check_payload,
    check_subject,
)

BATCHES_AT_ONCE = 8
"""Of one connection. The server takes 50 open batches for each stream and refuses more."""
_GET_BYTES = 4 * 1024 * 1024
"""Subjects of one batched get: the request itself must fit into a message."""


_GIVEN_BY_GET = frozenset(
    {"Nats-Stream", "Nats-Subject", "Nats-Sequence", "Nats-Time-Stamp", "Nats-Num-Pending", "Nats-Last-Sequence", "Nats-UpTo-Sequence"}
)
"""Headers that a direct get adds to the entry's own."""


class _Answer(msgspec.Struct):
    error: ApiError | None = None


class _Ack(_Answer):
    stream: str = ""
    seq: int = 0
    duplicate: bool = False


class _Message(msgspec.Struct):
    subject: str
    seq: int
    data: bytes = b""
    hdrs: bytes = b""
    time: str = ""


class _Get(_Answer):
    message: _Message | None = None


class _State(msgspec.Struct):
    messages: int = 0
    first_seq: int = 0
    last_seq: int = 0


class _Info(_Answer):
    config: dict[str, Any] = {}
    state: _State = msgspec.field(default_factory=_State)


AnswerT = TypeVar("AnswerT", bound=_Answer)


class NatsBus(Connection):
    """The bus of one service over one connection."""

    def __init__(self, settings: BusSettings, *, name: str, clock: Clock) -> None:
        super().__init__(settings, name=name, clock=clock)
        self._batches = asyncio.Semaphore(BATCHES_AT_ONCE)

    # --- writing ---

    async def append(self, stream: str, item: Append, *, timeout_s: float = TIMEOUT_S) -> int:
        check_subject(item.subject)
        check_payload(item.subject, item.data)
        answer = await self.ask(self.outside(item.subject), item.data, timeout_s=timeout_s, headers=_headers(item) or None)
        return _sequence(answer, stream, item)

    async def append_all(self, stream: str, items: Sequence[Append], *, timeout_s: float = TIMEOUT_S) -> int:
        if len(items) == 1:
            return await self.append(stream, items[0], timeout_s=timeout_s)
        async with self._batches:
            return await self._append_batch(stream, items, timeout_s)

    async def _append_batch(self, stream: str, items: Sequence[Append], timeout_s: float) -> int:
        if not 0 < len(items) <= BATCH_MAX:
            raise ValueError(f"a batch has 1 to {BATCH_MAX} entries, not {len(items)}")
        for item in items:
            check_subject(item.subject)
            check_payload(item.subject, item.data)
        batch = {BATCH: uuid4().hex}
        first, *middle, last = items
        opened = await self.ask(
            self.outside(first.subject), first.data, timeout_s=timeout_s, headers=_headers(first) | batch | {BATCH_SEQUENCE: "1"}
        )
        if opened.data:  # The first is answered with nothing when the stream takes batches.
            _sequence(opened, stream, first)
            raise StreamDrifted(f"stream {stream} does not take batches: run `shoal bootstrap`")
        for number, item in enumerate(middle, 2):
            await self.send(self.outside(item.subject), item.data, headers=_headers(item) | batch | {BATCH_SEQUENCE: str(number)})
        commit = _headers(last) | batch | {BATCH_SEQUENCE: str(len(items)), BATCH_COMMIT: "1"}
        answer = await self.ask(self.outside(last.subject), last.data, timeout_s=timeout_s, headers=commit)
        return _sequence(answer, stream, last)

    async def purge(self, stream: str, subject: str, *, below: int) -> None:
        check_subject(subject)
        await self.api(f"STREAM.PURGE.{stream}", {"filter": subject, "seq": below}, _Answer)

    # --- reading ---

    async def last(self, stream: str, subject: str) -> Stored | None:
        check_subject(subject)
        return await self._get(stream, {"last_by_subj": subject})

    async def at(self, stream: str, sequence: int) -> Stored | None:
        return await self._get(stream, {"seq": sequence})

    async def first_from(self, stream: str, subject: str, sequence: int) -> Stored | None:
        return await self._get(stream, {"seq": max(sequence, 1), "next_by_subj": subject})

    async def _get(self, stream: str, body: dict[str, Any]) -> Stored | None:
        answer = await self.api(f"STREAM.MSG.GET.{stream}", body, _Get, missing=NO_MESSAGE)
        if answer is None or answer.message is None:
            return None
        found = answer.message
        return Stored(found.subject, found.seq, found.data, _parse_headers(found.hdrs), _seconds(found.time))

    async def last_direct(self, stream: str, subject: str) -> Stored | None:
        check_subject(subject)
        answer = await self.ask(f"$JS.API.DIRECT.GET.{stream}.{self.outside(subject)}", b"")
        headers = answer.headers or {}
        status = headers.get("Status")
        if status == "404":
            return None
        if status is not None:
            raise BusUnavailable(f"direct get of {subject[:200]}: {status} {headers.get('Description', '')}")
        return _stored(answer)

    async def last_many(self, stream: str, subjects: Sequence[str], *, up_to: int | None = None) -> list[Stored]:
        found: list[Stored] = []
        for page in _pages(subjects):
            status, part = await self._multi_last(stream, page, up_to)
            if status == "413" and up_to is not None:
                raise Terminal(f"more than {GET_MAX} subjects of {stream} match; name fewer")
            if status == "413":  # More subjects match than one answer may have: list them by a watch.
                part = await self._list(stream, page)
            elif status not in ("204", "404"):
                raise BusUnavailable(f"batched get from {stream}: status {status}")
            found += part
        return sorted(found, key=lambda entry: entry.sequence)

    async def _multi_last(self, stream: str, subjects: Sequence[str], up_to: int | None = None) -> tuple[str, list[Stored]]:
        inbox = self.client.new_inbox()
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        found: list[Stored] = []

        async def collect(message: Msg) -> None:
            status = (message.headers or {}).get("Status")
            if status is None:
                found.append(_stored(message))
            elif not done.done():
                done.set_result(status)

        subscription = await self.client.subscribe(inbox, cb=collect)
        try:
            bound = {"up_to_seq": up_to} if up_to is not None else {}
            body = msgspec.json.encode({"multi_last": list(subjects), "batch": GET_MAX} | bound)
            await self.send(f"$JS.API.DIRECT.GET.{stream}", body, reply=inbox)
            return await asyncio.wait_for(done, TIMEOUT_S), found
        except TimeoutError as error:
            raise BusUnavailable(f"no answer to a batched get from {stream} within {TIMEOUT_S:g} s") from error
        finally:
            if not self.client.is_closed:
                await subscription.unsubscribe()

    async def _list(self, stream: str, subjects: Sequence[str]) -> list[Stored]:
        watch, found = self.watch(stream, subjects), list[Stored]()
        try:
            async with asyncio.timeout(TIMEOUT_S * 6):
                async for event in watch:
                    if isinstance(event, Stored):
                        found.append(event)
                    elif isinstance(event, Reset):
                        found.clear()
                    elif isinstance(event, Loaded):
                        break
        except TimeoutError as error:
            raise BusUnavailable(f"{stream} could not be listed within {TIMEOUT_S * 6:g} s") from error
        finally:
            await watch.aclose()
        return list({entry.subject: entry for entry in found}.values())

    async def info(self, stream: str) -> StreamInfo:
        state = (await self.api(f"STREAM.INFO.{stream}", {}, _Info)).state
        return StreamInfo(first=state.first_seq, last=state.last_seq, messages=state.messages)

    def watch(self, stream: str, subjects: Sequence[str], *, after: int | None = None) -> NatsWatch:
        return NatsWatch(self, stream, tuple(subjects), after)

    # --- the JetStream API ---

    async def api(self, subject: str, body: Any, answer: type[AnswerT], *, missing: int = 0, timeout_s: float = TIMEOUT_S) -> Any:
        """One call of `$JS.API`; None when the server answers with the error `missing`. Other errors are raised as ours."""
        raw = await self.ask(f"$JS.API.{subject}", msgspec.json.encode(body) if body else b"", timeout_s=timeout_s)
        decoded = msgspec.json.decode(raw.data, type=answer)
        if decoded.error is None:
            return decoded
        if missing and decoded.error.err_code == missing:
            return None
        raise refusal_of(decoded.error, subject)

    async def stream_config(self, name: str) -> Config | None:
        found = await self.api(f"STREAM.INFO.{name}", {}, _Info, missing=STREAM_NOT_FOUND)
        return None if found is None else dict(found.config)

    async def create_stream(self, config: Config) -> None:
        await self.api(f"STREAM.CREATE.{config['name']}", config, _Answer)

    async def update_stream(self, config: Config) -> None:
        await self.api(f"STREAM.UPDATE.{config['name']}", config, _Answer)

    async def delete_stream(self, name: str) -> None:
        """For tests and tools; no service deletes a stream."""
        await self.api(f"STREAM.DELETE.{name}", {}, _Answer, missing=STREAM_NOT_FOUND)

    async def consumer_config(self, stream: str, name: str) -> Config | None:
        found = await self.api(f"CONSUMER.INFO.{stream}.{name}", {}, _Info, missing=CONSUMER_NOT_FOUND)
        return None if found is None else dict(found.config)

    async def create_consumer(self, stream: str, config: Config) -> None:
        body = {"stream_name": stream, "config": config, "action": "create"}
        await self.api(f"CONSUMER.CREATE.{stream}.{config['name']}", body, _Answer)


def _headers(item: Append) -> dict[str, str]:
    headers = dict(item.headers)
    if item.expected is not None:
        headers["Nats-Expected-Last-Subject-Sequence"] = str(item.expected)
    return headers


def _sequence(answer: Msg, stream: str, item: Append) -> int:
    """The sequence of an acknowledgement. Raises what a refusal means."""
    try:
        ack = msgspec.json.decode(answer.data, type=_Ack)
    except msgspec.DecodeError as error:
        raise BusUnavailable(f"no acknowledgement but something else on {item.subject[:200]}") from error
    if ack.error is not None:
        raise refusal_of(ack.error, item.subject, item.expected)
    if ack.stream != stream:
        raise StreamDrifted(f"{item.subject[:200]} is stored in {ack.stream or 'no stream'}, not in {stream}")
    return ack.seq


def _stored(message: Msg) -> Stored:
    """An answer to a direct get."""
    given = message.headers or {}
    headers = {key: value for key, value in given.items() if key not in _GIVEN_BY_GET}
    return Stored(given["Nats-Subject"], int(given["Nats-Sequence"]), message.data, headers, _seconds(given.get("Nats-Time-Stamp", "")))


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp() if text else 0.0


def _parse_headers(raw: bytes) -> dict[str, str]:
    lines = raw.decode(errors="replace").split("\r\n")[1:] if raw else []
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines) if key}


def _pages(subjects: Sequence[str]) -> list[list[str]]:
    pages: list[list[str]] = [[]]
    size = 0
    for subject in subjects:
        if len(pages[-1]) == GET_MAX or size > _GET_BYTES:
            pages.append([])
            size = 0
        pages[-1].append(subject)
        size += len(subject)
    return pages if subjects else []
