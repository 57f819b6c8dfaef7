"""Entries: what is kept under a key, with the envelope that says by whom, for which change and from which inputs it was made.

Every write is a compare-and-set with a write id, so that it may be asked twice.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Generic, TypeVar
from uuid import uuid4

import msgspec

from shoal.api.clock import Clock
from shoal.api.errors import BusUnavailable, ManifestInvalid, RevisionConflict, Terminal
from shoal.api.meta import Ref, Struct
from shoal.bus.port import BATCH_MAX, MESSAGE_ID, SOURCE, Append, Bus, Stored
from shoal.messages import subject as subjects
from shoal.messages.catalogue import FAMILIES, HISTORY, OBJECT, STATE, WORKS, Family, Stream

T = TypeVar("T")

WRITE, CHANGE = "Shoal-Write", "Shoal-Change"
TRACE = "traceparent"
"""Header of the trace that a write belongs to (W3C trace context); whoever writes on because of it passes it on in `Draft.headers`."""
COMPRESS_ABOVE = 64 * 1024
"""Bytes of a body from which on it is compressed (zlib level 1: 1.5 MB of manifests in 3 ms to a twentieth)."""
BODY_BYTES_MAX = 1_572_864
"""1.5 MiB, as an API server has it."""
RETRY_WAITS_S = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Together 15.7 s: a leader crash pauses writing for 6 s, a restart of one server for less than 1 s."""
_FAMILY_OF: dict[tuple[str, str], Family[Any]] = {(family.stream.name, family.name): family for family in FAMILIES}


class Envelope(Struct, frozen=True, kw_only=True):
    """The entry as it is stored. Fields that a newer version added are tolerated."""

    schema: str
    """`family/version`."""
    uid: str = ""
    inputs: dict[str, int] = {}
    change: str = ""
    author: str = ""
    content: int = 0
    deleted: bool = False
    digest: str = ""
    encoding: str = "json"
    """json: `body` is the value itself; zlib: it is base64 of the compressed JSON."""
    body: msgspec.Raw = msgspec.Raw(b"null")


_decode_envelope = msgspec.json.Decoder(Envelope).decode
_decode_base64 = msgspec.json.Decoder(bytes).decode
_encode = msgspec.json.Encoder().encode
_decoders: dict[str, msgspec.json.Decoder[Any]] = {family.name: msgspec.json.Decoder(family.body) for family in FAMILIES}


_DECODED_EACH_TIME = frozenset({OBJECT.name, WORKS.name})
"""They hold whole manifests: decoded they take four times the memory of their JSON."""


