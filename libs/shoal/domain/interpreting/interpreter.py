"""The operations that a kind may have rules for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from shoal.api.meta import Manifest, Ref
from shoal.api.replicas import Replicas
from shoal.api.status import CopyStatus

HEALTHY, UNHEALTHY, UNKNOWN = "Healthy", "Unhealthy", "Unknown"


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """The rules of one kind; an operation that is None falls back to the generic rule. All rules leave their arguments as they are."""

    group: str
    kind: str
    replicas: Callable[[Manifest], Replicas | None] | None = None
    revise: Callable[[Manifest, int], Manifest] | None = None
    retain: Callable[[Manifest, Manifest], Manifest] | None = None
    """(desired, live) -> desired with the member's fields."""
    reflect: Callable[[Manifest], Manifest | None] | None = None
    health: Callable[[Manifest], bool] | None = None
    aggregate: Callable[[Manifest, Sequence[CopyStatus], int], Manifest | None] | None = None
    """(template, items, generation of the template)."""
    prune: Callable[[Manifest], Manifest] | None = None
    """Called after the metadata was pruned."""
    dependencies: Callable[[Manifest], Iterable[Ref]] | None = None
    pods: Callable[[Manifest], Iterable[Manifest]] | None = None
    """The pod specs inside; None for kinds that have at most one, at the usual place."""


Table = Mapping[tuple[str, str], Interpreter]
"""By (API group, kind); versions of a group share the rules."""


def layered(*tables: Table) -> dict[tuple[str, str], Interpreter]:
    """One table of several: of each operation, the first table that has it for the kind wins (R7.1)."""
    kinds = {key: None for table in tables for key in table}
    return {key: _first([table[key] for table in tables if key in table]) for key in kinds}


def _first(interpreters: Sequence[Interpreter]) -> Interpreter:
    operations = [field.name for field in fields(Interpreter) if field.name not in ("group", "kind")]
    chosen: dict[str, Any] = {
        name: next((rule for one in interpreters if (rule := getattr(one, name)) is not None), None) for name in operations
    }
    return Interpreter(group=interpreters[0].group, kind=interpreters[0].kind, **chosen)
