"""What a plan says: objects, placements and manifests as they would be, beside how they are. Nothing of it is written anywhere."""

from __future__ import annotations

from typing import Any

from shoal.api.meta import Struct

CREATED, CHANGED, DELETED, KEPT, FAILED, HELD = "created", "changed", "deleted", "kept", "failed", "held"


class Refusal(Struct, frozen=True, kw_only=True):
    """One part of a plan that the hub would refuse, as it would refuse the deploy."""

    reason: str
    message: str
    violations: tuple[tuple[str, str], ...] = ()


class PlannedField(Struct, frozen=True, kw_only=True):
    """One field that differs; a value that is not there is left out. Lists are compared by the `name` of their items, where all have one."""

    path: str
    before: Any = None
    after: Any = None
    secret: bool = False
    """The values are not shown."""


class PlannedObject(Struct, frozen=True, kw_only=True):
    """An object of the hub that would change."""

    ref: str
    action: str
    """created, changed, deleted."""
    fields: tuple[PlannedField, ...] = ()


class PlannedRejection(Struct, frozen=True, kw_only=True):
    cluster: str
    reason: str
    detail: str = ""


class PlannedPlacement(Struct, frozen=True, kw_only=True):
    """A template whose binding would say something else. Replicas are None for what is not divided."""

    ref: str
    before: dict[str, int | None] = {}
    after: dict[str, int | None] = {}
    alternative: dict[str, int | None] = {}
    """Where it would be instead when the uid of a new object, which is not known yet, breaks a tie the other way round (R4.4).

    Only in a plan without the id of the deploy: it is what the uids come from."""
    moved: int = 0
    """Replicas (or copies, of what has none) that run elsewhere than before."""
    leaving: tuple[dict[str, str], ...] = ()
    """cluster, reason, waitFor, and `copy`: deleted or kept."""
    policy: str = ""
    lost_policies: dict[str, str] = {}
    summary: str = ""
    rounds: tuple[str, ...] = ()
    deleted: bool = False
    """The template goes, and all its copies with it."""
    recheck_after_s: float | None = None
    """It would be decided again then, although nothing changes: a toleration ends."""


class PlannedManifest(Struct, frozen=True, kw_only=True):
    """What one cluster would be told of one object."""

    ref: str
    cluster: str
    action: str
    """created, changed, deleted, kept (the copy stays behind without our marks), failed (an override cannot be applied), held (created once
    the copies that have to be gone first are gone)."""
    fields: tuple[PlannedField, ...] = ()
    overrides: tuple[str, ...] = ()
    """Policies whose rules were applied, in order."""
    error: str = ""
    """Why it failed, or what it is held for."""


class Unplaced(Struct, frozen=True, kw_only=True):
    """A template that would run nowhere, or not as it asks."""

    ref: str
    reason: str
    summary: str = ""
    rejected: tuple[PlannedRejection, ...] = ()


class PlannedEstimates(Struct, frozen=True, kw_only=True):
    """What the placement of one template rests on beside the inventories: answers of agents that were asked how many more of its pods fit."""

    ref: str
    rooms: dict[str, int] = {}
    """By cluster, without what is reserved there."""
    without: dict[str, str] = {}
    """By cluster: why there is no answer; the general estimate counts there."""
