"""What users say about clusters beside the Cluster objects: Remedies and ClusterTaintPolicies, read anew only when one of them changed."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from shoal.api.cluster import Cluster
from shoal.api.cluster_view import view_of
from shoal.api.meta import Condition, Manifest, Ref
from shoal.api.policy import GROUP as POLICY_GROUP
from shoal.api.remedy import GROUP as REMEDY_GROUP
from shoal.api.remedy import KIND as REMEDY_KIND
from shoal.api.remedy import RemedySpec
from shoal.api.selecting import cluster_matches
from shoal.api.taint_policy import ClusterTaintPolicySpec
from shoal.bus.entries import Entry
from shoal.bus.view import View
from shoal.domain.health import Tainting
from shoal.messages.catalogue import OBJECT

T = TypeVar("T")
Revisions = tuple[int, ...]


class Steering:
    """Asked for every cluster at every look, which is why it remembers."""

    def __init__(self, state: View) -> None:
        self._state = state
        self._specs: dict[type, tuple[Revisions, tuple[Any, ...]]] = {}
        self._taintings: dict[Ref, tuple[Revisions, tuple[Tainting, ...]]] = {}

    def told(self, cluster: Entry[Manifest]) -> tuple[Condition, ...]:
        """Conditions that others wrote into the Cluster's status."""
        return msgspec.convert((cluster.body.get("status") or {}).get("conditions") or (), tuple[Condition, ...])

    def remedies(self) -> tuple[RemedySpec, ...]:
        return self._read(REMEDY_GROUP, REMEDY_KIND, RemedySpec)[1]

    def taintings(self, cluster: Entry[Manifest]) -> tuple[Tainting, ...]:
        revisions, policies = self._read(POLICY_GROUP, "ClusterTaintPolicy", ClusterTaintPolicySpec)
        if not policies:
            return ()
        known, key = self._taintings.get(cluster.ref), (cluster.revision, *revisions)
        if known is None or known[0] != key:
            seen = view_of(msgspec.convert(cluster.body, Cluster), None)
            found = tuple(Tainting(policy, cluster_matches(policy.target_clusters, seen)) for policy in policies)
            known = self._taintings[cluster.ref] = (key, found)
        return known[1]

    def _read(self, group: str, kind: str, spec: type[T]) -> tuple[Revisions, tuple[T, ...]]:
        """All that are not being deleted, the oldest first."""
        found = sorted(
            (
                (entry.body["metadata"].get("creationTimestamp") or "", entry.ref, entry)
                for entry in self._state.entries(OBJECT, group=group, kind=kind)
                if not entry.deleted and not entry.body["metadata"].get("deletionTimestamp")
            ),
            key=lambda item: item[:2],
        )
        revisions = tuple(entry.revision for _, _, entry in found)
        known = self._specs.get(spec)
        if known is None or known[0] != revisions:
            known = self._specs[spec] = (revisions, tuple(msgspec.convert(entry.body["spec"], spec) for _, _, entry in found))
        return known
