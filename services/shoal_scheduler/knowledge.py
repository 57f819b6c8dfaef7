"""What the scheduler knows beside the template in hand: clusters, policies, dependencies; kept up by the view's callbacks."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, NamedTuple, TypeVar

import msgspec

from shoal.api.apps import GROUP as APPS_GROUP
from shoal.api.apps import WorkloadRebalancerSpec
from shoal.api.binding import NO_CLUSTER_FIT, QUOTA_EXCEEDED, SCHEDULED, SCHEDULER_ERROR, UNSCHEDULABLE, Binding
from shoal.api.cluster import GROUP as CLUSTER_GROUP
from shoal.api.cluster_view import ClusterView
from shoal.api.clusters import Clusters
from shoal.api.meta import Manifest, Ref, group_of
from shoal.api.policy import DIRECTLY, NEVER, PropagationPolicy
from shoal.api.policy import GROUP as POLICY_GROUP
from shoal.api.quantity import milli
from shoal.api.quota import GROUP as QUOTA_GROUP
from shoal.api.quota import KIND as QUOTA_KIND
from shoal.api.shoal import GROUP as SHOAL_GROUP
from shoal.api.shoal import FailoverPolicy
from shoal.bus.entries import Entry
from shoal.domain.deciding import BUILT_IN, EvictionTask, Wishes, pod_class_of, priority_of
from shoal.domain.matching import Owned, Policies, match
from shoal.domain.matching.exclusions import HUB_GROUPS
from shoal.domain.quota import Quota, add, usage_of
from shoal.domain.scheduling import Ledger, Snapshot
from shoal.messages.catalogue import BELIEF, BINDING, OBJECT, STATUS
from shoal_scheduler.dependencies import Dependencies

T = TypeVar("T")
K = TypeVar("K")
ANY, ROOM = "any", "room"
"""How a cluster looks different: in anything, or only by more free room."""
PRIORITY_CLASS = ("scheduling.k8s.io", "PriorityClass")
FEDERATED_QUOTA = (QUOTA_GROUP, QUOTA_KIND)
_WAITING = (NO_CLUSTER_FIT, UNSCHEDULABLE, SCHEDULER_ERROR, QUOTA_EXCEEDED)
OVERRIDE_KINDS = ("OverridePolicy", "ClusterOverridePolicy")
PROPAGATION_KINDS = ("PropagationPolicy", "ClusterPropagationPolicy")
WORK_GROUP = "work.karmada.io"
NOT_TEMPLATES = tuple(sorted(HUB_GROUPS))
GOES_FIRST = (DIRECTLY, "Immediately")
"""Purge modes of an eviction task that let the old copy go first; the second is its older name."""


class Unschedulables(NamedTuple):
    """What agents said of the pods of one binding."""

    revision: int
    """Of the binding's entry that they were asked about; they say nothing of a later one."""
    by_cluster: dict[str, int]


