"""What a plugin is asked: one request against one snapshot, with the sets that several plugins need."""

from __future__ import annotations

from typing import NamedTuple

from shoal.api.binding import Rejection
from shoal.api.policy import ClusterAffinity
from shoal.domain.scheduling.request import Request
from shoal.domain.scheduling.snapshot import Bits, Snapshot

Refusal = tuple[Bits, Rejection]


class Question(NamedTuple):
    request: Request
    snapshot: Snapshot
    affinities: tuple[ClusterAffinity | None, ...]
    """The affinity being tried, then its overflow groups; a cluster belongs to the first that matches (R4.14)."""
    current: Bits
    """Targets of the previous decision. What already runs is not refused by what only newcomers have to fulfil."""
    leaving: Bits
    """Clusters that are named in removals for a verdict, or have to go now."""
