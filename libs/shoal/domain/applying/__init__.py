"""What an agent sends to its member, given what should be there and what is there.

Belongs here: the plan for one object (`plan_apply`), the digest that lets a restarted agent stay silent, drift. Does not belong here: how a
request is sent, what single kinds mean (`retained` is passed in), when to try again.
"""

from __future__ import annotations

from shoal.domain.applying.digest import digest
from shoal.domain.applying.drift import drifted
from shoal.domain.applying.marks import Mark, owned, read_mark
from shoal.domain.applying.plan import plan_apply
from shoal.domain.applying.step import PASSING, Apply, Create, Delete, Nothing, Refuse, Release, Step

__all__ = [
    "PASSING",
    "Apply",
    "Create",
    "Delete",
    "Mark",
    "Nothing",
    "Refuse",
    "Release",
    "Step",
    "digest",
    "drifted",
    "owned",
    "plan_apply",
    "read_mark",
]
