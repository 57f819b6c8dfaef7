"""Time that has passed, as kubectl writes it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any


def age(since: Any, now: datetime) -> str:
    """`5m`, `3d4h`: the time since a timestamp, as kubectl writes durations."""
    if not isinstance(since, str):
        return "<unknown>"
    try:
        then = datetime.fromisoformat(since)
    except ValueError:
        return "<invalid>"
    return duration(int((now - then.astimezone(UTC)).total_seconds()))


def duration(seconds: int) -> str:
    """A number of seconds as kubectl writes it."""
    if seconds < -1:
        return "<invalid>"
    seconds = max(0, seconds)
    if seconds < 120:
        return f"{seconds}s"
    minutes = seconds // 60
    if minutes < 10:
        return f"{minutes}m" + (f"{seconds % 60}s" if seconds % 60 else "")
    if minutes < 180:
        return f"{minutes}m"
    hours = minutes // 60
    if hours < 8:
        return f"{hours}h" + (f"{minutes % 60}m" if minutes % 60 else "")
    if hours < 48:
        return f"{hours}h"
    days = hours // 24
    if hours < 192:
        return f"{days}d" + (f"{hours % 24}h" if hours % 24 else "")
    if hours < 24 * 365 * 2:
        return f"{days}d"
    years = days // 365
    if hours < 24 * 365 * 8:
        return f"{years}y" + (f"{days % 365}d" if days % 365 else "")
    return f"{years}y"
