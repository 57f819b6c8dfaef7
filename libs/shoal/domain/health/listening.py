"""Silence counts only while the monitor listened; and when many fall silent at once, the fault is likely nearer than they are."""

from __future__ import annotations

from shoal.api.meta import Struct

HOLD_SHARE_PERCENT = 30
HOLD_AT_LEAST = 2


class Listening(Struct, frozen=True, kw_only=True):
    """An unbroken time in which beats would have been heard."""

    since: float
    """Silence before this moment counts for nobody."""
    last: float
    """The last moment at which the loop was seen running."""


def listen(previous: Listening | None, at: float, *, able: bool, beat_s: float) -> Listening | None:
    """The listening time as of `at`; call it at least once per beat.

    `able`: the bus is connected, its streams answer, and the lease of the partition is held. None: not listening now. A gap of more than
    one beat (a stalled loop, a paused process) or a time of not being able starts anew, so that everyone gets a full grace.
    """
    if not able:
        return None
    if previous is None or at - previous.last > beat_s or at < previous.last:
        return Listening(since=at, last=at)
    return Listening(since=previous.since, last=at)


def hold(silent: int, total: int) -> bool:
    """The mass-silence brake: True when no cluster may be declared lost.

    `silent`: clusters that fell silent within one grace; `total`: clusters that were not lost before. More than 30 %, and at least 2.
    """
    return silent >= HOLD_AT_LEAST and silent * 100 > total * HOLD_SHARE_PERCENT
