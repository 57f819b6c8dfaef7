"""Which nodes take a pod: its selector, its required affinity, its tolerations; as the Kubernetes scheduler has it."""

from __future__ import annotations

from typing import Any

from shoal.api.binding import NodeClaim
from shoal.api.nodes import NodeRoom
from shoal.api.policy import Toleration

_BLOCKING = ("NoSchedule", "NoExecute")


def admits(node: NodeRoom, claim: NodeClaim | None) -> bool:
    """Whether a pod with that claim may run there, room aside. Preferences do not count."""
    claim = claim or NodeClaim()
    tolerations = [_toleration(one) for one in claim.tolerations]
    for taint in node.taints:
        key, value, effect = str(taint.get("key", "")), str(taint.get("value") or ""), str(taint.get("effect", ""))
        if effect in _BLOCKING and not any(one.tolerates(key, value, effect) for one in tolerations):
            return False
    if any(node.labels.get(key) != value for key, value in claim.node_selector.items()):
        return False
    terms = (claim.hard_node_affinity or {}).get("nodeSelectorTerms")
    return terms is None or any(_matches(term, node) for term in terms)


def _toleration(raw: dict[str, Any]) -> Toleration:
    return Toleration(
        key=str(raw.get("key") or ""),
        operator=str(raw.get("operator") or "Equal"),
        value=str(raw.get("value") or ""),
        effect=str(raw.get("effect") or ""),
    )


def _matches(term: dict[str, Any], node: NodeRoom) -> bool:
    """One term: all of it; an empty one matches nothing."""
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    return all(_holds(one, node.labels) for one in expressions) and all(_holds(one, {"metadata.name": node.name}) for one in fields)


def _holds(expression: dict[str, Any], values: dict[str, str]) -> bool:
    value, operator, wanted = values.get(expression["key"]), expression["operator"], expression.get("values") or ()
    if operator in ("In", "NotIn"):
        return bool((value in wanted) == (operator == "In"))
    if operator in ("Gt", "Lt"):
        if value is None or not value.lstrip("-").isdigit() or not wanted:
            return False
        return int(value) > int(wanted[0]) if operator == "Gt" else int(value) < int(wanted[0])
    return bool((value is not None) == (operator == "Exists"))
