"""All clusters at one moment, prepared once and asked by every decision until one of them changes.

A set of clusters is a whole number with one bit per cluster, so that a filter over a thousand clusters is a few operations on numbers.
What a filter asks again and again (an affinity, a list of tolerations, a request for resources) is remembered under its encoded form.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import partial
from itertools import compress
from typing import Any, TypeVar

import msgspec

from shoal.api.binding import Component, ReplicaRequirements
from shoal.api.cluster import Taint
from shoal.api.cluster_view import ClusterView
from shoal.api.meta import LabelSelector, Requirement
from shoal.api.options import PRIORITY
from shoal.api.policy import ClusterAffinity, Toleration
from shoal.domain.scheduling.estimate import sets_for
from shoal.domain.scheduling.rooms import Rooms
from shoal.domain.scheduling.topology import groups_by

T = TypeVar("T")
Bits = int
"""A set of clusters."""

_BLOCKING = ("NoSchedule", "NoExecute")
_REMEMBERED_MAX = 20_000
"""Answers kept per snapshot; enough for every policy of a big hub, and a bound for one that is asked nonsense."""
_LARGE_MAX = 200
"""Of answers that have something for every cluster; those of a thousand clusters have some 100 kB each."""
_TO_FLAGS = bytes.maketrans(b"01", b"\x00\x01")


class Snapshot:
    """The clusters, by name and by property. Equal questions have equal answers: the memory inside is not seen outside."""

    def __init__(self, clusters: Iterable[ClusterView]) -> None:
        self.clusters: tuple[ClusterView, ...] = tuple(sorted(clusters, key=lambda cluster: cluster.name.encode()))
        self.names: tuple[str, ...] = tuple(cluster.name for cluster in self.clusters)
        count = len(self.clusters)
        self.by_name = dict(zip(self.names, self.clusters, strict=True))
        # The first name has the highest bit: written in binary, the number reads in the order of the names.
        self._bit = {name: 1 << (count - 1 - position) for position, name in enumerate(self.names)}
        self._place = {name: position for position, name in enumerate(self.names)}
        self._rooms: Rooms | None = None
        self._answers: dict[tuple[str, bytes], Any] = {}
        self._large: dict[Hashable, Any] = {}
        self.forgotten = self._where(lambda cluster: cluster.forgotten)
        self.deleting = self._where(lambda cluster: cluster.deleting)
        self.ready = self._where(lambda cluster: cluster.ready)
        self.universe: Bits = (1 << count) - 1
        self.everything: Bits = self.universe & ~self.forgotten
        """Every cluster that is or may come back."""
        self.providers = self._by(lambda cluster: (cluster.provider,) if cluster.provider else ())
        self.regions = self._by(lambda cluster: (cluster.region,) if cluster.region else ())
        self.zones = self._by(lambda cluster: cluster.zones)
        self._labels = self._by(lambda cluster: tuple(cluster.labels.items()))
        self._label_keys = self._by(lambda cluster: tuple(cluster.labels))
        self._apis = self._by(lambda cluster: tuple(cluster.apis))
        self._taints = self._by(
            lambda cluster: tuple((taint.key, taint.value, taint.effect) for taint in cluster.taints if taint.effect in _BLOCKING)
        )

    def __len__(self) -> int:
        return self.everything.bit_count()

    def __contains__(self, name: str) -> bool:
        return name in self._bit

    def get(self, name: str) -> ClusterView | None:
        return self.by_name.get(name)

    def bit(self, name: str) -> Bits:
        """The cluster as a set; the empty set for one that is not known."""
        return self._bit.get(name, 0)

    def place(self, name: str) -> int | None:
        """Its position in what is told by position (`room`)."""
        return self._place.get(name)

    def bits(self, names: Iterable[str]) -> Bits:
        result = 0
        for name in names:
            result |= self._bit.get(name, 0)
        return result

    def names_in(self, bits: Bits) -> Iterator[str]:
        """Names of the set, in order."""
        return compress(self.names, self.flags(bits))

    def clusters_in(self, bits: Bits) -> Iterator[ClusterView]:
        return compress(self.clusters, self.flags(bits))

    def chosen(self, values: Iterable[T], bits: Bits) -> Iterator[T]:
        """Those of one value per cluster that belong to the set."""
        return compress(values, self.flags(bits))

    def indexes_in(self, bits: Bits) -> Iterator[int]:
        return compress(range(len(self.names)), self.flags(bits))

    def serving(self, api_version: str, kind: str) -> Bits:
        """Clusters whose API is known to have the kind (C16)."""
        return self._apis.get((api_version, kind), 0)

    def matching(self, affinity: ClusterAffinity | None) -> Bits:
        """R3.5 for all clusters at once; `cluster_matches` says the same of one."""
        if affinity is None:
            return self.everything
        return self._remembered("affinity", msgspec.msgpack.encode(affinity), lambda: self._match(affinity))

    def untolerated(self, tolerations: tuple[Toleration, ...]) -> tuple[tuple[Bits, Taint], ...]:
        """For each blocking taint that the tolerations do not cover: the clusters that have it."""
        return self._remembered("taints", msgspec.msgpack.encode(tolerations), lambda: self._untolerated(tolerations))

    def room(self, requirements: ReplicaRequirements | None, components: tuple[Component, ...] = ()) -> tuple[int, ...]:
        """By position of the cluster: how many further replicas of that size fit (R4.16), with several components whole sets (R4.20)."""
        key = size_of(requirements, components)
        if len(components) > 1:
            return self.kept(("sets", key), lambda: tuple(sets_for(cluster, components) for cluster in self.clusters))
        if self._rooms is None:
            self._rooms = Rooms(self.clusters)
        return self.kept(("room", key), partial(self._rooms.of, requirements))

    def heard_room(self, requirements: ReplicaRequirements | None, components: tuple[Component, ...] = ()) -> tuple[int, ...]:
        """The same, but what is not heard takes nothing more, whatever it had room for when it was heard last."""
        room = self.room(requirements, components)
        if self.ready == self.universe:
            return room
        return tuple(count if heard else 0 for count, heard in zip(room, self.flags(self.ready), strict=True))

    def groups(self, key: str) -> tuple[str, ...]:
        """By position of the cluster: its group of a topology (`topology.key_of`)."""
        return self.kept(("groups", key), lambda: groups_by(key, self.clusters))

    def levels(self, prefer: tuple[str, ...], most: int) -> tuple[int, ...]:
        """By position of the cluster: how far it is preferred by priority and cost, `most` for the best and 0 for the last."""
        return self.kept(("levels", prefer, most), lambda: _levels(self.clusters, prefer, most))

    def having(self, key: str) -> Bits:
        """Clusters that are in some group of the topology."""
        return self.kept(("having", key), lambda: self.bits(compress(self.names, self.groups(key)))) & self.everything

    def kept(self, key: Hashable, answer: Callable[[], T]) -> T:
        """An answer about every cluster, made once; the oldest of too many are forgotten."""
        known: T | None = self._large.get(key)
        if known is None:
            if len(self._large) >= _LARGE_MAX:
                del self._large[next(iter(self._large))]
            known = self._large[key] = answer()
        return known

    def _match(self, affinity: ClusterAffinity) -> Bits:
        result = self.bits(affinity.cluster_names) & self.everything if affinity.cluster_names else self.everything
        result &= ~self.bits(affinity.exclude)
        if affinity.label_selector is not None:
            result &= self._labelled(affinity.label_selector)
        for term in affinity.field_selector.match_expressions if affinity.field_selector else ():
            result &= self._field(term)
        return result

    def _labelled(self, selector: LabelSelector) -> Bits:
        result = self.everything
        for item in selector.match_labels.items():
            result &= self._labels.get(item, 0)
        for term in selector.match_expressions:
            has_key = self._label_keys.get(term.key, 0)
            result &= self._holds(term, self._union(self._labels, ((term.key, value) for value in term.values)), has_key)
        return result

    def _field(self, term: Requirement) -> Bits:
        by_value = {"provider": self.providers, "region": self.regions, "zone": self.zones}.get(term.key, {})
        return self._holds(term, self._union(by_value, term.values), self._union(by_value, by_value))

    def _holds(self, term: Requirement, among: Bits, present: Bits) -> Bits:
        """One expression: `among` has one of its values, `present` has any value."""
        if term.operator == "In":
            return among
        if term.operator == "NotIn":
            return self.everything & ~among
        return present if term.operator == "Exists" else self.everything & ~present

    def _untolerated(self, tolerations: tuple[Toleration, ...]) -> tuple[tuple[Bits, Taint], ...]:
        return tuple(
            (bits, Taint(key=key, value=value, effect=effect))
            for (key, value, effect), bits in sorted(self._taints.items())
            if not any(toleration.tolerates(key, value, effect) for toleration in tolerations)
        )

    def _remembered(self, what: str, key: bytes, answer: Callable[[], T]) -> T:
        known: T | None = self._answers.get((what, key))
        if known is None:
            if len(self._answers) >= _REMEMBERED_MAX:
                self._answers.clear()
            known = self._answers[what, key] = answer()
        return known

    def flags(self, bits: Bits) -> bytes:
        """By position of the cluster: 1 when it is in the set, else 0."""
        return format(bits, f"0{len(self.names)}b").encode().translate(_TO_FLAGS) if self.names else b""

    def _where(self, holds: Callable[[ClusterView], bool]) -> Bits:
        return self.bits(cluster.name for cluster in self.clusters if holds(cluster))

    def _by(self, properties: Callable[[ClusterView], Iterable[Any]]) -> dict[Any, Bits]:
        result: dict[Any, Bits] = {}
        for cluster in self.clusters:
            bit = 0 if cluster.forgotten else self._bit[cluster.name]
            for value in properties(cluster):
                result[value] = result.get(value, 0) | bit
        return result

    @staticmethod
    def _union(by_value: dict[Any, Bits], values: Iterable[Any]) -> Bits:
        result = 0
        for value in values:
            result |= by_value.get(value, 0)
        return result


def size_of(requirements: ReplicaRequirements | None, components: tuple[Component, ...]) -> bytes:
    """What tells one size of replicas (with several components: of sets) from another."""
    return msgspec.msgpack.encode(components if len(components) > 1 else requirements)


def _levels(clusters: Sequence[ClusterView], prefer: tuple[str, ...], most: int) -> tuple[int, ...]:
    ranks = [tuple(-cluster.priority if word == PRIORITY else cluster.cost for word in prefer) for cluster in clusters]
    places = {rank: place for place, rank in enumerate(sorted(set(ranks)))}
    last = max(len(places) - 1, 1)
    return tuple(most - places[rank] * most // last for rank in ranks)
