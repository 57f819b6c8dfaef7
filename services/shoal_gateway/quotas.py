"""FederatedResourceQuotas (R15.2): what is used of them, and the part of each cluster as a ResourceQuota there.

The scheduler enforces `spec.overall`. A static assignment is nothing new: a ResourceQuota that a policy places on the listed clusters, with
an override per cluster; the three are made and kept here, marked as such, and go with the quota.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from shoal.api.meta import Manifest, Ref
from shoal.api.quota import GROUP, KIND, ClusterQuotaStatus, FederatedResourceQuotaSpec, FederatedResourceQuotaStatus
from shoal.bus.entries import Draft, Entries, Entry
from shoal.bus.view import View
from shoal.bus.work_queue import WorkQueue
from shoal.domain.quota import add, texts, usage_of
from shoal.messages.catalogue import BINDING, OBJECT, STATUS
from shoal_gateway import bodies
from shoal_gateway.hub import Hub
from shoal_gateway.made import Made

GATHER_S = 1.0
"""Bindings of a namespace change together; one count serves them all."""
_POLICY = "policy.karmada.io/v1alpha1"


def parts_of(ref: Ref, spec: FederatedResourceQuotaSpec) -> list[Manifest]:
    """The overrides, the policy and the ResourceQuota, to be made in that order; nothing without static assignments."""
    if not spec.static_assignments:
        return []
    about = [{"apiVersion": "v1", "kind": "ResourceQuota", "name": ref.name}]
    rules = [
        {
            "targetCluster": {"clusterNames": [one.cluster_name]},
            "overriders": {"plaintext": [{"path": "/spec/hard", "operator": "replace", "value": _texts(one.hard)}]},
        }
        for one in spec.static_assignments
    ]
    placement = {"clusterAffinity": {"clusterNames": [one.cluster_name for one in spec.static_assignments]}}
    return [
        _part(ref, _POLICY, "OverridePolicy", f"quota-{ref.name}", {"resourceSelectors": about, "overrideRules": rules}),
        _part(ref, _POLICY, "PropagationPolicy", f"quota-{ref.name}", {"resourceSelectors": about, "placement": placement}),
        _part(ref, "v1", "ResourceQuota", ref.name, {"hard": _texts(spec.static_assignments[0].hard)}),
    ]


def names_of(ref: Ref) -> tuple[Ref, ...]:
    """Everything that `parts_of` may name."""
    return (
        Ref(GROUP, "OverridePolicy", ref.namespace, f"quota-{ref.name}"),
        Ref(GROUP, "PropagationPolicy", ref.namespace, f"quota-{ref.name}"),
        Ref("", "ResourceQuota", ref.namespace, ref.name),
    )


def _part(ref: Ref, api_version: str, kind: str, name: str, spec: dict[str, Any]) -> Manifest:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": ref.namespace}, "spec": spec}


def _texts(hard: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in hard.items()}


class Quotas:
    """Several gateways may try, compare-and-set lets one of them."""

    def __init__(self, view: View, entries: Entries, hub: Hub, new_change: Callable[[], str]) -> None:
        self._view, self._entries = view, entries
        self._made = Made(hub, new_change, kind=KIND, author="gateway/quota", manager="shoal-quota")
        self._queue: WorkQueue[Ref] | None = None
        view.subscribe(self._heard)

    def feed(self, queue: WorkQueue[Ref]) -> None:
        self._queue = queue

    def everything(self) -> None:
        """Now and then: the full recount."""
        for entry in self._view.entries(OBJECT, group=GROUP, kind=KIND):
            self._look(entry.ref, 0.0)

    async def reconcile(self, ref: Ref) -> int:
        """Keeps the parts of one quota and counts what is used of it; the sequence written, 0 for nothing."""
        entry = self._view.get(OBJECT, ref)
        if entry is None:
            return 0
        body = {} if entry.deleted else entry.body
        spec = msgspec.convert(body.get("spec") or {}, FederatedResourceQuotaSpec)
        await self._made.keep(ref, parts_of(ref, spec), names_of(ref))
        if entry.deleted:
            return 0
        before = msgspec.convert(body.get("status") or {}, FederatedResourceQuotaStatus)
        bindings = (one for one in self._view.entries(BINDING, namespace=ref.namespace) if not one.deleted)
        used = add(*(usage_of(bodies.binding(one)) for one in bindings))
        status = FederatedResourceQuotaStatus(
            overall=_texts(spec.overall), overall_used=texts(spec.overall, used), aggregated_status=tuple(self._in_clusters(ref, spec))
        )
        if status == before:
            return 0
        draft: Draft[Manifest] = Draft(
            family=OBJECT,
            ref=ref,
            body={**body, "status": msgspec.to_builtins(status)},
            uid=entry.uid,
            change=entry.change,
            author="gateway/quota",
            content=entry.content,
        )
        return await self._entries.write(draft, expected=entry.revision)

    def _in_clusters(self, ref: Ref, spec: FederatedResourceQuotaSpec) -> Iterable[ClusterQuotaStatus]:
        """What each cluster says of its part (R03)."""
        entry = self._view.get(STATUS, Ref("", "ResourceQuota", ref.namespace, ref.name))
        status = bodies.status(entry) if entry is not None and not entry.deleted else None
        for one in sorted(spec.static_assignments, key=lambda one: one.cluster_name):
            copy = status.copy(one.cluster_name) if status is not None else None
            told = (copy.status or {}) if copy is not None else {}
            yield ClusterQuotaStatus(
                cluster_name=one.cluster_name, hard=_texts(told.get("hard") or one.hard), used=_texts(told.get("used") or {})
            )

    def _heard(self, new: Entry[Any], previous: Entry[Any] | None) -> None:
        if new.family is OBJECT and (new.ref.group, new.ref.kind) == (GROUP, KIND):
            self._look(new.ref, 0.0)
        elif new.family is BINDING or (new.family is STATUS and (new.ref.group, new.ref.kind) == ("", "ResourceQuota")):
            for entry in self._view.entries(OBJECT, group=GROUP, kind=KIND, namespace=new.ref.namespace):
                self._look(entry.ref, GATHER_S)

    def _look(self, ref: Ref, after_s: float) -> None:
        if self._queue is not None and self._view.complete:
            self._queue.add(ref, after_s=after_s)
