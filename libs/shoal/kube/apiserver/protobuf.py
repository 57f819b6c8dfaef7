"""From a body in the protobuf form of Kubernetes to the object that the same client would have sent as JSON.

The form: `k8s\\0`, then a `runtime.Unknown` message that names the kind and holds the object's own message. What the messages look like is data
(`protobuf_messages.py`); this file knows the wire and the few messages that are one value in JSON.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from shoal.api.meta import Manifest
from shoal.kube.apiserver.errors import bad_request
from shoal.kube.apiserver.protobuf_messages import Field, Messages, messages
from shoal.kube.apiserver.store import decode

CONTENT_TYPE = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\x00"

DEPTH_MAX = 100
"""Messages within messages; the deepest built-in kinds have about 20, the schema in a CustomResourceDefinition two for each of its levels."""
VALUES_MAX = 400_000
"""Fields in one body. An object of the size limit has a fifth of that; more would only be a way to keep the server busy."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_VARINT_BITS_MAX = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_Span = tuple[int, int]
"""Where the bytes of a value begin and end."""
_Wire = int | _Span
"""A value as it stands on the wire: the bits of a number, or the place of bytes."""


class _MalformedError(Exception):
    """Ends the reading at the first thing that cannot be."""


def from_protobuf(body: bytes) -> Manifest:
    """The object in a body, `apiVersion` and `kind` first. Zeros that Go's JSON leaves out, nulls and unknown fields are not in it.
    Raises a 400 for a body that is malformed, too deep, or of a kind without a protobuf form."""
    if not body.startswith(MAGIC):
        raise bad_request(f"provided data does not appear to be a protobuf message, expected prefix {list(MAGIC)}")
    reader = _Reader(body)
    try:
        api_version, kind, span = reader.envelope()
        if not kind:
            raise bad_request("Object 'Kind' is missing in a protobuf message")
        name = messages().of(api_version, kind)
        if name is None:
            raise bad_request(f'no kind "{kind}" is registered for version "{api_version}" in protobuf')
        out: Manifest = {"apiVersion": api_version, "kind": kind}
        _Decoder(reader, messages()).fill(out, name, span, 0)
    except (_MalformedError, ValueError, OverflowError, RecursionError) as error:
        raise bad_request(f"the object provided is unrecognized: protobuf error: {error}") from error
    return out


