"""What one member cluster should run (Work), what it says of it (Report), and what it is able to run (Inventory)."""

from __future__ import annotations

from typing import Any

from shoal.api.cluster import APIEnablement, Grade, NodeSummary, ResourceSummary
from shoal.api.meta import Manifest, Struct


class AppliedOverride(Struct, frozen=True, kw_only=True):
    """Which overriders of one policy were used, in order (R5.7)."""

    policy: str
    """`OverridePolicy/<ns>/<name>` or `ClusterOverridePolicy/<name>`."""
    generation: int = 0
    """Of the policy as it was used (GX26)."""
    overriders: dict[str, Any] = {}


class Work(Struct, frozen=True, kw_only=True):
    """Body of a `work.<member>` entry: the exact manifest for one cluster. Written by override-renderer, read by that cluster's agent.

    In a tombstone `manifest` is empty and `preserve` says whether the copy is deleted or left behind without our marks.
    """

    cluster: str
    epoch: int
    template_uid: str
    template_revision: int
    """Content revision that was rendered."""
    binding_revision: int = 0
    """Sequence of the binding entry it was rendered for."""
    manifest: Manifest = {}
    """Pruned (R6.5), overridden, with ownership marks."""
    conflict: str = "Abort"
    """Abort or Overwrite, already resolved (R6.7)."""
    preserve: bool = False
    foreground: bool = False
    """Of a tombstone: the copy is gone only when what it made is, its pods above all; a new one waits for that elsewhere (R6.2)."""
    suspended: bool = False
    """Dispatching is suspended for this cluster: the agent neither creates nor updates (R6.8)."""
    overrides: tuple[AppliedOverride, ...] = ()
    error: str = ""
    """Rendering failed for this cluster: `manifest` is what was rendered last (or empty), the agent reports the sentence (R5.6)."""


class Report(Struct, frozen=True, kw_only=True):
    """Body of a `report.<member>` entry: what one cluster says of one work. Written by that cluster's agent, read by health-monitor.

    Equal reports are not sent again; `digest` of the envelope is over everything but `apply_ms` and the times.
    """

    work_revision: int
    """Sequence of the `WORK` entry this is about; lower than the current work means "still applying"."""
    epoch: int = 0
    template_uid: str = ""
    template_revision: int = 0
    template_generation: int = 0
    """From the copy's annotation; what R8.3 compares."""
    applied: bool = False
    gone: bool = False
    """The tombstone was carried out: no copy of ours is left."""
    reason: str = ""
    """PascalCase; empty when applied. Conflict, ManifestRejected, DependencyMissing, MemberUnavailable, NotEmpty, Suspended ..."""
    message: str = ""
    health: str = "Unknown"
    """Healthy, Unhealthy or Unknown (R7.4)."""
    status: Manifest | None = None
    """Reflected status of the copy (R7.5)."""
    generation: int = 0
    """Of the copy in the member."""
    replicas: int | None = None
    image: str = ""
    """Images of the copy's containers, comma separated, for `shoal where`."""
    live_uid: str = ""
    drifts: int = 0
    """How often this copy was corrected since the agent started."""
    apply_ms: float = 0.0
    """Round trip of the last write to the member's API server, in milliseconds, by the agent's clock."""
    applied_at: str = ""
    """RFC 3339, by the agent's clock."""


class Inventory(Struct, frozen=True, kw_only=True):
    """What a cluster can run. Written by its agent under the ref of its Cluster in `report.<member>`; read by health-monitor."""

    cluster: str
    kubernetes_version: str = ""
    api_enablements: tuple[APIEnablement, ...] = ()
    complete_api_enablements: bool = True
    node_summary: NodeSummary = NodeSummary()
    resource_summary: ResourceSummary = ResourceSummary()
    grades: tuple[Grade, ...] = ()
    """What `allocatableModelings` in the summary was counted by; empty: the agent counts nothing, or was not told yet by what."""
    api_server_healthy: bool = True
    message: str = ""
