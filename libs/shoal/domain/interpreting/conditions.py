"""Conditions inside member statuses."""

from __future__ import annotations

from shoal.api.meta import Manifest
from shoal.domain.interpreting.metadata import maps


def condition(status: Manifest, kind: str) -> Manifest | None:
    """The condition of that type, whatever its status."""
    return next((item for item in maps(status.get("conditions")) if item.get("type") == kind), None)


def holds(status: Manifest, kind: str) -> bool:
    """Whether the condition is True."""
    found = condition(status, kind)
    return found is not None and found.get("status") == "True"
