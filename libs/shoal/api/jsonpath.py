"""The part of Kubernetes' JSONPath that names one place: fields and indexes, `{.jobs[0].id}`, `{.labels['app.kubernetes.io/name']}`."""

from __future__ import annotations

import re
from typing import Any, cast

LENGTH_MAX = 512
_STEP = re.compile(r"\.([A-Za-z_][-A-Za-z0-9_]*)|\[(\d{1,9})\]|\['([^'\\]+)'\]|\[\"([^\"\\]+)\"\]")


class PathInvalid(ValueError):
    """The text names no single place."""


def steps(text: str) -> tuple[str | int, ...]:
    """Field names and list indexes, in order. Raises `PathInvalid`: wildcards, slices, filters and functions may give several values."""
    inner = text.strip()
    if inner.startswith("{") and inner.endswith("}"):
        inner = inner[1:-1].strip()
    inner = inner.removeprefix("$")
    found, position = list[str | int](), 0
    while position < len(inner) <= LENGTH_MAX and (step := _STEP.match(inner, position)):
        name, index, single, double = step.groups()
        found.append(int(index) if index is not None else name or single or double)
        position = step.end()
    if not found or position < len(inner):
        raise PathInvalid(
            f"{text[:80]!r} is no path of fields and indexes; write one such as {{.jobStatus.jobID}} or {{.conditions[0].type}}"
        )
    return tuple(found)


def value_at(value: Any, text: str) -> Any:
    """What stands at the place. Raises `PathInvalid`, and LookupError when nothing stands there."""
    for step in steps(text):
        kind = list if isinstance(step, int) else dict
        if not isinstance(value, kind):
            raise LookupError(step)
        value = cast("Any", value)[step]
    return value
