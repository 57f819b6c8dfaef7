"""One decision after the other, without a hub: what the next says once the last was written."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from shoal.api.cluster_view import ClusterView
from shoal.api.status import LOST
from shoal.domain.deciding import Inputs, Outcome, decide


def lose(cluster: ClusterView) -> ClusterView:
    return msgspec.structs.replace(cluster, state=LOST)


def placed(outcome: Outcome) -> dict[str, int | None]:
    """Cluster -> replicas."""
    return {target.name: target.replicas for target in outcome.binding.clusters} if outcome.binding is not None else {}


def again(outcome: Outcome, inputs: Inputs, seconds: float = 0.0, **changed: Any) -> Outcome:
    """The next decision, so many seconds later."""
    facts: dict[str, Any] = {
        "previous": outcome.binding,
        "previous_deleted": outcome.tombstone,
        "position": inputs.position + 10,
        "now": inputs.now + timedelta(seconds=seconds),
    }
    return decide(msgspec.structs.replace(inputs, **facts | changed))
