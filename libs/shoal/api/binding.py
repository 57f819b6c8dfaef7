"""A binding: the scheduler's statement about one template. Which policy owns it, where it runs, where it leaves, and why not elsewhere."""

from __future__ import annotations

from typing import Any

from shoal.api.meta import Condition, Ref, Struct
from shoal.api.options import NO_OPTIONS, PlacementOptions
from shoal.api.policy import Failover, Placement, Suspension

REPLACEMENT_READY = "ReplacementReady"
OWNERS_GONE = "OwnersGone"
HELD_BY_USER = "HeldByUser"
"""`suppressDeletion` of an eviction task: the copy stays until the user lets it go."""

# Why a cluster leaves a binding: the reasons of removals.
POLICY_CHANGED = "PolicyChanged"
REPLICAS_CHANGED = "ReplicasChanged"
REBALANCED = "Rebalanced"
CLUSTER_CHANGED = "ClusterChanged"
DESCHEDULED = "Descheduled"
"""None of its pods found a node (R15.4)."""
CLUSTER_DELETED = "ClusterDeleted"
CLUSTER_LOST = "ClusterLost"
TAINT_UNTOLERATED = "TaintUntolerated"
APPLICATION_FAILURE = "ApplicationFailure"
"""Unhealthy for longer than its policy tolerates (R12.2)."""
USER_EVICTED = "UserEvicted"
OWNERS_MOVED = "OwnersMoved"
TEMPLATE_REPLACED = "TemplateReplaced"
EVICTIONS = frozenset({CLUSTER_LOST, TAINT_UNTOLERATED, APPLICATION_FAILURE, USER_EVICTED})
"""While a removal with one of these is listed, its cluster is no candidate (N11)."""

# The condition of a binding, and its reasons (E06).
SCHEDULED = "Scheduled"
CLAIMED = "Claimed"
"""Only there while something is wrong: False with the reason why the owning policy is not applied (GX13)."""
SUCCESS = "Success"
NO_CLUSTER_FIT = "NoClusterFit"
UNSCHEDULABLE = "Unschedulable"
SCHEDULER_ERROR = "SchedulerError"
QUOTA_EXCEEDED = "QuotaExceeded"
SUSPENDED = "SchedulingSuspended"
STATE_NOT_PRESERVED = "StateNotPreserved"
"""Nothing leaves a cluster whose status does not say yet what the new copy has to know (R12.4)."""


class NodeClaim(Struct, frozen=True, kw_only=True):
    """What pods ask of their node, as Kubernetes writes it (R2.8)."""

    hard_node_affinity: dict[str, Any] | None = None
    node_selector: dict[str, str] = {}
    tolerations: tuple[dict[str, Any], ...] = ()


class ReplicaRequirements(Struct, frozen=True, kw_only=True):
    """What one replica needs; from the template by its interpreter (R2.8). Absent when there are neither requests nor node constraints."""

    resource_request: dict[str, str] = {}
    """Quantities as Kubernetes writes them (`"500m"`, `"1Gi"`)."""
    node_claim: NodeClaim | None = None
    namespace: str = ""
    priority_class_name: str = ""


class Component(Struct, frozen=True, kw_only=True):
    """One pod template of a workload that has several (D15)."""

    name: str
    replicas: int
    replica_requirements: ReplicaRequirements | None = None


class Claim(Struct, frozen=True, kw_only=True):
    """The policy that owns a template (R1.5)."""

    policy: Ref
    uid: str
    revision: int
    """Content revision of the policy that the decision used."""
    content: str = ""
    """Of a lazy policy: what the user had said in the template then, as a digest (R1.11)."""


class TargetComponent(Struct, frozen=True, kw_only=True):
    """So many pods of one pod template, of a workload that has several (D15)."""

    name: str
    replicas: int = 0


class TargetCluster(Struct, frozen=True, kw_only=True):
    name: str
    replicas: int | None = None
    """None: the kind is not divided; every selected cluster gets it as it is (R4.1)."""
    epoch: int = 0
    """The scheduler's view position in `STATE` when it assigned this cluster; an agent never acts for a lower one."""
    components: tuple[TargetComponent, ...] = ()
    """Of a workload with several pod templates: the whole set, which is never split (R4.20)."""
    preserved: dict[str, str] | None = None
    """Labels of this copy: what was kept of the status of the one whose place it took (R12.4)."""


class Removal(Struct, frozen=True, kw_only=True):
    """A cluster on its way out. It leaves the list when its member has reported the copy gone, or when the cluster is forgotten."""

    reason: str
    """PascalCase; one of the constants above."""
    author: str
    """Who wanted it: `policy/<ns>/<name>`, `cluster/<name>`, `health-monitor`, or a user."""
    change: str = ""
    epoch: int = 0
    """Of the assignment that ends here; the tombstone of the work carries it."""
    since: str = ""
    """RFC 3339."""
    wait_for: str = ""
    """Empty: at once. `ReplacementReady`: every target is healthy. `OwnersGone`: no owner of `requiredBy` has a copy there.
    `HeldByUser`: until the user says so."""
    owners: tuple[Ref, ...] = ()
    """With `OwnersGone`: the workloads whose copy must leave this cluster first."""
    unnamed: tuple[Ref, ...] = ()
    """Those of `owners` that stay and no longer name this object: they only have to run, healthy, as they are now."""
    preserve: bool = False
    """The copy is left behind without our marks (B26). Never in a failover: what was moved must not run twice."""
    grace_period_s: int | None = None
    """Of an eviction that waits for its replacement: seconds from `since` on after which it waits no longer (R13.2); None: ten minutes."""
    first: bool = False
    """Purge mode Directly: while this copy may still run, no new one is made anywhere (R6.2), since two must never run at once."""
    confirm: bool = False
    """Purge mode Never: it stays until a user lets it go (R12.3)."""
    before: tuple[str, ...] = ()
    """Clusters of the binding when the application was found to have failed (R12.2)."""
    preserved: dict[str, str] = {}
    """Label -> value, read from the status of this copy before it goes (R12.4)."""


