"""Taints that follow from what a cluster's conditions say, as ClusterTaintPolicies have it (R10.6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from shoal.api.cluster import Taint
from shoal.api.meta import Condition, Struct
from shoal.api.taint_policy import ClusterTaintPolicySpec, MatchCondition

Identity = tuple[str, str]
"""Key and effect: what tells one taint from another."""


class Tainting(Struct, frozen=True):
    """One policy, as one cluster sees it."""

    spec: ClusterTaintPolicySpec
    selects: bool
    """It speaks of this cluster."""


def policy_taints(standing: Sequence[Taint], conditions: Sequence[Condition], policies: Iterable[Tainting]) -> tuple[Taint, ...]:
    """What of taints is held now, by key and effect. `standing` is what was held before; `policies` come in the order of their creation.

    Each policy first adds, then removes. A taint stays while nothing removes it, also when its policy does not select the cluster any more.
    Past Karmada: it goes with the last policy that names it. There it stands in the Cluster's spec, where users may take it away; here it
    is held beside the spec, and nobody else could.
    """
    policies, statuses = list(policies), {condition.type: condition.status for condition in conditions}
    named = {(taint.key, taint.effect) for policy in policies for taint in policy.spec.taints}
    held = {identity: taint for taint in standing if (identity := (taint.key, taint.effect)) in named}
    for policy in policies:
        if policy.selects:
            _apply(policy.spec, statuses, held)
    return tuple(held[identity] for identity in sorted(held))


def _apply(policy: ClusterTaintPolicySpec, statuses: Mapping[str, str], held: dict[Identity, Taint]) -> None:
    adds, removes = _hold(policy.add_on_conditions, statuses), _hold(policy.remove_on_conditions, statuses)
    for taint in policy.taints:
        if adds:
            held[(taint.key, taint.effect)] = Taint(key=taint.key, value=taint.value, effect=taint.effect)
        if removes:
            held.pop((taint.key, taint.effect), None)


def _hold(wanted: Sequence[MatchCondition], statuses: Mapping[str, str]) -> bool:
    """All of them; an empty list never does."""
    return bool(wanted) and all(_holds(one, statuses) for one in wanted)


def _holds(wanted: MatchCondition, statuses: Mapping[str, str]) -> bool:
    """A condition that the cluster does not have matches nothing, NotIn neither."""
    status = statuses.get(wanted.condition_type)
    return status is not None and (status in wanted.status_values) == (wanted.operator == "In")
