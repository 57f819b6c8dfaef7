"""Placing what a policy owns: failover first, then scheduling with what it said."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from shoal.api.binding import QUOTA_EXCEEDED, REPLACEMENT_READY, STATE_NOT_PRESERVED, UNSCHEDULABLE, USER_EVICTED, Binding, Removal
from shoal.api.policy import Placement
from shoal.domain.deciding.descheduling import moving_on, remembered, resting, spares, stays
from shoal.domain.deciding.inputs import Inputs
from shoal.domain.deciding.wishes import leaves, wishes_of
from shoal.domain.failover import Verdict, evict, rules_for
from shoal.domain.quota import exceeded, usage_of
from shoal.domain.scheduling import Decision, Request, condition, keep, schedule


class Placed(NamedTuple):
    decision: Decision
    recheck_after_s: float | None
    reserved: dict[str, int] = {}
    """What the ledger said; an input that is recorded with the decision."""
    descheduled: dict[str, str] | None = None
    """To be remembered of clusters whose replicas moved on (R15.4); None: what was remembered before."""
    reason: str = ""
    """PascalCase, of the message."""
    message: str = ""
    """Why something stays where it is, although it should not."""


def place(inputs: Inputs, base: Binding, previous: Binding | None) -> Placed:
    """Where the template of `base` runs. `base` says what is asked, `previous` what was decided, both of this object.

    When nothing can take over what has to leave, nothing leaves, and the rest is decided as if nobody had to: a change of replicas still
    reaches the clusters that stay, and the condition tells of the failover that could not be.
    """
    verdict = _verdict(inputs, base, previous)
    request = _request(inputs, base, previous, verdict)
    rests = resting(inputs, request, previous)
    request, decision = _scheduled(inputs, msgspec.structs.replace(request, resting=frozenset(rests)), previous)
    if verdict.evictions and not decision.fits:
        without = _schedule(inputs, msgspec.structs.replace(request, evictions={}, prefer=(), strict=False), previous)
        decision = msgspec.structs.replace(
            without, condition=decision.condition, refusals=decision.refusals, rounds=(*without.rounds, *decision.rounds)
        )
    descheduled, message = rests, ""
    if previous is not None and not verdict.evictions and decision.fits and not decision.placed:
        decision, descheduled, message = _without_unschedulable(inputs, request, previous, decision, rests)
    if said := _over_quota(inputs, base, decision, previous):
        stands = condition(previous, "False", QUOTA_EXCEEDED, said, inputs.now)
        before = previous or msgspec.structs.replace(base, clusters=())
        decision = keep(request, inputs.snapshot, before, now=inputs.now, position=inputs.position, stands=stands)
    waits = [wait for wait in (verdict.recheck_after_s, decision.recheck_after_s) if wait is not None]
    reserved = request.reserved if decision.placed or not decision.fits else {}
    reason = UNSCHEDULABLE if message else STATE_NOT_PRESERVED if verdict.stays else ""
    told = message or "; ".join(verdict.stays)
    return Placed(decision, min(waits, default=None), reserved, descheduled if decision.placed else None, reason, told)


def _scheduled(inputs: Inputs, request: Request, previous: Binding | None) -> tuple[Request, Decision]:
    """With clusters at rest, or without that rest where nothing fits otherwise: it is a guess, and no reason to place nothing."""
    decision = _schedule(inputs, request, previous)
    if decision.fits or not request.resting:
        return request, decision
    anyway = msgspec.structs.replace(request, resting=frozenset())
    return anyway, _schedule(inputs, anyway, previous)


def _without_unschedulable(
    inputs: Inputs, request: Request, previous: Binding, stands: Decision, rests: dict[str, str]
) -> tuple[Decision, dict[str, str], str]:
    """What `stands`, and for which nothing is due, made again with the replicas that no node takes elsewhere (R15.4).

    Beside it what to remember of clusters, and why nothing moves although it should.
    """
    leaving = moving_on(inputs, previous)
    if not leaving:
        return stands, rests, ""
    wanted = msgspec.structs.replace(request, unschedulable=leaving, resting=frozenset((*rests, *leaving)))
    moved = _schedule(inputs, wanted, previous)
    if not moved.fits:
        return stands, rests, stays(leaving, moved.condition.message)
    if not spares(previous, moved.clusters, leaving):
        return stands, rests, stays(leaving, "replicas that run would have to move along")
    return moved, remembered(rests, leaving, inputs.now), ""


def _over_quota(inputs: Inputs, base: Binding, decision: Decision, previous: Binding | None) -> str:
    """Which quota of the namespace the decision would exceed (R15.2), as a sentence; empty for none. Decreases always pass."""
    if not inputs.quotas or not decision.placed:
        return ""
    had = usage_of(previous) if previous is not None and previous.template_uid == inputs.template_uid else {}
    return exceeded(inputs.quotas, had, usage_of(msgspec.structs.replace(base, clusters=decision.clusters)))


def _schedule(inputs: Inputs, request: Request, previous: Binding | None) -> Decision:
    return schedule(request, inputs.snapshot, previous, now=inputs.now, position=inputs.position, plugins=inputs.plugins)


def _verdict(inputs: Inputs, base: Binding, previous: Binding | None) -> Verdict:
    """Failover's word on the targets that are the binding's own, and the users'."""
    if previous is None or inputs.template is None or previous.template_uid != inputs.template_uid:
        return Verdict()
    own = msgspec.structs.replace(previous, clusters=tuple(t for t in previous.clusters if t.name not in previous.attached))
    rules = rules_for(inputs.template, base.failover, inputs.failover_policies, propagates_deps=base.propagate_deps)
    verdict = evict(own, inputs.snapshot.by_name, rules, now=inputs.now, status=inputs.status)
    users = {
        target.name: Removal(reason=USER_EVICTED, author="user", epoch=target.epoch, wait_for=REPLACEMENT_READY)
        for target in own.clusters
        if leaves(target, wishes_of(inputs)) and target.name not in verdict.evictions
    }
    return msgspec.structs.replace(verdict, evictions=verdict.evictions | users) if users else verdict


