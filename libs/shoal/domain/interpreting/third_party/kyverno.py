"""Kyverno (kyverno.io): policies that each member enforces by itself."""

from __future__ import annotations

from shoal.api.meta import Manifest
from shoal.domain.interpreting.conditions import holds
from shoal.domain.interpreting.interpreter import Interpreter
from shoal.domain.interpreting.third_party.merging import Fields

_FIELDS = Fields(summed=("rulecount",), carried=("autogen",), every=("ready",), conditions=True)


def healthy(live: Manifest) -> bool:
    """Older versions say `ready`, newer ones a condition."""
    status = live.get("status") or {}
    ready = status.get("ready")
    return bool(ready) if ready is not None else holds(status, "Ready")


INTERPRETERS = tuple(
    Interpreter(group="kyverno.io", kind=kind, reflect=_FIELDS.reflect, health=healthy, aggregate=_FIELDS.aggregate)
    for kind in ("Policy", "ClusterPolicy")
)
