"""Schedules, read."""

from __future__ import annotations

import pytest

from shoal.api.cron import read_schedule, zone_of
from shoal.api.errors import ManifestInvalid


@pytest.mark.spec("R15.7", "AA19")
@pytest.mark.parametrize(
    ("schedule", "field", "numbers"),
    [
        pytest.param("*/15 0,12 1-15/7 JAN-mar MON", "minutes", {0, 15, 30, 45}, id="step"),
        pytest.param("*/15 0,12 1-15/7 JAN-mar MON", "hours", {0, 12}, id="list"),
        pytest.param("*/15 0,12 1-15/7 JAN-mar MON", "days", {1, 8, 15}, id="range-with-a-step"),
        pytest.param("*/15 0,12 1-15/7 JAN-mar MON", "months", {1, 2, 3}, id="names"),
        pytest.param("*/15 0,12 1-15/7 JAN-mar MON", "weekdays", {1}, id="name"),
        pytest.param("50/4 * * * *", "minutes", {50, 54, 58}, id="open-range"),
        pytest.param("* * * * 7", "weekdays", {0}, id="seven-is-sunday"),
        pytest.param("* * * * 5-7", "weekdays", {5, 6, 0}, id="to-sunday"),
        pytest.param("* * * * 1/2", "weekdays", {1, 3, 5}, id="open-range-without-the-second-sunday"),
        pytest.param("* * * * ?", "weekdays", set(range(7)), id="question-mark"),
        pytest.param("@yearly", "months", {1}, id="yearly"),
        pytest.param("@weekly", "weekdays", {0}, id="weekly"),
        pytest.param("@hourly", "hours", set(range(24)), id="hourly"),
    ],
)
def test_read(schedule: str, field: str, numbers: set[int]) -> None:
    assert getattr(read_schedule(schedule), field) == numbers


@pytest.mark.spec("AA19")
@pytest.mark.parametrize(
    "schedule",
    [
        pytest.param("@sometimes", id="no-such-word"),
        pytest.param("", id="empty"),
        pytest.param("* * * *", id="four-fields"),
        pytest.param("* * * * * *", id="six-fields"),
        pytest.param("* 24 * * *", id="hour"),
        pytest.param("* * 0 * *", id="day"),
        pytest.param("* * * 13 *", id="month"),
        pytest.param("* * * * 8", id="weekday"),
        pytest.param("5-1 * * * *", id="backwards"),
        pytest.param("*/0 * * * *", id="step-of-zero"),
        pytest.param("1,,2 * * * *", id="hole-in-a-list"),
        pytest.param("1- * * * *", id="half-a-range"),
        pytest.param("-1 * * * *", id="minus"),
        pytest.param("٣ * * * *", id="other-digits"),
        pytest.param("* " * 200, id="too-long"),
    ],
)
def test_refused(schedule: str) -> None:
    with pytest.raises(ManifestInvalid, match="invalid cron format"):
        read_schedule(schedule)


@pytest.mark.spec("R15.7")
@pytest.mark.parametrize(
    ("schedule", "either"),
    [
        pytest.param("0 0 13 * 5", True, id="both"),
        pytest.param("0 0 13 * *", False, id="day-of-month"),
        pytest.param("0 0 * * 5", False, id="day-of-week"),
        pytest.param("0 0 */2 * 5", True, id="a-step-restricts"),
        pytest.param("0 0 13 * ?", False, id="question-mark"),
        pytest.param("0 0 13,* * 5", False, id="list-with-a-star"),
    ],
)
def test_one_of_two_days_is_enough_where_both_are_restricted(schedule: str, either: bool) -> None:
    assert read_schedule(schedule).either == either


def test_a_zone_that_nobody_knows() -> None:
    with pytest.raises(ManifestInvalid, match="unknown time zone Mars/Olympus: write a name of the tz database"):
        zone_of("Mars/Olympus")
    assert zone_of(None).key == "UTC"
