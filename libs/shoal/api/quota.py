"""Karmada's FederatedResourceQuota (`policy.karmada.io/v1alpha1`): what a namespace may use across all clusters (R15.2)."""

from __future__ import annotations

from typing import Any

from shoal.api.meta import ObjectMeta, Strict, Struct

GROUP = "policy.karmada.io"
KIND = "FederatedResourceQuota"


class StaticClusterAssignment(Strict, frozen=True, kw_only=True):
    """The part of one cluster, which becomes a ResourceQuota there."""

    cluster_name: str
    hard: dict[str, Any] = {}
    """Quantities by resource, such as `requests.cpu: "10"`; a number is legal where Kubernetes takes one."""


class FederatedResourceQuotaSpec(Strict, frozen=True, kw_only=True):
    overall: dict[str, Any] = {}
    """Quantities by resource, for all clusters together."""
    static_assignments: tuple[StaticClusterAssignment, ...] = ()


class ClusterQuotaStatus(Struct, frozen=True, kw_only=True):
    cluster_name: str
    hard: dict[str, str] = {}
    used: dict[str, str] = {}


class FederatedResourceQuotaStatus(Struct, frozen=True, kw_only=True):
    overall: dict[str, str] = {}
    """As enforced."""
    overall_used: dict[str, str] = {}
    aggregated_status: tuple[ClusterQuotaStatus, ...] = ()


class FederatedResourceQuota(Strict, frozen=True, kw_only=True):
    """A05. Written by users; its status by the system."""

    api_version: str = "policy.karmada.io/v1alpha1"
    kind: str = KIND
    metadata: ObjectMeta = ObjectMeta()
    spec: FederatedResourceQuotaSpec = FederatedResourceQuotaSpec()
    status: FederatedResourceQuotaStatus = FederatedResourceQuotaStatus()
