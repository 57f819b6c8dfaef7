"""What is supposed of a cluster: that it is lost, or that it has joined."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import msgspec

from shoal.api.cluster import Cluster, ClusterStatus
from shoal.api.meta import Manifest
from shoal.api.status import LOST, READY, Belief
from shoal.domain.health import taints
from shoal.domain.health.conditions import CLUSTER_READY, STATUS_UNKNOWN, conditions, ready_condition

_SUPPOSED = "supposed by a plan"


class Joined(NamedTuple):
    belief: Belief
    assumptions: tuple[str, ...]
    """Sentences about what was supposed."""


def lost(belief: Belief, *, now: datetime) -> Belief:
    """The belief of a cluster whose agent fell silent for the whole grace."""
    return _believed(belief, LOST, STATUS_UNKNOWN, belief.status, now)


def joined(manifest: Manifest, others: Iterable[tuple[Cluster, Belief]], *, now: datetime) -> Joined:
    """The belief of a cluster that joined and is Ready.

    With a `status` in its manifest that counts; without one it is like its nearest neighbour (same region, else same provider, else any
    Ready cluster), and empty.
    """
    cluster = msgspec.convert(manifest, Cluster)
    name, status, said = cluster.metadata.name, cluster.status, f"cluster {cluster.metadata.name} is Ready"
    if not status.api_enablements and status.resource_summary is None:
        like = min(
            ((one, belief) for one, belief in others if belief.state == READY and one.metadata.name != name),
            key=lambda pair: _distance(cluster, pair[0]),
            default=None,
        )
        if like is not None:
            status = _emptied(like[1].status)
            said += f", serves what {like[0].metadata.name} serves, and is as large and empty (its manifest has no status)"
        else:
            said += ", and nothing is known of what it serves (its manifest has no status, and no other cluster is Ready)"
    blank = Belief(member="", state=READY, since="", status=status)  # No agent is there that could be asked anything.
    return Joined(_believed(blank, READY, CLUSTER_READY, status, now), (said,))


def _believed(belief: Belief, state: str, reason: str, status: ClusterStatus, now: datetime) -> Belief:
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    ready = ready_condition(state, reason, _SUPPOSED)
    found = conditions(status.conditions, ready, None, stamp)
    return msgspec.structs.replace(
        belief,
        state=state,
        since=stamp,
        reason=reason,
        message=_SUPPOSED,
        taints=taints(ready),
        status=msgspec.structs.replace(status, conditions=found),
    )


def _distance(cluster: Cluster, other: Cluster) -> tuple[bool, bool, str]:
    return other.spec.region != cluster.spec.region, other.spec.provider != cluster.spec.provider, other.metadata.name


def _emptied(status: ClusterStatus) -> ClusterStatus:
    summary = status.resource_summary
    if summary is None:
        return status
    # How many of its nodes would be of which grade nobody has counted; its sums say what there is.
    blank = msgspec.structs.replace(summary, allocated={}, allocating={}, allocatable_modelings=())
    return msgspec.structs.replace(status, resource_summary=blank)
