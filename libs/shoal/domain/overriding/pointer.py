"""JSON pointers (RFC 6901) and the add, remove and replace of JSON Patch (RFC 6902), on values that are shared and never changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shoal.api.override import POINTER_MAX, POINTER_STEPS_MAX
from shoal.domain.overriding.failed import Unusable


def steps_of(pointer: str) -> list[str]:
    """The unescaped steps; the empty pointer names the whole document."""
    if len(pointer) > POINTER_MAX or pointer.count("/") > POINTER_STEPS_MAX:
        raise Unusable(f"path {pointer[:80]!r}... is longer than {POINTER_MAX} characters or {POINTER_STEPS_MAX} steps")
    if not pointer:
        return []
    if not pointer.startswith("/"):
        raise Unusable(f'path {pointer!r} must begin with "/"')
    for position, letter in enumerate(pointer):
        if letter == "~" and pointer[position + 1 : position + 2] not in ("0", "1"):
            raise Unusable(f"path {pointer!r}: write ~0 for ~ and ~1 for /")
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/")]


def resolve(document: Any, steps: Sequence[str], pointer: str) -> Any:
    """The value at the steps; raises when one of them does not exist."""
    for step in steps:
        document = _child(document, step, pointer)
    return document


def _child(parent: Any, step: str, pointer: str) -> Any:
    if isinstance(parent, dict):
        if step not in parent:
            raise Unusable(f"path {pointer}: there is no {step!r}")
        return parent[step]
    if isinstance(parent, list):
        return parent[_index(step, len(parent) - 1, pointer)]
    raise Unusable(f"path {pointer}: {step!r} is looked for in a {_kind(parent)}")


def _index(step: str, last: int, pointer: str) -> int:
    if not step.isascii() or not step.isdecimal() or (len(step) > 1 and step[0] == "0") or len(step) > 9:
        raise Unusable(f"path {pointer}: {step!r} is no position in a list")
    if int(step) > last:
        raise Unusable(f"path {pointer}: the list ends before position {step}")
    return int(step)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    return {str: "text", bool: "boolean", int: "number", float: "number"}.get(type(value), type(value).__name__)


def replaced(document: Any, steps: Sequence[str], value: Any, pointer: str) -> Any:
    """A copy with the existing value at the steps replaced; shares everything beside the path."""
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    child = replaced(_child(document, step, pointer), rest, value, pointer)
    if isinstance(document, dict):
        return {**document, step: child}
    position = int(step)
    return [*document[:position], child, *document[position + 1 :]]


def patched(document: Any, operator: str, pointer: str, value: Any) -> Any:
    """One operation: `add` inserts or sets, `replace` and `remove` need something there. Raises `Unusable` when it cannot be done."""
    steps = steps_of(pointer)
    if operator == "replace":
        return replaced(document, steps, value, pointer)
    if operator not in ("add", "remove"):
        raise Unusable(f"operator {operator!r} is not one of add, replace, remove")
    if not steps:
        if operator == "remove":
            raise Unusable("the whole object cannot be removed")
        return value
    parent = resolve(document, steps[:-1], pointer)
    edited = _added(parent, steps[-1], value, pointer) if operator == "add" else _removed(parent, steps[-1], pointer)
    return replaced(document, steps[:-1], edited, pointer)


def _added(parent: Any, step: str, value: Any, pointer: str) -> Any:
    if isinstance(parent, dict):
        return {**parent, step: value}
    if isinstance(parent, list):
        position = len(parent) if step == "-" else _index(step, len(parent), pointer)
        return [*parent[:position], value, *parent[position:]]
    raise Unusable(f"path {pointer}: nothing can be added to a {_kind(parent)}")


def _removed(parent: Any, step: str, pointer: str) -> Any:
    _child(parent, step, pointer)
    if isinstance(parent, dict):
        return {key: item for key, item in parent.items() if key != step}
    position = int(step)
    return [*parent[:position], *parent[position + 1 :]]
