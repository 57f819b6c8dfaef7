"""Deployments that HorizontalPodAutoscalers of the members scale (R15.10): the mark on the template, and its number, which follows theirs.

Each half is a setting. The gateway writes as a user would, on top of the very state that it has seen; what a user wrote meanwhile stands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog

from shoal.api.autoscaling import RETAIN_REPLICAS_LABEL
from shoal.api.meta import Manifest, Ref, group_of
from shoal.bus.entries import Entry
from shoal.bus.view import View
from shoal.bus.work_queue import WorkQueue
from shoal.domain.autoscaling import followed, marks
from shoal.messages.catalogue import BINDING, OBJECT, STATUS
from shoal_gateway import bodies, origin
from shoal_gateway.hub import Hub

log = structlog.get_logger()

MANAGER = "shoal-autoscaled"
_AUTOSCALER = ("autoscaling", "HorizontalPodAutoscaler")
_DEPLOYMENT = ("apps", "Deployment")
"""The only kind of which a member may keep the number (R7.3)."""
_LABEL = RETAIN_REPLICAS_LABEL.encode()


class Autoscaled:
    """Several gateways may try, compare-and-set lets one of them."""

    def __init__(self, view: View, hub: Hub, new_change: Callable[[], str], *, marks_targets: bool, syncs_replicas: bool) -> None:
        self._view, self._hub, self._new_change = view, hub, new_change
        self._marks, self._syncs = marks_targets, syncs_replicas
        self._queue: WorkQueue[Ref] | None = None
        if marks_targets or syncs_replicas:
            view.subscribe(self._heard)

    def feed(self, queue: WorkQueue[Ref]) -> None:
        self._queue = queue

    def everything(self) -> None:
        if self._marks or self._syncs:
            for entry in self._view.entries(OBJECT, group=_DEPLOYMENT[0], kind=_DEPLOYMENT[1]):
                self._look(entry.ref)

    async def reconcile(self, ref: Ref) -> int:
        """Brings the mark and the number of one template up to date."""
        entry = self._view.get(OBJECT, ref)
        if entry is None or entry.deleted:
            return 0
        autoscalers = self._autoscalers(ref) if self._marks else set()
        if not autoscalers and _LABEL not in entry.raw:
            return 0  # As most are; they are not decoded for it.
        template = entry.body
        change: Manifest = {}
        if self._marks and (metadata := marks(template, autoscalers)):
            change = {"metadata": metadata}
        elif self._syncs and (number := self._followed(entry, template)) is not None:
            change = {"metadata": {}, "spec": {"replicas": number}}
        if change:
            origin.enter(origin.Origin("gateway/autoscaled", self._new_change(), trusted=True))
            change["metadata"]["resourceVersion"] = str(entry.revision)
            await self._hub.patch(ref, str(template["apiVersion"]), change, manager=MANAGER)
            log.info("autoscaled template changed", template=str(ref), change=change)
        return 0

    def _followed(self, entry: Entry[Manifest], template: Manifest) -> int | None:
        binding, status = self._view.get(BINDING, entry.ref), self._view.get(STATUS, entry.ref)
        if binding is None or binding.deleted or status is None or status.deleted:
            return None
        return followed(template, entry.content, bodies.binding(binding), bodies.status(status))

    def _autoscalers(self, ref: Ref) -> set[str]:
        """Names of those that go to members and scale this object; one that is being deleted does until it is gone there."""
        found = set()
        for entry in self._view.entries(OBJECT, group=_AUTOSCALER[0], kind=_AUTOSCALER[1], namespace=ref.namespace):
            binding = self._view.get(BINDING, entry.ref)
            bound = binding is not None and not binding.deleted and binding.uid == entry.uid
            if bound and not entry.deleted and _target_of(entry) == ref:
                found.add(entry.ref.name)
        return found

    def _heard(self, new: Entry[Any], previous: Entry[Any] | None) -> None:
        kind = (new.ref.group, new.ref.kind)
        if kind == _DEPLOYMENT and new.family in (OBJECT, BINDING, STATUS):
            self._look(new.ref)
        elif kind == _AUTOSCALER and new.family is OBJECT:
            for entry in (new, previous):
                self._look(_target_of(entry))
        elif kind == _AUTOSCALER and new.family is BINDING:
            self._look(_target_of(self._view.get(OBJECT, new.ref)))

    def _look(self, ref: Ref | None) -> None:
        if ref is not None and self._queue is not None and self._view.complete:
            self._queue.add(ref)


def _target_of(entry: Entry[Manifest] | None) -> Ref | None:
    """The Deployment that an autoscaler scales; None for every other target."""
    if entry is None or entry.deleted:
        return None
    target = (entry.body.get("spec") or {}).get("scaleTargetRef") or {}
    ref = Ref(group_of(str(target.get("apiVersion", ""))), str(target.get("kind", "")), entry.ref.namespace, str(target.get("name", "")))
    return ref if (ref.group, ref.kind) == _DEPLOYMENT else None
