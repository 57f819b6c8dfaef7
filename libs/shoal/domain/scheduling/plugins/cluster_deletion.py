"""Clusters that are being deleted take nothing (C17)."""

from __future__ import annotations

from collections.abc import Iterator

from shoal.api.binding import Rejection
from shoal.domain.scheduling.question import Question, Refusal

_REFUSED = Rejection(reason="ClusterDeleting", detail="cluster(s) are being deleted")


def cluster_deletion(question: Question) -> Iterator[Refusal]:
    """Also for what runs there: a cluster on its way out is left (R3.2-5)."""
    yield question.snapshot.deleting, _REFUSED
