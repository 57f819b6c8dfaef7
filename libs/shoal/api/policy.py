"""Karmada's propagation policies (`policy.karmada.io/v1alpha1`), field by field; written by users, unchanged."""

from __future__ import annotations

from typing import Any

from shoal.api.meta import LabelSelector, ObjectMeta, Requirement, Strict

GROUP = "policy.karmada.io"


class ResourceSelector(Strict, frozen=True, kw_only=True):
    api_version: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""
    label_selector: LabelSelector | None = None


class FieldSelector(Strict, frozen=True, kw_only=True):
    match_expressions: tuple[Requirement, ...] = ()
    """Keys provider, region, zone; operators In and NotIn (R3.5)."""


class ClusterAffinity(Strict, frozen=True, kw_only=True):
    """Which clusters an element talks about; used by placements, overrides, weights and taint policies (R3.5)."""

    label_selector: LabelSelector | None = None
    field_selector: FieldSelector | None = None
    cluster_names: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


class OverflowClusterAffinity(Strict, frozen=True, kw_only=True):
    """Where the replicas go that the main group has no room for (C07)."""

    affinity_name: str = ""
    label_selector: LabelSelector | None = None
    field_selector: FieldSelector | None = None
    cluster_names: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @property
    def affinity(self) -> ClusterAffinity:
        """The group as a plain affinity."""
        return ClusterAffinity(
            label_selector=self.label_selector,
            field_selector=self.field_selector,
            cluster_names=self.cluster_names,
            exclude=self.exclude,
        )


class ClusterAffinityTerm(Strict, frozen=True, kw_only=True):
    """One ordered group (C06), with the groups it spills over to (C07)."""

    affinity_name: str
    label_selector: LabelSelector | None = None
    field_selector: FieldSelector | None = None
    cluster_names: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    overflow_affinities: tuple[OverflowClusterAffinity, ...] = ()

    @property
    def affinity(self) -> ClusterAffinity:
        """The group as a plain affinity."""
        return ClusterAffinity(
            label_selector=self.label_selector,
            field_selector=self.field_selector,
            cluster_names=self.cluster_names,
            exclude=self.exclude,
        )


class Toleration(Strict, frozen=True, kw_only=True):
    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""
    toleration_seconds: int | None = None

    def tolerates(self, key: str, value: str, effect: str) -> bool:
        """Kubernetes' rule: an empty effect tolerates every effect, an empty key with Exists every taint."""
        if self.effect and self.effect != effect:
            return False
        if self.key and self.key != key:
            return False
        return self.operator == "Exists" or (bool(self.key) and self.value == value)


class SpreadConstraint(Strict, frozen=True, kw_only=True):
    spread_by_field: str = ""
    """cluster, region, zone or provider."""
    spread_by_label: str = ""
    max_groups: int = 0
    """0 = no limit."""
    min_groups: int = 0
    """0 is defaulted to 1 by admission."""


class StaticClusterWeight(Strict, frozen=True, kw_only=True):
    target_cluster: ClusterAffinity
    weight: int


class ClusterPreferences(Strict, frozen=True, kw_only=True):
    static_weight_list: tuple[StaticClusterWeight, ...] = ()
    dynamic_weight: str = ""


class ReplicaSchedulingStrategy(Strict, frozen=True, kw_only=True):
    replica_scheduling_type: str = "Divided"
    replica_division_preference: str = ""
    weight_preference: ClusterPreferences | None = None


class AffinityGroup(Strict, frozen=True, kw_only=True):
    group_by_label_key: str


class WorkloadAffinity(Strict, frozen=True, kw_only=True):
    affinity: AffinityGroup | None = None
    anti_affinity: AffinityGroup | None = None


class Placement(Strict, frozen=True, kw_only=True):
    cluster_affinity: ClusterAffinity | None = None
    cluster_affinities: tuple[ClusterAffinityTerm, ...] = ()
    cluster_tolerations: tuple[Toleration, ...] = ()
    spread_constraints: tuple[SpreadConstraint, ...] = ()
    replica_scheduling: ReplicaSchedulingStrategy | None = None
    workload_affinity: WorkloadAffinity | None = None


class DecisionConditions(Strict, frozen=True, kw_only=True):
    toleration_seconds: int = 300


class StatePreservationRule(Strict, frozen=True, kw_only=True):
    alias_label_name: str
    json_path: str


class StatePreservation(Strict, frozen=True, kw_only=True):
    rules: tuple[StatePreservationRule, ...] = ()


DIRECTLY, GRACEFULLY, NEVER = "Directly", "Gracefully", "Never"
"""Purge modes: the old copy goes before the new one is made, waits for it, or stays until a user lets it go (N05, N07)."""


class ApplicationFailover(Strict, frozen=True, kw_only=True):
    decision_conditions: DecisionConditions = DecisionConditions()
    purge_mode: str = "Gracefully"
    grace_period_seconds: int | None = None
    state_preservation: StatePreservation | None = None


class ClusterFailover(Strict, frozen=True, kw_only=True):
    purge_mode: str = "Gracefully"
    """Directly: the old copy goes before the new one is made. Gracefully: the old copy waits for its replacement (N05)."""
    state_preservation: StatePreservation | None = None


class Failover(Strict, frozen=True, kw_only=True):
    application: ApplicationFailover | None = None
    cluster: ClusterFailover | None = None


class SuspendClusters(Strict, frozen=True, kw_only=True):
    cluster_names: tuple[str, ...] = ()


class Suspension(Strict, frozen=True, kw_only=True):
    dispatching: bool | None = None
    dispatching_on_clusters: SuspendClusters | None = None
    scheduling: bool | None = None
    """Only on bindings (B24)."""


class DependentOverride(Strict, frozen=True, kw_only=True):
    name: str = ""


KUBE_PRIORITY_CLASS, POD_PRIORITY_CLASS = "KubePriorityClass", "PodPriorityClass"
"""Sources of a priority: the PriorityClass that the policy names, or the one that the template's pods name."""


class SchedulePriority(Strict, frozen=True, kw_only=True):
    priority_class_source: str
    priority_class_name: str


class PropagationSpec(Strict, frozen=True, kw_only=True):
    resource_selectors: tuple[ResourceSelector, ...] = ()
    association: bool = False
    propagate_deps: bool = False
    placement: Placement = Placement()
    priority: int = 0
    preemption: str = "Never"
    dependent_overrides: tuple[str, ...] = ()
    scheduler_name: str = "default-scheduler"
    failover: Failover | None = None
    conflict_resolution: str = "Abort"
    activation_preference: str = ""
    suspension: Suspension | None = None
    preserve_resources_on_deletion: bool = False
    schedule_priority: SchedulePriority | None = None


class PropagationPolicy(Strict, frozen=True, kw_only=True):
    """A01 and, with an empty namespace, A02 (ClusterPropagationPolicy). Written by users, read by scheduler and renderer."""

    api_version: str = "policy.karmada.io/v1alpha1"
    kind: str = "PropagationPolicy"
    metadata: ObjectMeta = ObjectMeta()
    spec: PropagationSpec = PropagationSpec()
    status: dict[str, Any] = {}
