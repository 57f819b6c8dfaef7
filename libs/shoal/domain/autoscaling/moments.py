"""The next moment of a schedule in a time zone.

Each local minute that a schedule names comes once. One that the clocks skip (02:30 where they go from 02:00 to 03:00) comes as late as if they
had not gone forward; one that comes twice counts the first time: both as in RFC 5545, section 3.3.5.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from shoal.api.cron import Schedule

_YEARS = 9
"""29 February comes after eight years at most (1896, 1904); what has not come by then never does."""
_DAY = timedelta(days=1)


def next_moment(schedule: Schedule, zone: tzinfo, after: datetime) -> datetime | None:
    """The first moment later than `after`, both in UTC; None for a schedule that never comes, such as 30 February."""
    found: datetime | None = None
    for wall in _walls(schedule, _start(zone, after)):
        moment = wall.replace(tzinfo=zone).astimezone(UTC)
        if moment > after and (found is None or moment < found):
            found = moment
        # A skipped minute comes later than some that follow it on the wall; one that exists comes earlier than all that follow.
        if moment > after and moment.astimezone(zone).replace(tzinfo=None) == wall:
            break
    return found


def _start(zone: tzinfo, after: datetime) -> datetime:
    """The first minute on the wall that may come after that moment: if clocks went forward a day before, skipped ones are still to come."""
    now = after.astimezone(zone)
    skipped = (now.utcoffset() or timedelta()) - ((after - _DAY).astimezone(zone).utcoffset() or timedelta())
    return now.replace(tzinfo=None, second=0, microsecond=0) - max(skipped, timedelta())


def _walls(schedule: Schedule, start: datetime) -> Iterator[datetime]:
    """The minutes of a schedule from `start` on, as the wall shows them, without a zone."""
    minutes, hours = sorted(schedule.minutes), sorted(schedule.hours)
    for day in _days(schedule, start.date()):
        for hour in hours:
            for minute in minutes:
                wall = datetime.combine(day, time(hour, minute))
                if wall >= start:
                    yield wall


def _days(schedule: Schedule, start: date) -> Iterator[date]:
    for number in range(_YEARS * 366):
        day = start + number * _DAY
        if schedule.on(day):
            yield day
