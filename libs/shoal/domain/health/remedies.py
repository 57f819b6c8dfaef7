"""What is to be done about a cluster: the actions of all remedies that speak of it and whose conditions hold (R15.5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from shoal.api.meta import Condition
from shoal.api.remedy import DecisionMatch, RemedySpec


def remedy_actions(cluster: str, conditions: Sequence[Condition], remedies: Iterable[RemedySpec]) -> tuple[str, ...]:
    """Sorted, each once. All of it follows from what stands now, so that an action ends with its reason, or with its Remedy."""
    statuses = {condition.type: condition.status for condition in conditions}
    return tuple(sorted({action for one in remedies if _selects(one, cluster) and _holds(one, statuses) for action in one.actions}))


def _selects(remedy: RemedySpec, cluster: str) -> bool:
    return remedy.cluster_affinity is None or cluster in remedy.cluster_affinity.cluster_names


def _holds(remedy: RemedySpec, statuses: Mapping[str, str]) -> bool:
    """Without a list of matches it always does; an empty list never does."""
    return remedy.decision_matches is None or any(_matches(one, statuses) for one in remedy.decision_matches)


def _matches(match: DecisionMatch, statuses: Mapping[str, str]) -> bool:
    """A condition that the cluster does not have matches nothing, NotEqual neither."""
    wanted = match.cluster_condition_match
    if wanted is None or wanted.condition_type not in statuses:
        return False
    return (statuses[wanted.condition_type] == wanted.condition_status) == (wanted.operator == "Equal")
