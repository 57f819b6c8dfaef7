"""Karmada's `networking.karmada.io/v1alpha1`: MultiClusterService."""

from __future__ import annotations

from typing import Any

from shoal.api.meta import ObjectMeta, Strict

GROUP = "networking.karmada.io"
CROSS_CLUSTER, LOAD_BALANCER = "CrossCluster", "LoadBalancer"


class ExposurePort(Strict, frozen=True, kw_only=True):
    name: str = ""
    port: int


class ClusterSelector(Strict, frozen=True, kw_only=True):
    name: str = ""


class ExposureRange(Strict, frozen=True, kw_only=True):
    """The older way to name clusters."""

    cluster_names: tuple[str, ...] = ()


class MultiClusterServiceSpec(Strict, frozen=True, kw_only=True):
    types: tuple[str, ...] = ()
    ports: tuple[ExposurePort, ...] = ()
    """Empty: every port of the Service."""
    provider_clusters: tuple[ClusterSelector, ...] = ()
    """Empty: every cluster, as the next."""
    consumer_clusters: tuple[ClusterSelector, ...] = ()
    range: ExposureRange | None = None
    service_provision_clusters: tuple[str, ...] = ()
    service_consumption_clusters: tuple[str, ...] = ()


class MultiClusterService(Strict, frozen=True, kw_only=True):
    """A16. Written by users; it speaks of the Service of its name."""

    api_version: str = "networking.karmada.io/v1alpha1"
    kind: str = "MultiClusterService"
    metadata: ObjectMeta = ObjectMeta()
    spec: MultiClusterServiceSpec = MultiClusterServiceSpec()
    status: dict[str, Any] = {}
