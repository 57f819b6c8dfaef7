"""How many pods a workload wants and what each of them needs, as an interpreter reads it from a template."""

from __future__ import annotations

from shoal.api.binding import Component, ReplicaRequirements
from shoal.api.meta import Struct


class Replicas(Struct, frozen=True, kw_only=True):
    count: int
    requirements: ReplicaRequirements | None = None
    """None when there are neither requests nor node constraints (R2.8)."""
    components: tuple[Component, ...] = ()
    """Of workloads with several pod templates; `count` is 0 then."""
