"""The "no" of selecting and assigning."""

from __future__ import annotations

from typing import NamedTuple


class Unplaced(NamedTuple):
    """No placement under the affinity that was tried, and why."""

    reason: str
    """Reason of the Scheduled condition."""
    message: str
