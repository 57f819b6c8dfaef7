"""Whether an object has the fields and types of its struct: every unknown field and every wrong type, each with its exact path.

msgspec stops at the first one and does not tell the position in a list, so the walk over the types is made here.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import inspect

from shoal.domain.admission.violation import Violation

_DEPTH_MAX = 64
_WORDS: dict[type[inspect.Type], tuple[type | tuple[type, ...], str]] = {
    inspect.StrType: (str, "a text"),
    inspect.BoolType: (bool, "true or false"),
    inspect.IntType: (int, "a whole number"),
    inspect.FloatType: ((int, float), "a number"),
    inspect.DictType: (dict, "a map"),
    inspect.VarTupleType: (list, "a list"),
    inspect.StructType: (dict, "a map"),
}


def check(value: Any, struct: type[msgspec.Struct]) -> list[Violation]:
    """Everything in `value` that the struct does not know. A null counts as absent, as in Kubernetes."""
    return list(_check(value, _type_of(struct), "", 0))


def without_nulls(value: Any) -> Any:
    """The object without entries that are null; they mean "absent" to Kubernetes and would be a wrong type later."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


@lru_cache(maxsize=64)
def _type_of(struct: type[msgspec.Struct]) -> inspect.Type:
    return inspect.type_info(struct)


def _check(value: Any, expected: inspect.Type, path: str, depth: int) -> Iterator[Violation]:
    if value is None or isinstance(expected, inspect.AnyType):
        return
    if depth > _DEPTH_MAX:
        yield Violation(path, f"is nested more than {_DEPTH_MAX} levels deep")
        return
    if isinstance(expected, inspect.UnionType):
        expected = next(item for item in expected.types if not isinstance(item, inspect.NoneType))
        yield from _check(value, expected, path, depth)
        return
    python, word = _WORDS.get(type(expected), (object, ""))
    if not isinstance(value, python) or (isinstance(value, bool) and not isinstance(expected, inspect.BoolType)):
        yield Violation(path, f"has to be {word}, not {_word_of(value)}")
    else:
        yield from _check_inside(value, expected, path, depth)


def _check_inside(value: Any, expected: inspect.Type, path: str, depth: int) -> Iterator[Violation]:
    if isinstance(expected, inspect.StructType):
        yield from _check_struct(value, expected, path, depth)
    elif isinstance(expected, inspect.VarTupleType):
        for index, item in enumerate(value):
            yield from _check(item, expected.item_type, f"{path}[{index}]", depth + 1)
    elif isinstance(expected, inspect.DictType):
        for key, item in value.items():
            yield from _check(item, expected.value_type, f"{path}[{key}]", depth + 1)


def _check_struct(value: dict[str, Any], expected: inspect.StructType, path: str, depth: int) -> Iterator[Violation]:
    fields = {field.encode_name: field for field in expected.fields}
    for name, item in value.items():
        where = f"{path}.{name}" if path else name
        if name in fields:
            yield from _check(item, fields[name].type, where, depth + 1)
        elif expected.forbid_unknown_fields:
            yield Violation(where, f"unknown field{_instead(name, list(fields))}")
    for name, field in fields.items():
        if field.required and value.get(name) is None:
            yield Violation(f"{path}.{name}" if path else name, "Required value")


def _instead(name: str, known: list[str]) -> str:
    """A guess at what was meant, else what there is."""
    close = get_close_matches(name, known, n=1, cutoff=0.7)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(known[:20])}"


def _word_of(value: Any) -> str:
    for python, word in (
        (bool, "true or false"),
        (str, "a text"),
        (int, "a number"),
        (float, "a number"),
        (dict, "a map"),
        (list, "a list"),
    ):
        if isinstance(value, python):
            return word
    return type(value).__name__
