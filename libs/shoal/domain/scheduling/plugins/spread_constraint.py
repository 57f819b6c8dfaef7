"""A cluster without the property that copies are spread over cannot be counted (C10 to C13)."""

from __future__ import annotations

from collections.abc import Iterator

from shoal.api.binding import Rejection
from shoal.domain.scheduling.question import Question, Refusal
from shoal.domain.scheduling.topology import key_of


def spread_constraint(question: Question) -> Iterator[Refusal]:
    """Asked also when the division ignores the constraints otherwise (R3.11)."""
    snapshot = question.snapshot
    for constraint in question.request.placement.spread_constraints:
        if key := key_of(constraint.spread_by_field, constraint.spread_by_label):
            word = constraint.spread_by_field or f"label {constraint.spread_by_label}"
            yield (
                snapshot.everything & ~snapshot.having(key),
                Rejection(reason="SpreadPropertyMissing", detail=f"cluster(s) did not have {word} property"),
            )
