"""Karmada's ClusterTaintPolicy (`policy.karmada.io/v1alpha1`): which taints follow from which conditions of a cluster (R10.6)."""

from __future__ import annotations

from typing import Any

from shoal.api.meta import ObjectMeta, Strict
from shoal.api.policy import ClusterAffinity


class MatchCondition(Strict, frozen=True, kw_only=True):
    condition_type: str
    operator: str
    """In or NotIn."""
    status_values: tuple[str, ...] = ()
    """True, False, Unknown."""


class PolicyTaint(Strict, frozen=True, kw_only=True):
    key: str
    effect: str
    value: str = ""


class ClusterTaintPolicySpec(Strict, frozen=True, kw_only=True):
    target_clusters: ClusterAffinity | None = None
    """None: every cluster."""
    add_on_conditions: tuple[MatchCondition, ...] = ()
    """All have to hold; an empty list never does."""
    remove_on_conditions: tuple[MatchCondition, ...] = ()
    taints: tuple[PolicyTaint, ...] = ()


class ClusterTaintPolicy(Strict, frozen=True, kw_only=True):
    """A06. Written by users."""

    api_version: str = "policy.karmada.io/v1alpha1"
    kind: str = "ClusterTaintPolicy"
    metadata: ObjectMeta = ObjectMeta()
    spec: ClusterTaintPolicySpec = ClusterTaintPolicySpec()
    status: dict[str, Any] = {}