class Knowledge:
    """Prepared once per change, read by every decision."""

    def __init__(self, ledger: Ledger | None = None, *, quotas: bool = False) -> None:
        self.enforces_quotas = quotas
        self._quotas: dict[Ref, dict[str, int]] = {}
        """FederatedResourceQuota -> overall, in thousandths."""
        self._usage: dict[Ref, dict[str, int]] = {}
        """What each binding uses, and the sums of namespaces; kept only where quotas are enforced."""
        self._used: dict[str, dict[str, int]] = {}
        self.ledger = ledger or Ledger()
        """Capacity that decisions have spent and no inventory knows yet (E11)."""
        self.clusters = Clusters()
        self.dependencies = Dependencies()
        self.claimed: dict[Ref, set[Ref]] = defaultdict(set)
        """Policy -> templates that it owns."""
        self._claim_of: dict[Ref, Ref] = {}
        self._grouped: dict[str, dict[Ref, Binding]] = defaultdict(dict)
        self._policies: dict[Ref, Owned[PropagationPolicy]] = {}
        self._failover: dict[Ref, FailoverPolicy] = {}
        self.overrides: set[Ref] = set()
        """Override policies that exist, for `dependentOverrides` (R1.4)."""
        self.rebalancers: dict[Ref, tuple[str, frozenset[Ref]]] = {}
        """WorkloadRebalancer -> when it was made, and what it lists (R15.3)."""
        self._prioritized = False
        """Some policy has a `schedulePriority`; without one nobody is asked for his."""
        self.priority_classes: dict[str, int] = dict(BUILT_IN)
        """Name -> value."""
        self.unplaced: dict[Ref, None] = {}
        """Bindings that are not placed as they ask: what more room, or another cluster, may help (E07)."""
        self.wishes: dict[Ref, Wishes] = {}
        """Template -> what users say on its binding (B24)."""
        self._wishes_on: dict[Ref, Ref] = {}
        self.unschedulable: dict[Ref, Unschedulables] = {}
        """Of the last round of descheduling (R15.4)."""
        self._policy_index: Policies | None = None
        self._snapshot: tuple[int, Snapshot] | None = None

    @property
    def snapshot(self) -> Snapshot:
        """All clusters as of now; made anew only when one of them looks different."""
        if self._snapshot is None or self._snapshot[0] != self.clusters.version:
            views, known = self.clusters.by_name.values(), self._snapshot
            self._snapshot = (self.clusters.version, known[1].following(views) if known is not None else Snapshot(views))
        return self._snapshot[1]

    @property
    def policies(self) -> Policies:
        if self._policy_index is None:
            self._policy_index = Policies(self._policies.values())
        return self._policy_index

    def failover_policies(self, namespace: str) -> tuple[FailoverPolicy, ...]:
        """Those of the namespace, and those without one."""
        return tuple(policy for ref, policy in sorted(self._failover.items()) if ref.namespace in ("", namespace))

    def priority(self, ref: Ref, template: Entry[Manifest] | None) -> int:
        """Of a template in the queue (R05): what the policy that owns it, or will own it, asks for."""
        if not self._prioritized or template is None or template.deleted:
            return 0
        manifest = template.body
        holder = self._policies.get(self._claim_of[ref]) if ref in self._claim_of else self._owner_to_be(manifest)
        wanted = holder.object.spec.schedule_priority if holder is not None else None
        if wanted is None:
            return 0
        return priority_of(wanted, pod_class_of(manifest), self.priority_classes)

    def _owner_to_be(self, manifest: Manifest) -> Owned[PropagationPolicy] | None:
        return match(manifest, self.policies, overrides=self.overrides, priority_classes=self.priority_classes.keys()).owner

    def needing(self, ref: Ref) -> tuple[Owned[PropagationPolicy], ...]:
        """Policies that cannot be applied without this object: an override policy that they list (R1.4), or their PriorityClass (R2.6)."""
        policies = self._policies.values()
        if (ref.group, ref.kind) == PRIORITY_CLASS:
            return tuple(policy for policy in policies if _class_of(policy) == ref.name)
        if ref.group == POLICY_GROUP and ref.kind in OVERRIDE_KINDS:
            near = (policy for policy in policies if policy.ref.namespace == ref.namespace)
            return tuple(policy for policy in near if ref.name in policy.object.spec.dependent_overrides)
        return ()

    def quotas(self, ref: Ref) -> tuple[Quota, ...]:
        """Quotas that a decision about one template has to keep, with what the others of its namespace use."""
        found = [(quota.name, overall) for quota, overall in sorted(self._quotas.items()) if quota.namespace == ref.namespace]
        if not found or not self.enforces_quotas:
            return ()
        used = add(self._used.get(ref.namespace, {}), {name: -amount for name, amount in self._usage.get(ref, {}).items()})
        return tuple(Quota(name=name, overall=overall, used=used) for name, overall in found)

    def has_quotas(self, namespace: str) -> bool:
        return self.enforces_quotas and any(quota.namespace == namespace for quota in self._quotas)

    def reschedule_at(self, ref: Ref) -> str:
        """When somebody last asked to place it again from zero, RFC 3339; empty: nobody."""
        return max((made for made, listed in self.rebalancers.values() if ref in listed), default="")

    def unschedulable_of(self, ref: Ref, revision: int) -> dict[str, int]:
        """By cluster: replicas of that decision that no node takes."""
        found = self.unschedulable.get(ref)
        return found.by_cluster if found is not None and found.revision == revision else {}

    def grouped(self, namespace: str) -> tuple[tuple[Ref, Binding], ...]:
        """Bindings of a namespace that are in an affinity or anti-affinity group."""
        return tuple(self._grouped.get(namespace, {}).items())

    def decided(self, ref: Ref, binding: Binding | None, at: float) -> None:
        """A decision, from the moment it is made: the next one must see its capacity as spent and its group as placed. None: it ended."""
        self.ledger.decided(ref, binding, at)
        if self.enforces_quotas:
            before, after = self._usage.pop(ref, {}), usage_of(binding) if binding is not None else {}
            if after:
                self._usage[ref] = after
            self._used[ref.namespace] = add(self._used.get(ref.namespace, {}), after, {name: -amount for name, amount in before.items()})
        self._grouped[ref.namespace].pop(ref, None)
        if binding is not None and (binding.affinity_group or binding.anti_affinity_group):
            self._grouped[ref.namespace][ref] = binding

    def heard(self, entry: Entry[Any]) -> str:
        """Takes in one entry of STATE; in order, also while the view loads. Says how a cluster looks different now (empty: it does not)."""
        family, ref = entry.family.name, entry.ref
        if family == STATUS.name:
            self.ledger.reported(ref, None if entry.deleted else entry.body, entry.time)
            return ""
        if family == BELIEF.name:
            self.ledger.counted(ref.name, None if entry.deleted else entry.body.status.resource_summary, entry.time)
            before = self.clusters.by_name.get(ref.name)
            changed = self.clusters.believed(ref.name, None if entry.deleted else entry.body)
            return _difference(before, self.clusters.by_name[ref.name]) if changed else ""
        if family == BINDING.name:
            self.decided(ref, None if entry.deleted else entry.body, entry.time)
            self._binding(entry)
        if family != OBJECT.name:
            return ""
        if ref.group == CLUSTER_GROUP:
            return ANY if self.clusters.told(ref.name, None if entry.deleted else entry.body) else ""
        if ref.group == POLICY_GROUP and ref.kind in PROPAGATION_KINDS:
            self._policy_index = None
            policy = owned(entry)
            _keep(self._policies, ref, policy)
            self._prioritized = any(one.object.spec.schedule_priority is not None for one in self._policies.values())
        elif ref.group == POLICY_GROUP and ref.kind in OVERRIDE_KINDS:
            (self.overrides.discard if entry.deleted else self.overrides.add)(ref)
        elif ref.group == SHOAL_GROUP and ref.kind == "FailoverPolicy":
            _keep(self._failover, ref, None if entry.deleted else msgspec.convert(entry.body, FailoverPolicy))
        elif (ref.group, ref.kind) == FEDERATED_QUOTA:
            _keep(self._quotas, ref, None if entry.deleted else _overall(entry.body))
        elif ref.group == WORK_GROUP:
            self._wished(entry)
        elif ref.group == APPS_GROUP and ref.kind == "WorkloadRebalancer":
            _keep(self.rebalancers, ref, None if entry.deleted else _asked(entry.body))
        elif (ref.group, ref.kind) == PRIORITY_CLASS:
            _keep(self.priority_classes, ref.name, BUILT_IN.get(ref.name) if entry.deleted else int(entry.body.get("value") or 0))
        return ""

    def _wished(self, entry: Entry[Manifest]) -> None:
        before = self._wishes_on.pop(entry.ref, None)
        if before is not None:
            self.wishes.pop(before, None)
        if not entry.deleted:
            template, said = wishes_of(entry)
            self._wishes_on[entry.ref], self.wishes[template] = template, said

    def wished_on(self, shown: Ref) -> Ref | None:
        """The template whose binding a user spoke of."""
        return self._wishes_on.get(shown)

    def _binding(self, entry: Entry[Binding]) -> None:
        before = self._claim_of.pop(entry.ref, None)
        if before is not None:
            self.claimed[before].discard(entry.ref)
        self.unplaced.pop(entry.ref, None)
        if not entry.deleted and is_unplaced(entry.body):
            self.unplaced[entry.ref] = None
        claim = None if entry.deleted else entry.body.claim
        if claim is not None:
            self._claim_of[entry.ref] = claim.policy
            self.claimed[claim.policy].add(entry.ref)


