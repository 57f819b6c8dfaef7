"""How a selector meets an object (R1.1), and an affinity a cluster (R3.5): the two matchings that several decisions share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from shoal.api.meta import Manifest, Requirement
from shoal.api.policy import ClusterAffinity, ResourceSelector

NONE, ALL, LABEL, NAME = 0, 1, 2, 3
"""How closely a selector speaks of a template: not at all, as one of a kind, through a label selector, by its name (R1.2)."""


class Located(Protocol):
    """What an affinity looks at; `ClusterView` has it."""

    @property
    def name(self) -> str: ...
    @property
    def labels(self) -> dict[str, str]: ...
    @property
    def provider(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def zones(self) -> tuple[str, ...]: ...


def selects(selector: ResourceSelector, manifest: Manifest) -> bool:
    """True when the selector matches the object (R1.1). With a name the label selector is not consulted."""
    return closeness(selector, manifest) > NONE


def closeness(selector: ResourceSelector, manifest: Manifest) -> int:
    """NONE, ALL, LABEL or NAME (R1.2); a label selector that is present but empty counts as LABEL."""
    if selector.kind != manifest.get("kind") or selector.api_version != manifest.get("apiVersion"):
        return NONE
    metadata = manifest.get("metadata") or {}
    if selector.namespace and selector.namespace != (metadata.get("namespace") or ""):
        return NONE
    if selector.name:
        return NAME if selector.name == metadata.get("name") else NONE
    if selector.label_selector is None:
        return ALL
    return LABEL if selector.label_selector.matches(metadata.get("labels") or {}) else NONE


def closest(selectors: Iterable[ResourceSelector], manifest: Manifest) -> int:
    """The implicit priority of a policy for a template: the maximum over its selectors (R1.2)."""
    return max((closeness(selector, manifest) for selector in selectors), default=NONE)


def cluster_matches(affinity: ClusterAffinity | None, cluster: Located) -> bool:
    """True when the affinity speaks of the cluster (R3.5): not excluded, and every given criterion holds. None speaks of all."""
    if affinity is None:
        return True
    if cluster.name in affinity.exclude:
        return False
    if affinity.cluster_names and cluster.name not in affinity.cluster_names:
        return False
    if affinity.label_selector is not None and not affinity.label_selector.matches(cluster.labels):
        return False
    return affinity.field_selector is None or all(field_holds(term, cluster) for term in affinity.field_selector.match_expressions)


def field_holds(term: Requirement, cluster: Located) -> bool:
    """One field expression. A cluster has at most one provider and region and any number of zones; an empty value is an absent one."""
    if term.key == "zone":
        values: tuple[str, ...] = cluster.zones
    else:
        value = cluster.provider if term.key == "provider" else cluster.region if term.key == "region" else ""
        values = (value,) if value else ()
    if term.operator == "In":
        return any(value in term.values for value in values)
    if term.operator == "NotIn":
        return not any(value in term.values for value in values)
    if term.operator == "Exists":
        return bool(values)
    return not values  # DoesNotExist; admission refuses other operators.