def _request(inputs: Inputs, base: Binding, previous: Binding | None, verdict: Verdict) -> Request:
    claim, template = base.claim, inputs.template
    assert template is not None
    return Request(
        ref=inputs.ref,
        uid=inputs.template_uid,
        api_version=template["apiVersion"],
        placement=base.placement,
        options=base.options,
        settled=_settled(inputs, previous) if base.options.reacts else True,
        replicas=base.replicas,
        requirements=base.replica_requirements,
        components=base.components,
        author="/".join(("policy", *(part for part in claim.policy[2:] if part))) if claim else "",
        evictions=verdict.evictions,
        prefer=verdict.prefer,
        strict=verdict.strict,
        reschedule_at=inputs.reschedule_at,
        affinity_peers=tuple(
            peer.clusters for peer in inputs.peers if base.affinity_group and peer.affinity_group == base.affinity_group and peer.clusters
        ),
        anti_affinity_peers=tuple(
            peer.clusters for peer in inputs.peers if base.anti_affinity_group and peer.anti_affinity_group == base.anti_affinity_group
        ),
        estimates=inputs.estimates,
        reserved=_reserved(inputs, base),
    )


def _settled(inputs: Inputs, previous: Binding | None) -> bool:
    """Every copy runs as it was decided last, healthy. What nobody reports of yet is not settled."""
    if previous is None or previous.template_uid != inputs.template_uid:
        return True
    copies = {copy.cluster: copy for copy in inputs.status.copies} if inputs.status is not None else {}
    return all(
        (copy := copies.get(target.name)) is not None and copy.applied and copy.health == "Healthy" and copy.epoch >= target.epoch
        for target in previous.clusters
    )


def by_room(placement: Placement) -> bool:
    """Whether free room may decide: of what is divided, and where some of the clusters are chosen."""
    block = placement.replica_scheduling
    return bool((block is not None and block.replica_scheduling_type != "Duplicated") or placement.spread_constraints)


def _reserved(inputs: Inputs, base: Binding) -> dict[str, int]:
    """Room that is spoken for; who is not placed by room does not ask."""
    if inputs.reservations is None or not by_room(base.placement):
        return {}
    return inputs.reservations.taken(inputs.snapshot, base.replica_requirements, base.components, now=inputs.now)
