"""Whether a schedule of CronFederatedHPA can be read: five fields as CronJob has them, or one of cron's words."""

from __future__ import annotations

import re
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_WORDS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_NUMBER = re.compile(r"[0-9]{1,2}\Z")
_LENGTH_MAX = 256


class _Field(NamedTuple):
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    """Words for the numbers from `low` on."""


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 7, _DAYS),
)


def schedule_problem(schedule: str) -> str:
    """What is wrong with a schedule, as a sentence; empty when nothing is."""
    if len(schedule) > _LENGTH_MAX:
        return f"invalid cron format: at most {_LENGTH_MAX} characters"
    if schedule.startswith("@"):
        return "" if schedule in _WORDS else f"invalid cron format: {schedule} is none of {', '.join(_WORDS)}"
    parts = schedule.split()
    if len(parts) != len(_FIELDS):
        return (
            f"invalid cron format: write minute, hour, day of month, month and day of week, such as '30 8 * * 1-5', not {len(parts)} fields"
        )
    for part, field in zip(parts, _FIELDS, strict=True):
        if not all(_is_term(term, field) for term in part.split(",")):
            return f"invalid cron format: {part[:40]!r} is no {field.name}; write *, a number from {field.low} to {field.high}, a-b, a list, or */n"
    return ""


def zone_problem(zone: str) -> str:
    """What is wrong with the name of a time zone; empty when nothing is. The tz database of the machine is a table, the same everywhere."""
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return f"unknown time zone {zone[:64]}: write a name of the tz database, such as Europe/Berlin or UTC"
    return ""


def _is_term(term: str, field: _Field) -> bool:
    span, slash, step = term.partition("/")
    if slash and not (_NUMBER.match(step) and 0 < int(step) <= field.high):
        return False
    if span in ("*", "?"):
        return True
    low, dash, high = span.partition("-")
    first = _number(low, field)
    last = _number(high, field) if dash else first
    return first is not None and last is not None and first <= last


def _number(text: str, field: _Field) -> int | None:
    """The value of a number or a name; None when it is out of the field's range."""
    if text.lower() in field.names:
        return field.low + field.names.index(text.lower())
    return int(text) if _NUMBER.match(text) and field.low <= int(text) <= field.high else None
