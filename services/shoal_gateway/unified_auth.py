"""Unified auth (R15.12): who may reach a cluster through the hub, by its RBAC, is who the hub may act for in that cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shoal.api.cluster import GROUP as CLUSTER_GROUP
from shoal.api.cluster import KIND as CLUSTER_KIND
from shoal.api.meta import Manifest, Ref
from shoal.api.policy import GROUP as POLICY_GROUP
from shoal.bus.entries import Entry
from shoal.bus.view import View
from shoal.bus.work_queue import WorkQueue
from shoal.domain.access import GROUP, NAME, impersonated, parts_of
from shoal.messages.catalogue import OBJECT
from shoal_gateway.hub import Hub
from shoal_gateway.made import Made

_ROLE, _BINDING = (GROUP, "ClusterRole"), (GROUP, "ClusterRoleBinding")
_KEY = Ref(*_ROLE, "", NAME)
"""The only one: all clusters are looked at together."""
_NAMES = (
    Ref(POLICY_GROUP, "ClusterOverridePolicy", "", NAME),
    Ref(POLICY_GROUP, "ClusterPropagationPolicy", "", NAME),
    _KEY,
    Ref(*_BINDING, "", NAME),
)
_WATCHED = frozenset({_ROLE, _BINDING, (CLUSTER_GROUP, CLUSTER_KIND)})
GATHER_S = 0.5
"""A role and its binding come together; one look serves both."""


class UnifiedAuth:
    """Several gateways may try, compare-and-set lets one of them."""

    def __init__(self, view: View, hub: Hub, new_change: Callable[[], str]) -> None:
        self._view = view
        self._made = Made(hub, new_change, kind="ClusterRole", author="gateway/unified-auth", manager="shoal-unified-auth")
        self._queue: WorkQueue[Ref] | None = None
        view.subscribe(self._heard)

    def feed(self, queue: WorkQueue[Ref]) -> None:
        self._queue = queue

    def everything(self) -> None:
        self._look(0.0)

    async def reconcile(self, ref: Ref) -> int:
        """Makes, changes or takes away what brings the rights to the members. Nothing is written where nobody was granted anything."""
        clusters = [manifest["metadata"]["name"] for manifest in self._all(CLUSTER_GROUP, CLUSTER_KIND)]
        found = impersonated(self._all(*_ROLE), self._all(*_BINDING), clusters)
        await self._made.keep(ref, parts_of(found), _NAMES)
        return 0

    def _all(self, group: str, kind: str) -> list[Manifest]:
        """What is being deleted counts no more."""
        bodies = (entry.body for entry in self._view.entries(OBJECT, group=group, kind=kind) if not entry.deleted)
        return [body for body in bodies if not body["metadata"].get("deletionTimestamp")]

    def _heard(self, new: Entry[Any], previous: Entry[Any] | None) -> None:
        if new.family is not OBJECT or (new.ref.group, new.ref.kind) not in _WATCHED:
            return
        # Of a Cluster only its being there counts, and it is written for much else.
        if new.ref.kind != CLUSTER_KIND or previous is None or previous.uid != new.uid or new.deleted != previous.deleted or _ends(new):
            self._look(GATHER_S)

    def _look(self, after_s: float) -> None:
        if self._queue is not None and self._view.complete:
            self._queue.add(_KEY, after_s=after_s)


def _ends(entry: Entry[Any]) -> bool:
    return not entry.deleted and bool(entry.body["metadata"].get("deletionTimestamp"))
