"""From the bytes of a request to an object that fits its schema, as the decoder of a real API server does it.

Two steps: `parse` reads JSON or YAML and finds duplicate fields; `conform` drops nulls and unknown fields and refuses wrong types.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from shoal.api.errors import ManifestInvalid
from shoal.api.yaml import load
from shoal.kube.apiserver.errors import StatusError, bad_request
from shoal.kube.apiserver.protobuf import MAGIC, from_protobuf
from shoal.kube.apiserver.schema import Node
from shoal.kube.apiserver.store import decode

_INT_RANGE = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
_QUANTITY = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]|[eE][+-]?\d+)?")
_GO_TYPES = {"string": "string", "boolean": "bool", "array": "slice", "object": "struct", "number": "float64"}


def parse(body: bytes, *, yaml: bool, strict: bool, kind: str = "") -> tuple[Any, list[str]]:
    """(value, messages about duplicate fields). Raises a 400 for a body that is neither JSON nor, where allowed, YAML or protobuf."""
    if yaml and body[:4] == MAGIC:
        return from_protobuf(body), []
    if yaml and body.lstrip()[:1] not in (b"{", b"[", b""):
        try:
            return load(body), []
        except ManifestInvalid as error:
            raise bad_request(f"error decoding YAML: {error}") from error
    try:
        # Duplicates need the slow reader; bodies of typed clients cannot have any, and those do not ask for the check.
        return _parse_noting_duplicates(body) if strict else (decode(body), [])
    except (ValueError, msgspec.DecodeError, RecursionError) as error:
        wanted = f" (must be of type {kind})" if kind else ""
        message = f"the object provided is unrecognized{wanted}: couldn't get version/kind; json parse error: {error}"
        raise bad_request(message) from error


def parse_patch(body: bytes, *, strict: bool) -> tuple[Any, list[str]]:
    """As `parse`, for a patch."""
    try:
        return _parse_noting_duplicates(body) if strict else (decode(body), [])
    except (ValueError, msgspec.DecodeError, RecursionError) as error:
        raise bad_request(f"error decoding patch: {error}") from error


class _Repeated(dict[str, Any]):
    """A decoded object in which fields stood twice."""

    fields: tuple[str, ...] = ()


def _parse_noting_duplicates(body: bytes) -> tuple[Any, list[str]]:
    found = False

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal found
        out = dict(items)
        if len(out) == len(items):
            return out
        found = True
        repeated = _Repeated(out)
        names = [name for name, _ in items]
        repeated.fields = tuple(name for name in out if names.count(name) > 1)
        return repeated

    value = json.loads(body, object_pairs_hook=pairs, parse_constant=_no_constant)
    return value, [f'duplicate field "{path}"' for path in _duplicates(value, ())] if found else []


def _duplicates(value: Any, path: tuple[str | int, ...]) -> list[str]:
    out: list[str] = []
    if isinstance(value, _Repeated):
        out += [dotted((*path, name)) for name in value.fields]
    if isinstance(value, dict):
        for key, item in value.items():
            out += _duplicates(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            out += _duplicates(item, (*path, index))
    return out


def _no_constant(name: str) -> Any:
    raise ValueError(f"invalid character in {name}")


@dataclass
class Findings:
    """What `conform` met on its way."""

    unknown: list[str] = field(default_factory=list)
    """Paths of fields that were dropped."""
    mismatch: str = ""
    """The first wrong type, in the words of Go's decoder."""


def conform(object_: dict[str, Any], node: Node, kind: str, *, check_types: bool) -> Findings:
    """Makes a freshly decoded object fit its schema, in place: nulls go, unknown fields go, numbers of quantities become text.
    With `check_types` the first wrong type is noted and the walk ends there."""
    findings = Findings()
    walk = _Walk(kind, findings, check_types=check_types)
    try:
        walk.object(object_, node, ())
    except _WrongTypeError as error:
        findings.mismatch = str(error)
    return findings


def refuse_apply(findings: Findings, duplicates: list[str], object_: dict[str, Any], node_kind: str) -> None:
    """An apply names its owner's fields, so an unknown one is never ignored: raises a 400, whatever `fieldValidation` says."""
    problems = [f".{path}: field not declared in schema" for path in findings.unknown] + duplicates
    if findings.mismatch:
        problems.append(findings.mismatch)
    if problems:
        metadata = object_.get("metadata") or {}
        what = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}; {object_.get('apiVersion')}, Kind={node_kind}"
        told = problems[0] if len(problems) == 1 else "errors:\n" + "\n".join(f"  {problem}" for problem in problems)
        raise bad_request(f"failed to create typed patch object ({what}): {told}")


def refuse_patched(findings: Findings, duplicates: list[str], mode: str) -> list[str]:
    """As `refuse`, for what a patch made of an object: a 422 about the patch."""
    problems = [f'unknown field "{path}"' for path in findings.unknown] + duplicates
    because = findings.mismatch or ("strict decoding error: " + ", ".join(problems) if problems and mode == "Strict" else "")
    if because:
        cause = {"reason": "FieldValueInvalid", "message": f"Invalid value: {because}", "field": "patch"}
        raise StatusError(422, "Invalid", f' "" is invalid: patch: Invalid value: {because}', {"causes": [cause]})
    return problems if mode == "Warn" else []


