"""PersistentVolumeClaim (core): bound in each member by itself."""

from __future__ import annotations

from collections.abc import Sequence

from shoal.api.meta import Manifest
from shoal.api.status import CopyStatus
from shoal.domain.interpreting.interpreter import Interpreter
from shoal.domain.interpreting.metadata import at, put, without
from shoal.domain.interpreting.statuses import present

_SELECTED_NODE = "volume.kubernetes.io/selected-node"
_BOUND_BY_HUB = ("pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller")


def retain(desired: Manifest, live: Manifest) -> Manifest:
    """The volume it is bound to (R7.3)."""
    volume = at(live, "spec", "volumeName")
    return put(desired, volume, "spec", "volumeName") if volume else desired


def healthy(live: Manifest) -> bool:
    return bool(at(live, "status", "phase") == "Bound")


def aggregate(template: Manifest, items: Sequence[CopyStatus], generation: int) -> Manifest | None:
    """Lost beats any other phase, any other phase beats Bound (R8.3)."""
    phases = {phase for _, status in present(items) if (phase := status.get("phase"))}
    if not phases:
        return None
    return {"phase": "Lost" if "Lost" in phases else min(phases - {"Bound"}, default="Bound")}


def prune(manifest: Manifest) -> Manifest:
    """The node chosen in the hub (R6.5)."""
    for annotation in (_SELECTED_NODE, *_BOUND_BY_HUB):
        manifest = without(manifest, "metadata", "annotations", annotation)
    return manifest


INTERPRETER = Interpreter(group="", kind="PersistentVolumeClaim", retain=retain, health=healthy, aggregate=aggregate, prune=prune)
