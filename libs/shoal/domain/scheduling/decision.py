"""What `schedule` says: targets, removals, the condition, and what explains them."""

from __future__ import annotations

import msgspec

from shoal.api.binding import Removal, Standing, TargetCluster
from shoal.api.meta import Condition
from shoal.domain.scheduling.question import Refusal
from shoal.domain.scheduling.snapshot import Snapshot


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Own targets only; those that owners ask for are added by `attach`."""

    clusters: tuple[TargetCluster, ...]
    """Sorted by name."""
    removals: dict[str, Removal]
    condition: Condition
    """`Scheduled`; its transition time is kept while its status stays."""
    fits: bool
    """The request stands as asked; False: the targets are those of before, and the condition says why."""
    placed: bool = False
    """A new placement was made now; False: what was decided before stands."""
    affinity_name: str = ""
    rescheduled_at: str = ""
    refusals: tuple[Refusal, ...] = ()
    """Of the last affinity that was tried."""
    standing: Standing | None = None
    recheck_after_s: float | None = None
    """When a move may be made that is not due yet."""
    snapshot: Snapshot
    scores: dict[str, int] = {}
    rounds: tuple[str, ...] = ()
    """Why it was decided, and how replicas were divided."""
