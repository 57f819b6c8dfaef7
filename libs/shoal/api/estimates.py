"""What better estimators than the inventory are asked and say (Q02)."""

from __future__ import annotations

from shoal.api.binding import Component, ReplicaRequirements
from shoal.api.meta import Struct


class PodSize(Struct, frozen=True, kw_only=True):
    """How many more of these fit?"""

    namespace: str = ""
    """Whose quotas count."""
    requirements: ReplicaRequirements | None = None
    components: tuple[Component, ...] = ()
    """Of a workload with several pod templates: whole sets are asked for."""


class Estimates(Struct, frozen=True, kw_only=True):
    """The answers of some clusters about pods of one size."""

    size: PodSize
    rooms: dict[str, int] = {}
    """By cluster: further replicas (with several components: sets) that fit."""
    without: dict[str, str] = {}
    """By cluster: why there is no answer. There the general estimate counts."""
