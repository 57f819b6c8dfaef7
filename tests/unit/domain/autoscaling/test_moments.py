"""The next moment of a schedule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.api.cron import Schedule, read_schedule
from shoal.domain.autoscaling import next_moment

pytestmark = pytest.mark.spec("R15.7", "T04")
MINUTE = timedelta(minutes=1)


def at(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def moments(schedule: str, zone: str, after: str, count: int) -> list[str]:
    found: list[str] = []
    moment: datetime | None = at(after)
    while moment is not None and len(found) < count:
        moment = next_moment(read_schedule(schedule), ZoneInfo(zone), moment)
        found += [moment.strftime("%Y-%m-%dT%H:%M")] if moment is not None else []
    return found


@pytest.mark.parametrize(
    ("schedule", "zone", "after", "comes"),
    [
        pytest.param("* * * * *", "UTC", "2026-01-01T00:00", ["2026-01-01T00:01", "2026-01-01T00:02"], id="every-minute"),
        pytest.param("* * * * *", "UTC", "2026-01-01T00:00:59.9", ["2026-01-01T00:01"], id="within-a-minute"),
        pytest.param("30 8 * * 1-5", "UTC", "2026-01-02T08:30", ["2026-01-05T08:30", "2026-01-06T08:30"], id="over-a-weekend"),
        pytest.param("0 9 * * *", "Asia/Shanghai", "2026-01-01T00:00", ["2026-01-01T01:00"], id="zone"),
        pytest.param("0 0 * * *", "Asia/Kolkata", "2026-01-01T00:00", ["2026-01-01T18:30"], id="zone-of-half-an-hour"),
        pytest.param(
            "0 0 13 * 5", "UTC", "2026-01-01T00:00", ["2026-01-02T00:00", "2026-01-09T00:00", "2026-01-13T00:00"], id="either-day"
        ),
        pytest.param("0 0 31 * *", "UTC", "2026-01-31T00:00", ["2026-03-31T00:00", "2026-05-31T00:00"], id="months-without-such-a-day"),
        pytest.param("0 0 29 2 *", "UTC", "2026-01-01T00:00", ["2028-02-29T00:00", "2032-02-29T00:00"], id="leap-year"),
        pytest.param("0 0 29 2 *", "UTC", "2096-03-01T00:00", ["2104-02-29T00:00"], id="no-leap-year-in-2100"),
        pytest.param("0 0 30 2 *", "UTC", "2026-01-01T00:00", [], id="never"),
        pytest.param("0 0 30 2 1", "UTC", "2026-01-30T00:00", ["2026-02-02T00:00"], id="never-by-date-but-on-mondays"),
        pytest.param("@yearly", "UTC", "2026-01-01T00:00", ["2027-01-01T00:00"], id="word"),
    ],
)
def test_moments(schedule: str, zone: str, after: str, comes: list[str]) -> None:
    assert moments(schedule, zone, after, max(len(comes), 1)) == comes


# Berlin goes from 02:00 to 03:00 at 01:00 UTC on 2026-03-29, and from 03:00 to 02:00 at 01:00 UTC on 2026-10-25.
@pytest.mark.parametrize(
    ("schedule", "zone", "after", "comes"),
    [
        pytest.param("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", ["2026-03-29T01:30", "2026-03-30T00:30"], id="skipped"),
        pytest.param("30 2 * * *", "Europe/Berlin", "2026-03-29T01:00", ["2026-03-29T01:30"], id="skipped-asked-after-it"),
        pytest.param(
            "45 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00", ["2026-03-29T01:45", "2026-03-30T00:45"], id="skipped-onto-another"
        ),
        pytest.param(
            "0,30 2,3 * * *", "Europe/Berlin", "2026-03-29T00:59", ["2026-03-29T01:00", "2026-03-29T01:30", "2026-03-30T00:00"], id="gap"
        ),
        pytest.param("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", ["2026-10-25T00:30", "2026-10-26T01:30"], id="twice"),
        pytest.param("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10", ["2026-10-26T01:30"], id="twice-asked-between"),
        pytest.param("0 0 30 12 *", "Pacific/Apia", "2011-12-29T00:00", ["2011-12-30T10:00"], id="a-day-that-was-skipped"),
    ],
)
def test_clocks_that_are_changed(schedule: str, zone: str, after: str, comes: list[str]) -> None:
    assert moments(schedule, zone, after, len(comes)) == comes


def names(schedule: Schedule, wall: datetime) -> bool:
    return wall.hour in schedule.hours and wall.minute in schedule.minutes and schedule.on(wall.date())


def slowly(schedule: Schedule, zone: ZoneInfo, after: datetime, limit: timedelta) -> datetime | None:
    """Minute by minute: is this what the wall shows for the first time, or what it would show had it not been changed a day before?"""
    moment = after.replace(second=0, microsecond=0) + MINUTE
    while moment <= after + limit:
        old = (moment - timedelta(days=1)).astimezone(zone).utcoffset()
        assert old is not None
        for wall in (moment.astimezone(zone).replace(tzinfo=None), (moment + old).replace(tzinfo=None)):
            if names(schedule, wall) and wall.replace(tzinfo=zone).astimezone(UTC) == moment:
                return moment
        moment += MINUTE
    return None


def fields(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    listed = st.lists(number, min_size=1, max_size=3).map(lambda numbers: ",".join(map(str, numbers)))
    ranged = st.tuples(number, number).map(lambda ends: f"{min(ends)}-{max(ends)}")
    return st.one_of(st.just("*"), listed, ranged, st.integers(1, high).map(lambda step: f"*/{step}"))


@settings(max_examples=150, deadline=None)
@given(
    st.tuples(fields(0, 59), fields(0, 23), fields(1, 31), fields(1, 12), fields(0, 7)).map(" ".join),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Santiago"]),
    st.sampled_from(["2026-03-07", "2026-03-28", "2026-04-04", "2026-09-05", "2026-10-03", "2026-10-24", "2026-10-31", "2028-02-28"]),
    st.integers(0, 2 * 86400),
)
def test_as_slowly_as_minute_by_minute(schedule: str, zone: str, day: str, seconds: int) -> None:
    read, after, limit = read_schedule(schedule), at(f"{day}T00:00") + timedelta(seconds=seconds), timedelta(days=2)
    found = next_moment(read, ZoneInfo(zone), after)
    expected = slowly(read, ZoneInfo(zone), after, limit)
    assert (found if found is not None and found <= after + limit else None) == expected
