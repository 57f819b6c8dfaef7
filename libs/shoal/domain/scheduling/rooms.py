"""Room in every cluster at once: the general estimator (`heard_room`), column by column, since a decision asks a thousand clusters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from shoal.api.cluster_view import ClusterView
from shoal.domain.scheduling.estimate import UNLIMITED, room_for


def heard_room(cluster: ClusterView, request: Mapping[str, int]) -> int:
    """`room_for` a cluster that is heard; what is not takes nothing more, whatever it had room for when it was heard last."""
    return room_for(cluster, request) if cluster.ready else 0


class Rooms:
    """What is free, one column per resource; prepared once per snapshot. Says of each cluster what `heard_room` says."""

    def __init__(self, clusters: Sequence[ClusterView]) -> None:
        self._clusters = clusters
        self._pods = [_pods(cluster) for cluster in clusters]
        resources = {name for cluster in clusters for name in cluster.free or ()}
        self._free = {name: [(cluster.free or {}).get(name, 0) for cluster in clusters] for name in sorted(resources)}
        # A cluster whose nodes are known in grades is asked by itself.
        self._graded = {place for place, cluster in enumerate(clusters) if cluster.models}

    def following(self, clusters: Sequence[ClusterView], places: Iterable[int]) -> Rooms:
        """That of clusters of which only those at `places` differ."""
        rooms = Rooms(())
        rooms._clusters, rooms._pods, rooms._graded = clusters, list(self._pods), set(self._graded)
        rooms._free = {name: list(column) for name, column in self._free.items()}
        for place in places:
            cluster = clusters[place]
            rooms._pods[place] = _pods(cluster)
            for name in cluster.free or ():
                if name not in rooms._free:
                    rooms._free[name] = [0] * len(clusters)
            for name, column in rooms._free.items():
                column[place] = (cluster.free or {}).get(name, 0)
            (rooms._graded.add if cluster.models else rooms._graded.discard)(place)
        return rooms

    def of(self, request: Mapping[str, int]) -> tuple[int, ...]:
        """By position of the cluster: how many further pods that ask for so much fit."""
        room = self._pods
        for name, amount in request.items():
            column = self._free.get(name)
            if column is None:  # No cluster tells of it.
                room = [0] * len(room)
                break
            room = [least if least < (fitting := free // amount) else fitting for least, free in zip(room, column, strict=True)]
        result = list(room)
        for place in self._graded:
            result[place] = heard_room(self._clusters[place], request)
        return tuple(result)


def _pods(cluster: ClusterView) -> int:
    return max(0, min((cluster.free or {}).get("pods", 0) // 1000, UNLIMITED)) if cluster.ready else 0
