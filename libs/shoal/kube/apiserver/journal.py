"""An append-only file of every write of a `MemoryStore`: length, checksum, JSON.

A torn last record is cut off; a file that has grown large is rewritten.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from shoal.api.errors import Terminal
from shoal.api.meta import Ref
from shoal.kube.apiserver.store import Stored

_HEADER = struct.Struct("<II")
"""Length of the payload and its CRC-32."""

COMPACT_BYTES_MIN = 8 * 1024 * 1024
"""Below this a rewrite is not worth the time; above it the file is rewritten when less than a quarter of it is live."""

_PAYLOAD_BYTES_MAX = 64 * 1024 * 1024
"""A longer length can only be rubbish: no object comes near it."""


class Record(NamedTuple):
    """One write. `body` is None for a removal."""

    ref: Ref
    revision: int
    body: bytes | None


class _Line(msgspec.Struct, array_like=True):
    group: str
    kind: str
    namespace: str
    name: str
    revision: int
    body: msgspec.Raw
    """`null` for a removal. No union: msgspec does not decode `Raw | None`."""


class JournalCorrupt(Terminal):
    """The journal is damaged before its end: something else than a killed process wrote to it."""

    reason = "JournalCorrupt"


class Journal:
    """One file, one writer."""

    def __init__(self, path: Path, *, compact_bytes_min: int = COMPACT_BYTES_MIN) -> None:
        self._path = path
        self._compact_bytes_min = compact_bytes_min
        self._file: BinaryIO | None = None
        self._bytes = 0
        self._compact_at = compact_bytes_min

    def load(self) -> Iterator[Record]:
        """The records in the order they were written. Cuts a torn tail off; raises `JournalCorrupt` when a damaged record has whole ones
        behind it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        content = self._path.read_bytes() if self._path.exists() else b""
        offset = 0
        while (end := _record_end(content, offset)) is not None:
            yield _decode(content[offset + _HEADER.size : end])
            offset = end
        if offset < len(content) and _has_record(content, offset + 1):
            raise JournalCorrupt(f"{self._path} is damaged at byte {offset}; move it away to start empty")
        self._open(offset)

    def append(self, record: Record, live: Iterable[Stored]) -> None:
        """Writes one record through to the kernel. When the file has grown large it is first rewritten with only the `live` objects."""
        if self._bytes >= self._compact_at:
            self._compact(live)
        self._write(_encode(record))

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self, size: int) -> None:
        self._file = self._path.open("r+b" if self._path.exists() else "w+b", buffering=0)
        self._file.truncate(size)
        self._file.seek(size)
        self._bytes = size
        self._compact_at = max(self._compact_bytes_min, size * 2)

    def _write(self, record: bytes) -> None:
        if self._file is None:
            raise ValueError("the journal is closed")
        # Unbuffered: the bytes are the kernel's when write returns, so that only a power cut can lose them, not a kill.
        written = self._file.write(record)
        while written < len(record):
            written += self._file.write(record[written:])
        self._bytes += len(record)

    def _compact(self, live: Iterable[Stored]) -> None:
        """Writes the live objects in the order of their revisions to a new file and puts it in the old one's place."""
        beside = self._path.with_name(self._path.name + ".new")
        with beside.open("wb") as out:
            for stored in sorted(live, key=lambda one: one.revision):
                out.write(_encode(Record(stored.ref, stored.revision, stored.body)))
            out.flush()
            os.fsync(out.fileno())
            size = out.tell()
        self.close()
        beside.replace(self._path)
        self._open(size)
        self._compact_at = max(self._compact_bytes_min, size * 4)


def _encode(record: Record) -> bytes:
    payload = msgspec.json.encode(_Line(*record.ref, record.revision, msgspec.Raw(record.body or b"null")))
    return _HEADER.pack(len(payload), zlib.crc32(payload)) + payload


def _decode(payload: bytes) -> Record:
    line = msgspec.json.decode(payload, type=_Line)
    body = bytes(line.body)
    return Record(Ref(line.group, line.kind, line.namespace, line.name), line.revision, None if body == b"null" else body)


def _record_end(content: bytes, offset: int) -> int | None:
    """Where the whole record at `offset` ends; None when there is none."""
    if offset + _HEADER.size > len(content):
        return None
    length, checksum = _HEADER.unpack_from(content, offset)
    end: int = offset + _HEADER.size + length
    if length == 0 or length > _PAYLOAD_BYTES_MAX or end > len(content):
        return None
    return end if zlib.crc32(content[offset + _HEADER.size : end]) == checksum else None


def _has_record(content: bytes, offset: int) -> bool:
    """True when a whole record starts somewhere at or after `offset`: then the damage before it is not a torn tail."""
    while (found := content.find(b'["', offset)) >= 0:
        start = found - _HEADER.size
        if start >= offset and _record_end(content, start) is not None and found + 2 < len(content):
            return True
        offset = found + 1
    return False
