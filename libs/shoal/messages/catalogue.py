"""Every entry and every message, in the order of one deploy. `docs/messages.md` and `docs/asyncapi.json` are written from this file.

Entries are last values of a key in a stream (their envelope is `bus.entries`); messages are sent once. New fields get defaults, types never
change, and receivers accept unknown fields.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

from shoal.api.binding import Binding, Component, ReplicaRequirements
from shoal.api.cluster import Grade
from shoal.api.meta import Manifest, Ref, Struct
from shoal.api.status import Belief, TemplateStatus
from shoal.api.unschedulable import Unschedulable
from shoal.api.work import Inventory, Report, Work
from shoal.messages.measuring import MetricsMeasured, MetricsRequest
from shoal.messages.planning import (
    Explained,
    ExplainRequest,
    Foresee,
    Foreseen,
    PlanAnswer,
    PlanRequest,
    Replayed,
    ReplayRequest,
)
from shoal.messages.subject import encode_token

T = TypeVar("T")


class Stream(msgspec.Struct, frozen=True):
    """A stream's name and the subjects it holds; how it is set is `bus.topology`."""

    name: str
    subjects: tuple[str, ...]
    what: str


STATE = Stream("STATE", ("state.>",), "What the hub knows: the last value of every key; its sequence is the hub's one revision.")
HISTORY = Stream("HISTORY", ("history.>",), "Every revision of STATE, by age and bytes: replay, rollback, audit.")
WORK = Stream("WORK", ("work.>",), "What each cluster should run.")
REPORT = Stream("REPORT", ("report.>",), "What each cluster says of its works.")
DEPLOY = Stream("DEPLOY", ("deploy.*",), "Deploy events from CI, until answered.")
EVENT = Stream("EVENT", ("event.>",), "Facts in the past tense, for CI, chat and dashboards: CloudEvents.")
LEASE = Stream("LEASE", ("lease.>",), "Leases and progress of services, with a TTL.")
DEAD = Stream("DEAD", ("dead.>",), "Messages that could not be handled, with the reason; kept for an operator.")
STREAMS = (STATE, HISTORY, WORK, REPORT, DEPLOY, EVENT, LEASE, DEAD)


class Family(msgspec.Struct, Generic[T], frozen=True):
    """One writer's statements about refs of any kind, and the struct of their bodies."""

    name: str
    stream: Stream
    body: type[T]
    version: int
    writer: str
    readers: tuple[str, ...]
    what: str

    @property
    def schema(self) -> str:
        """As the envelope names it: `binding/1`."""
        return f"{self.name}/{self.version}"


# --- entries, in the order of the straight line ---------------------------------------------------------------------------------------

OBJECT: Family[Manifest] = Family(
    "object", STATE, dict, 1, "gateway", ("scheduler", "override-renderer", "health-monitor", "gateway"),
    "An object as the user wrote it: template, policy, Cluster, Namespace, change record, application head.",
)  # fmt: skip
BINDING: Family[Binding] = Family(
    "binding", STATE, Binding, 1, "scheduler", ("override-renderer", "health-monitor", "gateway", "scheduler"),
    "Where a template runs, on which revision that was decided, and why not elsewhere.",
)  # fmt: skip
WORKS: Family[Work] = Family(
    "work", WORK, Work, 1, "override-renderer", ("agent", "gateway"), "The exact manifest for one cluster.",
)  # fmt: skip
REPORTS: Family[Report] = Family(
    "report", REPORT, Report, 1, "agent", ("health-monitor", "gateway"), "What a cluster says of one work.",
)  # fmt: skip
INVENTORY: Family[Inventory] = Family(
    "inventory", REPORT, Inventory, 1, "agent", ("health-monitor",),
    "What a cluster can run; under the ref of its Cluster among the reports.",
)  # fmt: skip
BELIEF: Family[Belief] = Family(
    "belief", STATE, Belief, 1, "health-monitor", ("scheduler", "override-renderer", "gateway"),
    "What is believed of a cluster: Ready, Suspect, Lost; its taints; its inventory.",
)  # fmt: skip
STATUS: Family[TemplateStatus] = Family(
    "status", STATE, TemplateStatus, 1, "health-monitor", ("scheduler", "override-renderer", "gateway"),
    "A template's copies, cluster by cluster, and the merged status.",
)  # fmt: skip
FAMILIES: tuple[Family[Any], ...] = (OBJECT, BINDING, WORKS, REPORTS, INVENTORY, BELIEF, STATUS)
STATE_FAMILIES: tuple[Family[Any], ...] = (OBJECT, BINDING, BELIEF, STATUS)


