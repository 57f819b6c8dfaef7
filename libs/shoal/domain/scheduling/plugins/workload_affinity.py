"""Workloads of one affinity group share their clusters (C14)."""

from __future__ import annotations

from collections.abc import Iterator

from shoal.api.binding import Rejection
from shoal.domain.scheduling.question import Question, Refusal

_REFUSED = Rejection(reason="WorkloadAffinityMismatch", detail="cluster(s) did not match the workload affinity constraint")


def workload_affinity(question: Question) -> Iterator[Refusal]:
    """Every other placed workload of the group has to be there; the first one of a group is free."""
    shared = question.snapshot.everything
    for clusters in question.request.affinity_peers:
        shared &= question.snapshot.bits(clusters)
    yield question.snapshot.everything & ~shared & ~question.current, _REFUSED
