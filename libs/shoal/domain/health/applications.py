"""How long an application may be unhealthy in a cluster, and when it has failed there (R12.1, R12.2)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from shoal.api.binding import Binding
from shoal.api.status import CopyStatus, TemplateStatus

_UNHEALTHY = "Unhealthy"


class Timed(NamedTuple):
    status: TemplateStatus
    recheck_after_s: float | None
    """When the next copy may be found to have failed; None: none is timed."""


def timed(
    status: TemplateStatus, previous: TemplateStatus | None, binding: Binding, *, now: datetime, listened_s: float, grace_s: float
) -> Timed:
    """`status` with what time says of its copies; `previous` is the one that stands.

    A timer begins with the first Unhealthy of a target and ends with anything else; since it stands in the status it survives a restart
    (GX21). The verdict is passed once the time *exceeds* `tolerationSeconds`, and only after `grace_s` of listening without a break: what
    stands there after a restart may be old, and every agent that is not lost by then has said what is true now.
    """
    block = binding.failover.application if binding.failover is not None and binding.propagate_deps else None
    if block is None:
        return Timed(status, None)
    targets = {target.name: target.epoch for target in binding.clusters}
    known = previous.copies if previous is not None and previous.template_uid == status.template_uid else ()
    before = {copy.cluster: copy for copy in known}
    tolerated = timedelta(seconds=block.decision_conditions.toleration_seconds)
    copies, waits = list[CopyStatus](), list[float]()
    for copy in status.copies:
        if copy.health != _UNHEALTHY or copy.epoch < targets.get(copy.cluster, copy.epoch + 1):
            copies.append(copy)
            continue
        since, passed = _begun(copy, before.get(copy.cluster)) or (now, False)
        left_s = (since + tolerated - now).total_seconds()
        if not passed:  # Who passed the verdict has listened.
            left_s = max(left_s, grace_s - listened_s)
        if left_s >= 0:
            waits.append(left_s)
        copies.append(msgspec.structs.replace(copy, unhealthy_since=_text(since), failed=left_s < 0))
    return Timed(msgspec.structs.replace(status, copies=tuple(copies)), min(waits, default=None))


def newly_failed(status: TemplateStatus, previous: TemplateStatus | None) -> Iterator[CopyStatus]:
    """Copies on which the verdict is passed now."""
    before = {copy.cluster: copy.failed for copy in previous.copies} if previous is not None else {}
    return (copy for copy in status.copies if copy.failed and not before.get(copy.cluster))


def _begun(copy: CopyStatus, before: CopyStatus | None) -> tuple[datetime, bool] | None:
    """When the timer of this assignment began, and whether the verdict was passed already; None: it begins now."""
    if before is None or not before.unhealthy_since or before.epoch != copy.epoch:
        return None
    return datetime.fromisoformat(before.unhealthy_since.replace("Z", "+00:00")), before.failed


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
