"""A cluster without the property that copies are spread over cannot be counted (C10 to C12)."""

from __future__ import annotations

from collections.abc import Iterator

from shoal.api.binding import Rejection
from shoal.domain.scheduling.question import Question, Refusal


def spread_constraint(question: Question) -> Iterator[Refusal]:
    """Asked also when the division ignores the constraints otherwise (R3.11)."""
    snapshot = question.snapshot
    having = {"provider": snapshot.providers, "region": snapshot.regions, "zone": snapshot.zones}
    for constraint in question.request.placement.spread_constraints:
        field = constraint.spread_by_field
        if field in having:
            present = 0
            for bits in having[field].values():
                present |= bits
            yield (
                snapshot.everything & ~present,
                Rejection(reason="SpreadPropertyMissing", detail=f"cluster(s) did not have {field} property"),
            )
