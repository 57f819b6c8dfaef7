"""YAML as kubectl reads it, and YAML that kubectl reads back unchanged. The edges (CLI, deploy events, Git) speak it; services speak JSON.

The reader works on libyaml's events, because every library resolves plain words differently from Kubernetes (`no`, `0644`, `12:30`), and
because PyYAML's own composer crashes the process on deep nesting. Every limit is checked while the events come in.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec
import yaml as pyyaml
from yaml._yaml import CParser

from shoal.api.errors import ManifestInvalid

MAX_BYTES = 32 * 1024 * 1024
"""A deploy over HTTP may carry this much; everything else is smaller."""
MAX_DEPTH = 200
MAX_DOCUMENTS = 100_000
MAX_ALIAS_NODES = 100_000
"""Nodes that aliases may stand for, in one document ("billion laughs" asks for 10^9)."""
_LETTERS_PER_NODE = 100
"""A long text weighs as much as many nodes: aliases of one are written out in full when the document is stored."""

_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INT = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|0|[1-9][0-9]*)")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
}
_NONFINITE = {sign + word for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")} | {".nan", ".NaN", ".NAN"}
_NUMBER_STARTS = frozenset("+-0123456789.")
_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "bool", "null"))
_MERGE = object()
"""Stands for the key `<<`."""


class _Wrong(Exception):
    """Something is wrong at an event; the text says what, the mark where."""

    def __init__(self, what: str, event: Any) -> None:
        super().__init__(what)
        self.mark = event.start_mark


def load_all(
    text: str | bytes,
    *,
    source: str = "",
    max_bytes: int = MAX_BYTES,
    max_depth: int = MAX_DEPTH,
    max_documents: int = MAX_DOCUMENTS,
) -> list[Any]:
    """All documents of a YAML or JSON text; empty documents are left out, as kubectl does.

    Keys are text, integral numbers are ints, duplicate keys are refused. Raises `ManifestInvalid` with `source`, line and column.
    """
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(data) > max_bytes:
        raise _invalid(source, "", f"{len(data)} bytes are more than the limit of {max_bytes}")
    documents = _load_json(data, max_depth)
    if documents is None:
        documents = _load_yaml(data, source, max_depth, max_documents)
    documents = [document for document in documents if document is not None]
    if b"\\u" in data or b"\\U" in data:
        _refuse_surrogates(documents, source)
    return documents


def load(text: str | bytes, *, source: str = "", max_bytes: int = MAX_BYTES) -> Any:
    """The one document of a text; None when there is none. Raises `ManifestInvalid`, also when there are several."""
    documents = load_all(text, source=source, max_bytes=max_bytes)
    if len(documents) > 1:
        raise _invalid(source, "", f"one document is expected, {len(documents)} were found")
    return documents[0] if documents else None


def dump(value: Any, *, sort_keys: bool = False) -> str:
    """One document that `load` and kubectl read back as the same value. `value` is JSON data."""
    try:
        text: str = pyyaml.dump(value, Dumper=_Dumper, sort_keys=sort_keys, default_flow_style=False, allow_unicode=True, width=2**30)
    except RecursionError as error:
        raise ManifestInvalid("the value is nested too deeply to be written as YAML") from error
    # A bare scalar is followed by an end mark that nobody expects to see.
    return text.removesuffix("...\n")


def dump_all(values: Iterable[Any]) -> str:
    """Several documents, each after a `---` line but the first."""
    return "---\n".join(dump(value) for value in values)


# --- reading ---------------------------------------------------------------------------------------------------------------------------


def _load_json(data: bytes, max_depth: int) -> list[Any] | None:
    """The documents of a JSON text (one, or several after each other); None when it is not JSON, or wrong in a way YAML reports better."""
    if data.lstrip()[:1] not in (b"{", b"[", b'"'):
        return None
    decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_number, parse_int=_number, parse_constant=_no_constant)
    documents: list[Any] = []
    try:
        text = data.decode()
        position = len(text) - len(text.lstrip())
        while position < len(text):
            document, end = decoder.raw_decode(text, position)
            documents.append(document)
            position = end + len(text[end:]) - len(text[end:].lstrip())
    except (ValueError, RecursionError):
        return None
    if text.count("{") + text.count("[") > max_depth and any(_deeper(document, max_depth) for document in documents):
        return None
    return documents


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("duplicate key")  # The YAML reader names its place.
    return value


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def _deeper(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit + 1):
        level = [child for item in level if isinstance(item, dict | list) for child in (item.values() if isinstance(item, dict) else item)]
        if not level:
            return False
    return True


def _load_yaml(data: bytes, source: str, max_depth: int, max_documents: int) -> list[Any]:
    try:
        # A mark that begins with the text's BOM would shift every column by one.
        return _Reader(data.removeprefix(b"\xef\xbb\xbf"), max_depth, max_documents).documents()
    except _Wrong as wrong:
        raise _invalid(source, _place(wrong.mark), str(wrong)) from None
    except pyyaml.MarkedYAMLError as error:
        what = ", ".join(part for part in (error.context, error.problem) if part)
        if "cannot start any token" in what:
            what += " (a tab cannot indent, and a text that begins with @ or ` needs quotes)"
        raise _invalid(source, _place(error.problem_mark or error.context_mark), what) from None
    except pyyaml.reader.ReaderError as error:
        before = data[: error.position]
        place = f"line {before.count(10) + 1}, column {len(before) - before.rfind(10)}"
        raise _invalid(source, place, f"{error.reason}: the text holds a byte or character that YAML does not allow") from None
    except pyyaml.YAMLError as error:
        raise _invalid(source, "", str(error)) from None


def _place(mark: Any) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""


def _invalid(source: str, place: str, what: str) -> ManifestInvalid:
    return ManifestInvalid(": ".join(part for part in (source, place, what) if part), ((place or source, what),))


def _refuse_surrogates(documents: list[Any], source: str) -> None:
    """A lone surrogate, written as an escape, is text in Python and in no other place."""
    try:
        msgspec.json.encode(documents)
    except UnicodeEncodeError as error:
        raise _invalid(source, "", "an escape sequence stands for half a character (a lone surrogate)") from error


class _Reader:
    """One pass over libyaml's events."""

    def __init__(self, data: bytes, max_depth: int, max_documents: int) -> None:
        self._parser = CParser(data)
        self._max_depth, self._max_documents = max_depth, max_documents
        self._anchors: dict[str, tuple[Any, int]] = {}
        """Name -> value and the number of nodes it stands for; a text counts once more for every 100 characters."""
        self._nodes = 0
        self._aliased = 0

    def documents(self) -> list[Any]:
        documents: list[Any] = []
        try:
            while not isinstance(event := self._next(), pyyaml.StreamEndEvent):
                if isinstance(event, pyyaml.DocumentStartEvent):
                    if len(documents) >= self._max_documents:
                        raise _Wrong(f"more than {self._max_documents} documents", event)
                    self._anchors.clear()
                    self._aliased = 0
                    documents.append(self._node(self._next(), 0))
        finally:
            self._parser.dispose()
        return documents

    def _next(self) -> Any:
        return self._parser.get_event()

    def _node(self, event: Any, depth: int) -> Any:
        kind = type(event)
        before = self._nodes
        self._nodes += 1
        if kind is pyyaml.AliasEvent:
            return self._alias(event)
        if kind is pyyaml.ScalarEvent:
            value = _scalar(event)
            self._nodes += len(event.value) // _LETTERS_PER_NODE
        elif depth >= self._max_depth:
            raise _Wrong(f"nested deeper than {self._max_depth} levels", event)
        elif kind is pyyaml.MappingStartEvent:
            value = self._mapping(depth)
        else:
            value = []
            while not isinstance(child := self._next(), pyyaml.SequenceEndEvent):
                value.append(self._node(child, depth + 1))
        if event.anchor:
            self._anchors[event.anchor] = (value, self._nodes - before)
        return value

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            raise _Wrong(f"alias *{event.anchor} names no anchor before it", event)
        value, nodes = self._anchors[event.anchor]
        self._aliased += nodes
        self._nodes += nodes
        if self._aliased > MAX_ALIAS_NODES:
            raise _Wrong(f"aliases stand for more than {MAX_ALIAS_NODES} values", event)
        return value

    def _mapping(self, depth: int) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        merges: list[tuple[Any, Any]] = []
        while not isinstance(event := self._next(), pyyaml.MappingEndEvent):
            key = self._key(event)
            value = self._node(self._next(), depth + 1)
            if key is _MERGE:
                merges.append((value, event))
            elif key in mapping:
                raise _Wrong(f"key {key!r} is given twice in the same map", event)
            else:
                mapping[key] = value
        for value, event in merges:
            for part in value if isinstance(value, list) else [value]:
                if not isinstance(part, dict):
                    raise _Wrong("a merge (<<) needs a map", event)
                for name, item in part.items():
                    mapping.setdefault(name, item)
        return mapping

    def _key(self, event: Any) -> Any:
        if isinstance(event, pyyaml.AliasEvent):
            value = self._alias(event)
            if isinstance(value, str):
                return value
        elif isinstance(event, pyyaml.ScalarEvent):
            key = _key_text(event)
            weight = 1 + len(event.value) // _LETTERS_PER_NODE
            self._nodes += weight
            if event.anchor:
                self._anchors[event.anchor] = (key, weight)
            return key
        raise _Wrong("a key must be text", event)


