"""New copies go only to clusters that are heard, whatever a placement tolerates."""

from __future__ import annotations

from collections.abc import Iterator

from shoal.api.binding import Rejection
from shoal.domain.scheduling.question import Question, Refusal

_REFUSED = Rejection(reason="ClusterNotReady", detail="cluster(s) were not ready")


def cluster_health(question: Question) -> Iterator[Refusal]:
    """A Joining, Suspect or Lost cluster keeps what it has: nobody knows that it stopped, and a verdict is failover's work."""
    yield question.snapshot.everything & ~question.snapshot.ready & ~question.current, _REFUSED
