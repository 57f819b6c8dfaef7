"""What the pods of a workload use in one member cluster, as its metrics server and its API say it (R15.6)."""

from __future__ import annotations

from datetime import datetime

from shoal.api.meta import Ref, Struct

Amounts = dict[str, int]
"""Resource name -> thousandths (CPU: milli cores; memory: thousandths of a byte)."""


class PodUsage(Struct, frozen=True, kw_only=True):
    """One pod; amounts only of the resources that were asked for."""

    name: str
    phase: str = ""
    deleting: bool = False
    """It has a deletion timestamp."""
    started_at: datetime | None = None
    """When the kubelet took it."""
    ready: bool | None = None
    """None: it has no such condition yet."""
    ready_since: datetime | None = None
    """When that condition last changed."""
    sampled_at: datetime | None = None
    """End of the window that `usage` is an average of."""
    window_s: float = 0.0
    requests: dict[str, Amounts] = {}
    """By container, those that run beside each other (sidecars included)."""
    whole: Amounts = {}
    """Requests of the pod as a whole, which stand before those of its containers."""
    usage: dict[str, Amounts] | None = None
    """By container; None: there are no metrics of this pod."""


class TargetUsage(Struct, frozen=True, kw_only=True):
    """Of one workload in one cluster."""

    ref: Ref
    pods: tuple[PodUsage, ...] = ()
    """Those that the selector of its scale finds."""
    reason: str = ""
    """Why its pods cannot be told, as a sentence; empty when they are."""
    missing: str = ""
    """Why no usage is known of any of them, as a sentence; the pods are told all the same."""
