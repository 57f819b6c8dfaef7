"""The storage port of the API server: what it reads, writes and watches through. Adapters: `memory.py`, and the gateway's over the bus.

One revision orders everything in a store; it is the `resourceVersion` that users see. Reads never wait; `settled` is the barrier before
a read that must be true. Objects are kept as encoded JSON, so that a thousand members fit into one process.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Protocol

import msgspec

from shoal.api.errors import Retryable
from shoal.api.meta import Manifest, Ref

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode


class Stored(msgspec.Struct, frozen=True):
    """One object as it stands. Never changed: a write makes a new one."""

    ref: Ref
    body: bytes
    """The object as JSON, `metadata.resourceVersion` included."""
    revision: int
    """The revision shown: `metadata.resourceVersion` is its text."""
    token: int
    """What a write of this object expects; opaque. Equal to `revision` where the object is one key."""

    def object(self) -> Manifest:
        """A fresh copy that the caller may change."""
        out: Manifest = decode(self.body)
        return out


class EventType(enum.StrEnum):
    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


class Event(msgspec.Struct, weakref=True):
    """One change, in the order of revisions."""

    type: EventType
    object: Stored
    """After the change; of a deletion the last state, with the revision of the deletion."""
    previous: Stored | None = None
    """Before the change: a watch with a selector tells from it that an object left the selection."""
    line: bytes = b""
    """The event as a line of a watch, encoded by the first watcher that needs it, for all."""

    @property
    def revision(self) -> int:
        return self.object.revision


class Selection(msgspec.Struct, frozen=True):
    """Which objects a list or a watch is about."""

    group: str
    kind: str
    namespace: str | None = None
    """None for all namespaces, and for cluster-scoped kinds."""

    def covers(self, ref: Ref) -> bool:
        return ref.group == self.group and ref.kind == self.kind and (self.namespace is None or ref.namespace == self.namespace)


class Expired(Retryable):
    """A watch asked for a revision that is older than the store remembers: list again, then watch from there."""

    reason = "Expired"

    def __init__(self, since: int, oldest: int) -> None:
        super().__init__(f"too old resource version: {since} ({oldest})")
        self.since, self.oldest = since, oldest


class Watch(Protocol):
    """The changes of one selection, in order, without gaps."""

    @property
    def position(self) -> int:
        """The revision up to which everything was handed out: what a bookmark may say."""
        ...

    async def next(self, timeout_s: float) -> list[Event]:
        """The changes since the last call, at least one unless the time runs out (then empty). Raises `Expired` when this reader
        was too slow and a change it has not seen is forgotten, or when the store was replaced behind it."""
        ...

    def close(self) -> None: ...


class Store(Protocol):
    def revision(self) -> int:
        """The revision that reads reflect now."""
        ...

    async def settled(self) -> int:
        """Waits until reads reflect every write that was acknowledged before this call; returns the revision reached."""
        ...

    def get(self, ref: Ref) -> Stored | None: ...

    def list(self, selection: Selection) -> Iterable[Stored]:
        """The objects of a selection, ordered by namespace and name."""
        ...

    def conflicts(self, stored: Stored, seen: int) -> bool:
        """True when a writer that saw the revision `seen` missed something that matters of this object."""
        ...

    async def write(self, ref: Ref, object_: Manifest, *, expected: int) -> Stored:
        """Writes if the object's token is still `expected` (0: it does not exist). Raises `RevisionConflict`."""
        ...

    async def remove(self, ref: Ref, object_: Manifest, *, expected: int) -> Stored:
        """Removes if the object's token is still `expected`; `object_` is the last state, returned with the revision of the removal.
        Raises `RevisionConflict`."""
        ...

    def watch(self, since: int, selection: Selection) -> Watch:
        """Changes after the revision `since`. Subscribed when this returns: nothing between a list and this call is lost, when neither
        awaits. Raises `Expired`."""
        ...


def encode_at(object_: Manifest, revision: int) -> bytes:
    """The object as JSON with `metadata.resourceVersion` set; the object itself is left as it is."""
    return encode({**object_, "metadata": {**object_["metadata"], "resourceVersion": str(revision)}})