class ChangeRecord(Struct, frozen=True, kw_only=True):
    """`spec` of the object `shoal.dev/Change/<hash of source and id>`: one accepted deploy. Written with the deploy's batch."""

    change: str
    """ULID."""
    source: str
    event_id: str
    digest: str
    """Of the event's data: the same id with another digest is refused."""
    application: str
    version: str
    accepted_at: str
    objects: tuple[Ref, ...] = ()
    deletes: tuple[Ref, ...] = ()
    answered: tuple[str, ...] = ()
    """Answers that were sent: accepted, applied, ready, failed, superseded (level: sent again after a restart until they are here)."""


class ApplicationHead(Struct, frozen=True, kw_only=True):
    """`spec` of the object `shoal.dev/Application/<name>`: the live version. Compare-and-set keeps versions in order."""

    application: str
    version: str
    change: str
    changes: tuple[str, ...] = ()
    """Names of the last change records, newest first."""


# --- messages, in the order of the straight line --------------------------------------------------------------------------------------


class DeployData(Struct, frozen=True, kw_only=True):
    """`data` of a deploy event. `manifests` is a list of objects or one YAML text; a manifest that is missing deletes nothing."""

    application: str
    version: str = ""
    manifests: list[Manifest] | str = []
    images: dict[str, str] = {}
    """Container name, or image repository -> new reference."""
    delete: tuple[str, ...] = ()
    """`<apiVersion>/<Kind>/<namespace>/<name>`, namespace `_` or left out for cluster-scoped objects."""
    rollback: bool = False
    wait: bool = True


class DeployEvent(Struct, frozen=True, kw_only=True, omit_defaults=False):
    """CloudEvent `dev.shoal.deploy.v1` on `deploy.<source>` or `POST /deploy`. Sent by CI; answered by the gateway."""

    id: str
    """Idempotency key within `source`."""
    source: str
    data: DeployData
    specversion: str = "1.0"
    type: str = "dev.shoal.deploy.v1"
    time: str = ""
    datacontenttype: str = "application/json"


class DeployAnswer(Struct, frozen=True, kw_only=True):
    """The direct answer to a deploy event, over HTTP and as the reply of a request on `deploy.<source>`."""

    accepted: bool
    change: str = ""
    application: str = ""
    version: str = ""
    repeated: bool = False
    """The same event was accepted before; nothing was done twice."""
    reason: str = ""
    message: str = ""
    violations: tuple[tuple[str, str], ...] = ()


class CloudEvent(Struct, frozen=True, kw_only=True, omit_defaults=False):
    """A fact on `event.<type>.<...>`. Projected by one gateway from HISTORY, WORK and REPORT; ids name their source position."""

    id: str
    source: str
    type: str
    """`deploy.accepted`, `binding.scheduled`, `work.rendered`, `work.applied`, `cluster.lost` ..."""
    subject: str
    time: str
    data: dict[str, Any] = {}
    specversion: str = "1.0"


class Register(Struct, frozen=True, kw_only=True):
    """Request on `ask.hub.register`: an agent that has no member id yet, or starts again. Answered by the gateway; idempotent by `uid`."""

    name: str
    uid: str
    """UID of the member's `kube-system` namespace."""
    member: str = ""
    """The id it was given before, if it remembers."""
    provider: str = ""
    region: str = ""
    zones: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    api_endpoint: str = ""
    version: str = ""
    """Of the agent."""


class Registered(Struct, frozen=True, kw_only=True):
    """Answer to `Register`. `member` empty: refused, `reason` and `message` say why and what to do."""

    member: str = ""
    cluster: str = ""
    reason: str = ""
    message: str = ""


