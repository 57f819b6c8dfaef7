"""The reasons of now: what would be decided, and how it would be placed from zero. Nothing of it is written."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from shoal.api.binding import Explanation, TargetCluster
from shoal.domain.deciding.decide import decide
from shoal.domain.deciding.inputs import Inputs, Outcome


class Reasons(msgspec.Struct, frozen=True, kw_only=True):
    outcome: Outcome
    """As a decision of now; `changed` says that what stands is not that."""
    afresh: tuple[TargetCluster, ...] = ()
    """Where it would be if it were placed from zero now; empty when nothing is placed now (lazy, suspended, waiting)."""
    explanation: Explanation = Explanation()
    """Of that placement: a decision that merely stands asks no filter, and yet people want to know what each would say."""
    fitting: tuple[str, ...] = ()
    """Clusters that no filter refuses."""


def reasons(inputs: Inputs) -> Reasons:
    """Decides twice: once as it is, once as if somebody had asked to start from zero."""
    outcome = decide(inputs)
    asked = (inputs.now + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    zero = decide(msgspec.structs.replace(inputs, reschedule_at=asked))
    if not zero.changed or zero.tombstone or zero.binding is None:
        return Reasons(outcome=outcome)
    told = zero.binding.explanation
    every = inputs.snapshot.names_in(inputs.snapshot.everything)
    fitting = tuple(name for name in every if name not in told.rejected) if told.rounds or told.rejected else ()
    # The first sentence says why it was placed: because this function asked.
    told = msgspec.structs.replace(told, rounds=told.rounds[1:])
    return Reasons(outcome=outcome, afresh=zero.binding.clusters, explanation=told, fitting=fitting)
