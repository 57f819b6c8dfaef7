"""What a bus can do, without a word of NATS. Two adapters implement it: `bus.nats` and `bus.memory`; the contract suite runs on both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Protocol

import msgspec

from shoal.api.errors import ManifestInvalid

SUBJECT_BYTES_LIMIT = 4096
"""The server closes the connection of whoever sends a longer subject, so it is refused before it is sent."""
BATCH_MAX = 1000
"""Messages in one atomic batch; the server refuses more."""
GET_MAX = 1024
"""Subjects in one batched get; the server refuses more."""
PAYLOAD_BYTES_MAX = 8 * 1024 * 1024
"""`max_payload` of the server, headers included."""
TIMEOUT_S = 5.0
"""How long one question to the bus may take. A leader crash pauses writing for about 6 s; who must survive that asks again."""

# Header names that have a meaning on the bus.
MESSAGE_ID = "Nats-Msg-Id"
TTL = "Nats-TTL"
MARKER = "Nats-Marker-Reason"
"""On an entry that the bus itself wrote when a TTL ran out; its body is empty."""
SOURCE = "Nats-Stream-Source"
"""On an entry of a stream that copies another one: `<stream> <sequence> ...`."""
BATCH, BATCH_SEQUENCE, BATCH_COMMIT = "Nats-Batch-Id", "Nats-Batch-Sequence", "Nats-Batch-Commit"
"""On entries that were written as one atomic batch: its id, the place in it, and the mark of the last one."""
SEQUENCE = "Nats-Sequence"
"""On a republished notification: the sequence of the entry it tells of."""


class Message(msgspec.Struct, frozen=True):
    """Sent once; whoever does not listen misses it."""

    subject: str
    data: bytes
    headers: dict[str, str] = {}
    reply: str = ""


class Stored(msgspec.Struct, frozen=True):
    """An entry of a stream. `time` is the server's, in seconds since the epoch."""

    subject: str
    sequence: int
    data: bytes
    headers: dict[str, str] = {}
    time: float = 0.0


class Loaded(msgspec.Struct, frozen=True):
    """Everything at or below `position` was delivered; sent exactly once for each (re)build of a watch."""

    position: int


class Passed(msgspec.Struct, frozen=True):
    """Everything at or below `position` was delivered; an answer to `Watch.sync`."""

    position: int


class Reset(msgspec.Struct, frozen=True):
    """The watch lost its place (reconnect, gap) and begins again: all last values, then `Loaded`."""


class Append(msgspec.Struct, frozen=True):
    """An entry to store. `expected` is the last sequence of its subject (0: none yet); None checks nothing."""

    subject: str
    data: bytes
    headers: dict[str, str] = {}
    expected: int | None = None


class StreamInfo(msgspec.Struct, frozen=True):
    """`last` never goes back, also when the messages are gone; `first` is 0 for a stream that never held one."""

    first: int
    last: int
    messages: int


Event = Stored | Loaded | Passed | Reset
Handler = Callable[[Message], Awaitable[None]]
Config = dict[str, Any]
"""A stream's or consumer's configuration as the JetStream API has it (durations in nanoseconds)."""


class Watch(Protocol):
    """First all last values (or everything after a sequence), then `Loaded`, then whatever is written; `Reset` when it starts again."""

    def __aiter__(self) -> AsyncIterator[Event]: ...

    def take(self) -> list[Event]:
        """What has arrived and was not iterated yet, without waiting; cheaper than one step of iteration for each."""
        ...

    def sync(self) -> None:
        """Asks for a `Passed` that stands at or above the stream's last sequence of now. Asks are joined; a lost one is asked again."""
        ...

    async def aclose(self) -> None: ...


class Subscription(Protocol):
    async def unsubscribe(self) -> None:
        """No message is handled any more once this returns; one that is being handled is finished."""
        ...