class _Reader:
    """The wire: numbers, lengths and strings within bounds. Everything raises `_MalformedError`, text a ValueError."""

    def __init__(self, body: bytes) -> None:
        self._body, self._left = body, VALUES_MAX

    def envelope(self) -> tuple[str, str, _Span]:
        """(apiVersion, kind, the place of the object's message) of the `runtime.Unknown` after the magic bytes."""
        api_version, kind, raw = "", "", (0, 0)
        for number, wire in self.fields((len(MAGIC), len(self._body))):
            if number == 1:
                for inner, value in self.fields(self.span(wire)):
                    if inner == 1:
                        api_version = self.text(value)
                    elif inner == 2:
                        kind = self.text(value)
            elif number == 2:
                raw = self.span(wire)
            elif number == 3 and self.bytes(wire):
                raise _MalformedError(f"content encoding {self.text(wire)!r} is not supported")
        return api_version, kind, raw

    def fields(self, span: _Span) -> Iterator[tuple[int, _Wire]]:
        """(number, value) of every field of a message."""
        position, end = span
        while position < end:
            self._left -= 1
            if self._left < 0:
                raise _MalformedError(f"more than {VALUES_MAX} fields")
            key, position = self._varint(position, end)
            number, wire = key >> 3, key & 7
            if not number:
                raise _MalformedError("illegal tag 0")
            if wire == _VARINT:
                value, position = self._varint(position, end)
                yield number, value
                continue
            if wire == _BYTES:
                length, position = self._varint(position, end)
            elif wire in (_FIXED32, _FIXED64):
                length = 4 if wire == _FIXED32 else 8
            else:
                raise _MalformedError(f"wrong wire type {wire} for field {number}")
            start, position = position, position + length
            if position > end:
                raise _MalformedError("unexpected end of message")
            yield number, (start, position) if wire == _BYTES else int.from_bytes(self._body[start:position], "little")

    def numbers(self, span: _Span) -> Iterator[int]:
        """The numbers of a packed list."""
        position, end = span
        while position < end:
            value, position = self._varint(position, end)
            yield value

    def span(self, wire: _Wire) -> _Span:
        """The value as a place of bytes."""
        if isinstance(wire, int):
            raise _MalformedError("a number where bytes are expected")
        return wire

    def number(self, wire: _Wire) -> int:
        """The value as the bits of a number."""
        if isinstance(wire, int):
            return wire
        raise _MalformedError("bytes where a number is expected")

    def bytes(self, wire: _Wire) -> bytes:
        start, end = self.span(wire)
        return self._body[start:end]

    def text(self, wire: _Wire) -> str:
        return self.bytes(wire).decode()

    def _varint(self, position: int, end: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            if position >= end:
                raise _MalformedError("unexpected end of message")
            if shift >= _VARINT_BITS_MAX:
                raise _MalformedError("integer overflow")
            byte = self._body[position]
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & 0xFFFF_FFFF_FFFF_FFFF, position
            shift += 7


class _Decoder:
    """From messages to JSON values, by their description."""

    def __init__(self, reader: _Reader, known: Messages) -> None:
        self._reader, self._known = reader, known

    def fill(self, out: dict[str, Any], name: str, span: _Span, depth: int) -> None:
        """Puts the fields of a message into an object. A message that comes in parts is merged, as protobuf has it."""
        if depth > DEPTH_MAX:
            raise _MalformedError(f"exceeded max depth {DEPTH_MAX}")
        fields = self._known.get(name)[1]
        for number, wire in self._reader.fields(span):
            field = fields.get(number)
            if field is None:
                continue
            if "m" in field.flags:
                self._put_entry(out.setdefault(field.name, {}), field, self._reader.span(wire), depth)
            elif "r" in field.flags:
                self._append(out.setdefault(field.name, []), field, wire, depth)
            elif "i" in field.flags:
                self.fill(out, field.type, self._reader.span(wire), depth + 1)
            else:
                self._put(out, field, wire, depth)

    def _put(self, out: dict[str, Any], field: Field, wire: _Wire, depth: int) -> None:
        value = self._value(field.type, wire, depth, out.get(field.name))
        if value is None or ("z" in field.flags and not value):
            out.pop(field.name, None)  # The last one counts, also when it is nothing.
        else:
            out[field.name] = value

    def _append(self, items: list[Any], field: Field, wire: _Wire, depth: int) -> None:
        if field.type in _NUMBERS and not isinstance(wire, int):
            items += [_NUMBERS[field.type](number) for number in self._reader.numbers(wire)]
        else:
            items.append(self._value(field.type, wire, depth))

    def _put_entry(self, out: dict[str, Any], field: Field, span: _Span, depth: int) -> None:
        key, value = "", None
        for number, wire in self._reader.fields(span):
            if number == 1:
                key = self._reader.text(wire)
            elif number == 2:
                value = self._value(field.type, wire, depth)
        if value is None:  # Nothing was sent: the empty value of the type, where it has one.
            value = self._value(field.type, 0 if field.type in _NUMBERS else (0, 0), depth)
        if value is not None:
            out[key] = value

    def _value(self, type_: str, wire: _Wire, depth: int, before: Any = None) -> Any:
        """One value in JSON; None for a null. `before` is what stood at its place already."""
        reader = self._reader
        if type_ == "string":
            return reader.text(wire)
        if type_ in _NUMBERS:
            return _NUMBERS[type_](reader.number(wire))
        if type_ == "bytes":
            return base64.b64encode(reader.bytes(wire)).decode()
        if type_ in _SPECIAL:
            return _SPECIAL[type_](reader, reader.span(wire))
        one_of = self._known.get(type_)[0].one_of
        into = before if isinstance(before, dict) and not one_of else {}
        self.fill(into, type_, reader.span(wire), depth + 1)
        return _first(into, one_of) if one_of else into


def _first(fields: dict[str, Any], one_of: list[str]) -> Any:
    """The JSON of a message that is one of its fields."""
    for name in one_of:
        if name in fields:
            return fields[name]
    return None


def _signed(bits: int) -> Callable[[int], int]:
    def convert(value: int) -> int:
        value &= (1 << bits) - 1
        return value - (1 << bits) if value >> (bits - 1) else value

    return convert


def _double(value: int) -> float:
    out: float = struct.unpack("<d", value.to_bytes(8, "little"))[0]
    if not math.isfinite(out):
        raise _MalformedError(f"unsupported value: {out}")
    return out


_int32, _int64 = _signed(32), _signed(64)
_NUMBERS: dict[str, Callable[[int], Any]] = {"bool": bool, "int32": _int32, "int64": _int64, "double": _double}


def _moment(reader: _Reader, span: _Span) -> datetime | None:
    """Seconds and nanoseconds since the epoch; both zero is no time at all, as the Go types have it."""
    seconds = nanos = 0
    for number, wire in reader.fields(span):
        if number == 1:
            seconds = _int64(reader.number(wire))
        elif number == 2:
            nanos = _int32(reader.number(wire))
    return _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000) if seconds or nanos else None


