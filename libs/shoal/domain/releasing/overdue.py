"""Evictions whose replacement takes too long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from shoal.api.binding import EVICTIONS, REPLACEMENT_READY, Removal, TargetCluster
from shoal.api.status import TemplateStatus

GRACE_PERIOD_S = 600
"""How long an evicted copy waits for its replacement at most: what Karmada's `--graceful-eviction-timeout` is by default."""
_HEALTHY = "Healthy"


class Waiting(NamedTuple):
    """The removals of a binding as of now."""

    removals: dict[str, Removal]
    """Those that are overdue wait for nothing any more."""
    recheck_after_s: float | None
    """When the next one is overdue; None: none will be by time alone."""
    told: tuple[str, ...] = ()
    """Sentences about those that became overdue."""


def overdue(
    removals: Mapping[str, Removal], clusters: Sequence[TargetCluster], status: TemplateStatus | None, *, uid: str, now: datetime
) -> Waiting:
    """Evictions that have waited for their whole grace period may go although not every one of `clusters` is healthy (R13.2).

    Karmada lets the old copy go then whatever runs elsewhere, also when nothing was scheduled at all (R13.6). Here it goes only when a
    target runs, healthy: the last copy that works is never deleted because time has passed (GX20). Moves that nobody had to make (a
    rebalance, a cluster that is being deleted) wait as long as it takes.
    """
    kept, waits, told = dict(removals), list[float](), list[str]()
    for name, removal in removals.items():
        left_s = _left_s(removal, now)
        if left_s is None:
            continue
        if left_s > 0:
            waits.append(left_s)
        elif healthy := _healthy(clusters, status, uid):
            kept[name] = msgspec.structs.replace(removal, wait_for="")
            told.append(
                f"the copy in {name} waits no longer: its grace period of {_grace_s(removal)} s is over, and {healthy} runs healthy"
            )
    return Waiting(kept, min(waits, default=None), tuple(told))


def _grace_s(removal: Removal) -> int:
    return GRACE_PERIOD_S if removal.grace_period_s is None else removal.grace_period_s


def _left_s(removal: Removal, now: datetime) -> float | None:
    """Seconds until it is overdue, 0 or less when it is; None for one that does not go by time."""
    if removal.reason not in EVICTIONS or removal.wait_for != REPLACEMENT_READY or not removal.since:
        return None
    since = datetime.fromisoformat(removal.since.replace("Z", "+00:00"))
    return (since + timedelta(seconds=_grace_s(removal)) - now).total_seconds()


def _healthy(clusters: Sequence[TargetCluster], status: TemplateStatus | None, uid: str) -> str:
    """A target whose copy of this assignment runs, of whatever revision; empty when none does."""
    if status is None or status.template_uid != uid:
        return ""
    for target in clusters:
        copy = status.copy(target.name)
        if copy is not None and copy.applied and copy.health == _HEALTHY and copy.epoch >= target.epoch:
            return target.name
    return ""
