"""Tables as `kubectl get` shows them: `Printer` turns objects into rows; the columns of built-in kinds are in `columns.py`."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from shoal.api.meta import Manifest
from shoal.kube.apiserver.ages import age
from shoal.kube.apiserver.columns import BUILTIN_COLUMNS, Cell
from shoal.kube.apiserver.paths import Target
from shoal.kube.apiserver.registry import Column


class Printer:
    """Makes tables; ages count to the moment that `now` gives."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now

    def table(self, target: Target, objects: list[Manifest], query: dict[str, str], *, metadata: dict[str, Any]) -> dict[str, Any]:
        """A `Table` of these objects. `includeObject` in the query says what each row carries: Metadata (default), Object, None."""
        cells = _cells(target)
        now = self._now()
        include = query.get("includeObject", "Metadata")
        return {
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata,
            "columnDefinitions": [_definition(cell) for cell in cells],
            "rows": [_row(object_, cells, include, now) for object_ in objects],
        }


def _cells(target: Target) -> tuple[Cell, ...]:
    resource = target.resource
    found = BUILTIN_COLUMNS.get((resource.group, resource.kind))
    if found is not None:
        return found
    added = resource.columns.get(target.version) or resource.columns.get("")
    if added is None:
        return (NAME, AGE)
    shown = [_custom(column) for column in added]
    return (NAME, *shown) if any(column.type == "date" and column.name.lower() == "age" for column in added) else (NAME, *shown, AGE)


NAME = Cell("Name", lambda object_, now: object_["metadata"].get("name", ""), format="name")
AGE = Cell("Age", lambda object_, now: age(object_["metadata"].get("creationTimestamp"), now))


def _custom(column: Column) -> Cell:
    path = _steps(column.path)

    def value(object_: Manifest, now: datetime) -> Any:
        found = _at(object_, path)
        if column.type == "date":
            return age(found, now)
        if isinstance(found, (dict, list)):
            return str(found)
        return "" if found is None else found

    return Cell(column.name, value, type=column.type if column.type != "date" else "string", priority=column.priority)


_STEP = re.compile(
    r"""\.?(?:
        (?P<name>[A-Za-z0-9_\-]+(?:\\\.[A-Za-z0-9_\-/]+)*)
      | \[\?\(@\.(?P<field>[\w.]+)\s*==\s*(?P<quote>['"])(?P<equals>.*?)(?P=quote)\)\]
      | \[(?P<index>-?\d+|\*)\]
      | \[(?P<q2>['"])(?P<key>.*?)(?P=q2)\]
    )""",
    re.VERBOSE,
)
"""The part of JSONPath that printer columns use: fields, indexes, and one comparison."""

_Step = tuple[str, str, str]


def _steps(path: str) -> list[_Step]:
    out: list[_Step] = []
    for found in _STEP.finditer(path.strip().removeprefix("$").strip("{}")):
        if found["field"]:
            out.append(("where", found["field"], found["equals"]))
        elif found["index"]:
            out.append(("index", found["index"], ""))
        else:
            out.append(("name", (found["name"] or found["key"]).replace("\\.", "."), ""))
    return out


def _at(value: Any, steps: list[_Step]) -> Any:
    for kind, name, equals in steps:
        if kind == "name":
            value = value.get(name) if isinstance(value, dict) else None
        elif not isinstance(value, list):
            return None
        elif kind == "where":
            value = next((one for one in value if isinstance(one, dict) and str(one.get(name)) == equals), None)
        elif name == "*":
            continue
        else:
            at = int(name)
            value = value[at] if -len(value) <= at < len(value) else None
    return value


def _definition(cell: Cell) -> dict[str, Any]:
    return {"name": cell.name, "type": cell.type, "format": cell.format, "description": cell.name, "priority": cell.priority}


def _row(object_: Manifest, cells: tuple[Cell, ...], include: str, now: datetime) -> dict[str, Any]:
    if "name" not in object_["metadata"]:  # A bookmark.
        values: list[Any] = [""] * len(cells)
    else:
        values = [cell.value(object_, now.astimezone(UTC)) for cell in cells]
    if include == "None":
        return {"cells": values, "object": None}
    if include == "Object":
        return {"cells": values, "object": object_}
    partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object_["metadata"]}
    return {"cells": values, "object": partial}