def _time(reader: _Reader, span: _Span) -> str | None:
    moment = _moment(reader, span)
    return None if moment is None else moment.replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def _micro_time(reader: _Reader, span: _Span) -> str | None:
    moment = _moment(reader, span)
    return None if moment is None else moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _quantity(reader: _Reader, span: _Span) -> str:
    out = "0"
    for number, wire in reader.fields(span):
        if number == 1:
            out = reader.text(wire)
    return out


def _int_or_string(reader: _Reader, span: _Span) -> int | str:
    is_text, number_, text = 0, 0, ""
    for number, wire in reader.fields(span):
        if number == 1:
            is_text = reader.number(wire)
        elif number == 2:
            number_ = _int32(reader.number(wire))
        elif number == 3:
            text = reader.text(wire)
    return text if is_text else number_


def _json(reader: _Reader, span: _Span) -> Any:
    """JSON that was sent as bytes; nothing at all is a null."""
    raw = b""
    for number, wire in reader.fields(span):
        if number == 1:
            raw = reader.bytes(wire)
    return decode(raw) if raw else None


def _duration(reader: _Reader, span: _Span) -> str:
    nanos = 0
    for number, wire in reader.fields(span):
        if number == 1:
            nanos = _int64(reader.number(wire))
    return duration_text(nanos)


def duration_text(nanos: int) -> str:
    """Nanoseconds as Go writes a duration: `1h0m0s`, `1.5s`, `250ms`, `0s`."""
    sign, rest = ("-" if nanos < 0 else ""), abs(nanos)
    if rest and rest < 10**9:
        unit, size = next((unit, size) for unit, size in (("ms", 10**6), ("µs", 10**3), ("ns", 1)) if rest >= size)
        return f"{sign}{_fraction(rest, size)}{unit}"
    minutes, seconds = divmod(rest, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    shown = f"{hours}h{minutes}m" if hours else (f"{minutes}m" if minutes else "")
    return f"{sign}{shown}{_fraction(seconds, 10**9)}s"


def _fraction(value: int, size: int) -> str:
    whole, part = divmod(value, size)
    digits = len(str(size)) - 1
    return f"{whole}.{part:0{digits}d}".rstrip("0") if part else str(whole)


_SPECIAL: dict[str, Callable[[_Reader, _Span], Any]] = {
    "time": _time,
    "micro-time": _micro_time,
    "duration": _duration,
    "quantity": _quantity,
    "int-or-string": _int_or_string,
    "json": _json,
}
