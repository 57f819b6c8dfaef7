"""How far a change has come, object by object and cluster by cluster.

Pure: computed from what the views hold now (level), never from events seen. A hop has a change when its recorded input is at or past the
change's revision, or when its writer has passed the change and left the entry as it was.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from shoal.api.binding import Binding
from shoal.api.meta import Ref, Struct
from shoal.api.status import CopyStatus, TemplateStatus
from shoal.api.work import Work
from shoal.messages.catalogue import Progress
from shoal_gateway.bodies import Seen
from shoal_gateway.shapes import purges


class State(enum.StrEnum):
    """In the order of the line; the last four are no steps."""

    PENDING = "pending"
    RENDERED = "rendered"
    APPLIED = "applied"
    READY = "ready"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    UNPLACED = "unplaced"
    """No policy places the object. Said, but no obstacle: a deploy may hold objects that only the hub needs."""


_STEPS = (State.PENDING, State.RENDERED, State.APPLIED, State.READY)
_WAITING = frozenset({"", "DependencyMissing", "MemberUnavailable", "Pending", "Suspended", "ClusterUnreachable"})
"""Reasons of a copy that is not applied yet, and that may go away without anybody changing anything."""


class Facts(Protocol):
    """What the views hold. Everything may be missing."""

    def object(self, ref: Ref) -> Seen | None:
        """Without its body, which no verdict needs."""
        ...

    def deleting(self, ref: Ref) -> bool:
        """The object has a deletion timestamp."""
        ...

    def binding(self, ref: Ref) -> Seen | None: ...
    def status(self, ref: Ref) -> Seen | None: ...
    def work(self, cluster: str, ref: Ref) -> Seen | None: ...
    def lost(self, cluster: str) -> bool: ...
    def placed(self, ref: Ref) -> bool:
        """False for kinds that are accepted and not placed (policies, Namespaces, system kinds)."""
        ...

    def judged(self, ref: Ref) -> bool:
        """True for kinds that have a rule for health; of others, applied is ready."""
        ...

    @property
    def scheduler(self) -> Progress | None:
        """None while the view has not caught up with what the scheduler says it wrote."""
        ...

    @property
    def renderer(self) -> Progress | None: ...


class CopyState(Struct, frozen=True, kw_only=True):
    """One object in one target cluster."""

    cluster: str
    state: State
    reason: str = ""
    message: str = ""
    health: str = ""
    replicas: int | None = None
    image: str = ""


class ObjectState(Struct, frozen=True, kw_only=True):
    ref: Ref
    state: State
    reason: str = ""
    message: str = ""
    deleted: bool = False
    """The change deletes it; ready means that it is gone everywhere."""
    copies: tuple[CopyState, ...] = ()


class ChangeState(Struct, frozen=True, kw_only=True):
    """Answer of `/api/changes/{change}`."""

    change: str
    application: str = ""
    version: str = ""
    source: str = ""
    event_id: str = ""
    accepted_at: str = ""
    state: State = State.PENDING
    reason: str = ""
    message: str = ""
    superseded_by: str = ""
    objects: tuple[ObjectState, ...] = ()
    clusters: dict[str, State] = {}
    """The least step of all objects in that cluster."""
    answered: tuple[str, ...] = ()


def judge(objects: Iterable[Ref], deletes: Iterable[Ref], *, at: int, facts: Facts) -> tuple[ObjectState, ...]:
    """The state of every object of a change that ended at the STATE sequence `at`."""
    written = tuple(_written(ref, at, facts) for ref in objects)
    return written + tuple(_deleted(ref, at, facts) for ref in deletes)


def combine(objects: Sequence[ObjectState]) -> tuple[State, str, str]:
    """(state, reason, message) of the whole: the least step; a failure or a newer change beats it."""
    for state in (State.SUPERSEDED, State.FAILED):
        found = next((one for one in objects if one.state == state), None)
        if found is not None:
            return state, found.reason, f"{found.ref}: {found.message}"
    steps = [one for one in objects if one.state in _STEPS]
    if not steps:
        alone = next(iter(objects), None)
        return (State.READY, alone.reason, alone.message) if alone else (State.READY, "", "")
    least = min(steps, key=lambda one: _STEPS.index(one.state))
    if least.state == State.READY:
        unplaced = sum(one.state == State.UNPLACED for one in objects)
        return State.READY, "", f"{unplaced} objects are not placed by any policy" if unplaced else ""
    copy = next((one for one in least.copies if one.state == least.state and one.reason), None)
    where = f" in {copy.cluster}" if copy else ""
    message = least.message or (copy.message if copy else "")
    return least.state, (copy.reason if copy else least.reason), f"{least.ref}{where}: {message}" if message else ""


def clusters(objects: Iterable[ObjectState]) -> dict[str, State]:
    """Per cluster the least step of its copies; a failure beats it."""
    out: dict[str, State] = {}
    for one in objects:
        for copy in one.copies:
            out[copy.cluster] = _lesser(out.get(copy.cluster, State.READY), copy.state)
    return dict(sorted(out.items()))


def _lesser(one: State, other: State) -> State:
    if State.FAILED in (one, other):
        return State.FAILED
    return min(one, other, key=_STEPS.index)


def _written(ref: Ref, at: int, facts: Facts) -> ObjectState:
    entry = facts.object(ref)
    if entry is None or entry.deleted:
        by = entry.change if entry is not None else ""
        return ObjectState(ref=ref, state=State.SUPERSEDED, reason="Deleted", message=f"it was deleted{f' by change {by}' if by else ''}")
    if entry.content > at:
        return ObjectState(ref=ref, state=State.SUPERSEDED, reason="NewerChange", message=f"superseded by change {entry.change}")
    key = str(ref)
    passed = facts.scheduler is not None and facts.scheduler.read >= entry.content and key not in facts.scheduler.behind
    if not facts.placed(ref):
        return ObjectState(ref=ref, state=State.READY if passed else State.PENDING, message="" if passed else _WAITS_FOR_SCHEDULER)
    found = facts.binding(ref)
    binding: Binding | None = found.body if found is not None and not found.deleted and found.uid == entry.uid else None
    decided = binding is not None and binding.template_revision >= entry.content
    if not decided and not passed:
        return ObjectState(ref=ref, state=State.PENDING, reason="Scheduling", message=_WAITS_FOR_SCHEDULER)
    if found is None or binding is None or not (binding.clusters or binding.claim or binding.required_by):
        return ObjectState(ref=ref, state=State.UNPLACED, reason="NoPolicy", message="no policy places it; write one that selects it")
    if not decided:
        held = "its policy does not let this change through yet (lazy, suspended, or its selectors match no more)"
        return ObjectState(ref=ref, state=State.PENDING, reason="Held", message=held)
    if not binding.clusters:
        return _unfit(ref, binding)
    copies = tuple(_copy(ref, target.name, entry, found, facts) for target in binding.clusters)
    state = State.READY
    for copy in copies:
        state = _lesser(state, copy.state)
    worst = next((copy for copy in copies if copy.state == state), copies[0])
    return ObjectState(ref=ref, state=state, reason=worst.reason, message=_of(worst) if state == State.FAILED else "", copies=copies)


_WAITS_FOR_SCHEDULER = "waits for the scheduler"


def _of(copy: CopyState) -> str:
    return f"{copy.cluster}: {copy.message or copy.reason}"


def _unfit(ref: Ref, binding: Binding) -> ObjectState:
    told = next((one for one in binding.conditions if one.type == "Scheduled"), None)
    reason, message = (told.reason, told.message) if told else ("NoClusterFit", "no cluster fits")
    return ObjectState(ref=ref, state=State.PENDING, reason=reason, message=message)


def _copy(ref: Ref, cluster: str, entry: Seen, binding: Seen, facts: Facts) -> CopyState:
    work = facts.work(cluster, ref)
    if (work is None or work.deleted) and (purged := purges(binding.body)):
        return CopyState(cluster=cluster, state=State.PENDING, reason="Purging", message=purged)
    if work is None or work.deleted or not _rendered(work.body, ref, entry, binding, facts):
        return CopyState(cluster=cluster, state=State.PENDING, reason="Rendering", message="waits for the override-renderer")
    copy = _copy_status(facts.status(ref), entry.uid, cluster)
    if copy is None or copy.work_revision < work.revision:
        if facts.lost(cluster):
            return CopyState(cluster=cluster, state=State.FAILED, reason="ClusterUnreachable", message="the cluster is not reachable")
        return CopyState(cluster=cluster, state=State.RENDERED, reason="Applying", message="waits for the cluster's report")
    told: dict[str, Any] = {"health": copy.health, "replicas": copy.replicas, "cluster": cluster, "image": copy.image}
    if not copy.applied:
        waits = copy.reason in _WAITING and not facts.lost(cluster)
        state = State.RENDERED if waits else State.FAILED
        reason = copy.reason or "Applying"
        if facts.lost(cluster) and copy.reason in _WAITING:
            reason = "ClusterUnreachable"
        return CopyState(state=state, reason=reason, message=copy.message, **told)
    if copy.health == "Healthy" or (copy.health == "Unknown" and not facts.judged(ref)):
        return CopyState(state=State.READY, **told)
    if facts.lost(cluster):
        return CopyState(state=State.FAILED, reason="ClusterUnreachable", message="the cluster is not reachable", **told)
    return CopyState(state=State.APPLIED, reason=copy.health, message=copy.message or "applied, not healthy yet", **told)


def _rendered(work: Work, ref: Ref, entry: Seen, binding: Seen, facts: Facts) -> bool:
    """The work is of this revision, or the renderer has seen the binding and left the work as it was."""
    if work.template_uid != entry.uid:
        return False
    if work.template_revision >= entry.content:
        return True
    renderer = facts.renderer
    return renderer is not None and renderer.read >= binding.revision and str(ref) not in renderer.behind


def _copy_status(status: Seen | None, uid: str, cluster: str) -> CopyStatus | None:
    if status is None or status.deleted or status.uid != uid:
        return None
    body: TemplateStatus = status.body
    return body.copy(cluster)


def _deleted(ref: Ref, at: int, facts: Facts) -> ObjectState:
    entry = facts.object(ref)
    if entry is None or entry.deleted:
        return ObjectState(ref=ref, state=State.READY, deleted=True)
    if entry.content > at and not facts.deleting(ref):
        return ObjectState(ref=ref, state=State.SUPERSEDED, reason="NewerChange", message=f"made anew by {entry.change}", deleted=True)
    waiting = holding(facts.binding(ref), facts.status(ref), entry.uid)
    copies = tuple(
        CopyState(cluster=name, state=State.PENDING, reason="ClusterUnreachable" if facts.lost(name) else "Deleting", message="still there")
        for name in waiting
    )
    message = f"waiting for {', '.join(waiting)}" if waiting else "waiting for the finalizers to be released"
    return ObjectState(ref=ref, state=State.PENDING, reason="Deleting", message=message, copies=copies, deleted=True)


def holding(binding: Seen | None, status: Seen | None, uid: str) -> tuple[str, ...]:
    """Clusters that may still have a copy of an object under deletion."""
    names: set[str] = set()
    if status is not None and not status.deleted and status.uid == uid:
        names |= {copy.cluster for copy in status.body.copies}
    if binding is not None and not binding.deleted and binding.uid == uid:
        names |= {target.name for target in binding.body.clusters} | set(binding.body.removals)
    return tuple(sorted(names))


def answers(state: ChangeState) -> tuple[str, ...]:
    """Which answers are due and were not sent: `applied@m1`, `ready@m1`, then those of the whole. Level: asking again gives the same."""
    due = ["accepted"]
    for name, step in state.clusters.items():
        if step in (State.APPLIED, State.READY):
            due.append(f"applied@{name}")
        if step in (State.READY, State.FAILED):
            due.append(f"{step}@{name}")
    if state.state in (State.APPLIED, State.READY):
        due.append("applied")
    if state.state in (State.READY, State.FAILED, State.SUPERSEDED):
        due.append(str(state.state))
    return tuple(answer for answer in due if answer not in state.answered)


def closed(answered: Sequence[str]) -> bool:
    """True when nothing more can be said of a change."""
    return "ready" in answered or "superseded" in answered
