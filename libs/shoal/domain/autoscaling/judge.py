"""One CronFederatedHPA, looked at (R15.7): which rules are due, what they ask, and its status afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from shoal.api.autoscaling import (
    HISTORY_LIMIT,
    CronFederatedHPA,
    CronFederatedHPAStatus,
    CronRule,
    ExecutionHistory,
    FailedExecution,
    SuccessfulExecution,
)
from shoal.api.cron import read_schedule, zone_of
from shoal.domain.autoscaling.moments import next_moment

STARTING_DEADLINE_S = 600.0
"""So late a moment may still be carried out. A restart takes seconds, a bus that moves to other machines minutes, and a clock that was set
forward is noticed with the next look at everything. After a longer absence nothing is caught up, as in Karmada: the next moment counts."""
CLOCKS_APART_S = 10.0
"""What the clocks of two gateways may differ by: the slower one does not call a moment back that the faster one has dealt with."""

_DEADLINE = timedelta(seconds=STARTING_DEADLINE_S)
_MISSED = f"missed: no gateway ran at that time, and {STARTING_DEADLINE_S / 60:g} minutes later it is too late; the next moment counts"

Next = Callable[[datetime], datetime | None]


class Due(NamedTuple):
    rule: CronRule
    at: datetime
    """The moment of the schedule, in UTC."""
    missed: str
    """Why it is too late to carry it out, as a sentence; empty: carry it out."""


class Execution(NamedTuple):
    due: Due
    error: str
    """Why it failed, as a sentence; empty when the target has what was asked."""


class Judged(NamedTuple):
    status: CronFederatedHPAStatus
    wake_s: float | None
    """The next rule is due then; None: none ever is."""


def due(cron: CronFederatedHPA, before: CronFederatedHPAStatus, *, now: datetime) -> tuple[Due, ...]:
    """The rules whose moment has come, in the order of their moments, of these in the order in which they are written.

    Of several moments of one rule only the last is carried out. A rule that has no promised moment yet (new, or no longer suspended) is not due.
    """
    promised = {history.rule_name: history.next_execution_time for history in before.execution_histories}
    found = []
    for rule in cron.spec.rules:
        since = promised.get(rule.name)
        if rule.suspend or since is None or since > now:
            continue
        at = _last(_next_of(rule), max(since, now - _DEADLINE), now)
        if at is not None:
            found.append(Due(rule, at, ""))
        elif since < now - _DEADLINE:
            found.append(Due(rule, since, _MISSED))
    return tuple(sorted(found, key=lambda one: one.at))


def asked(rule: CronRule, *, of_hpa: bool) -> dict[str, Any]:
    """What a rule sets in the spec of its target: both bounds or one of a FederatedHPA, the replicas of anything else."""
    if not of_hpa:
        return {"replicas": rule.target_replicas}
    bounds = {"minReplicas": rule.target_min_replicas, "maxReplicas": rule.target_max_replicas}
    return {field: value for field, value in bounds.items() if value is not None}


def judge(cron: CronFederatedHPA, before: CronFederatedHPAStatus, done: Sequence[Execution], *, now: datetime) -> Judged:
    """The status after `done`, the executions of what was `due`; each moment of a rule stands in its history once."""
    had = {history.rule_name: history for history in before.execution_histories}
    carried = {execution.due.rule.name: execution for execution in done}
    histories = tuple(_history(rule, had.get(rule.name), carried.get(rule.name), now) for rule in cron.spec.rules)
    comes = [history.next_execution_time for history in histories if history.next_execution_time is not None]
    wake_s = max(0.0, (min(comes) - now).total_seconds()) if comes else None
    return Judged(CronFederatedHPAStatus(execution_histories=histories), wake_s)


def _history(rule: CronRule, had: ExecutionHistory | None, execution: Execution | None, now: datetime) -> ExecutionHistory:
    history = had or ExecutionHistory(rule_name=rule.name)
    succeeded, failed = history.successful_executions, history.failed_executions
    over = {one.schedule_time for one in succeeded} | {one.schedule_time for one in failed}
    if execution is not None and execution.due.at not in over:
        at, second = execution.due.at, now.replace(microsecond=0)
        over.add(at)
        if execution.error:
            failed = (FailedExecution(schedule_time=at, execution_time=second, message=execution.error), *failed)
        else:
            succeeded = (_success(rule, at, second), *succeeded)
    return ExecutionHistory(
        rule_name=rule.name,
        next_execution_time=None if rule.suspend else _promise(_next_of(rule), history.next_execution_time, over, now),
        successful_executions=succeeded[: _limit(rule.successful_history_limit)],
        failed_executions=failed[: _limit(rule.failed_history_limit)],
    )


def _success(rule: CronRule, at: datetime, second: datetime) -> SuccessfulExecution:
    return SuccessfulExecution(
        schedule_time=at,
        execution_time=second,
        applied_replicas=rule.target_replicas,
        applied_max_replicas=rule.target_max_replicas,
        applied_min_replicas=rule.target_min_replicas,
    )


def _promise(comes: Next, promised: datetime | None, over: Iterable[datetime], now: datetime) -> datetime | None:
    """The next moment. One that is `over`, or that another gateway has passed by its promise, is not called back by a clock that is behind."""
    # What lies far ahead was written by a clock that was wrong.
    found = comes(max([now, *(moment for moment in over if moment < now + _DEADLINE)]))
    if promised is None or found is None or not found < promised or (found - now).total_seconds() > CLOCKS_APART_S:
        return found
    return promised if comes(found) == promised else found


def _last(comes: Next, since: datetime, now: datetime) -> datetime | None:
    """The last moment from `since` to `now`, both included."""
    last: datetime | None = None
    moment = comes(since - timedelta(microseconds=1))
    while moment is not None and moment <= now:
        last, moment = moment, comes(moment)
    return last


def _next_of(rule: CronRule) -> Next:
    """Raises `ManifestInvalid` when the machine does not know the rule's time zone."""
    schedule, zone = read_schedule(rule.schedule), zone_of(rule.time_zone)
    return lambda after: next_moment(schedule, zone, after)


def _limit(limit: int | None) -> int:
    return HISTORY_LIMIT if limit is None else limit