class Bus(Protocol):
    """One service's connection. Errors: `BusUnavailable` (no answer, no leader, not connected), `RevisionConflict`, `ManifestInvalid`
    (subject or payload too large), `StreamDrifted` (no such stream)."""

    @property
    def connected(self) -> bool: ...

    @property
    def silent_since(self) -> float | None:
        """Monotonic time at which the connection was lost; None while it stands."""
        ...

    def on_reconnect(self, callback: Callable[[], None]) -> None:
        """`callback` runs after each connection that follows the first; messages in between were missed."""
        ...

    async def publish(self, subject: str, data: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """At most once. Raises `BusUnavailable` while there is no connection: nothing is kept for later."""
        ...

    async def request(
        self, subject: str, data: bytes = b"", *, timeout_s: float = TIMEOUT_S, headers: dict[str, str] | None = None
    ) -> Message: ...

    async def respond(self, message: Message, data: bytes, headers: dict[str, str] | None = None) -> None:
        """Answers a request. Only an inbox is answered: any other reply subject could make us write where the sender may not."""
        ...

    async def subscribe(self, subject: str, handler: Handler, *, queue: str = "") -> Subscription:
        """One message at a time and in order; survives reconnects; an error of the handler is logged and ends nothing."""
        ...

    async def append(self, stream: str, item: Append, *, timeout_s: float = TIMEOUT_S) -> int:
        """The entry's sequence. Asked once: after `BusUnavailable` the entry may or may not be stored."""
        ...

    async def append_all(self, stream: str, items: Sequence[Append], *, timeout_s: float = TIMEOUT_S) -> int:
        """The last entry's sequence; the others are the ones just below it. All or nothing, at most `BATCH_MAX`."""
        ...

    async def last(self, stream: str, subject: str) -> Stored | None:
        """The subject's last entry, asked of the leader: never stale."""
        ...

    async def last_direct(self, stream: str, subject: str) -> Stored | None:
        """The subject's last entry from any replica; may be a little old, so compare sequences."""
        ...

    async def last_many(self, stream: str, subjects: Sequence[str], *, up_to: int | None = None) -> list[Stored]:
        """The last entries of many subjects, wildcards allowed, in order of sequence; may be a little old.

        `up_to`: as of that sequence, entries above it not looked at. Then at most `GET_MAX` subjects may match; more raise `Terminal`.
        """
        ...

    async def at(self, stream: str, sequence: int) -> Stored | None: ...

    async def first_from(self, stream: str, subject: str, sequence: int) -> Stored | None:
        """The first entry of the subject (wildcards allowed) at or above a sequence."""
        ...

    async def purge(self, stream: str, subject: str, *, below: int) -> None:
        """Removes the subject's entries with a sequence under `below`. Nobody is told."""
        ...

    async def info(self, stream: str) -> StreamInfo: ...

    def watch(self, stream: str, subjects: Sequence[str], *, after: int | None = None) -> Watch:
        """`after` None: last values, then live, with `Reset`. Else every entry above that sequence, once, in order, without `Reset`."""
        ...

    async def close(self) -> None:
        """Finishes what was received, sends what was given, then closes."""
        ...


class Admin(Protocol):
    """What bootstrap needs beside the bus; services do not use it."""

    async def stream_config(self, name: str) -> Config | None:
        """The stream's configuration as the server has it; None when there is no such stream."""
        ...

    async def create_stream(self, config: Config) -> None: ...

    async def update_stream(self, config: Config) -> None: ...

    async def consumer_config(self, stream: str, name: str) -> Config | None: ...

    async def create_consumer(self, stream: str, config: Config) -> None: ...


def check_subject(subject: str) -> None:
    """Raises `ManifestInvalid` for a subject that would cost us the connection."""
    if len(subject.encode()) > SUBJECT_BYTES_LIMIT:
        raise ManifestInvalid(f"the address {subject[:60]}... has more than {SUBJECT_BYTES_LIMIT} bytes; use shorter names")
    if not subject or subject[0] == "." or subject[-1] == "." or ".." in subject or any(c.isspace() for c in subject):
        raise ManifestInvalid(f"the address {subject[:60]!r} has an empty part or a blank; encode names with messages.subject")


def check_payload(subject: str, data: bytes) -> None:
    """Raises `ManifestInvalid` for a payload above what the server takes; 16 KiB are left for headers."""
    if len(data) > PAYLOAD_BYTES_MAX - 16384:
        raise ManifestInvalid(f"the message on {subject[:120]} has {len(data)} bytes, {PAYLOAD_BYTES_MAX - 16384} are allowed")


def subject_matches(pattern: str, subject: str) -> bool:
    """NATS wildcards: `*` is one token, `>` at the end one or more."""
    if pattern == subject:
        return True
    wanted, given = pattern.split("."), subject.split(".")
    for index, token in enumerate(wanted):
        if token == ">":
            return len(given) > index
        if index >= len(given) or token not in ("*", given[index]):
            return False
    return len(wanted) == len(given)
