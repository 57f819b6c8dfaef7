"""Room in every cluster at once: the general estimator (`room_for`), column by column, since a decision asks a thousand clusters."""

from __future__ import annotations

from collections.abc import Sequence

from shoal.api.binding import ReplicaRequirements
from shoal.api.cluster_view import ClusterView
from shoal.domain.scheduling.estimate import UNLIMITED, amounts, room_for


class Rooms:
    """What is free, one column per resource; prepared once per snapshot. Says of each cluster what `room_for` says."""

    def __init__(self, clusters: Sequence[ClusterView]) -> None:
        self._clusters = clusters
        self._pods = [min((cluster.free or {}).get("pods", 0) // 1000, UNLIMITED) for cluster in clusters]
        self._pods = [max(pods, 0) for pods in self._pods]
        resources = {name for cluster in clusters for name in cluster.free or ()}
        self._free = {name: [(cluster.free or {}).get(name, 0) for cluster in clusters] for name in sorted(resources)}
        # A cluster whose nodes are known in grades is asked by itself.
        self._graded = [place for place, cluster in enumerate(clusters) if any(count for count, _ in cluster.models)]

    def of(self, requirements: ReplicaRequirements | None) -> tuple[int, ...]:
        """By position of the cluster: how many further replicas of that size fit."""
        room = self._pods
        for name, amount in amounts(requirements).items():
            column = self._free.get(name)
            if column is None:  # No cluster tells of it.
                room = [0] * len(room)
                break
            room = [least if least < (fitting := free // amount) else fitting for least, free in zip(room, column, strict=True)]
        result = list(room)
        for place in self._graded:
            result[place] = room_for(self._clusters[place], requirements)
        return tuple(result)
