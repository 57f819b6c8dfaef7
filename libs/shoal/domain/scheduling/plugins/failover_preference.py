"""A replacement goes only into the tiers that a FailoverPolicy lists (N12)."""

from __future__ import annotations

from collections.abc import Iterator

from shoal.api.binding import Rejection
from shoal.domain.scheduling.question import Question, Refusal

_REFUSED = Rejection(reason="NotPreferred", detail="cluster(s) were in no tier that the failover policy lists")


def failover_preference(question: Question) -> Iterator[Refusal]:
    request, snapshot = question.request, question.snapshot
    if request.strict and request.prefer:
        yield snapshot.everything & ~snapshot.bits(name for tier in request.prefer for name in tier) & ~question.current, _REFUSED
