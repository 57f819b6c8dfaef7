"""Copies that have to be gone before new ones are made (R6.2)."""

from __future__ import annotations

from collections.abc import Container

from shoal.api.binding import Binding


def purging(binding: Binding, told: Container[str]) -> tuple[str, ...]:
    """Clusters that a purge mode Directly evicted the binding from, and whose copy may still run: no new copy is made while there is one.

    `told`: clusters that were ever told to run it; where nobody was told, nothing can run. A cluster leaves the removals, and with them
    this answer, when its member says that the copy is gone, when the cluster is forgotten, or when a user answers for it. Not by time,
    as in Karmada after ten minutes: a cluster that nobody hears may well run it still, and two copies are what Directly forbids.
    """
    return tuple(name for name, removal in binding.removals.items() if removal.first and name in told)
