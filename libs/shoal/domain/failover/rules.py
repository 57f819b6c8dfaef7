"""What users asked to happen when a cluster is lost or an application has failed: `failover` of the owning policy, or a FailoverPolicy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from shoal.api.meta import Manifest
from shoal.api.policy import ApplicationFailover, ClusterFailover, Failover, StatePreservationRule
from shoal.api.selecting import NONE, closest
from shoal.api.shoal import FailoverPolicy

SAME_REGION, SAME_PROVIDER, ANY = "SameRegion", "SameProvider", "Any"
_NEAREST = (SAME_REGION, SAME_PROVIDER, ANY)


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What applies to one template."""

    prefer: tuple[str, ...]
    purge_mode: str
    source: str
    """Who says so, for the explanation."""
    grace_period_s: int | None = None
    """Gracefully: how long a copy waits for its replacement; None: as long as every eviction does."""
    preserve: tuple[StatePreservationRule, ...] = ()
    """Directly: what of the copy's status the new one has to know (R12.4)."""


class Rules(NamedTuple):
    """What applies to one template; None: nothing moves for that."""

    cluster: Rule | None
    """A cluster is lost."""
    application: Rule | None = None
    """The application has failed in a cluster."""


def rules_for(template: Manifest, failover: Failover | None, policies: Iterable[FailoverPolicy], *, propagates_deps: bool) -> Rules:
    """What the owning policy's `failover` and the FailoverPolicies say.

    Of several FailoverPolicies that match, one of the template's namespace goes before a cluster-wide one, then the closer match, then the
    smaller name; it says which clusters are preferred. `failover` wins on `purgeMode`; alone it prefers the same region, then the same
    provider, then anything. An application moves only when `failover.application` asks for it and its dependencies go along (R12.1).
    """
    policy = _best(template, policies)
    prefer = policy.spec.prefer if policy is not None else _NEAREST
    application = failover.application if failover is not None and propagates_deps else None
    return Rules(
        cluster=_cluster(failover.cluster if failover is not None else None, policy, prefer),
        application=_application(application, prefer) if application is not None else None,
    )


def _cluster(block: ClusterFailover | None, policy: FailoverPolicy | None, prefer: tuple[str, ...]) -> Rule | None:
    if block is not None:
        source = f"FailoverPolicy {policy.metadata.name}" if policy is not None else "failover.cluster of the policy"
        keeps = block.state_preservation.rules if block.state_preservation is not None else ()
        return Rule(prefer=prefer, purge_mode=block.purge_mode, source=source, preserve=keeps)
    if policy is not None:
        return Rule(prefer=prefer, purge_mode=policy.spec.purge_mode, source=f"FailoverPolicy {policy.metadata.name}")
    return None


def _application(block: ApplicationFailover, prefer: tuple[str, ...]) -> Rule:
    return Rule(
        prefer=prefer,
        purge_mode=block.purge_mode,
        source="failover.application of the policy",
        grace_period_s=block.grace_period_seconds,
        preserve=block.state_preservation.rules if block.state_preservation is not None else (),
    )


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
