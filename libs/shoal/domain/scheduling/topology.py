"""What groups clusters: region, provider, zones, or the value of a label (C11 to C13, GX09)."""

from __future__ import annotations

from collections.abc import Sequence

from shoal.api.cluster_view import ClusterView

LABEL_PREFIX = "label:"


def key_of(field: str, label: str) -> str:
    """How a spread constraint names its groups; empty for one by cluster."""
    return LABEL_PREFIX + label if label else "" if field == "cluster" else field


def groups_by(key: str, clusters: Sequence[ClusterView]) -> tuple[str, ...]:
    """The group of each cluster, by position; empty for one that is in none."""
    if key == "region":
        return tuple(cluster.region for cluster in clusters)
    if key == "provider":
        return tuple(cluster.provider for cluster in clusters)
    if key == "zone":
        return _by_zone(clusters)
    return tuple(cluster.labels.get(key.removeprefix(LABEL_PREFIX), "") for cluster in clusters)


def _by_zone(clusters: Sequence[ClusterView]) -> tuple[str, ...]:
    """A cluster may lie in several zones: clusters that share one are in one group, so that two groups share nothing."""
    joined: dict[str, str] = {}

    def root(zone: str) -> str:
        while joined.setdefault(zone, zone) != zone:
            zone = joined[zone]
        return zone

    for cluster in clusters:
        for zone in cluster.zones[1:]:
            first, other = sorted((root(cluster.zones[0]), root(zone)))
            joined[other] = first
    members: dict[str, set[str]] = {}
    for cluster in clusters:
        for zone in cluster.zones:
            members.setdefault(root(zone), set()).add(zone)
    names = {first: "+".join(sorted(zones)) for first, zones in members.items()}
    return tuple(names[root(cluster.zones[0])] if cluster.zones else "" for cluster in clusters)
