"""Workloads of one anti-affinity group never meet (C15)."""

from __future__ import annotations

from collections.abc import Iterator

from shoal.api.binding import Rejection
from shoal.domain.scheduling.question import Question, Refusal

_REFUSED = Rejection(reason="WorkloadAntiAffinityMismatch", detail="cluster(s) did not match the workload anti-affinity constraint")


def workload_anti_affinity(question: Question) -> Iterator[Refusal]:
    taken = question.snapshot.bits(name for clusters in question.request.anti_affinity_peers for name in clusters)
    yield taken & ~question.current, _REFUSED
