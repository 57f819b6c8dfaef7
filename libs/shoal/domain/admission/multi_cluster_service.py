"""MultiClusterService (A16, AA20)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from shoal.api.meta import Manifest
from shoal.api.networking import CROSS_CLUSTER, LOAD_BALANCER, ExposurePort, MultiClusterService, MultiClusterServiceSpec
from shoal.domain.admission.syntax import check_cluster_name, dns_label, one_of
from shoal.domain.admission.violation import Violation

_SERVICE = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?\Z")


def default(service: Manifest) -> Manifest:
    return service


def validate(service: MultiClusterService, old: MultiClusterService | None) -> Iterator[Violation]:
    spec, name = service.spec, service.metadata.name
    if name and (len(name) > 63 or not _SERVICE.match(name)):
        yield Violation("metadata.name", "is that of a Service: 1 to 63 lower case letters, digits or '-', beginning with a letter")
    if old is not None and old.spec.types != spec.types:
        told = f"MultiClusterService types are immutable: write {', '.join(old.spec.types)}, or delete the object and make a new one"
        yield Violation("spec.types", told)
    yield from _check_types(spec.types)
    for index, port in enumerate(spec.ports):
        yield from _check_port(port, spec.ports[:index], f"spec.ports[{index}]")
    for path, cluster in _named(spec):
        yield from check_cluster_name(cluster, path)


def _check_types(types: tuple[str, ...]) -> Iterator[Violation]:
    if not types:
        yield Violation("spec.types", f"Required value: {CROSS_CLUSTER} or {LOAD_BALANCER}")
    for index, one in enumerate(types):
        yield from one_of(one, (CROSS_CLUSTER, LOAD_BALANCER), f"spec.types[{index}]")
    if len(set(types)) > 1:
        yield Violation("spec.types", "MultiClusterService types should not contain more than one type: make one object for each")


def _check_port(port: ExposurePort, before: tuple[ExposurePort, ...], path: str) -> Iterator[Violation]:
    if port.name and (wrong := dns_label(port.name)):
        yield Violation(f"{path}.name", wrong)
    if port.name and any(port.name == other.name for other in before):
        yield Violation(f"{path}.name", f"Duplicate value: {port.name} names an earlier port")
    if not 0 < port.port < 65536:
        yield Violation(f"{path}.port", "must be between 1 and 65535, inclusive")


def _named(spec: MultiClusterServiceSpec) -> Iterator[tuple[str, str]]:
    """Every field that names a cluster."""
    for field, selectors in (("providerClusters", spec.provider_clusters), ("consumerClusters", spec.consumer_clusters)):
        yield from ((f"spec.{field}[{index}].name", one.name) for index, one in enumerate(selectors))
    older = {
        "range.clusterNames": spec.range.cluster_names if spec.range is not None else (),
        "serviceProvisionClusters": spec.service_provision_clusters,
        "serviceConsumptionClusters": spec.service_consumption_clusters,
    }
    for field, names in older.items():
        yield from ((f"spec.{field}[{index}]", name) for index, name in enumerate(names))
