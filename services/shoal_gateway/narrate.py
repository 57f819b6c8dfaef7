"""What an entry says as a fact in the past tense: the pure half of the `EVENT` projection. Never bodies, only names, numbers and reasons."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from shoal.api.binding import CLAIMED, SCHEDULED, Binding
from shoal.api.meta import Condition, Ref
from shoal.api.status import Belief
from shoal.api.work import Report
from shoal.messages.catalogue import CloudEvent
from shoal_gateway import merge
from shoal_gateway.bodies import WorkHead
from shoal_gateway.kinds import APPLICATION, CHANGE

SOURCE = "shoal/hub"
OVERRIDE_FAILED = "OverrideFailed"


class Fact(NamedTuple):
    type: str
    data: dict[str, Any]


class Spoken(NamedTuple):
    """What a report said last of one work: events tell of changes, not of every report."""

    work_revision: int
    applied: bool
    gone: bool
    reason: str
    health: str


def event(fact: Fact, *, id_: str, ref: Ref, change: str, time: float) -> CloudEvent:
    data = {"ref": str(ref), **({"change": change} if change else {}), **fact.data}
    told = datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds")
    return CloudEvent(id=id_, source=SOURCE, type=fact.type, subject=str(ref), time=told, data=data)


def of_object(ref: Ref, *, revision: int, content: int, deleted: bool, first: bool) -> Fact | None:
    """Of an object entry. Changes of status alone are no fact of their own; records of deploys have answers instead."""
    if (ref.group, ref.kind) in (CHANGE, APPLICATION) or (content != revision and not deleted):
        return None
    if merge.is_cluster(ref):
        if deleted:
            return Fact("cluster.forgotten", {"cluster": ref.name})
        return Fact("cluster.joined", {"cluster": ref.name}) if first else None
    return Fact("object.deleted" if deleted else "object.created" if first else "object.changed", {"revision": revision})


def of_binding(binding: Binding | None, previous: Binding | None) -> Fact | None:
    """Of a binding entry; None is a tombstone, or no entry before."""
    if binding is None:
        return Fact("binding.removed", {"clusters": [one.name for one in previous.clusters] if previous else []})
    now = {one.name: one.replicas for one in binding.clusters}
    before = {one.name: one.replicas for one in previous.clusters} if previous is not None else {}
    targets = [{"cluster": name, **({"replicas": count} if count is not None else {})} for name, count in now.items()]
    if moved_on := _descheduled(binding, previous):
        return Fact("binding.descheduled", {"from": moved_on, "clusters": targets})
    came, went = [name for name in now if name not in before], [name for name in before if name not in now]
    if came and went:
        reasons = {name: binding.removals[name].reason for name in went if name in binding.removals}
        return Fact("binding.moved", {"from": went, "to": came, "reasons": reasons, "clusters": targets})
    unfit, was = _unfit(binding), _unfit(previous)
    if unfit is not None:
        if was is not None and was.reason == unfit.reason and now == before:
            return None  # Only its words changed.
        told = {"reason": unfit.reason, "message": unfit.message}
        return Fact("binding.unfit", told | {"clusters": targets}) if now else Fact("binding.unplaced", told)
    if held := _let_go(binding, previous):
        return held
    newer = previous is None or previous.template_revision != binding.template_revision or was is not None
    fact = Fact("binding.scheduled", {"clusters": targets, **({"left": went} if went else {})})
    return fact if now and (now != before or newer) else None


def _descheduled(binding: Binding, previous: Binding | None) -> list[str]:
    """Clusters that replicas just left because no node took them there (R15.4)."""
    known = previous.descheduled if previous is not None else {}
    return [name for name, since in binding.descheduled.items() if known.get(name) != since]


def _unfit(binding: Binding | None) -> Condition | None:
    """Why the scheduler found no place (NoClusterFit, Unschedulable ...); what ran before then stays where it is."""
    conditions = binding.conditions if binding is not None else ()
    return next((one for one in conditions if one.type == SCHEDULED and one.status != "True"), None)


def _let_go(binding: Binding, previous: Binding | None) -> Fact | None:
    """The owning policy does not speak for the template any more, or not yet; what runs stays as it is (GX13)."""
    told = next((one for one in binding.conditions if one.type == CLAIMED), None)
    before = next((one for one in previous.conditions if one.type == CLAIMED), None) if previous is not None else None
    if told is None or (before is not None and before.reason == told.reason):
        return None
    return Fact("binding.held", {"reason": told.reason, "message": told.message})


def of_belief(name: str, belief: Belief | None, previous: Belief | None) -> Fact | None:
    """Of a belief: only a change of state is a fact; inventory changes all the time."""
    if belief is None or (previous is not None and previous.state == belief.state):
        return None
    told = {"reason": belief.reason, "message": belief.message, "was": previous.state if previous is not None else ""}
    return Fact(f"cluster.{belief.state.lower()}", {"cluster": name, **{key: value for key, value in told.items() if value}})


def of_work(work: WorkHead, *, revision: int, deleted: bool) -> Fact:
    """Of a work entry: rendered, with the override policies that were used, or failed, because one of them could not be applied (G16)."""
    told: dict[str, Any] = {"cluster": work.cluster, "revision": revision, "epoch": work.epoch}
    if deleted:
        return Fact("work.withdrawn", told)
    if work.error:
        return Fact("work.failed", told | {"reason": OVERRIDE_FAILED, "message": work.error})
    used = list(dict.fromkeys(one.policy for one in work.overrides))
    return Fact("work.rendered", told | ({"overrides": used} if used else {}))


def of_report(cluster: str, report: Report, previous: Spoken | None) -> tuple[Fact | None, Spoken]:
    """Of a report, and what to remember of it."""
    spoken = Spoken(report.work_revision, report.applied, report.gone, report.reason, report.health)
    if spoken == previous:
        return None, spoken
    told: dict[str, Any] = {"cluster": cluster, "revision": report.work_revision, "health": report.health}
    if report.gone:
        return Fact("work.removed", told), spoken
    if not report.applied:
        silent = report.reason in ("", OVERRIDE_FAILED)  # Of overrides the work itself told.
        return None if silent else Fact("work.failed", told | {"reason": report.reason, "message": report.message}), spoken
    if previous is None or previous.work_revision != report.work_revision or not previous.applied:
        return Fact("work.applied", told | {"applyMs": round(report.apply_ms, 1)}), spoken
    return (Fact(f"work.{report.health.lower()}", told) if report.health != previous.health else None), spoken
