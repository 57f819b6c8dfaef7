"""Verdicts and taints in, evictions and preferences out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from shoal.api.binding import (
    APPLICATION_FAILURE,
    CLUSTER_LOST,
    HELD_BY_USER,
    REPLACEMENT_READY,
    TAINT_UNTOLERATED,
    Binding,
    Removal,
    TargetCluster,
)
from shoal.api.cluster import Taint
from shoal.api.cluster_view import ClusterView
from shoal.api.policy import DIRECTLY, NEVER, Toleration
from shoal.api.status import LOST, CopyStatus, TemplateStatus
from shoal.domain.failover.preserving import NotPreserved, preserved
from shoal.domain.failover.rules import ANY, SAME_PROVIDER, SAME_REGION, Rule, Rules

_AUTHOR = "health-monitor"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What has to leave, and who should take it over."""

    evictions: dict[str, Removal] = {}
    """By cluster. A proposal: it is carried out only when the rest can stand without the cluster."""
    prefer: tuple[frozenset[str], ...] = ()
    """Tiers of clusters, best first; every cluster is in its best tier only. Empty: no preference."""
    strict: bool = False
    """Clusters in no tier take nothing over."""
    recheck_after_s: float | None = None
    """When the next toleration ends, in seconds from now; None: nothing runs."""
    stays: tuple[str, ...] = ()
    """Sentences: who should leave and does not, since its state could not be preserved (R12.4)."""


class _Leaves(NamedTuple):
    """Why one target has to go; `rule` None: without a rule, as users' taints ask for it."""

    reason: str
    author: str
    rule: Rule | None


def evict(
    binding: Binding,
    clusters: Mapping[str, ClusterView],
    rules: Rules,
    *,
    now: datetime,
    status: TemplateStatus | None = None,
    tolerations: tuple[Toleration, ...] | None = None,
) -> Verdict:
    """Looks at every target of the binding.

    A Lost cluster is left when a rule says so; without one nothing moves. A NoExecute taint, which only users and their taint policies set,
    is obeyed always, after the time that the applied placement tolerates it (R11.2). A cluster where the application has failed, by the
    monitor's verdict in `status`, is left when a rule says so (R12.2). `tolerations` stand in for those of the binding.
    """
    tolerated = binding.placement.cluster_tolerations if tolerations is None else tolerations
    evictions, stays, due = dict[str, Removal](), list[str](), list[float]()
    used = list[Rule]()
    for target in binding.clusters:
        cluster = clusters.get(target.name)
        if cluster is None or cluster.forgotten:
            continue  # Absence is no verdict; a tombstone is no eviction but the end.
        copy = _copy(binding, target, status)
        seconds = _seconds_left(cluster.taints, tolerated, now)
        leaves = _leaves(cluster, copy, rules, seconds)
        if leaves is None:
            due += [seconds] if seconds is not None else []
            continue
        try:
            evictions[target.name] = _removal(leaves, binding, target, copy, now)
        except NotPreserved as error:
            stays.append(f"{target.name} is not left: {error}")
            continue
        used += [leaves.rule] if leaves.rule is not None else []
    left = [clusters[name] for name in evictions]
    rule = used[0] if used else None
    return Verdict(
        evictions=evictions,
        prefer=_tiers(rule, left, clusters, evictions) if rule is not None else (),
        strict=rule is not None and ANY not in rule.prefer,
        recheck_after_s=min(due, default=None),
        stays=tuple(stays),
    )


def _copy(binding: Binding, target: TargetCluster, status: TemplateStatus | None) -> CopyStatus | None:
    """What is known of this very assignment."""
    if status is None or status.template_uid != binding.template_uid:
        return None
    copy = status.copy(target.name)
    return copy if copy is not None and copy.epoch >= target.epoch else None


def _leaves(cluster: ClusterView, copy: CopyStatus | None, rules: Rules, seconds_left: float | None) -> _Leaves | None:
    if rules.cluster is not None and cluster.state == LOST:
        return _Leaves(CLUSTER_LOST, _AUTHOR, rules.cluster)
    if seconds_left is not None and seconds_left <= 0:
        return _Leaves(TAINT_UNTOLERATED, f"cluster/{cluster.name}", rules.cluster)
    if rules.application is not None and copy is not None and copy.failed:
        return _Leaves(APPLICATION_FAILURE, _AUTHOR, rules.application)
    return None


def _removal(leaves: _Leaves, binding: Binding, target: TargetCluster, copy: CopyStatus | None, now: datetime) -> Removal:
    """Raises `NotPreserved`."""
    rule, since = leaves.rule, now.strftime("%Y-%m-%dT%H:%M:%SZ")
    failed = leaves.reason == APPLICATION_FAILURE
    before = tuple(one.name for one in binding.clusters) if failed or (rule is not None and rule.preserve) else ()
    removal = Removal(
        reason=leaves.reason, author=leaves.author, epoch=target.epoch, since=since, wait_for=REPLACEMENT_READY, before=before
    )
    if rule is None:
        return removal
    if rule.purge_mode == DIRECTLY:
        kept = preserved(rule.preserve, copy.status if copy is not None else None)
        return msgspec.structs.replace(removal, wait_for="", first=True, preserved=kept)
    if rule.purge_mode == NEVER:
        return msgspec.structs.replace(removal, wait_for=HELD_BY_USER, confirm=True)
    return msgspec.structs.replace(removal, grace_period_s=rule.grace_period_s)


def _seconds_left(taints: tuple[Taint, ...], tolerations: tuple[Toleration, ...], now: datetime) -> float | None:
    """Seconds until the NoExecute taints have to be obeyed (R11.2); None: never."""
    return min(_waits(taints, tolerations, now), default=None)


def _waits(taints: tuple[Taint, ...], tolerations: tuple[Toleration, ...], now: datetime) -> Iterator[float]:
    for taint in taints:
        if taint.effect != "NoExecute":
            continue
        used = [toleration for toleration in tolerations if toleration.tolerates(taint.key, taint.value, taint.effect)]
        if not used:
            yield 0.0
        added = _parse(taint.time_added) or now
        for toleration in used:
            if toleration.toleration_seconds is not None:
                yield max(0.0, (added + timedelta(seconds=toleration.toleration_seconds) - now).total_seconds())


def _parse(time: str | None) -> datetime | None:
    return datetime.fromisoformat(time.replace("Z", "+00:00")) if time else None


def _tiers(
    rule: Rule, left: list[ClusterView], clusters: Mapping[str, ClusterView], evictions: Mapping[str, Removal]
) -> tuple[frozenset[str], ...]:
    """Tiers as seen from the clusters that are left: near one of them is near enough, since a binding is placed as a whole."""
    regions = {cluster.region for cluster in left if cluster.region}
    providers = {cluster.provider for cluster in left if cluster.provider}
    others = [cluster for cluster in clusters.values() if cluster.name not in evictions]
    tiers: list[frozenset[str]] = []
    seen: set[str] = set()
    for word in rule.prefer:
        if word == SAME_REGION:
            names = {cluster.name for cluster in others if cluster.region in regions}
        elif word == SAME_PROVIDER:
            names = {cluster.name for cluster in others if cluster.provider in providers}
        else:
            names = {cluster.name for cluster in others}
        tiers.append(frozenset(names - seen))
        seen |= names
    return tuple(tiers)
