"""Who asks, and under which change id: of the request that this task serves. Set at the door, read where an entry is written."""

from __future__ import annotations

from contextvars import ContextVar
from typing import NamedTuple

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


def new_change() -> str:
    """A ULID: sorts by time, and no two are the same."""
    return str(ULID())


def enter(origin: Origin) -> None:
    """For the rest of this task."""
    _CURRENT.set(origin)


def current() -> Origin:
    """The origin of what this task writes; a change id is made when there is none."""
    found = _CURRENT.get()
    if not found.change:
        found = found._replace(change=new_change())
        _CURRENT.set(found)
    return found
