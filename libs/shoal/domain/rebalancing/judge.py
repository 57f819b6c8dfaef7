"""One rebalancer, looked at."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from shoal.api.apps import (
    FAILED,
    NOT_FOUND,
    SUCCESSFUL,
    ObjectReference,
    ObservedWorkload,
    WorkloadRebalancer,
    WorkloadRebalancerStatus,
)


class Carried(NamedTuple):
    """What is known of one listed workload."""

    bound: bool
    """It has a binding."""
    done: bool
    """The scheduler has decided it since it knows of the rebalancer."""


class Judged(NamedTuple):
    status: WorkloadRebalancerStatus
    waits: bool
    """Some workload is not dealt with."""
    delete_after_s: float | None
    """The object goes then; None: not by itself."""


def judge(
    rebalancer: WorkloadRebalancer,
    before: WorkloadRebalancerStatus,
    known: Mapping[ObjectReference, Carried],
    *,
    now: datetime,
) -> Judged:
    """Results stay once they are there. What left the list stays in the status only if it was successful."""
    had = {one.workload: one for one in before.observed_workloads}
    listed = set(rebalancer.spec.workloads)
    observed = [_observed(workload, had.get(workload), known[workload]) for workload in listed]
    observed += [one for workload, one in had.items() if workload not in listed and one.result == SUCCESSFUL]
    observed.sort(key=lambda one: _text(one.workload))
    waits = any(not one.result for one in observed)
    finished = "" if waits else before.finish_time if tuple(observed) == before.observed_workloads else ""
    if not waits and not finished:
        finished = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    status = WorkloadRebalancerStatus(
        observed_workloads=tuple(observed), observed_generation=rebalancer.metadata.generation, finish_time=finished
    )
    return Judged(status, waits, _left_s(rebalancer, finished, now))


def _observed(workload: ObjectReference, had: ObservedWorkload | None, known: Carried) -> ObservedWorkload:
    if had is not None and had.result:
        return had
    if not known.bound:
        return ObservedWorkload(workload=workload, result=FAILED, reason=NOT_FOUND)
    return ObservedWorkload(workload=workload, result=SUCCESSFUL if known.done else "")


def _left_s(rebalancer: WorkloadRebalancer, finished: str, now: datetime) -> float | None:
    ttl_s = rebalancer.spec.ttl_seconds_after_finished
    if ttl_s is None or not finished:
        return None
    return max(0.0, ttl_s - (now - datetime.fromisoformat(finished.replace("Z", "+00:00"))).total_seconds())


def _text(workload: ObjectReference) -> tuple[str, ...]:
    return tuple(str(part) for part in msgspec.structs.astuple(workload))
