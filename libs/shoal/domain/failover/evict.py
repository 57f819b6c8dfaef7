"""Verdicts and taints in, evictions and preferences out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from shoal.api.binding import CLUSTER_LOST, REPLACEMENT_READY, TAINT_UNTOLERATED, Binding, Removal
from shoal.api.cluster import Taint
from shoal.api.cluster_view import ClusterView
from shoal.api.policy import Toleration
from shoal.api.status import LOST
from shoal.domain.failover.rules import ANY, DIRECTLY, SAME_PROVIDER, SAME_REGION, Rule


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


def evict(
    binding: Binding,
    clusters: Mapping[str, ClusterView],
    rule: Rule | None,
    *,
    now: datetime,
    tolerations: tuple[Toleration, ...] | None = None,
) -> Verdict:
    """Looks at every target of the binding.

    A Lost cluster is left when a rule says so; without one nothing moves. A NoExecute taint, which only users and their taint policies set,
    is obeyed always, after the time that the applied placement tolerates it (R11.2). `tolerations` stand in for those of the binding.
    """
    tolerated = binding.placement.cluster_tolerations if tolerations is None else tolerations
    evictions: dict[str, Removal] = {}
    due: list[float] = []
    for target in binding.clusters:
        cluster = clusters.get(target.name)
        if cluster is None or cluster.forgotten:
            continue  # Absence is no verdict; a tombstone is no eviction but the end.
        if rule is not None and cluster.state == LOST:
            evictions[target.name] = _removal(CLUSTER_LOST, "health-monitor", rule, target.epoch, now)
            continue
        seconds = _seconds_left(cluster.taints, tolerated, now)
        if seconds is not None and seconds <= 0:
            evictions[target.name] = _removal(TAINT_UNTOLERATED, f"cluster/{target.name}", rule, target.epoch, now)
        elif seconds is not None:
            due.append(seconds)
    lost = [clusters[name] for name in evictions]
    return Verdict(
        evictions=evictions,
        prefer=_tiers(rule, lost, clusters, evictions) if rule is not None and lost else (),
        strict=rule is not None and ANY not in rule.prefer,
        recheck_after_s=min(due, default=None),
    )


def _removal(reason: str, author: str, rule: Rule | None, epoch: int, now: datetime) -> Removal:
    directly = rule is not None and rule.purge_mode == DIRECTLY
    since, wait_for = now.strftime("%Y-%m-%dT%H:%M:%SZ"), "" if directly else REPLACEMENT_READY
    return Removal(reason=reason, author=author, epoch=epoch, since=since, wait_for=wait_for, first=directly)


def _seconds_left(taints: tuple[Taint, ...], tolerations: tuple[Toleration, ...], now: datetime) -> float | None:
    """Seconds until the NoExecute taints have to be obeyed (R11.2); None: never."""
    left: list[float] = []
    for taint in taints:
        if taint.effect != "NoExecute":
            continue
        used = [toleration for toleration in tolerations if toleration.tolerates(taint.key, taint.value, taint.effect)]
        if not used:
            return 0.0
        added = _parse(taint.time_added) or now
        left += [
            (added + timedelta(seconds=toleration.toleration_seconds) - now).total_seconds()
            for toleration in used
            if toleration.toleration_seconds is not None
        ]
    return max(0.0, min(left)) if left else None


def _parse(time: str | None) -> datetime | None:
    return datetime.fromisoformat(time.replace("Z", "+00:00")) if time else None


def _tiers(
    rule: Rule, lost: list[ClusterView], clusters: Mapping[str, ClusterView], evictions: Mapping[str, Removal]
) -> tuple[frozenset[str], ...]:
    """Tiers as seen from the lost clusters: near one of them is near enough, since a binding is placed as a whole."""
    regions = {cluster.region for cluster in lost if cluster.region}
    providers = {cluster.provider for cluster in lost if cluster.provider}
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
