"""Usage of bindings, and quotas over it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from shoal.api.binding import Binding, ReplicaRequirements
from shoal.api.quantity import milli, text

Amounts = Mapping[str, int]
"""Resource -> thousandths."""


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """One FederatedResourceQuota of the namespace."""

    name: str
    overall: Amounts
    used: Amounts
    """By all other bindings of the namespace."""


def usage_of(binding: Binding) -> dict[str, int]:
    """Replicas times requests over all clusters; a duplicated workload counts in every one of them; of components each by itself (R04)."""
    copies = len(binding.clusters)
    if len(binding.components) > 1:
        return add(*(_times(one.replica_requirements, one.replicas * copies) for one in binding.components))
    replicas = sum(binding.replicas if target.replicas is None else target.replicas for target in binding.clusters)
    return _times(binding.replica_requirements, replicas)


def exceeded(quotas: Iterable[Quota], before: Amounts, after: Amounts) -> str:
    """Which quota `after` would exceed, as a sentence; empty for none. Who asks for no more than he had always passes."""
    for quota in quotas:
        for name, hard in sorted(quota.overall.items()):
            resource = _resource(name)
            wanted, had = after.get(resource, 0), before.get(resource, 0)
            total = quota.used.get(resource, 0) + wanted
            if wanted > had and total > hard:
                told = f"{name}: {text(total)} of {text(hard)}"
                return (
                    f"FederatedResourceQuota {quota.name} would be exceeded ({told}); lower the replicas or requests, or raise spec.overall"
                )
    return ""


def add(*parts: Amounts) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for name, amount in part.items():
            total[name] = total.get(name, 0) + amount
    return total


def texts(overall: Iterable[str], used: Amounts) -> dict[str, str]:
    """What is used of each resource that a quota names, as quantities."""
    return {name: text(used.get(_resource(name), 0)) for name in sorted(overall)}


def _times(requirements: ReplicaRequirements | None, pods: int) -> dict[str, int]:
    request = requirements.resource_request if requirements else {}
    return {"pods": 1000 * pods} | {name: milli(amount) * pods for name, amount in request.items()}


def _resource(name: str) -> str:
    """`requests.cpu` and `cpu` are the same here: limits are not known of a binding."""
    return name.removeprefix("requests.").removeprefix("count/")
