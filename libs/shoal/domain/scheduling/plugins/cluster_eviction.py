"""A cluster that a workload is being moved away from does not get it back meanwhile (N11)."""

from __future__ import annotations

from collections.abc import Iterator

from shoal.api.binding import Rejection
from shoal.domain.scheduling.question import Question, Refusal

_REFUSED = Rejection(reason="ClusterEvicting", detail="cluster(s) is in the process of eviction")


def cluster_eviction(question: Question) -> Iterator[Refusal]:
    yield question.leaving, _REFUSED
