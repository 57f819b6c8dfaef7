"""What one decision is about: a template's needs, its placement, and what other decisions say of it."""

from __future__ import annotations

import msgspec

from shoal.api.binding import Binding, Component, Removal, ReplicaRequirements
from shoal.api.meta import Ref
from shoal.api.options import NO_OPTIONS, PlacementOptions
from shoal.api.policy import Placement

AGGREGATED, DYNAMIC, STATIC, DUPLICATED = "Aggregated", "DynamicWeight", "StaticWeight", "Duplicated"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about the template that a placement depends on; the clusters are in the `Snapshot`, the past in the previous binding."""

    ref: Ref
    uid: str
    api_version: str
    placement: Placement = Placement()
    options: PlacementOptions = NO_OPTIONS
    """What its policy asks for beyond the placement."""
    settled: bool = True
    """Every copy runs what was decided, healthy: the next step of a move may be made."""
    replicas: int = 0
    """Of the template by its interpreter; 0 for kinds without."""
    requirements: ReplicaRequirements | None = None
    components: tuple[Component, ...] = ()
    author: str = ""
    """Who is responsible when the policy moves the workload: `policy/<ns>/<name>`."""
    evictions: dict[str, Removal] = {}
    """Targets that have to go, with the reason (`failover.evict`, users): they go only when the rest can stand without them."""
    prefer: tuple[frozenset[str], ...] = ()
    """With evictions: tiers of clusters that should take over, best first (`failover.evict`)."""
    strict: bool = False
    """With tiers: a cluster that is in no tier takes nothing over."""
    reschedule_at: str = ""
    """RFC 3339: somebody asked to start from zero (D11, WorkloadRebalancer); empty: nobody."""
    affinity_peers: tuple[frozenset[str], ...] = ()
    """Clusters of every other workload of the same affinity group that has some (C14)."""
    anti_affinity_peers: tuple[frozenset[str], ...] = ()
    estimates: dict[str, int] | None = None
    """By cluster: room for further replicas, from better estimators than the general one (Q02); absent clusters were not asked."""
    reserved: dict[str, int] = {}
    """By cluster: room that other decisions, and this one's last, have taken and no inventory knows yet (E11, `Ledger.taken`)."""
    unschedulable: dict[str, int] = {}
    """By cluster: replicas that have to move on, since no node takes them there (R15.4)."""
    resting: frozenset[str] = frozenset()
    """Clusters that take nothing more, whatever room they seem to have: no node took what they had (R15.4)."""

    @property
    def workload(self) -> bool:
        """R2.10: something with pods of its own; everything else just has to be there."""
        return self.replicas > 0 or self.requirements is not None or bool(self.components)

    @property
    def divisible(self) -> bool:
        """R4.1: replicas are handed out by number."""
        return (self.replicas > 0 or self.requirements is not None) and len(self.components) <= 1

    @property
    def strategy(self) -> str:
        """R4.3; a missing block means Duplicated (D01)."""
        block = self.placement.replica_scheduling
        if block is None or block.replica_scheduling_type == "Duplicated":
            return DUPLICATED
        if block.replica_division_preference == "Aggregated":
            return AGGREGATED
        preference = block.weight_preference
        return DYNAMIC if preference is not None and preference.dynamic_weight else STATIC

    @property
    def divided(self) -> bool:
        return self.divisible and self.strategy != DUPLICATED


def divided_by_room(binding: Binding) -> bool:
    """Whether free room decides how its replicas are divided (D05, D06), or which cluster takes it as a whole (D15)."""
    block = binding.placement.replica_scheduling
    if block is None or block.replica_scheduling_type == "Duplicated":
        return False
    dynamic = block.weight_preference is not None and bool(block.weight_preference.dynamic_weight)
    divisible = binding.replicas > 0 or bool(binding.components)
    return divisible and (block.replica_division_preference == "Aggregated" or dynamic)
