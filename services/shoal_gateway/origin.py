"""Who asks, and under which change id: of the request that this task serves. Set at the door, read where an entry is written."""

from __future__ import annotations

from contextvars import ContextVar
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from ulid import ULID


class Origin(NamedTuple):
    author: str
    """`user` or `user/manager`; of a deploy `deploy/<source>`."""
    change: str
    """ULID; one request is one change."""
    status: bool = False
    """The request writes `/status`: the status in it is the user's own, and counts."""
    trusted: bool = False
    """The gateway itself writes: refusals that protect its own objects do not apply."""


_NOBODY = Origin("gateway", "")
_CURRENT: ContextVar[Origin] = ContextVar("origin", default=_NOBODY)


def change_id(now: datetime, uid: str) -> str:
    """A ULID: sorts by time, and no two are the same. Its chance comes from a fresh `uid`, so that a seeded run makes the same ones."""
    milliseconds = int(now.timestamp() * 1000)
    return str(ULID(milliseconds.to_bytes(6, "big") + UUID(uid).bytes[:10]))


def enter(origin: Origin) -> None:
    """For the rest of this task."""
    _CURRENT.set(origin)


def current() -> Origin:
    """The origin of what this task writes; the gateway itself when no request is behind it."""
    return _CURRENT.get()