class Beat(Struct, frozen=True, kw_only=True):
    """Request on `beat.<member>`: I am here. Sent by the agent every `beat_interval_s`, answered by health-monitor."""

    cluster: str
    sequence: int
    """Highest `WORK` sequence the agent has taken in."""
    api_healthy: bool = True
    """Its member's API server answers."""
    interval_s: float = 2.0
    grading: int = 0
    """`revision` of the `Grading` by which the agent counts its nodes; 0: it was told none yet."""


class Grading(Struct, frozen=True, kw_only=True):
    """By which grades an agent counts its nodes (R4.18): the resource models of its Cluster. Sent with the answer to a beat."""

    revision: int
    """Sequence of the Cluster's entry in `STATE`; a later one may say the same grades."""
    grades: tuple[Grade, ...] = ()


class BeatAnswer(Struct, frozen=True, kw_only=True):
    lease_s: float = 0.0
    """How long this beat counts."""
    sequence: int = 0
    """Last sequence of `WORK`; an agent behind it for two beats lists again."""
    known: bool = True
    """False: the hub does not know this member; register again."""
    grading: Grading | None = None
    """Only when it is another one than the beat's; so an idle member hears nothing of it, and a change arrives with the next beat."""


class ListWorks(Struct, frozen=True, kw_only=True):
    """Request on `ask.<member>.works`, answered by override-renderer from its complete view of `WORK`."""

    after: str = ""
    """Subject after which the page starts."""


class WorkItem(Struct, frozen=True, kw_only=True):
    key: str
    """`<group>.<kind>.<ns>.<name>`, encoded."""
    revision: int
    tombstone: bool = False


class WorkList(Struct, frozen=True, kw_only=True):
    """One page. `complete` false: the renderer's view is not complete; ask again, conclude nothing."""

    items: tuple[WorkItem, ...] = ()
    sequence: int = 0
    """The view's position in `WORK` when the first page was made."""
    next: str = ""
    """`after` of the next page; empty at the end."""
    complete: bool = True


class ListReports(Struct, frozen=True, kw_only=True):
    """Request on `ask.<member>.reports`, answered by health-monitor."""

    after: str = ""


class ReportItem(Struct, frozen=True, kw_only=True):
    key: str
    work_revision: int
    digest: str


class ReportList(Struct, frozen=True, kw_only=True):
    """One page of what the monitor has heard of this member, so that the agent sends what it lacks."""

    items: tuple[ReportItem, ...] = ()
    next: str = ""
    complete: bool = True


class EstimateRequest(Struct, frozen=True, kw_only=True):
    """Request on `ask.<member>.estimate`: how many more of these pods fit? Sent by the scheduler, answered by that cluster's agent."""

    namespace: str = ""
    """Whose quotas count."""
    requirements: ReplicaRequirements | None = None
    components: tuple[Component, ...] = ()
    """Of a workload with several pod templates: whole sets are asked for."""


class Estimated(Struct, frozen=True, kw_only=True):
    """Answer to `EstimateRequest`, from the cluster's nodes as they are."""

    room: int = 0
    reason: str = ""
    """What keeps it from being more, as a sentence."""


class UnschedulableRequest(Struct, frozen=True, kw_only=True):
    """Request on `ask.<member>.unschedulable`: which of these have pods that no node takes? Sent by the scheduler, all of a cluster at once."""

    refs: tuple[Ref, ...] = ()
    """Deployments."""
    longer_than_s: float = 300.0
    """For how long the member's scheduler has to have found no node; by the agent's clock."""


class UnschedulableCounted(Struct, frozen=True, kw_only=True):
    """Answer to `UnschedulableRequest`."""

    counts: tuple[Unschedulable, ...] = ()
    """Only of those that have such pods."""


class Progress(Struct, frozen=True, kw_only=True):
    """On `lease.progress.<service>`, at most 5 a second: all up to `read` is decided, what that wrote is at or below `wrote`."""

    service: str
    read: int
    """Position in the stream the service reads its work from (`STATE`)."""
    wrote: int
    """Highest sequence of its own writes (scheduler: `STATE`, renderer: `WORK`)."""
    behind: tuple[str, ...] = ()
    """Keys in back-off, at most 100; they are not current."""


