"""What is asked of decisions without making any: why (explain), what if (plan), and again (replay).

These messages are listed in `catalogue.MESSAGES` like all others. Bodies of Secrets never enter an answer.
"""

from __future__ import annotations

from shoal.api.binding import Binding, Rejection, Removal, TargetCluster
from shoal.api.estimates import Estimates
from shoal.api.meta import Condition, Manifest, Ref, Struct
from shoal.api.plan import PlannedEstimates, PlannedManifest, PlannedObject, PlannedPlacement, Refusal, Unplaced
from shoal.api.status import Belief


class ExplainRequest(Struct, frozen=True, kw_only=True):
    """Request on `ask.hub.explain`, answered by the scheduler: what it would decide of this template now, without writing."""

    ref: Ref


class Explained(Struct, frozen=True, kw_only=True):
    """Answer to `ExplainRequest`: the reasons of now."""

    position: int
    """Of the scheduler's view in `STATE`."""
    changed: bool = False
    """What is recorded would be written anew."""
    reason: str = ""
    """Why there is no binding, why its policy is not applied, or why unschedulable replicas stay (R15.4); PascalCase."""
    message: str = ""
    clusters: tuple[TargetCluster, ...] = ()
    """As decided now; what stands counts."""
    conditions: tuple[Condition, ...] = ()
    removals: dict[str, Removal] = {}
    policy: Ref | None = None
    lost_policies: dict[str, str] = {}
    rejected: dict[str, Rejection] = {}
    scores: dict[str, int] = {}
    fitting: tuple[str, ...] = ()
    """Clusters that no filter refuses, in order of their names."""
    afresh: tuple[TargetCluster, ...] = ()
    """Where it would be placed now if it were placed from zero."""
    rounds: tuple[str, ...] = ()
    """How that division came about."""


class PlanRequest(Struct, frozen=True, kw_only=True):
    """Request on `ask.hub.plan` or `POST /api/plan`, answered by the gateway: what a deploy would change, without writing.

    The first fields are those of `DeployData`; the others suppose something of the clusters.
    """

    manifests: list[Manifest] | str = []
    delete: tuple[str, ...] = ()
    cluster_down: str = ""
    """Name of a cluster that is supposed to be lost."""
    application: str = ""
    """Empty: objects are taken as they are, without the application's label."""
    version: str = ""
    images: dict[str, str] = {}
    rollback: bool = False
    id: str = ""
    """Of the deploy event that is planned. Uids of new objects come from it and `source`; without it a plan tells both ways of a tie."""
    source: str = "plan"
    """Who would deploy: fields that this source owned and does not send any more are removed."""
    cluster_join: list[Manifest] = []
    """Clusters that are supposed to join, Ready; one without `status` is like its nearest neighbour, and empty."""


class PlanAnswer(Struct, frozen=True, kw_only=True):
    """Answer to `PlanRequest`. Nothing was written."""

    revision: int
    """The hub's revision that the plan starts from; a plan of an older one may come out otherwise."""
    refused: tuple[Refusal, ...] = ()
    objects: tuple[PlannedObject, ...] = ()
    placements: tuple[PlannedPlacement, ...] = ()
    manifests: tuple[PlannedManifest, ...] = ()
    unplaced: tuple[Unplaced, ...] = ()
    estimates: tuple[PlannedEstimates, ...] = ()
    """What agents said when they were asked for their room; the placements rest on that."""
    assumptions: tuple[str, ...] = ()
    """What was supposed because it is not known."""
    more: int = 0
    """Bindings that would change beyond those that are listed."""


class Supposed(Struct, frozen=True, kw_only=True):
    """One object entry as it would be stored."""

    ref: Ref
    body: Manifest | None = None
    """None: a tombstone."""
    uid: str = ""
    same_content: bool = False
    """At most status and neutral metadata differ: the content revision stays."""


class Foresee(Struct, frozen=True, kw_only=True):
    """Request on `ask.hub.foresee`, answered by the scheduler: what it would decide if these entries were written."""

    objects: tuple[Supposed, ...] = ()
    beliefs: dict[str, Belief] = {}
    """By cluster."""
    position: int = 0
    """Position in `STATE` that the asker has seen; the answer starts at it or later."""
    estimates: tuple[Estimates, ...] | None = None
    """Answers of agents as an earlier plan got them: these count, and nobody is asked. None: agents are asked, as a decision would."""


class ForeseenBinding(Struct, frozen=True, kw_only=True):
    """One decision that comes out differently, or that leaves something unplaced."""

    ref: Ref
    before: Binding | None = None
    after: Binding | None = None
    changed: bool = False
    tombstone: bool = False
    reason: str = ""
    message: str = ""
    recheck_after_s: float | None = None
    estimates: dict[str, int] = {}
    """By cluster: room as its agent said when it was asked, without what is reserved there: as a decision records it."""
    without: dict[str, str] = {}
    """By cluster: why there is no such estimate; the general one counted."""


class Foreseen(Struct, frozen=True, kw_only=True):
    """Answer to `Foresee`."""

    position: int
    bindings: tuple[ForeseenBinding, ...] = ()
    more: int = 0
    """Decisions beyond those that fit into one answer."""
    estimates: tuple[Estimates, ...] = ()
    """Every answer of an agent that is known, as it gave it."""
    assumptions: tuple[str, ...] = ()
    """What could not be learned."""


class ReplayRequest(Struct, frozen=True, kw_only=True):
    """Request on `ask.hub.replay`, answered by the scheduler: a past decision made again from the state of its view position."""

    ref: Ref
    at: int = 0
    """A revision of the hub; the decision in force at it is replayed. 0: the last one."""
    policies: tuple[Supposed, ...] = ()
    """Policies that stand in for those of then."""


class Replayed(Struct, frozen=True, kw_only=True):
    """Answer to `ReplayRequest`."""

    revision: int
    """Of the binding entry that holds the recorded decision."""
    view_position: int
    """Position in `STATE` that it was decided at, and that was read again."""
    recorded: Binding
    replayed: Binding | None = None
    """None: it cannot be decided any more (`aged_out` says why), or it comes out as no binding."""
    same: bool = False
    reason: str = ""
    message: str = ""
    aged_out: tuple[str, ...] = ()
    """Inputs that are not known any more, as sentences."""
