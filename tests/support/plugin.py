"""Asks one filter plugin alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shoal.api.cluster_view import ClusterView
from shoal.api.policy import ClusterAffinity, Placement
from shoal.domain.scheduling import PLUGINS, Snapshot
from shoal.domain.scheduling.question import Question
from support import build


def refused(
    plugin: str,
    *clusters: ClusterView,
    to: Placement | None = None,
    current: Iterable[str] = (),
    leaving: Iterable[str] = (),
    overflow: tuple[ClusterAffinity, ...] = (),
    **facts: Any,
) -> dict[str, str]:
    """Cluster -> reason, of that plugin; `current` has the workload already, `leaving` is being left."""
    snapshot = Snapshot(clusters)
    request = build.request(to or Placement(), **facts)
    affinities = (request.placement.cluster_affinity, *overflow)
    question = Question(request, snapshot, affinities, snapshot.bits(current), snapshot.bits(leaving))
    return {name: rejection.reason for bits, rejection in PLUGINS[plugin](question) for name in snapshot.names_in(bits)}