def refuse(findings: Findings, duplicates: list[str], kind: str, version: str, mode: str) -> list[str]:
    """Applies `fieldValidation`: raises a 400 (Strict), or returns the warnings to send (Warn), or nothing (Ignore)."""
    prefix = f'{kind} in version "{version}" cannot be handled as a {kind}: '
    if findings.mismatch:
        raise bad_request(prefix + findings.mismatch)
    problems = [f'unknown field "{path}"' for path in findings.unknown] + duplicates
    if problems and mode == "Strict":
        raise bad_request(prefix + "strict decoding error: " + ", ".join(problems))
    return problems if mode == "Warn" else []


class _WrongTypeError(Exception):
    """Ends the walk at the first value of a wrong type."""


_Path = tuple[str | int, ...]


class _Walk:
    def __init__(self, kind: str, findings: Findings, *, check_types: bool) -> None:
        self._struct, self._findings, self._check = kind, findings, check_types

    def object(self, value: dict[str, Any], node: Node, path: _Path) -> None:
        if node.name:
            self._struct = node.name
        for key in list(value):
            item = value[key]
            child = node.child(key)
            if child is None:
                self._findings.unknown.append(dotted((*path, key)))
                del value[key]
            elif item is None:
                self._null(value, key, child, declared=node.declares(key))
            elif child.type == "string" and type(item) is str and child.format is None:
                continue  # Most values: nothing to do.
            elif child.form != "any":
                value[key] = self.value(item, child, (*path, key))
                if node.name:
                    self._struct = node.name

    def value(self, value: Any, node: Node, path: _Path) -> Any:
        if node.form == "object":
            if isinstance(value, dict):
                self.object(value, node, path)
            else:
                self._wrong(value, node, path)
        elif node.form == "list":
            if isinstance(value, list):
                self._items(value, node, path)
            else:
                self._wrong(value, node, path)
        elif node.form == "scalar":
            return self._scalar(value, node, path)
        return value

    def _items(self, items: list[Any], node: Node, path: _Path) -> None:
        item_node = node.item
        if item_node.form == "any":
            return
        for index, item in enumerate(items):
            items[index] = self.value(item, item_node, (*path, index))

    def _null(self, value: dict[str, Any], key: str, child: Node, *, declared: bool) -> None:
        if child.form == "any" and not declared:
            return  # Free-form content may hold nulls.
        if declared:
            del value[key]
        elif child.type == "string":
            value[key] = ""  # A null in a map of texts is the empty text.
        else:
            del value[key]

    def _scalar(self, value: Any, node: Node, path: _Path) -> Any:
        type_, format_ = node.type, node.format
        if format_ == "quantity":
            return self._quantity(value, node, path)
        if format_ == "int-or-string":
            if isinstance(value, bool) or not isinstance(value, (int, str)):
                self._wrong(value, node, path)
        elif type_ == "string":
            if not isinstance(value, str):
                self._wrong(value, node, path)
            elif format_ == "byte" and self._check and not is_base64(value):
                raise _WrongTypeError(f"illegal base64 data in {dotted(path)}")
        elif type_ == "integer":
            low, high = _INT_RANGE.get(format_ or "", _INT_RANGE["int64"])
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                self._wrong(value, node, path)
        elif (type_ == "boolean" and not isinstance(value, bool)) or (
            type_ == "number" and (isinstance(value, bool) or not isinstance(value, (int, float)))
        ):
            self._wrong(value, node, path)
        return value

    def _quantity(self, value: Any, node: Node, path: _Path) -> Any:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return repr(value)
        if not isinstance(value, str):
            self._wrong(value, node, path)
        elif self._check and not _QUANTITY.fullmatch(value):
            raise _WrongTypeError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
        return value

    def _wrong(self, value: Any, node: Node, path: _Path) -> None:
        if not self._check:
            return
        wanted = _GO_TYPES.get(node.type or "", node.format or "int64")
        where = ".".join(str(part) for part in path if isinstance(part, str))
        told = "number" if wanted == "string" and _go_name(value)[:6] == "number" else _go_name(value)
        raise _WrongTypeError(f"json: cannot unmarshal {told} into Go struct field {self._struct}.{where} of type {wanted}")


def _go_name(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, (int, float)):
        return f"number {value}"
    return "array" if isinstance(value, list) else "object"


def is_base64(text: str) -> bool:
    """True for standard base64 with padding; line breaks are allowed, as in the real decoder."""
    if "\n" in text or "\r" in text:
        text = text.replace("\n", "").replace("\r", "")
    return len(text) % 4 == 0 and re.fullmatch(r"[A-Za-z0-9+/]*={0,2}", text) is not None


def dotted(path: Iterable[str | int]) -> str:
    """`spec.containers[0].image`."""
    out = ""
    for part in path:
        out += f"[{part}]" if isinstance(part, int) else (f".{part}" if out else part)
    return out


def expect_object(value: Any, kind: str = "") -> dict[str, Any]:
    """The body as an object. Raises a 400 for any other JSON value."""
    if not isinstance(value, dict):
        wanted = f" (must be of type {kind})" if kind else ""
        raise bad_request(f"the object provided is unrecognized{wanted}: couldn't get version/kind; it is not a JSON object")
    return value


def check_kind(object_: dict[str, Any]) -> None:
    """An applied object says what it is; the path alone is not enough. Raises a 400."""
    if not object_.get("apiVersion") or not object_.get("kind"):
        told = f"{object_.get('apiVersion') or '/'}, Kind={object_.get('kind') or ''}"
        raise bad_request(f"invalid object type: {told}")
