"""One thing that is wrong with an object."""

from __future__ import annotations

from typing import NamedTuple


class Violation(NamedTuple):
    path: str
    """As Karmada writes it: `spec.placement.clusterAffinities[0].affinityName`."""
    message: str
    """A sentence that says what to write."""
