"""What users asked to happen when a cluster is lost: `failover.cluster` of the owning policy, or a FailoverPolicy."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from shoal.api.meta import Manifest
from shoal.api.policy import Failover
from shoal.api.selecting import NONE, closest
from shoal.api.shoal import FailoverPolicy

SAME_REGION, SAME_PROVIDER, ANY = "SameRegion", "SameProvider", "Any"
DIRECTLY, GRACEFULLY = "Directly", "Gracefully"


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What applies to one template."""

    prefer: tuple[str, ...]
    purge_mode: str
    source: str
    """Who says so, for the explanation."""


def rule_for(template: Manifest, failover: Failover | None, policies: Iterable[FailoverPolicy]) -> Rule | None:
    """The rule for a lost cluster, or None: then nothing moves.

    Of several FailoverPolicies that match, one of the template's namespace goes before a cluster-wide one, then the closer match, then the
    smaller name. `failover.cluster` wins on `purgeMode`; alone it prefers the same region, then the same provider, then anything.
    """
    policy = _best(template, policies)
    block = failover.cluster if failover is not None else None
    if policy is not None:
        return Rule(
            prefer=policy.spec.prefer,
            purge_mode=block.purge_mode if block is not None else policy.spec.purge_mode,
            source=f"FailoverPolicy {policy.metadata.name}",
        )
    if block is not None:
        return Rule(prefer=(SAME_REGION, SAME_PROVIDER, ANY), purge_mode=block.purge_mode, source="failover.cluster of the policy")
    return None


def _best(template: Manifest, policies: Iterable[FailoverPolicy]) -> FailoverPolicy | None:
    namespace = template["metadata"].get("namespace") or ""
    found = []
    for policy in policies:
        if policy.metadata.namespace not in {"", namespace}:
            continue
        selectors = policy.spec.resource_selectors
        closeness = closest(selectors, template) if selectors else NONE
        if selectors and closeness == NONE:
            continue
        found.append((not policy.metadata.namespace, -closeness, policy.metadata.name, policy))
    return min(found, key=lambda item: item[:3])[3] if found else None
