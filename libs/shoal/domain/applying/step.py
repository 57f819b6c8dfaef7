"""The next step for one object in a member: a value, carried out by the agent."""

from __future__ import annotations

from dataclasses import dataclass

from shoal.api.meta import Manifest


@dataclass(frozen=True, kw_only=True)
class Nothing:
    """No write. `applied` and `gone` are what the agent reports."""

    applied: bool = False
    gone: bool = False
    """No copy of ours is left (after a tombstone)."""
    reason: str = ""
    """Empty, or Suspended, AlreadyExists (a Namespace that is used without being owned), Deleting."""
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class Create:
    """Nothing is there: apply server-side as our field manager, *without* force.

    A conflict (409) then means that somebody else made the object meanwhile: read and plan again.
    """

    body: Manifest


@dataclass(frozen=True, kw_only=True)
class Apply:
    """Apply server-side as our field manager, with force: it is ours, or is being taken over."""

    body: Manifest
    uid: str
    """Of the object that was looked at; another one there now means: read and plan again."""
    takeover: bool = False
    """The object was not ours, and the conflict rule says Overwrite."""
    drift: tuple[str, ...] = ()
    """Paths that somebody changed in the member; empty when our own content is new."""


@dataclass(frozen=True, kw_only=True)
class Delete:
    """Delete with both as preconditions: what was looked at is what goes."""

    uid: str
    resource_version: str
    foreground: bool = False
    """The object stays until what it owns is gone; else it goes at once, and the rest in the background (R6.12)."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """Leave the object behind without our marks (R6.12): a JSON merge patch, with the resource version as precondition inside."""

    patch: Manifest
    uid: str


@dataclass(frozen=True, kw_only=True)
class Refuse:
    """Nothing is done, and somebody should know: Conflict, StaleEpoch, OtherTemplate, BeingDeleted, NotEmpty, OverrideFailed."""

    reason: str
    message: str


PASSING = frozenset({"Conflict", "NotEmpty", "BeingDeleted"})
"""Reasons of a refusal that end when somebody takes an object away in the member. What is not ours is not watched, so nobody tells: such a
refusal is looked at again by the clock."""

Step = Nothing | Create | Apply | Delete | Release | Refuse