class LeaseHolder(Struct, frozen=True, kw_only=True):
    """On `lease.<name>`: who holds a lease. Renewed by compare-and-set well within `ttl_s`."""

    holder: str
    ttl_s: float
    since: str = ""


REGISTER_SUBJECT = "ask.hub.register"
EXPLAIN_SUBJECT = "ask.hub.explain"
PLAN_SUBJECT = "ask.hub.plan"
FORESEE_SUBJECT = "ask.hub.foresee"
REPLAY_SUBJECT = "ask.hub.replay"
MESSAGES: tuple[tuple[str, type[Struct], str, str, str], ...] = (
    ("deploy.<source>", DeployEvent, "CI", "gateway", "A deploy event; answered with DeployAnswer."),
    ("(reply)", DeployAnswer, "gateway", "CI", "Accepted or refused, with the change id or the reason."),
    (REGISTER_SUBJECT, Register, "agent", "gateway", "Join, or come back; answered with Registered."),
    ("(reply)", Registered, "gateway", "agent", "The member id, or why not."),
    ("beat.<member>", Beat, "agent", "health-monitor", "A heartbeat; answered with BeatAnswer."),
    ("(reply)", BeatAnswer, "health-monitor", "agent", "The lease, and how far WORK is."),
    ("ask.<member>.works", ListWorks, "agent", "override-renderer", "List of works; answered with WorkList."),
    ("(reply)", WorkList, "override-renderer", "agent", "Keys and revisions, in pages."),
    ("ask.<member>.reports", ListReports, "agent", "health-monitor", "List of reports heard; answered with ReportList."),
    ("(reply)", ReportList, "health-monitor", "agent", "Keys, work revisions and digests, in pages."),
    ("ask.<member>.estimate", EstimateRequest, "scheduler", "agent", "How many more pods fit, node by node; answered with Estimated."),
    ("(reply)", Estimated, "agent", "scheduler", "Room, and what limits it."),
    ("ask.<member>.unschedulable", UnschedulableRequest, "scheduler", "agent", "Whose pods no node takes, in one question."),
    ("(reply)", UnschedulableCounted, "agent", "scheduler", "How many of how many replicas."),
    ("ask.<member>.metrics", MetricsRequest, "gateway", "agent", "What pods use, in one question; answered with MetricsMeasured."),
    ("(reply)", MetricsMeasured, "agent", "gateway", "Pods, their requests and their usage."),
    ("lease.progress.<service>", Progress, "scheduler, override-renderer", "gateway", "How far the service has decided."),
    ("lease.<name>", LeaseHolder, "any service", "any service", "A lease and its holder."),
    (EXPLAIN_SUBJECT, ExplainRequest, "gateway", "scheduler", "Why these clusters, why not the others."),
    ("(reply)", Explained, "scheduler", "gateway", "What it would decide now, and from zero."),
    (PLAN_SUBJECT, PlanRequest, "anyone", "gateway", "What would change; answered with PlanAnswer."),
    ("(reply)", PlanAnswer, "gateway", "anyone", "Refusals, placements, manifests per cluster."),
    (FORESEE_SUBJECT, Foresee, "gateway", "scheduler", "What it would decide if these entries were written."),
    ("(reply)", Foreseen, "scheduler", "gateway", "Decisions that come out differently."),
    (REPLAY_SUBJECT, ReplayRequest, "gateway", "scheduler", "A past decision, made again."),
    ("(reply)", Replayed, "scheduler", "gateway", "The recorded decision and the replayed one."),
    ("event.<type>.<...>", CloudEvent, "gateway", "anyone", "A fact in the past tense."),
)


def live(member: str) -> str:
    """Where notifications of one member's works arrive (headers only)."""
    return f"live.{member}.>"


def estimate_subject(member: str) -> str:
    """Where one member's agent is asked how many more pods fit."""
    return f"ask.{encode_token(member)}.estimate"


def unschedulable_subject(member: str) -> str:
    """Where one member's agent is asked which workloads have pods that no node takes."""
    return f"ask.{encode_token(member)}.unschedulable"
