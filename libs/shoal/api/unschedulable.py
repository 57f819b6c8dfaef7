"""Pods that no node takes, as one member cluster counts them (R15.4)."""

from __future__ import annotations

from shoal.api.meta import Ref, Struct


class Unschedulable(Struct, frozen=True, kw_only=True):
    """Of one workload in one cluster."""

    ref: Ref
    replicas: int
    """That its copy asks for now: the count is about these, and about no other number."""
    pods: int
    """Of those replicas: found unschedulable for longer than was asked."""