def wishes_of(entry: Entry[Manifest]) -> tuple[Ref, Wishes]:
    """The template, and what is said on its binding."""
    spec = entry.body["spec"]
    about = spec["resource"]
    tasks = spec.get("gracefulEvictionTasks") or ()
    return Ref(group_of(about["apiVersion"]), about["kind"], about.get("namespace", ""), about["name"]), Wishes(
        template_uid=entry.uid,
        suspended=bool((spec.get("suspension") or {}).get("scheduling")),
        tasks={
            task["fromCluster"]: EvictionTask(
                position=int(task["position"]),
                suppress_deletion=task.get("suppressDeletion", True if task.get("purgeMode") == NEVER else None),
                grace_period_s=task.get("gracePeriodSeconds"),
                directly=task.get("purgeMode") in GOES_FIRST,
            )
            for task in tasks
        },
    )


def owned(entry: Entry[Any] | None) -> Owned[PropagationPolicy] | None:
    """A propagation policy with what its entry says of it; None for a tombstone or none."""
    if entry is None or entry.deleted:
        return None
    body = entry.body
    deleting = bool(body["metadata"].get("deletionTimestamp"))
    policy = msgspec.convert(body, PropagationPolicy)
    return Owned(ref=entry.ref, uid=entry.uid, revision=entry.content, object=policy, deleting=deleting)


def _class_of(policy: Owned[PropagationPolicy]) -> str:
    wanted = policy.object.spec.schedule_priority
    return wanted.priority_class_name if wanted is not None else ""


def _asked(manifest: Manifest) -> tuple[str, frozenset[Ref]]:
    """When a rebalancer was made, and what it lists."""
    spec = msgspec.convert(manifest.get("spec") or {}, WorkloadRebalancerSpec)
    return str(manifest["metadata"].get("creationTimestamp") or ""), frozenset(workload.ref for workload in spec.workloads)


def _overall(manifest: Manifest) -> dict[str, int]:
    return {name: milli(str(value)) for name, value in ((manifest.get("spec") or {}).get("overall") or {}).items()}


def is_unplaced(binding: Binding) -> bool:
    return any(item.type == SCHEDULED and item.status != "True" and item.reason in _WAITING for item in binding.conditions)


def _difference(before: ClusterView | None, after: ClusterView) -> str:
    """Whether only the figures moved, and whether some of them grew: less room helps nobody."""
    if before is None or msgspec.structs.replace(before, free=after.free, models=after.models) != after:
        return ANY
    had, has = before.free or {}, after.free or {}
    return ROOM if before.models != after.models or any(amount > had.get(name, 0) for name, amount in has.items()) else ""


def _keep(kept: dict[K, T], key: K, value: T | None) -> None:
    if value is None:
        kept.pop(key, None)
    else:
        kept[key] = value
