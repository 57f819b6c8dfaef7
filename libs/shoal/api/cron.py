"""Schedules as CronJob and CronFederatedHPA write them: five fields, or one of cron's words; and the names of time zones."""

from __future__ import annotations

import re
from datetime import date
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shoal.api.errors import ManifestInvalid

_WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_NUMBER = re.compile(r"[0-9]{1,2}\Z")
_LENGTH_MAX = 256


class _Field(NamedTuple):
    name: str
    low: int
    high: int
    last: int
    """Where an open range ends: Sunday is 0 and 7, and comes once."""
    names: tuple[str, ...] = ()
    """Words for the numbers from `low` on."""


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS = (
    _Field("minute", 0, 59, 59),
    _Field("hour", 0, 23, 23),
    _Field("day of month", 1, 31, 31),
    _Field("month", 1, 12, 12, _MONTHS),
    _Field("day of week", 0, 7, 6, _DAYS),
)


class Schedule(NamedTuple):
    """What a schedule says, as the numbers that each field allows."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    """Of the month, 1 to 31."""
    months: frozenset[int]
    weekdays: frozenset[int]
    """0 is Sunday, 6 Saturday."""
    either: bool
    """Days of the month and of the week are both restricted: a day that one of them allows is enough, as in cron."""

    def on(self, day: date) -> bool:
        """Whether it has moments on that day."""
        by_date, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return day.month in self.months and (by_date or by_weekday if self.either else by_date and by_weekday)


def read_schedule(text: str) -> Schedule:
    """Raises `ManifestInvalid` with a sentence that says what is wrong."""
    if len(text) > _LENGTH_MAX:
        raise ManifestInvalid(f"invalid cron format: at most {_LENGTH_MAX} characters")
    if text.startswith("@"):
        if text not in _WORDS:
            raise ManifestInvalid(f"invalid cron format: {text} is none of {', '.join(_WORDS)}")
        text = _WORDS[text]
    parts = text.split()
    if len(parts) != len(_FIELDS):
        raise ManifestInvalid(
            f"invalid cron format: write minute, hour, day of month, month and day of week, such as '30 8 * * 1-5', not {len(parts)} fields"
        )
    minutes, hours, days, months, weekdays = (_read_field(part, field) for part, field in zip(parts, _FIELDS, strict=True))
    return Schedule(
        minutes, hours, days, months, frozenset(day % 7 for day in weekdays), either=_restricts(parts[2]) and _restricts(parts[4])
    )


def zone_of(name: str | None) -> ZoneInfo:
    """The time zone of that name, UTC without one. Raises `ManifestInvalid`; the tz database of the machine is a table, the same everywhere."""
    if name is None:
        return ZoneInfo("UTC")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        told = f"unknown time zone {name[:64]}: write a name of the tz database, such as Europe/Berlin or UTC"
        raise ManifestInvalid(told) from error


def _read_field(text: str, field: _Field) -> frozenset[int]:
    allowed: set[int] = set()
    for term in text.split(","):
        found = _read_term(term, field)
        if found is None:
            raise ManifestInvalid(
                f"invalid cron format: {text[:40]!r} is no {field.name}; "
                f"write *, a number from {field.low} to {field.high}, a-b, a list, or */n"
            )
        allowed.update(found)
    return frozenset(allowed)


def _read_term(term: str, field: _Field) -> range | None:
    """The numbers of one term of a list; None when it is none. `5/15` is every fifteenth from 5 on, as in CronJob."""
    span, slash, every = term.partition("/")
    if slash and not (_NUMBER.match(every) and 0 < int(every) <= field.high):
        return None
    step = int(every) if slash else 1
    if span in ("*", "?"):
        return range(field.low, field.last + 1, step)
    low, dash, high = span.partition("-")
    first = _number(low, field)
    last = _number(high, field) if dash else field.last if slash else first
    return range(first, last + 1, step) if first is not None and last is not None and first <= last else None


def _number(text: str, field: _Field) -> int | None:
    """The value of a number or a name; None when it is out of the field's range."""
    if text.lower() in field.names:
        return field.low + field.names.index(text.lower())
    return int(text) if _NUMBER.match(text) and field.low <= int(text) <= field.high else None


def _restricts(text: str) -> bool:
    """Whether a field of days says anything; `*/2` does, as in CronJob."""
    return not any(term in ("*", "?", "*/1", "?/1") for term in text.split(","))
