"""All that one decision may know, and what it says."""

from __future__ import annotations

from collections.abc import Mapping, Set
from datetime import datetime

import msgspec

from shoal.api.binding import Binding, Component, ReplicaRequirements
from shoal.api.meta import Manifest, Ref
from shoal.api.shoal import FailoverPolicy
from shoal.api.status import TemplateStatus
from shoal.domain.matching import Exclusions, Policies
from shoal.domain.quota import Quota
from shoal.domain.scheduling import PLUGINS, Plugin, Reservations, Snapshot


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """A workload that names this template as a dependency, and its binding as it stands (R9.1)."""

    ref: Ref
    binding: Binding


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """Another workload of the namespace that is in an affinity or anti-affinity group and has targets (C14, C15)."""

    affinity_group: str = ""
    anti_affinity_group: str = ""
    clusters: frozenset[str] = frozenset()


class EvictionTask(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster that a user wants to be left, or what he says of one that is being left."""

    position: int
    """Where STATE stood when it was asked: what was assigned later is not meant."""
    suppress_deletion: bool | None = None
    """True keeps the copy until further notice, False lets it go now."""
    grace_period_s: int | None = None
    """How long the copy waits for its replacement, in seconds; None: as long as every eviction does."""
    directly: bool = False
    """The copy goes before a new one is made (purge mode Directly)."""


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What users write on a binding: `spec.suspension.scheduling` (B24) and `spec.gracefulEvictionTasks`. Of one template's uid only."""

    template_uid: str
    suspended: bool = False
    tasks: Mapping[str, EvictionTask] = {}
    """By cluster."""


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """Read from complete views at one position; nothing else enters a decision."""

    ref: Ref
    template: Manifest | None
    """None: the view has no such object, or its entry is a tombstone (`template_deleted`)."""
    template_uid: str = ""
    template_revision: int = 0
    """Content revision; of a template with a deletionTimestamp that of the write which set it."""
    template_deleted: bool = False
    """The object's entry is a tombstone."""
    policies: Policies
    """An index, made anew when a policy changes."""
    failover_policies: tuple[FailoverPolicy, ...] = ()
    overrides: Set[Ref] = frozenset()
    """Override policies that exist, for `dependentOverrides` (R1.4)."""
    priority_classes: Mapping[str, int] = {}
    """PriorityClasses that exist, name -> value, for `schedulePriority` (R2.6)."""
    snapshot: Snapshot
    """Made anew when a cluster changes. Tombstoned Cluster objects are in it as `forgotten` until no binding lists them."""
    previous: Binding | None = None
    """Body of the binding's entry, also of a tombstone."""
    previous_deleted: bool = False
    """The binding's entry is a tombstone."""
    status: TemplateStatus | None = None
    owners: tuple[Owner, ...] = ()
    """Workloads with `propagateDeps` that name this template."""
    peers: tuple[Peer, ...] = ()
    occupied: frozenset[str] = frozenset()
    """Of a Namespace: clusters where a binding of that namespace has a target or a removal; the namespace leaves them last."""
    replicas: int = 0
    """From the interpreter, as the next two."""
    requirements: ReplicaRequirements | None = None
    components: tuple[Component, ...] = ()
    wishes: Wishes | None = None
    """What users say on the binding itself."""
    reschedule_at: str = ""
    """RFC 3339: a WorkloadRebalancer asked to start from zero; empty: none."""
    estimates: dict[str, int] | None = None
    """By cluster: room for further replicas, from estimators better than the inventory (Q02)."""
    unschedulable: Mapping[str, int] = {}
    """By cluster: replicas of `previous` that no node takes there, as its agent counted them (R15.4)."""
    quotas: tuple[Quota, ...] = ()
    """Enforced FederatedResourceQuotas of the namespace (R02)."""
    reservations: Reservations | None = None
    """What decisions have taken that no inventory knows yet (E11); None: nothing."""
    now: datetime
    position: int
    """View position in `STATE`: the epoch of what is assigned now."""
    exclusions: Exclusions = Exclusions()
    plugins: Mapping[str, Plugin] = PLUGINS
    scheduler_name: str = "default-scheduler"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the scheduler has to say of one template."""

    binding: Binding | None = None
    """Body of the entry to write; None: this template has no binding and needs none."""
    tombstone: bool = False
    """The entry to write is a tombstone; its body says which copies were there, and `preserve`."""
    changed: bool = False
    """The entry has to be written; False: what stands says the same."""
    requeue_after_s: float | None = None
    """Decide again then, although nothing changed: a toleration ends, or a changed summary may be written."""
    overdue_after_s: float | None = None
    """As well: the grace period of an eviction ends then."""
    reason: str = ""
    """PascalCase, why there is no binding or why it waits: WaitingForPolicy, WaitingForOverrides, WaitingForPriorityClass, Excluded ...;
    Unschedulable: replicas that no node takes stay, since nobody else takes them (R15.4); StateNotPreserved: nothing
    leaves a cluster before its state is known (R12.4)."""
    message: str = ""
    estimates: dict[str, int] = {}
    """By cluster: room for further replicas as its agent said when it was asked (Q02), without what is reserved there."""
    without: dict[str, str] = {}
    """By cluster: why there is no such estimate, though it was wanted."""
