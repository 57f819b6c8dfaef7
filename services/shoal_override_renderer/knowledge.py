"""What the renderer knows beside the binding in hand: clusters, override policies, who waits for whom; kept up by the view's callbacks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from shoal.api.binding import OWNERS_GONE, Binding
from shoal.api.cluster import GROUP as CLUSTER_GROUP
from shoal.api.cluster_view import ClusterView
from shoal.api.clusters import Clusters
from shoal.api.meta import Manifest, Ref
from shoal.api.override import OverridePolicy
from shoal.api.policy import GROUP as POLICY_GROUP
from shoal.api.selecting import selects as selected
from shoal.bus.entries import Entry
from shoal.messages.catalogue import BELIEF, BINDING, OBJECT

OVERRIDE_KINDS = ("ClusterOverridePolicy", "OverridePolicy")


class Knowledge:
    def __init__(self) -> None:
        self._clusters = Clusters()
        self._overrides: dict[Ref, OverridePolicy] = {}
        self._waiting: dict[Ref, set[Ref]] = defaultdict(set)
        """Owner -> refs with a removal that waits until the owner has left a cluster."""

    @property
    def clusters(self) -> Mapping[str, ClusterView]:
        """By name; one without a member id has not registered yet."""
        return self._clusters.by_name

    def heard(self, entry: Entry[Any]) -> bool:
        """Takes in one entry of STATE; in order, also while the view loads. True when a cluster looks different to what is rendered for it."""
        before = _asked_of(self.clusters.get(entry.ref.name))
        self._take_in(entry)
        return entry.ref.group == CLUSTER_GROUP and _asked_of(self.clusters.get(entry.ref.name)) != before

    def _take_in(self, entry: Entry[Any]) -> None:
        ref = entry.ref
        if entry.family.name == OBJECT.name and ref.group == CLUSTER_GROUP:
            self._clusters.told(ref.name, None if entry.deleted else entry.body)
        elif entry.family.name == BELIEF.name:
            self._clusters.believed(ref.name, None if entry.deleted else entry.body)
        elif entry.family.name == OBJECT.name and ref.group == POLICY_GROUP and ref.kind in OVERRIDE_KINDS:
            self._override(entry)
        elif entry.family.name == BINDING.name:
            self._binding(entry)

    def overrides_for(self, ref: Ref) -> Iterator[OverridePolicy]:
        """Policies in scope of an object (R5.1); which of them select it, and in which order, is `domain.overriding`'s to say."""
        return (
            p for r, p in self._overrides.items() if r.kind == "ClusterOverridePolicy" or (ref.namespace and r.namespace == ref.namespace)
        )

    def waiting_for(self, owner: Ref) -> Iterable[Ref]:
        """Dependencies whose removal waits for this owner's copies to be gone."""
        return tuple(self._waiting.get(owner, ()))

    @staticmethod
    def policy(entry: Entry[Any] | None) -> OverridePolicy | None:
        """The override policy of an entry; None for a tombstone or none."""
        return None if entry is None or entry.deleted else msgspec.convert(entry.body, OverridePolicy)

    def _override(self, entry: Entry[Any]) -> None:
        policy = self.policy(entry)
        if policy is None:
            self._overrides.pop(entry.ref, None)
        else:
            self._overrides[entry.ref] = policy

    def _binding(self, entry: Entry[Any]) -> None:
        for waiting in self._waiting.values():
            waiting.discard(entry.ref)
        binding = entry.body
        if isinstance(binding, Binding):
            for removal in binding.removals.values():
                if removal.wait_for == OWNERS_GONE:
                    for owner in removal.owners:
                        self._waiting[owner].add(entry.ref)


def _asked_of(cluster: ClusterView | None) -> tuple[Any, ...]:
    """What override rules ask of a cluster (R3.5), and the id under which it is addressed; its room and its state change far more often."""
    return () if cluster is None else (cluster.member, cluster.labels, cluster.provider, cluster.region, cluster.zones)


def may_select(policy: OverridePolicy | None, template: Manifest) -> bool:
    """Whether a change of this policy can change what is rendered of the template (R5.2, R5.8). One without selectors talks about all in scope.

    A namespaced policy sees the object after the cluster policies, which may add the label it selects by: its labels are not asked here.
    Looking too often costs a rendering, and equal content is not written.
    """
    if policy is None:
        return False
    selectors = policy.spec.resource_selectors
    if policy.kind == "OverridePolicy":
        selectors = tuple(msgspec.structs.replace(selector, label_selector=None) for selector in selectors)
    return not selectors or any(selected(selector, template) for selector in selectors)