def _key_text(event: Any) -> Any:
    if event.value == "<<" and event.implicit[0] and not event.style:
        return _MERGE
    value = _scalar(event)
    if value is None:
        raise _Wrong("a key must not be null", event)
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(value)


def _scalar(event: Any) -> Any:
    tag, text = event.tag, event.value
    if tag in _PLAIN_TAGS or ((tag is None) and not event.style and event.implicit[0]):
        if text in _NONFINITE:
            raise _Wrong(f"{text} cannot be written as JSON; put it in quotes if it is text", event)
        return _plain(text)
    if tag == "tag:yaml.org,2002:binary":
        try:
            return base64.b64decode(text).decode("utf-8", "replace")
        except binascii.Error as error:
            raise _Wrong(f"!!binary is not base64: {error}", event) from error
    return text


@lru_cache(maxsize=16384)
def _plain(text: str) -> Any:
    """A word without quotes, resolved as Kubernetes' decoder does."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in _NUMBER_STARTS:
        digits = text.replace("_", "")
        if _INT.fullmatch(digits) or _FLOAT.fullmatch(digits):
            return _number(digits, otherwise=text)
    return text


def _number(digits: str, *, otherwise: str | None = None) -> Any:
    """An int where the value is integral and exact in 64 bits (or below 10^21 after a point or exponent), else a float.

    `otherwise` is what a number beyond every float is read as; without it that raises ValueError.
    """
    if len(digits) <= 70 and _INT.fullmatch(digits):  # 70: 64 binary digits and a prefix.
        value = _integer(digits)
        if -(1 << 63) <= value < (1 << 64):
            return value
    if not _FLOAT.fullmatch(digits) or (number := float(digits)) in (float("inf"), float("-inf")):
        if otherwise is None:
            raise ValueError("number out of range")
        return otherwise
    return int(number) if number.is_integer() and abs(number) < 1e21 else number


def _integer(digits: str) -> int:
    sign, body = (-1, digits[1:]) if digits[0] == "-" else (1, digits.removeprefix("+"))
    if len(body) > 1 and body[0] == "0" and body[1] in "01234567":
        return sign * int(body, 8)
    return sign * int(body, 0)


# --- writing ---------------------------------------------------------------------------------------------------------------------------


class _Dumper(pyyaml.CSafeDumper):
    """Quotes every text that Kubernetes' reader would take for something else, and writes no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: Any, text: str) -> Any:
    # A block reads well; the emitter falls back to quotes where the text does not allow one.
    style = "|" if "\n" in text.strip("\n") and not text.startswith(("\n", " ")) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
_Dumper.yaml_implicit_resolvers = {start: list(found) for start, found in pyyaml.CSafeDumper.yaml_implicit_resolvers.items()}
_Dumper.add_implicit_resolver(
    # PyYAML's own table misses these spellings, and kubectl reads them as booleans and numbers.
    "tag:shoal.dev,2026:kubernetes",
    re.compile(r"^(?:y|Y|n|N|[-+]?(?:\.[0-9_]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9_]+)?|0[oO][0-7_]+|[-+]?0[bBxX][0-9a-fA-F_]+)$"),
    list("yYnN-+.0123456789"),
)
