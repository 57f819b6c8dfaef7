"""All clusters at one moment, prepared once and asked by every decision until one of them changes.

A set of clusters is a whole number with one bit per cluster, so that a filter over a thousand clusters is a few operations on numbers.
What a filter asks again and again (an affinity, a list of tolerations, a request for resources) is remembered under its encoded form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from functools import partial, reduce
from itertools import compress
from operator import or_
from typing import Any, TypeVar

import msgspec

from shoal.api.binding import Component, ReplicaRequirements
from shoal.api.cluster import Taint
from shoal.api.cluster_view import ClusterView
from shoal.api.meta import LabelSelector, Requirement
from shoal.api.options import PRIORITY
from shoal.api.policy import ClusterAffinity, Toleration
from shoal.domain.scheduling.estimate import amounts, sets_for, size_of
from shoal.domain.scheduling.rooms import Rooms, heard_room
from shoal.domain.scheduling.topology import groups_by

T = TypeVar("T")
Bits = int
"""A set of clusters."""

_BLOCKING = ("NoSchedule", "NoExecute")
_REMEMBERED_MAX = 20_000
"""Answers kept per snapshot; enough for every policy of a big hub, and a bound for one that is asked nonsense."""
_LARGE_MAX = 200
"""Of answers that have something for every cluster; those of a thousand clusters have some 100 kB each."""
_CHANGED_PART = 10
"""When more than a tenth of the clusters look different, everything is prepared anew."""
_PATCHED_MAX = 16
"""Places at which an answer is put right; with more it is made anew."""
_BY_PLACE = ("room", "sets", "ranking")
_BY_GROUP = ("groups", "levels", "having")
_TO_FLAGS = bytes.maketrans(b"01", b"\x00\x01")


def _provider(cluster: ClusterView) -> tuple[str, ...]:
    return (cluster.provider,) if cluster.provider else ()


def _region(cluster: ClusterView) -> tuple[str, ...]:
    return (cluster.region,) if cluster.region else ()


def _zones(cluster: ClusterView) -> tuple[str, ...]:
    return cluster.zones


def _labels(cluster: ClusterView) -> tuple[tuple[str, str], ...]:
    return tuple(cluster.labels.items())


def _label_keys(cluster: ClusterView) -> tuple[str, ...]:
    return tuple(cluster.labels)


def _apis(cluster: ClusterView) -> frozenset[tuple[str, str]]:
    return cluster.apis


def _taints(cluster: ClusterView) -> tuple[tuple[str, str, str], ...]:
    return tuple((taint.key, taint.value, taint.effect) for taint in cluster.taints if taint.effect in _BLOCKING)


_INDEXES: dict[str, Callable[[ClusterView], Iterable[Any]]] = {
    "providers": _provider,
    "regions": _region,
    "zones": _zones,
    "_labels": _labels,
    "_label_keys": _label_keys,
    "_apis": _apis,
    "_taints": _taints,
}
"""Attribute of a snapshot -> the property of clusters that it is by."""


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
        self._large: dict[tuple[Any, ...], Any] = {}
        self._stale: dict[tuple[Any, ...], tuple[Any, frozenset[int]]] = {}
        """Answers of a former snapshot, and the places where they may be wrong by now."""
        self.forgotten = self._where(lambda cluster: cluster.forgotten)
        self.deleting = self._where(lambda cluster: cluster.deleting)
        self.ready = self._where(lambda cluster: cluster.ready)
        self.universe: Bits = (1 << count) - 1
        self.everything: Bits = self.universe & ~self.forgotten
        """Every cluster that is or may come back."""
        self.providers = self._by(_provider)
        self.regions = self._by(_region)
        self.zones = self._by(_zones)
        self._labels = self._by(_labels)
        self._label_keys = self._by(_label_keys)
        self._apis = self._by(_apis)
        self._taints = self._by(_taints)

    def following(self, clusters: Iterable[ClusterView]) -> Snapshot:
        """The snapshot of these clusters: this one with what changed, when only a few look different, so that a report of free room does
        not cost what a thousand clusters cost. Says in everything what `Snapshot(clusters)` says."""
        found = list(clusters)
        changed = [view for view in found if self.by_name.get(view.name) is not view]
        if len(found) != len(self.names) or len(changed) > max(1, len(found) // _CHANGED_PART) or not all(map(self._is_alike, changed)):
            return Snapshot(found)
        return self._with(changed) if changed else self

    def _is_alike(self, view: ClusterView) -> bool:
        before = self.by_name.get(view.name)
        return before is not None and before.forgotten == view.forgotten

    def _with(self, changed: Sequence[ClusterView]) -> Snapshot:
        after = copy(self)
        places = frozenset(self._place[view.name] for view in changed)
        before = [self.by_name[view.name] for view in changed]
        clusters = list(self.clusters)
        for view in changed:
            clusters[self._place[view.name]] = view
        after.clusters = tuple(clusters)
        after.by_name = dict(zip(self.names, clusters, strict=True))
        after._rooms = self._rooms.following(after.clusters, places) if self._rooms is not None else None
        moved = {name for name, of in _INDEXES.items() if after._reindex(name, of, before, changed)}
        after.ready = after._marked(self.ready, changed, lambda view: view.ready)
        after.deleting = after._marked(self.deleting, changed, lambda view: view.deleting)
        if moved - {"_apis"}:
            after._answers = {}
        same_groups = not moved & {"providers", "regions", "zones", "_labels"} and all(
            (old.priority, old.cost) == (new.priority, new.cost) for old, new in zip(before, changed, strict=True)
        )
        after._large, after._stale = {}, after._outdated(places, same_groups=same_groups)
        if same_groups:
            after._large |= {key: answer for key, answer in self._large.items() if key[0] in _BY_GROUP}
        return after

    def _reindex(
        self, name: str, of: Callable[[ClusterView], Iterable[Any]], before: Iterable[ClusterView], after: Iterable[ClusterView]
    ) -> bool:
        """Brings one index up to date in a copy; False when nothing of it changed."""
        index: dict[Any, Bits] | None = None
        for old, new in zip(before, after, strict=True):
            lost, won = set(of(old)), set(of(new))
            if lost == won or new.forgotten:
                continue
            index = dict(getattr(self, name)) if index is None else index
            bit = self._bit[new.name]
            for value in lost - won:
                index[value] &= ~bit
                if not index[value]:
                    del index[value]
            for value in won - lost:
                index[value] = index.get(value, 0) | bit
        if index is not None:
            setattr(self, name, index)
        return index is not None

    def _marked(self, bits: Bits, changed: Iterable[ClusterView], holds: Callable[[ClusterView], bool]) -> Bits:
        for view in changed:
            bit = self._bit[view.name]
            bits = bits | bit if holds(view) else bits & ~bit
        return bits

    def _outdated(self, places: frozenset[int], *, same_groups: bool) -> dict[Any, tuple[Any, frozenset[int]]]:
        """Answers that are right but for some places."""
        stale = {key: (answer, more) for key, (answer, there) in self._stale.items() if len(more := there | places) <= _PATCHED_MAX}
        stale |= {key: (answer, places) for key, answer in self._large.items() if key[0] in _BY_PLACE and len(places) <= _PATCHED_MAX}
        return stale if same_groups else {key: item for key, item in stale.items() if key[0] != "ranking"}

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
        return reduce(or_, filter(None, map(self._bit.get, names)), 0)

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
        """By position of the cluster: how many further replicas of that size fit (R4.16), with several components whole sets (R4.20).

        What is not heard takes nothing more, whatever it had room for when it was heard last.
        """
        key = size_of(requirements, components)
        if len(components) > 1:
            sets = partial(_heard_sets, components=components)
            return self.kept(("sets", key), lambda: tuple(map(sets, self.clusters)), partial(self._patched, sets))
        if self._rooms is None:
            self._rooms = Rooms(self.clusters)
        request = amounts(requirements)
        return self.kept(("room", key), partial(self._rooms.of, request), partial(self._patched, partial(heard_room, request=request)))

    def _patched(self, one: Callable[[ClusterView], int], before: tuple[int, ...], places: Iterable[int]) -> tuple[int, ...]:
        answer = list(before)
        for place in places:
            answer[place] = one(self.clusters[place])
        return tuple(answer)

    def groups(self, key: str) -> tuple[str, ...]:
        """By position of the cluster: its group of a topology (`topology.key_of`)."""
        return self.kept(("groups", key), lambda: groups_by(key, self.clusters))

    def levels(self, prefer: tuple[str, ...], most: int) -> tuple[int, ...]:
        """By position of the cluster: how far it is preferred by priority and cost, `most` for the best and 0 for the last."""
        return self.kept(("levels", prefer, most), lambda: _levels(self.clusters, prefer, most))

    def having(self, key: str) -> Bits:
        """Clusters that are in some group of the topology."""
        return self.kept(("having", key), lambda: self.bits(compress(self.names, self.groups(key)))) & self.everything

    def kept(self, key: tuple[Any, ...], answer: Callable[[], T], patch: Callable[[T, frozenset[int]], T] | None = None) -> T:
        """An answer about every cluster, made once; the oldest of too many are forgotten.

        `patch` makes it of one that is wrong at some places.
        """
        known: T | None = self._large.get(key)
        if known is None:
            if len(self._large) >= _LARGE_MAX:
                del self._large[next(iter(self._large))]
            stale = self._stale.pop(key, None) if patch is not None else None
            known = self._large[key] = patch(*stale) if stale is not None and patch is not None else answer()
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


def _heard_sets(cluster: ClusterView, components: tuple[Component, ...]) -> int:
    return sets_for(cluster, components) if cluster.ready else 0


def _levels(clusters: Sequence[ClusterView], prefer: tuple[str, ...], most: int) -> tuple[int, ...]:
    ranks = [tuple(-cluster.priority if word == PRIORITY else cluster.cost for word in prefer) for cluster in clusters]
    places = {rank: place for place, rank in enumerate(sorted(set(ranks)))}
    last = max(len(places) - 1, 1)
    return tuple(most - places[rank] * most // last for rank in ranks)
