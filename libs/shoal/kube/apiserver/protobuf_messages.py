"""What the protobuf messages of Kubernetes look like: kind -> message, field number -> name in JSON and type. Read from a packaged file when
the first protobuf body arrives; `schemas/protobuf_fields.py` makes that file."""

from __future__ import annotations

import functools
import zlib
from pathlib import Path

import msgspec

PACK_VERSION = "v1.37.1"
PACK_PATH = Path(__file__).parent / "schemas" / "protobuf-1.37.json.z"


class Field(msgspec.Struct, frozen=True, array_like=True):
    """One field of a message."""

    number: int
    name: str
    """In JSON."""
    type: str
    """A scalar (`string bytes bool int32 int64 double`), a message that is one value in JSON (`time micro-time duration quantity
    int-or-string json`), or the full name of a message, which has dots."""
    flags: str
    """`r` repeated, `m` a map with text keys, `i` its fields stand in the object around it, `z` a zero is left out."""


class Message(msgspec.Struct, frozen=True, rename="camel"):
    fields: list[Field]
    one_of: list[str] = []
    """Not empty: the JSON of this message is that of one of its fields, the first of these that is there."""


class _Pack(msgspec.Struct):
    version: str
    kinds: dict[str, str]
    everywhere: dict[str, str]
    messages: dict[str, msgspec.Raw]


class Messages:
    """The messages of one release; each is parsed when it is first asked for."""

    def __init__(self, pack: _Pack) -> None:
        self._pack = pack
        self._parsed: dict[str, tuple[Message, dict[int, Field]]] = {}

    def of(self, api_version: str, kind: str) -> str | None:
        """The name of the message of a kind; None for one that has no protobuf form."""
        return self._pack.kinds.get(f"{api_version}/{kind}") or self._pack.everywhere.get(kind)

    def get(self, name: str) -> tuple[Message, dict[int, Field]]:
        """A message and its fields by number. Raises KeyError when there is none of that name."""
        found = self._parsed.get(name)
        if found is None:
            message = msgspec.json.decode(self._pack.messages[name], type=Message)
            found = self._parsed[name] = (message, {field.number: field for field in message.fields})
        return found


@functools.cache
def messages() -> Messages:
    """The packaged messages; one for the whole process."""
    return Messages(msgspec.json.decode(zlib.decompress(PACK_PATH.read_bytes()), type=_Pack))