class BindingSnapshot(Struct, frozen=True, kw_only=True):
    """One owner of an attached dependency, and where that owner needs it (R9.1)."""

    owner: Ref
    clusters: tuple[str, ...] = ()


class Rejection(Struct, frozen=True, kw_only=True):
    """Why one cluster was not chosen; the first reason found."""

    reason: str
    """PascalCase, such as TaintNotTolerated, AffinityMismatch, NoReplicas."""
    detail: str = ""


class Explanation(Struct, frozen=True, kw_only=True):
    """Written with a decision, no content of it: what was considered, so that explain answers from the record."""

    rejected: dict[str, Rejection] = {}
    """By cluster."""
    scores: dict[str, int] = {}
    rounds: tuple[str, ...] = ()
    """Sentences about how replicas were divided, in order."""
    lost_policies: dict[str, str] = {}
    """Policies that matched and did not win: name -> why."""
    estimates: dict[str, int] = {}
    """Room for further replicas by cluster as better estimators than the inventory said it: an input that is nowhere else."""
    reserved: dict[str, int] = {}
    """Room by cluster that was reserved by decisions which no inventory knew yet, in replicas of this size: as the estimates an input."""
    used: dict[str, int] | None = None
    """What the other bindings of the namespace used where a quota was asked (R02), in thousandths: an input, since it counts decisions that
    were not written yet. None: no quota was asked."""
    beside: tuple[tuple[str, ...], ...] | None = None
    """Clusters of the other workloads of its affinity group (C14), each set once; an input as well. None: it is in no group."""
    away_from: tuple[str, ...] | None = None
    """Clusters of the other workloads of its anti-affinity group (C15), likewise."""
    needed_by: tuple[Ref, ...] = ()
    """Workloads that need it and are placed nowhere; those that are stand in `required_by`."""
    incomplete: bool = False
    """Estimates and reservations did not fit into this record: a replay cannot be told them."""
    unschedulable: dict[str, int] = {}
    """Replicas by cluster that no node took, as the agents counted them (R15.4); an input as well."""
    left_out: int = 0
    """Clusters whose reason or score was left out, so that the explanation stays within its limit."""
    decided_at: str = ""
    view_position: int = 0


class Standing(Struct, frozen=True, kw_only=True):
    """What a placement was made among; remembered where the policy reacts to its clusters, so that a change can be told."""

    at: str = ""
    """RFC 3339: when it was made."""
    candidates: tuple[str, ...] = ()
    """Clusters that fitted."""
    outside: dict[str, tuple[str, ...]] = {}
    """Clusters that the affinity speaks of and that did not fit, by what would let them: `recovered`, `apis`."""
    moved_at: str = ""
    """RFC 3339: the last step of a move that takes several."""
    preferred: str = ""
    """A better group of `clusterAffinities` that fits as well (GX02)."""
    preferred_since: str = ""
    """RFC 3339: since when it does."""


class Binding(Struct, frozen=True, kw_only=True):
    """Body of a `state.binding` entry. Written by the scheduler; read by renderer, health-monitor and gateway."""

    template_uid: str
    template_revision: int
    """Content revision of the template that this decision is for; the renderer renders exactly that one."""
    claim: Claim | None = None
    placement: Placement = Placement()
    """As applied (E09)."""
    options: PlacementOptions = NO_OPTIONS
    """As applied, beside the placement."""
    standing: Standing | None = None
    """Only where the options react to clusters."""
    replicas: int = 0
    """Of the template; 0 for kinds without."""
    replica_requirements: ReplicaRequirements | None = None
    components: tuple[Component, ...] = ()
    clusters: tuple[TargetCluster, ...] = ()
    """Sorted by name."""
    removals: dict[str, Removal] = {}
    """By cluster. A cluster in `clusters` is never here."""
    required_by: tuple[BindingSnapshot, ...] = ()
    """Owners whose clusters are part of `clusters` (R9.2); empty for what nobody depends on."""
    attached: tuple[str, ...] = ()
    """Those of `clusters` that are here only because an owner is; the others are the binding's own."""
    propagate_deps: bool = False
    conflict_resolution: str = "Abort"
    preserve_resources_on_deletion: bool = False
    suspension: Suspension | None = None
    failover: Failover | None = None
    schedule_priority: int | None = None
    """Value of the PriorityClass that the policy asks for, as it was when the policy was applied (R2.6); None: it asks for none."""
    affinity_name: str = ""
    """The ordered group in use (R3.8)."""
    affinity_group: str = ""
    """`<key>=<value>` of the placement's workload affinity (R2.7); empty: in no group."""
    anti_affinity_group: str = ""
    rescheduled_at: str = ""
    """RFC 3339: the last request to start from zero that was carried out (D11)."""
    descheduled: dict[str, str] = {}
    """Clusters that lost replicas which no node took -> RFC 3339, when: for some time they get no others (R15.4)."""
    conditions: tuple[Condition, ...] = ()
    """`Scheduled` with Karmada's reasons (E06)."""
    explanation: Explanation = Explanation()

    def target(self, cluster: str) -> TargetCluster | None:
        return next((target for target in self.clusters if target.name == cluster), None)
