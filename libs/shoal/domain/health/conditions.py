"""The conditions and taints that follow from a cluster's state, with Karmada's words (R10.1 to R10.4)."""

from __future__ import annotations

from collections.abc import Sequence

from shoal.api.cluster import Taint
from shoal.api.meta import Condition
from shoal.api.status import JOINING, LOST

NOT_READY_TAINT = "cluster.karmada.io/not-ready"
UNREACHABLE_TAINT = "cluster.karmada.io/unreachable"
STATE_TAINTS = (NOT_READY_TAINT, UNREACHABLE_TAINT)

CLUSTER_READY = "ClusterReady"
CLUSTER_NOT_READY = "ClusterNotReady"
"""The agent beats, and its member's API server does not answer, or says that it is unhealthy."""
STATUS_UNKNOWN = "ClusterStatusUnknown"
"""The agent fell silent."""
NEVER_UPDATED = "ClusterStatusNeverUpdated"
"""The agent was never heard."""
MASS_SILENCE = "MassSilence"
"""Too many clusters fell silent at once; no verdict is passed."""


def ready_condition(state: str, reason: str, message: str) -> Condition | None:
    """Ready True, False or Unknown; None while a cluster joins and nothing can be said. A suspect is inside its grace, so still True."""
    if state == JOINING:
        return Condition(type="Ready", status="Unknown", reason=reason, message=message) if reason == NEVER_UPDATED else None
    if state != LOST:
        return Condition(type="Ready", status="True", reason=CLUSTER_READY, message=message)
    return Condition(type="Ready", status="False" if reason == CLUSTER_NOT_READY else "Unknown", reason=reason, message=message)


def conditions(previous: Sequence[Condition], ready: Condition | None, complete_apis: bool | None, now: str) -> tuple[Condition, ...]:
    """The conditions of a Cluster; a transition time changes only with the status. `complete_apis` None: no inventory yet (L09)."""
    wanted = [ready] if ready else []
    if complete_apis is not None:
        word, reason = ("True", "Complete") if complete_apis else ("False", "PartialAPIEnablements")
        wanted.append(Condition(type="CompleteAPIEnablements", status=word, reason=reason))
    before = {condition.type: condition for condition in previous}
    return tuple(_dated(condition, before.get(condition.type), now) for condition in wanted)


def _dated(condition: Condition, before: Condition | None, now: str) -> Condition:
    since = before.last_transition_time if before and before.status == condition.status else now
    return Condition(
        type=condition.type, status=condition.status, reason=condition.reason, message=condition.message, last_transition_time=since
    )


def taints(ready: Condition | None) -> tuple[Taint, ...]:
    """Ready True: none; False, or nothing known yet: not-ready; Unknown: unreachable. They keep new work away and evict nothing (R10.4)."""
    if ready is None or ready.status == "False":
        return (Taint(key=NOT_READY_TAINT, effect="NoSchedule"),)
    return () if ready.status == "True" else (Taint(key=UNREACHABLE_TAINT, effect="NoSchedule"),)
