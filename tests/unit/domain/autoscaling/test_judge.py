"""What a CronFederatedHPA does, and what it says of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from shoal.api.autoscaling import CronFederatedHPA, CronFederatedHPASpec, CronFederatedHPAStatus, CronRule, ExecutionHistory, ScaleTarget
from shoal.domain.autoscaling import Due, Execution, asked, due, judge

pytestmark = pytest.mark.spec("R15.7", "T04")
NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
WEB = ScaleTarget(api_version="apps/v1", kind="Deployment", name="web")
MORNING = CronRule(name="morning", schedule="0 9 * * *", target_replicas=10)
MINUTELY = CronRule(name="minutely", schedule="* * * * *", target_replicas=1)


def cron(*rules: CronRule) -> CronFederatedHPA:
    return CronFederatedHPA(spec=CronFederatedHPASpec(scale_target_ref=WEB, rules=rules))


def changed(rule: CronRule, **fields: Any) -> CronRule:
    return msgspec.structs.replace(rule, **fields)


def promised(at: datetime | None, name: str = "morning", **fields: Any) -> CronFederatedHPAStatus:
    return CronFederatedHPAStatus(execution_histories=(ExecutionHistory(rule_name=name, next_execution_time=at, **fields),))


def carried_out(rule: CronRule, at: datetime, error: str = "") -> Execution:
    return Execution(Due(rule, at, ""), error)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def days(number: int) -> timedelta:
    return timedelta(days=number)


@pytest.mark.parametrize(
    ("rule", "promise", "now", "moments"),
    [
        pytest.param(MORNING, None, NINE, [], id="nothing-promised-yet"),
        pytest.param(MORNING, NINE, NINE - seconds(0.001), [], id="too-early"),
        pytest.param(MORNING, NINE, NINE, [NINE], id="now"),
        pytest.param(MORNING, NINE, NINE + seconds(30), [NINE], id="after-a-restart"),
        pytest.param(MORNING, NINE, NINE + seconds(600), [NINE], id="deadline"),
        pytest.param(changed(MORNING, suspend=True), NINE, NINE, [], id="suspended"),
        pytest.param(MINUTELY, NINE, NINE + seconds(300), [NINE + seconds(300)], id="of-several-the-last"),
        pytest.param(MINUTELY, NINE, NINE + seconds(3601), [NINE + seconds(3600)], id="of-several-the-last-after-a-long-absence"),
        pytest.param(changed(MORNING, schedule="0 10 * * *"), NINE, NINE + seconds(1), [], id="edited-as-it-came"),
    ],
)
def test_due(rule: CronRule, promise: datetime | None, now: datetime, moments: list[datetime]) -> None:
    assert [(one.at, one.missed) for one in due(cron(rule), promised(promise, rule.name), now=now)] == [(at, "") for at in moments]


def test_what_came_in_a_long_absence_is_missed_and_said_to_be() -> None:
    (one,) = due(cron(MORNING), promised(NINE), now=NINE + seconds(601))
    assert (one.at, one.missed.partition(":")[0]) == (NINE, "missed")
    judged = judge(cron(MORNING), promised(NINE), [Execution(one, one.missed)], now=NINE + seconds(601))
    (history,) = judged.status.execution_histories
    assert [failed.message for failed in history.failed_executions] == [one.missed]
    assert (history.successful_executions, history.next_execution_time) == ((), NINE + days(1))


def test_the_earlier_moment_first_and_of_the_same_moment_the_rule_that_stands_first() -> None:
    rules = [MINUTELY, changed(MORNING, name="b"), changed(MORNING, name="a"), changed(MORNING, name="early", schedule="59 8 * * *")]
    histories = tuple(ExecutionHistory(rule_name=rule.name, next_execution_time=NINE - seconds(60)) for rule in rules)
    found = due(cron(*rules), CronFederatedHPAStatus(execution_histories=histories), now=NINE)
    assert [one.rule.name for one in found] == ["early", "minutely", "b", "a"]


@pytest.mark.parametrize(
    ("rule", "of_hpa", "spec"),
    [
        pytest.param(MORNING, False, {"replicas": 10}, id="workload"),
        pytest.param(changed(MORNING, target_replicas=0), False, {"replicas": 0}, id="to-nothing"),
        pytest.param(changed(MORNING, target_max_replicas=9), True, {"maxReplicas": 9}, id="one-bound"),
        pytest.param(
            changed(MORNING, target_min_replicas=2, target_max_replicas=9), True, {"minReplicas": 2, "maxReplicas": 9}, id="both-bounds"
        ),
    ],
)
def test_asked(rule: CronRule, of_hpa: bool, spec: dict[str, int]) -> None:
    assert asked(rule, of_hpa=of_hpa) == spec


@pytest.mark.parametrize(
    ("rule", "before", "now", "following"),
    [
        pytest.param(MORNING, CronFederatedHPAStatus(), NINE - seconds(5), NINE, id="new"),
        pytest.param(changed(MORNING, suspend=True), promised(NINE), NINE - seconds(5), None, id="suspended"),
        pytest.param(MORNING, promised(None), NINE, NINE + days(1), id="no-longer-suspended"),
        pytest.param(changed(MORNING, schedule="0 0 30 2 *"), CronFederatedHPAStatus(), NINE, None, id="never"),
        pytest.param(changed(MORNING, schedule="0 8 * * *"), promised(NINE), NINE - seconds(5), NINE + seconds(82800), id="edited"),
        pytest.param(
            changed(MORNING, schedule="0 * * * *"), promised(NINE + days(1)), NINE, NINE + seconds(3600), id="comes-more-often-now"
        ),
        pytest.param(changed(MORNING, time_zone="Asia/Tokyo"), CronFederatedHPAStatus(), NINE, NINE + seconds(54000), id="zone"),
        pytest.param(MORNING, promised(NINE + days(1)), NINE - seconds(2), NINE + days(1), id="clock-is-behind-the-other-gateway's"),
        pytest.param(MORNING, promised(NINE + days(1)), NINE - seconds(60), NINE, id="but-not-by-a-minute"),
    ],
)
def test_the_next_moment(rule: CronRule, before: CronFederatedHPAStatus, now: datetime, following: datetime | None) -> None:
    judged = judge(cron(rule), before, [], now=now)
    assert [one.next_execution_time for one in judged.status.execution_histories] == [following]
    assert judged.wake_s == (None if following is None else (following - now).total_seconds())


def test_what_is_in_the_history_is_over_for_a_clock_that_is_far_behind() -> None:
    done = judge(cron(MORNING), promised(NINE), [carried_out(MORNING, NINE)], now=NINE + seconds(1)).status
    assert judge(cron(MORNING), done, [], now=NINE - seconds(300)).status == done


def test_a_clock_that_was_a_year_ahead_stops_nothing() -> None:
    wrong = judge(cron(MORNING), promised(NINE + days(365)), [carried_out(MORNING, NINE + days(365))], now=NINE + days(365)).status
    (history,) = judge(cron(MORNING), wrong, [], now=NINE).status.execution_histories
    assert history.next_execution_time == NINE + days(1)


def test_a_moment_stands_in_the_history_once() -> None:
    first = judge(cron(MORNING), promised(NINE), [carried_out(MORNING, NINE)], now=NINE + seconds(1)).status
    again = judge(cron(MORNING), first, [carried_out(MORNING, NINE)], now=NINE + seconds(2)).status
    assert again == first
    (history,) = first.execution_histories
    assert [(one.schedule_time, one.execution_time, one.applied_replicas) for one in history.successful_executions] == [
        (NINE, NINE + seconds(1), 10)
    ]


@pytest.mark.parametrize(
    ("limits", "succeeded", "failed"),
    [
        pytest.param({}, 3, 3, id="three-by-default"),
        pytest.param({"successful_history_limit": 1, "failed_history_limit": 5}, 1, 5, id="as-written"),
        pytest.param({"failed_history_limit": 0}, 3, 0, id="none"),
    ],
)
def test_history_keeps_the_newest(limits: dict[str, int], succeeded: int, failed: int) -> None:
    rule, status = changed(MINUTELY, **limits), CronFederatedHPAStatus()
    moments = [NINE + seconds(60 * number) for number in range(12)]
    for number, at in enumerate(moments):
        error = "Deployment web does not exist" if number % 2 else ""
        status = judge(cron(rule), status, [carried_out(rule, at, error)], now=at + seconds(0.5)).status
    (history,) = status.execution_histories
    assert [one.schedule_time for one in history.successful_executions] == moments[10::-2][:succeeded]
    assert [one.schedule_time for one in history.failed_executions] == moments[11::-2][:failed]
    assert {one.message for one in history.failed_executions} == ({"Deployment web does not exist"} if failed else set())
    assert history.next_execution_time == moments[-1] + seconds(60)


def test_rules_that_went_leave_no_history_and_the_order_is_that_of_the_rules() -> None:
    before = judge(cron(MORNING, MINUTELY), CronFederatedHPAStatus(), [], now=NINE).status
    after = judge(cron(changed(MORNING, name="new"), MORNING), before, [], now=NINE).status
    assert [one.rule_name for one in before.execution_histories] == ["morning", "minutely"]
    assert [one.rule_name for one in after.execution_histories] == ["new", "morning"]


def test_the_status_reads_as_karmada_writes_it() -> None:
    bounds = changed(MORNING, target_replicas=None, target_min_replicas=2, target_max_replicas=9)
    status = judge(cron(bounds), promised(NINE), [carried_out(bounds, NINE)], now=NINE + seconds(1)).status
    written = msgspec.json.encode(status)
    assert msgspec.json.decode(written) == {
        "executionHistories": [
            {
                "ruleName": "morning",
                "nextExecutionTime": "2026-03-03T09:00:00Z",
                "successfulExecutions": [
                    {
                        "scheduleTime": "2026-03-02T09:00:00Z",
                        "executionTime": "2026-03-02T09:00:01Z",
                        "appliedMaxReplicas": 9,
                        "appliedMinReplicas": 2,
                    }
                ],
            }
        ]
    }
    assert msgspec.json.decode(written, type=CronFederatedHPAStatus) == status
