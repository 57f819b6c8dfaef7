"""What health-monitor says: of clusters (Belief) and of a template's copies (TemplateStatus)."""

from __future__ import annotations

from shoal.api.cluster import ClusterStatus, Grade, Taint
from shoal.api.meta import Manifest, Struct

READY, SUSPECT, LOST, JOINING = "Ready", "Suspect", "Lost", "Joining"


class Belief(Struct, frozen=True, kw_only=True):
    """Body of a `state.belief` entry of a Cluster. Written by health-monitor when state, taints or inventory change."""

    member: str
    state: str
    """Joining (never heard), Ready, Suspect (silent, inside the grace), Lost (silent for the whole grace, or its API does not answer)."""
    since: str
    """RFC 3339 of the last change of `state`."""
    reason: str = ""
    message: str = ""
    taints: tuple[Taint, ...] = ()
    """Held by the belief, beside those in the Cluster's spec (R10.4)."""
    status: ClusterStatus = ClusterStatus()
    grades: tuple[Grade, ...] = ()
    """What `allocatableModelings` in `status` was counted by."""
    losses: tuple[str, ...] = ()
    """RFC 3339 of the last times it became Lost, oldest first; the more there are, the longer it must beat before it is Ready again."""


class CopyStatus(Struct, frozen=True, kw_only=True):
    """One cluster's copy, from its last report."""

    cluster: str
    member: str = ""
    applied: bool = False
    health: str = "Unknown"
    reason: str = ""
    message: str = ""
    epoch: int = 0
    work_revision: int = 0
    template_revision: int = 0
    template_generation: int = 0
    change: str = ""
    status: Manifest | None = None
    generation: int = 0
    replicas: int | None = None
    image: str = ""
    applied_at: str = ""
    unhealthy_since: str = ""
    """RFC 3339: since when it was Unhealthy without a break; only of targets whose binding says how long that is tolerated (R12.2)."""
    failed: bool = False
    """The verdict: Unhealthy for longer than that. The scheduler acts upon it."""


class TemplateStatus(Struct, frozen=True, kw_only=True):
    """Body of a `state.status` entry. Written by health-monitor; read by scheduler, renderer (removals) and gateway."""

    template_uid: str
    copies: tuple[CopyStatus, ...] = ()
    """Clusters that have, or should have, a copy; sorted by name."""
    gone: dict[str, int] = {}
    """Cluster -> epoch up to which its member confirmed that no copy is left."""
    fully_applied: bool = False
    status: Manifest | None = None
    """Merged by the rules of R8.3; None when no rule of the kind gives one."""

    def copy(self, cluster: str) -> CopyStatus | None:
        return next((item for item in self.copies if item.cluster == cluster), None)
