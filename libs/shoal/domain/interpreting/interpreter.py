"""The operations that a kind may have rules for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

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
