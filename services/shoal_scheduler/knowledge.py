"""What the scheduler knows beside the template in hand: clusters, policies, dependencies; kept up by the view's callbacks."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, TypeVar

import msgspec

from shoal.api.apps import GROUP as APPS_GROUP
from shoal.api.apps import WorkloadRebalancerSpec
from shoal.api.binding import Binding
from shoal.api.cluster import GROUP as CLUSTER_GROUP
from shoal.api.clusters import Clusters
from shoal.api.meta import Manifest, Ref, group_of
from shoal.api.policy import GROUP as POLICY_GROUP
from shoal.api.policy import PropagationPolicy
from shoal.api.shoal import GROUP as SHOAL_GROUP
from shoal.api.shoal import FailoverPolicy
from shoal.bus.entries import Entry
from shoal.domain.deciding import EvictionTask, Wishes
from shoal.domain.matching import Owned, Policies
from shoal.domain.matching.exclusions import HUB_GROUPS
from shoal.domain.scheduling import Ledger, Snapshot
from shoal.messages.catalogue import BELIEF, BINDING, OBJECT, STATUS
from shoal_scheduler.dependencies import Dependencies

T = TypeVar("T")
OVERRIDE_KINDS = ("OverridePolicy", "ClusterOverridePolicy")
PROPAGATION_KINDS = ("PropagationPolicy", "ClusterPropagationPolicy")
WORK_GROUP = "work.karmada.io"
NOT_TEMPLATES = tuple(sorted(HUB_GROUPS))


class Knowledge:
    """Prepared once per change, read by every decision."""

    def __init__(self, ledger: Ledger | None = None) -> None:
        self.ledger = ledger or Ledger()
        """Capacity that decisions have spent and no inventory knows yet (E11)."""
        self.clusters = Clusters()
        self.dependencies = Dependencies()
        self.claimed: dict[Ref, set[Ref]] = defaultdict(set)
        """Policy -> templates that it owns."""
        self._claim_of: dict[Ref, Ref] = {}
        self._grouped: dict[str, dict[Ref, Entry[Binding]]] = defaultdict(dict)
        self._policies: dict[Ref, Owned[PropagationPolicy]] = {}
        self._failover: dict[Ref, FailoverPolicy] = {}
        self.overrides: set[Ref] = set()
        """Override policies that exist, for `dependentOverrides` (R1.4)."""
        self.rebalancers: dict[Ref, tuple[str, frozenset[Ref]]] = {}
        """WorkloadRebalancer -> when it was made, and what it lists (R15.3)."""
        self.wishes: dict[Ref, Wishes] = {}
        """Template -> what users say on its binding (B24)."""
        self._wishes_on: dict[Ref, Ref] = {}
        self._policy_index: Policies | None = None
        self._snapshot: tuple[int, Snapshot] | None = None

    @property
    def snapshot(self) -> Snapshot:
        """All clusters as of now; made anew only when one of them looks different."""
        if self._snapshot is None or self._snapshot[0] != self.clusters.version:
            self._snapshot = (self.clusters.version, Snapshot(self.clusters.by_name.values()))
        return self._snapshot[1]

    @property
    def policies(self) -> Policies:
        if self._policy_index is None:
            self._policy_index = Policies(self._policies.values())
        return self._policy_index

    def failover_policies(self, namespace: str) -> tuple[FailoverPolicy, ...]:
        """Those of the namespace, and those without one."""
        return tuple(policy for ref, policy in sorted(self._failover.items()) if ref.namespace in ("", namespace))

    def reschedule_at(self, ref: Ref) -> str:
        """When somebody last asked to place it again from zero, RFC 3339; empty: nobody."""
        return max((made for made, listed in self.rebalancers.values() if ref in listed), default="")

    def grouped(self, namespace: str) -> tuple[Entry[Binding], ...]:
        """Bindings of a namespace that are in an affinity or anti-affinity group."""
        return tuple(self._grouped.get(namespace, {}).values())

    def heard(self, entry: Entry[Any]) -> bool:
        """Takes in one entry of STATE; in order, also while the view loads. True when clusters look different now."""
        family, ref = entry.family.name, entry.ref
        if family == STATUS.name:
            self.ledger.reported(ref, None if entry.deleted else entry.body, entry.time)
            return False
        if family == BELIEF.name:
            self.ledger.counted(ref.name, None if entry.deleted else entry.body.status.resource_summary, entry.time)
            return self.clusters.believed(ref.name, None if entry.deleted else entry.body)
        if family == BINDING.name:
            self.ledger.decided(ref, None if entry.deleted else entry.body, entry.time)
            self._binding(entry)
        if family != OBJECT.name:
            return False
        if ref.group == CLUSTER_GROUP:
            return self.clusters.told(ref.name, None if entry.deleted else entry.body)
        if ref.group == POLICY_GROUP and ref.kind in PROPAGATION_KINDS:
            self._policy_index = None
            policy = owned(entry)
            _keep(self._policies, ref, policy)
        elif ref.group == POLICY_GROUP and ref.kind in OVERRIDE_KINDS:
            (self.overrides.discard if entry.deleted else self.overrides.add)(ref)
        elif ref.group == SHOAL_GROUP and ref.kind == "FailoverPolicy":
            _keep(self._failover, ref, None if entry.deleted else msgspec.convert(entry.body, FailoverPolicy))
        elif ref.group == WORK_GROUP:
            self._wished(entry)
        elif ref.group == APPS_GROUP and ref.kind == "WorkloadRebalancer":
            _keep(self.rebalancers, ref, None if entry.deleted else _asked(entry.body))
        return False

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
        self._grouped[entry.ref.namespace].pop(entry.ref, None)
        if not entry.deleted and (entry.body.affinity_group or entry.body.anti_affinity_group):
            self._grouped[entry.ref.namespace][entry.ref] = entry
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
            task["fromCluster"]: EvictionTask(position=int(task["position"]), suppress_deletion=task.get("suppressDeletion"))
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


def _asked(manifest: Manifest) -> tuple[str, frozenset[Ref]]:
    """When a rebalancer was made, and what it lists."""
    spec = msgspec.convert(manifest.get("spec") or {}, WorkloadRebalancerSpec)
    return str(manifest["metadata"].get("creationTimestamp") or ""), frozenset(workload.ref for workload in spec.workloads)


def _keep(kept: dict[Ref, T], ref: Ref, value: T | None) -> None:
    if value is None:
        kept.pop(ref, None)
    else:
        kept[ref] = value
