"""PersistentVolume (core): claimed in each member by itself."""

from __future__ import annotations

from collections.abc import Sequence

from shoal.api.meta import Manifest
from shoal.api.status import CopyStatus
from shoal.domain.interpreting.interpreter import Interpreter
from shoal.domain.interpreting.metadata import at, put
from shoal.domain.interpreting.statuses import present

_WORST_FIRST = ("Failed", "Pending", "Available", "Bound", "Released")


def retain(desired: Manifest, live: Manifest) -> Manifest:
    """The claim it serves (R7.3)."""
    claim = at(live, "spec", "claimRef")
    return put(desired, claim, "spec", "claimRef") if claim else desired


def aggregate(template: Manifest, items: Sequence[CopyStatus], generation: int) -> Manifest | None:
    phases = {status.get("phase") for _, status in present(items)}
    worst = next((phase for phase in _WORST_FIRST if phase in phases), None)
    return {"phase": worst} if worst else None


INTERPRETER = Interpreter(group="", kind="PersistentVolume", retain=retain, aggregate=aggregate)