class Draft(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """What a writer wants to be kept. Whether it differs from what is there is the writer's judgement."""

    family: Family[T]
    ref: Ref
    body: T | None
    member: str = ""
    """For families in WORK and REPORT."""
    uid: str = ""
    inputs: dict[str, int] = {}
    """What it was made from: name -> revision."""
    change: str = ""
    author: str = ""
    deleted: bool = False
    content: int = 0
    """Sequence of the last write that changed content; 0: this one."""
    digest: str = ""
    """Of what counts as content; empty takes one of the whole body."""
    previous: Entry[T] | None = None
    """The entry this replaces; fields of it that this version does not know are kept."""
    headers: dict[str, str] = {}
    """Stored beside the envelope and no part of it: the trace that the write belongs to (`traceparent`)."""

    @property
    def subject(self) -> str:
        return subject_of(self.family, self.ref, self.member)


class Entry(Generic[T]):
    """One entry as it was read. Immutable."""

    __slots__ = (
        "_body", "_digest", "_encoding", "_raw", "author", "change", "content", "deleted", "family", "inputs", "member", "ref", "revision",
        "time", "trace", "uid", "write",
    )  # fmt: skip

    def __init__(self, family: Family[T], ref: Ref, stored: Stored, envelope: Envelope, *, member: str, revision: int) -> None:
        self.family, self.ref, self.member, self.revision = family, ref, member, revision
        self.content = envelope.content or revision
        self.uid, self.inputs, self.change, self.author = envelope.uid, envelope.inputs, envelope.change, envelope.author
        self.deleted, self.time = envelope.deleted, stored.time
        self.write = stored.headers.get(WRITE, "")
        self.trace = stored.headers.get(TRACE, "")
        self._digest = envelope.digest
        self._encoding = envelope.encoding
        # A copy: a view into the message would keep all of it in memory.
        self._raw = _decode_base64(envelope.body) if envelope.encoding == "zlib" else bytes(envelope.body)
        self._body: T | None = None

    @property
    def raw(self) -> bytes:
        """The body's JSON."""
        return zlib.decompress(self._raw) if self._encoding == "zlib" else self._raw

    @property
    def has_body(self) -> bool:
        """False for a tombstone without a last will."""
        return self._raw != b"null"

    @property
    def body(self) -> T:
        """Decoded at the first use and kept; an OBJECT and a WORK at each use, so hold on to it. Raises `Terminal` when it cannot be read."""
        if self._body is not None:
            return self._body
        try:
            body: T = _decoders[self.family.name].decode(self.raw)
        except msgspec.DecodeError as error:
            raise Terminal(f"{self.family.name} {self.ref} at {self.revision} cannot be read: {error}") from error
        if self.family.name not in _DECODED_EACH_TIME:
            self._body = body
        return body

    @property
    def digest(self) -> str:
        """As the writer gave it, else of the body's JSON."""
        if not self._digest:
            self._digest = digest_of(self.raw)
        return self._digest

    @property
    def subject(self) -> str:
        return subject_of(self.family, self.ref, self.member)

    def __repr__(self) -> str:
        return f"<{self.family.name} {self.member}{'/' if self.member else ''}{self.ref} at {self.revision}{' deleted' * self.deleted}>"


def digest_of(raw: bytes) -> str:
    """32 hexadecimal digits."""
    return blake2b(raw, digest_size=16).hexdigest()


def subject_of(family: Family[Any], ref: Ref, member: str = "") -> str:
    """The subject of an entry. Raises `ManifestInvalid` when the name is too long."""
    if family.stream is STATE:
        return subjects.state(family.name, ref)
    return f"{family.stream.name.lower()}.{subjects.encode_token(member)}.{subjects.encode_ref(ref)}"


def read_entry(stored: Stored, stream: Stream, revision: int | None = None) -> Entry[Any] | None:
    """The entry of a stored message; None when its family is unknown here (a newer writer) or it is no entry (a marker).

    Raises `Terminal` when the envelope cannot be read.
    """
    if not stored.data:
        return None
    try:
        envelope = _decode_envelope(stored.data)
        _, scope, ref = subjects.split(stored.subject)
    except (msgspec.DecodeError, ValueError) as error:
        raise Terminal(f"entry {stored.sequence} of {stream.name} on {stored.subject[:200]} cannot be read: {error}") from error
    family = _FAMILY_OF.get((stream.name, envelope.schema.partition("/")[0]))
    if family is None:
        return None
    return Entry(
        family, ref, stored, envelope, member="" if stream is STATE else scope, revision=stored.sequence if revision is None else revision
    )


def encode(draft: Draft[Any]) -> bytes:
    """The stored form. Raises `ManifestInvalid` above `BODY_BYTES_MAX`."""
    raw = _encode(draft.body)
    if draft.previous is not None and draft.previous.has_body and isinstance(draft.body, msgspec.Struct):
        raw = keep_unknown(draft.previous.raw, draft.body)
    if len(raw) > BODY_BYTES_MAX:
        raise ManifestInvalid(f"{draft.ref} has {len(raw)} bytes as JSON, {BODY_BYTES_MAX} are allowed; split it")
    compressed = len(raw) > COMPRESS_ABOVE
    envelope = Envelope(
        schema=draft.family.schema,
        uid=draft.uid,
        inputs=draft.inputs,
        change=draft.change,
        author=draft.author,
        content=draft.content,
        deleted=draft.deleted,
        digest=draft.digest,
        encoding="zlib" if compressed else "json",
        body=msgspec.Raw(_encode(zlib.compress(raw, 1)) if compressed else raw),
    )
    return _encode(envelope)


def keep_unknown(previous: bytes, new: msgspec.Struct) -> bytes:
    """The JSON of `new`, with the fields of `previous` that this version's structs do not name. Lists are replaced as a whole."""
    before = msgspec.json.decode(previous)
    if not isinstance(before, dict):
        return _encode(new)
    after = msgspec.to_builtins(new)
    return _encode(after) if _merge_unknown(before, after, new) else _encode(new)


def _merge_unknown(before: dict[str, Any], after: dict[str, Any], struct: msgspec.Struct) -> bool:
    """Adds to `after` what only `before` knows; True when there was something."""
    names = dict(zip(struct.__struct_encode_fields__, struct.__struct_fields__, strict=True))
    merged = False
    for key, value in before.items():
        if key not in names:
            after[key] = value
            merged = True
            continue
        inner, target = getattr(struct, names[key]), after.get(key)
        if isinstance(value, dict) and isinstance(inner, msgspec.Struct) and isinstance(target, dict):
            merged = _merge_unknown(value, target, inner) or merged
    return merged


class Entries:
    """Reads and writes entries. Retries what may be retried; what comes out is a fact or a clear "not known"."""

    def __init__(self, bus: Bus, clock: Clock, *, waits_s: Sequence[float] = RETRY_WAITS_S) -> None:
        self._bus, self._clock, self._waits_s = bus, clock, tuple(waits_s)

    async def write(self, draft: Draft[Any], *, expected: int | None) -> int:
        """The new revision. Raises `RevisionConflict`, `ManifestInvalid`, or `BusUnavailable` after 15 s (it may be written or not).

        `expected` None compares with nothing: for a key that only this process ever writes.
        """
        return (await self.write_all([(draft, expected)]))[0]

    async def write_all(self, drafts: Sequence[tuple[Draft[Any], int | None]]) -> tuple[int, ...]:
        """Their revisions, in order; all or nothing, in one stream, at most 1,000. Errors as of `write`."""
        if not drafts:
            return ()
        if len(drafts) > BATCH_MAX:
            raise ManifestInvalid(f"{len(drafts)} entries at once, {BATCH_MAX} are allowed; split them")
        stream = drafts[0][0].family.stream.name
        write_id = uuid4().hex
        items = [_append(draft, expected, f"{write_id}.{number}") for number, (draft, expected) in enumerate(drafts)]
        lost: BusUnavailable | None = None
        for wait_s in (*self._waits_s, None):
            try:
                if lost is not None and items[0].expected is not None:
                    done = await self._outcome(stream, items)
                    if done:
                        return done
                # Without a comparison the message id alone keeps it from being stored twice.
                return _sequences(await self._bus.append_all(stream, items), len(items))
            except RevisionConflict:
                # Perhaps with ourselves: an earlier try was stored and only its answer got lost (also one sent before a reconnect).
                done = await self._outcome(stream, items) if lost is not None else ()
                if done:
                    return done
                raise
            except BusUnavailable as error:
                lost = error
                if wait_s is not None:
                    await self._clock.sleep(wait_s)
        assert lost is not None
        raise BusUnavailable(f"{items[0].subject[:200]} may be written or not: {lost}") from lost

    async def _outcome(self, stream: str, items: Sequence[Append]) -> tuple[int, ...]:
        """After a lost answer: the revisions if the write is stored, () if nothing is. Raises `RevisionConflict` if another one is.

        One key of a batch tells for all; the last one also tells where it stands.
        """
        for number in (len(items) - 1, 0):
            item = items[number]
            found = await self._bus.last(stream, item.subject)
            if found is not None and found.headers.get(WRITE) == item.headers[WRITE]:
                return _sequences(found.sequence + len(items) - 1 - number, len(items))
            actual = found.sequence if found is not None else 0
            if actual == item.expected:
                return ()
        raise RevisionConflict(items[0].subject, expected=items[0].expected or 0)

    async def read(self, family: Family[T], ref: Ref, member: str = "") -> Entry[T] | None:
        """The last entry, asked of the leader."""
        stored = await self._bus.last(family.stream.name, subject_of(family, ref, member))
        return None if stored is None else read_entry(stored, family.stream)

    async def read_direct(self, family: Family[T], ref: Ref, member: str = "") -> Entry[T] | None:
        """The last entry, from whoever has it: cheap, and possibly older than what the asker has heard of, which it compares."""
        stored = await self._bus.last_direct(family.stream.name, subject_of(family, ref, member))
        return None if stored is None else read_entry(stored, family.stream)

    async def read_at(self, family: Family[T], ref: Ref, sequence: int) -> Entry[T] | None:
        """The entry with exactly that STATE sequence, from STATE or from HISTORY; None when it has aged out or never was."""
        subject = subject_of(family, ref)
        stored = await self._bus.at(STATE.name, sequence)
        if stored is not None:
            return read_entry(stored, STATE) if stored.subject == subject else None
        return await self._read_history("history." + subject.partition(".")[2], sequence)

    async def _read_history(self, subject: str, sequence: int) -> Entry[Any] | None:
        # Sequences of HISTORY run behind those of STATE by what was never copied, and that only grows: the search begins there.
        behind = (await self._bus.info(STATE.name)).last - (await self._bus.info(HISTORY.name)).last
        position = max(1, sequence - max(behind, 0))
        while True:
            stored = await self._bus.first_from(HISTORY.name, subject, position)
            if stored is None:
                return None
            source = source_of(stored)
            if source == sequence:
                return read_entry(stored, STATE, revision=sequence)
            if source > sequence:
                return None
            position = stored.sequence + 1

    async def all_at(self, subjects: Sequence[str], sequence: int) -> list[Entry[Any]]:
        """The entries of STATE as of a sequence, tombstones included: what a view at that position held. Wildcards are allowed.

        `subjects` are those of STATE. Each is looked up in STATE (its last revisions) and in HISTORY (by age); one that has aged out of both
        is not there, see `oldest`. Raises `Terminal` when a wildcard matches more than `GET_MAX` keys.
        """
        found: dict[str, Entry[Any]] = {}
        for stored in await self._bus.last_many(STATE.name, subjects, up_to=sequence) if subjects and sequence > 0 else ():
            if (entry := read_entry(stored, STATE)) is not None:
                found[entry.subject] = entry
        bound = await self._history_bound(sequence)
        copies = ["history." + subject.partition(".")[2] for subject in subjects]
        for stored in await self._bus.last_many(HISTORY.name, copies, up_to=bound) if copies and bound else ():
            entry = read_entry(stored, STATE, revision=source_of(stored))
            if entry is not None and (entry.subject not in found or found[entry.subject].revision < entry.revision):
                found[entry.subject] = entry
        return sorted(found.values(), key=lambda entry: entry.revision)

    async def oldest(self) -> int:
        """The lowest STATE sequence from which HISTORY has everything; what was written before it may have aged out."""
        first = await self._bus.first_from(HISTORY.name, "history.>", 1)
        return source_of(first) if first is not None else (await self._bus.info(STATE.name)).last + 1

    async def _history_bound(self, sequence: int) -> int:
        """The last sequence of HISTORY that is a copy of something at or below a sequence of STATE; 0 for none."""
        info = await self._bus.info(HISTORY.name)
        low, high = max(info.first, 1) - 1, info.last
        while low < high:
            middle = (low + high + 1) // 2
            stored = await self._bus.first_from(HISTORY.name, "history.>", middle)
            if stored is not None and stored.sequence <= high and source_of(stored) <= sequence:
                low = stored.sequence
            else:
                high = middle - 1
        return low if info.messages else 0

    async def purge(self, entry: Entry[Any]) -> None:
        """Removes a tombstone and what came before it. Housekeeping: nobody is told. Raises `Terminal` for what is not a tombstone."""
        if not entry.deleted:
            raise Terminal(f"{entry!r} is no tombstone and stays")
        await self._bus.purge(entry.family.stream.name, entry.subject, below=entry.revision + 1)


def supposed(draft: Draft[Any], *, sequence: int, time: float = 0.0) -> Entry[Any]:
    """The entry that a draft would be under that sequence. Nothing is written; for plans. Raises `ManifestInvalid` as a write would."""
    entry = read_entry(Stored(draft.subject, sequence, encode(draft), dict(draft.headers), time), draft.family.stream)
    assert entry is not None  # Its family is known here, or there would be no draft.
    return entry


def source_of(stored: Stored) -> int:
    """The STATE sequence of an entry of HISTORY."""
    return int(stored.headers.get(SOURCE, "STATE 0").split()[1])


def _append(draft: Draft[Any], expected: int | None, write_id: str) -> Append:
    headers = {**draft.headers, WRITE: write_id, MESSAGE_ID: write_id}
    if draft.change:
        headers[CHANGE] = draft.change
    return Append(draft.subject, encode(draft), headers, expected)


def _sequences(last: int, count: int) -> tuple[int, ...]:
    return tuple(range(last - count + 1, last + 1))


__all__ = [
    "BODY_BYTES_MAX", "CHANGE", "COMPRESS_ABOVE", "TRACE", "WRITE", "Draft", "Entries", "Entry", "Envelope", "digest_of", "encode",
    "keep_unknown", "read_entry", "source_of", "subject_of", "supposed",
]  # fmt: skip
