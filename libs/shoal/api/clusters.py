"""All clusters at this moment, kept up from the two statements about each: the user's (Cluster) and the monitor's (Belief)."""

from __future__ import annotations

import msgspec

from shoal.api.cluster import Cluster
from shoal.api.cluster_view import ClusterView, view_of
from shoal.api.meta import Manifest
from shoal.api.status import Belief


class Clusters:
    """A small join; services feed it from their view and read `by_name`."""

    def __init__(self) -> None:
        self.by_name: dict[str, ClusterView] = {}
        self.version = 0
        """Rises whenever some cluster looks different from before."""
        self._told: dict[str, Cluster] = {}
        self._forgotten: set[str] = set()
        self._believed: dict[str, Belief] = {}

    def told(self, name: str, manifest: Manifest | None) -> bool:
        """The Cluster object changed; None is its tombstone. True when the cluster looks different from before."""
        if manifest is None:
            self._forgotten.add(name)
        else:
            self._forgotten.discard(name)
            self._told[name] = msgspec.convert(manifest, Cluster)
        return self._join(name)

    def believed(self, name: str, belief: Belief | None) -> bool:
        """The monitor changed its mind; None is the tombstone of its belief. True when the cluster looks different from before."""
        if belief is None:
            self._believed.pop(name, None)
        else:
            self._believed[name] = belief
        return self._join(name)

    def _join(self, name: str) -> bool:
        cluster = self._told.get(name)
        if cluster is None:
            return False
        view = view_of(cluster, self._believed.get(name), forgotten=name in self._forgotten)
        if view == self.by_name.get(name):
            return False
        self.by_name[name] = view
        self.version += 1
        return True
