"""A cluster as decisions see it: what the user says of it (Cluster) and what the monitor believes of it (Belief), in one noun."""

from __future__ import annotations

import math

import msgspec

from shoal.api.cluster import Cluster, Grade, ResourceSummary, Taint, grades_of
from shoal.api.options import CLUSTER_COST_ANNOTATION, CLUSTER_PRIORITY_ANNOTATION
from shoal.api.quantity import milli
from shoal.api.status import JOINING, READY, Belief


class ClusterView(msgspec.Struct, frozen=True, kw_only=True):
    """Made once per change of a cluster (`view_of`), read by every decision."""

    name: str
    member: str = ""
    labels: dict[str, str] = {}
    provider: str = ""
    region: str = ""
    zones: tuple[str, ...] = ()
    taints: tuple[Taint, ...] = ()
    """The user's and the belief's; identity is key and effect."""
    apis: frozenset[tuple[str, str]] = frozenset()
    """(apiVersion, kind) pairs that the cluster serves."""
    state: str = JOINING
    """Ready, Suspect, Lost or Joining."""
    deleting: bool = False
    """The Cluster has a deletionTimestamp: it takes nothing new, and what runs there moves away."""
    forgotten: bool = False
    """The Cluster's entry is a tombstone: nobody will ever report from there again."""
    free: dict[str, int] | None = None
    """Resource -> thousandths that are free (R4.16); None: no summary was ever reported."""
    created: str = ""
    """RFC 3339; of the Cluster object."""
    priority: int = 0
    """For policies that prefer by it; higher is better."""
    cost: float = 0.0
    """For policies that prefer by it; lower is better."""
    models: tuple[tuple[int, dict[str, int]], ...] = ()
    """Per resource model grade, ascending: number of nodes, and the grade's lower bounds in thousandths (R4.17)."""

    @property
    def ready(self) -> bool:
        return self.state == READY and not self.deleting


def view_of(cluster: Cluster, belief: Belief | None, *, forgotten: bool = False) -> ClusterView:
    """Joins the two statements. Without a belief the cluster is Joining: it was never heard."""
    spec, status = cluster.spec, belief.status if belief else cluster.status
    # A count stands beside the bounds it was counted by: those in the spec may be newer. The spec's are for counts that a user wrote.
    grades = (belief.grades if belief else ()) or grades_of(spec.resource_models)
    taints = {(taint.key, taint.effect): taint for taint in (belief.taints if belief else ())}
    taints |= {(taint.key, taint.effect): taint for taint in spec.taints}
    return ClusterView(
        name=cluster.metadata.name,
        member=belief.member if belief else "",
        labels=cluster.metadata.labels,
        provider=spec.provider,
        region=spec.region,
        zones=spec.zones or ((spec.zone,) if spec.zone else ()),
        taints=tuple(taints[key] for key in sorted(taints)),
        apis=frozenset((group.group_version, resource.kind) for group in status.api_enablements for resource in group.resources),
        state=belief.state if belief else JOINING,
        deleting=forgotten or cluster.metadata.deletion_timestamp is not None,
        forgotten=forgotten,
        created=cluster.metadata.creation_timestamp or "",
        priority=int(_number(cluster.metadata.annotations.get(CLUSTER_PRIORITY_ANNOTATION, ""))),
        cost=_number(cluster.metadata.annotations.get(CLUSTER_COST_ANNOTATION, "")),
        free=_free(status.resource_summary) if status.resource_summary else None,
        models=_models(grades, status.resource_summary) if status.resource_summary else (),
    )


def _number(text: str) -> float:
    """Of an annotation; one that is no number says nothing."""
    try:
        value = float(text or 0)
    except ValueError:
        return 0.0
    return value if math.isfinite(value) else 0.0


def _free(summary: ResourceSummary) -> dict[str, int]:
    """allocatable - allocated - allocating, never below zero; a resource that is not allocatable is not there."""
    used = (summary.allocated, summary.allocating)
    return {
        name: max(0, milli(total) - sum(milli(part[name]) for part in used if name in part)) for name, total in summary.allocatable.items()
    }


def _models(grades: tuple[Grade, ...], summary: ResourceSummary) -> tuple[tuple[int, dict[str, int]], ...]:
    """The counts that were reported, beside the lower bounds of their grades; empty when nothing was counted."""
    counts = {int(item.get("grade", 0)): int(item.get("count", 0)) for item in summary.allocatable_modelings}
    if not counts:
        return ()
    return tuple((counts.get(grade.number, 0), {name: milli(least) for name, least in grade.least.items()}) for grade in grades)
