"""Only clusters that the placement speaks of (R3.5, C01 to C07)."""

from __future__ import annotations

from collections.abc import Iterator

from shoal.api.binding import Rejection
from shoal.domain.scheduling.question import Question, Refusal

_REFUSED = Rejection(reason="AffinityMismatch", detail="cluster(s) did not match the placement cluster affinity constraint")


def cluster_affinity(question: Question) -> Iterator[Refusal]:
    """The group being tried and, for workloads, its overflow groups. What runs elsewhere gets no exemption."""
    matching = 0
    for affinity in question.affinities:
        matching |= question.snapshot.matching(affinity)
    yield question.snapshot.everything & ~matching, _REFUSED
