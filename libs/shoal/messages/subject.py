"""`Ref` <-> NATS subject, reversible."""

from __future__ import annotations

import re
from urllib.parse import unquote

from shoal.api.errors import ManifestInvalid
from shoal.api.meta import Ref

SUBJECT_BYTES_MAX = 1024
"""Longer subjects are refused at the door: the server drops the connection of whoever sends one above 4,096."""

_UNSAFE = re.compile(r"[.*>% /\x00-\x20\x7f-\uffff\U00010000-\U0010ffff]|^_")


def encode_token(text: str) -> str:
    """One subject token: `.` `*` `>` `%` `/`, blanks, control and non-ASCII characters and a leading `_` percent-encoded; empty is `_`."""
    if not text:
        return "_"
    return _UNSAFE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found.group().encode()), text)


def decode_token(token: str) -> str:
    """The text that `encode_token` was given."""
    return "" if token == "_" else unquote(token)


def encode_ref(ref: Ref) -> str:
    """`<group>.<kind>.<ns>.<name>`. Raises `ManifestInvalid` when it is too long for the bus."""
    subject = ".".join(map(encode_token, ref))
    if len(subject) > SUBJECT_BYTES_MAX:
        raise ManifestInvalid(
            f"the name of {ref.kind} {ref.name[:40]}... needs {len(subject)} bytes as an address, "
            f"{SUBJECT_BYTES_MAX} are allowed; shorten it"
        )
    return subject


def decode_ref(tokens: str) -> Ref:
    """The `Ref` of `<group>.<kind>.<ns>.<name>`. Raises ValueError for anything else."""
    group, kind, namespace, name = map(decode_token, tokens.split("."))
    return Ref(group, kind, namespace, name)


def state(family: str, ref: Ref) -> str:
    return f"state.{family}.{encode_ref(ref)}"


def work(member: str, ref: Ref) -> str:
    return f"work.{encode_token(member)}.{encode_ref(ref)}"


def report(member: str, ref: Ref) -> str:
    return f"report.{encode_token(member)}.{encode_ref(ref)}"


def split(subject: str) -> tuple[str, str, Ref]:
    """`(root, family or member, ref)` of a `state`, `work`, `live`, `report` or `history` subject. Raises ValueError for anything else."""
    root, scope, tokens = subject.split(".", 2)
    return root, decode_token(scope), decode_ref(tokens)
