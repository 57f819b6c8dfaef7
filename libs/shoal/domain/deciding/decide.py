"""One template, decided: who owns it, who has to leave, where it runs, what owners add, and whether that is worth an entry."""

from __future__ import annotations

import msgspec

from shoal.api.binding import CLAIMED as CLAIMED_CONDITION
from shoal.api.binding import SUCCESS, Binding
from shoal.api.meta import Condition, Manifest
from shoal.domain.deciding.inputs import Inputs, Outcome
from shoal.domain.deciding.namespaces import propagated_everywhere, to_every_cluster
from shoal.domain.deciding.recorded import recorded
from shoal.domain.deciding.settings import followed, from_owners, from_policy, from_template
from shoal.domain.deciding.wishes import heeded, wishes_of
from shoal.domain.deciding.workloads import Placed, place
from shoal.domain.failover import inherited
from shoal.domain.matching import CLAIMED, EXCLUDED, Match, match
from shoal.domain.releasing import overdue, settle
from shoal.domain.scheduling import Request, attach, condition, explained, keep, lay_over, next_summary_at, should_write


def decide(inputs: Inputs) -> Outcome:
    """Decides one template. Equal inputs have equal outcomes; deciding again after the outcome was written says the same.

    A template that is being deleted, or whose entry is a tombstone, ends its binding. A template that is merely missing changes nothing.
    """
    template = inputs.template
    if inputs.template_deleted or (template is not None and template["metadata"].get("deletionTimestamp")):
        return _end(inputs)
    if template is None:
        return Outcome(binding=inputs.previous, reason="Orphaned", message="the template is missing, which is no order to delete anything")
    previous = _previous(inputs)
    if propagated_everywhere(template, inputs.exclusions):
        return _outcome(inputs, from_template(inputs), Placed(to_every_cluster(inputs, previous), None), previous=previous)
    live = previous if previous is not None and previous.template_uid == inputs.template_uid else None
    matched = match(
        template,
        inputs.policies,
        live.claim if live else None,
        revision=inputs.template_revision,
        decided=live.template_revision if live else 0,
        overrides=inputs.overrides,
        priority_classes=inputs.priority_classes.keys(),
        exclusions=inputs.exclusions,
    )
    owned = matched.outcome == CLAIMED
    if not owned and live is None and (not inputs.owners or matched.outcome == EXCLUDED):
        return Outcome(reason=matched.outcome, message=matched.message)
    base = _base(inputs, template, matched, live)
    placed = _place(inputs, base, matched, previous, live)
    return _outcome(inputs, base, placed, previous=previous, matched=matched)


def _previous(inputs: Inputs) -> Binding | None:
    """The binding as it stands, without removals that are over. The targets of a tombstone are those of an object that is gone."""
    previous = inputs.previous
    if previous is None:
        return None
    forgotten = frozenset(inputs.snapshot.names_in(inputs.snapshot.forgotten))
    removals = settle(previous.removals, inputs.status, forgotten)
    return msgspec.structs.replace(previous, removals=removals, template_uid="" if inputs.previous_deleted else previous.template_uid)


def _base(inputs: Inputs, template: Manifest, matched: Match, live: Binding | None) -> Binding:
    """What is asked for now: the policy's present spec, or what was applied before it stopped speaking for the template."""
    if matched.owner is not None and matched.refresh:
        return from_policy(inputs, template, matched.owner, matched.claim)
    if matched.claim is not None:  # Lazy, frozen or blocked: as applied last; the claim itself may be new.
        return msgspec.structs.replace(live or from_template(inputs), claim=matched.claim)
    if live is not None and _has_own(live) and not inputs.owners:  # Its policy is gone, what runs stays as it is (R1.9).
        return msgspec.structs.replace(live, claim=None)
    return from_owners(inputs, inputs.owners, live)


def _has_own(binding: Binding) -> bool:
    return len(binding.clusters) > len(binding.attached)


def _place(inputs: Inputs, base: Binding, matched: Match, previous: Binding | None, live: Binding | None) -> Placed:
    """Schedules what a policy speaks for; everything else keeps its own targets."""
    suspended = wishes_of(inputs).suspended or bool(base.suspension and base.suspension.scheduling)
    owner = matched.owner.object.spec.scheduler_name if matched.owner else inputs.scheduler_name
    applied = matched.claim is not None and matched.claim.revision > 0
    if applied and not suspended and owner in {"", inputs.scheduler_name}:
        # What is not as its policy asks now is nobody's to improve on.
        return place(inputs if matched.refresh else msgspec.structs.replace(inputs, unschedulable={}), base, previous)
    request = Request(ref=inputs.ref, uid=inputs.template_uid, api_version="")
    before = previous or from_template(inputs)
    said = None
    if matched.claim is None and inputs.owners:
        said = condition(previous, "True", SUCCESS, followed(inputs.owners), inputs.now)
    elif matched.claim is not None and not applied:
        said = condition(previous, "False", _claimed_reason(matched), matched.message, inputs.now)
    return Placed(keep(request, inputs.snapshot, before, now=inputs.now, position=inputs.position, stands=said), None)


def _outcome(inputs: Inputs, base: Binding, placed: Placed, *, previous: Binding | None, matched: Match | None = None) -> Outcome:
    """Adds what owners ask for, and compares with what stands."""
    decision = placed.decision
    joined = attach(
        decision.clusters,
        decision.removals,
        [(owner.ref, owner.binding) for owner in inputs.owners],
        previous,
        inputs.snapshot,
        uid=inputs.template_uid,
        now=inputs.now,
        position=inputs.position,
    )
    runs = previous is not None and previous.template_uid == inputs.template_uid and bool(previous.clusters)
    waiting = overdue(heeded(joined.removals, wishes_of(inputs)), joined.clusters, inputs.status, uid=inputs.template_uid, now=inputs.now)
    if waiting.told:
        decision = msgspec.structs.replace(decision, rounds=(*decision.rounds, *waiting.told))
    laid = msgspec.structs.replace(
        base,
        clusters=inherited(joined.clusters, waiting.removals, previous.clusters if runs and previous is not None else ()),
        removals=waiting.removals,
        required_by=joined.required_by,
        attached=joined.attached,
        # As applied (E09): what the targets came from, while a new placement does not fit.
        placement=previous.placement if previous is not None and runs and not decision.fits else base.placement,
        options=previous.options if previous is not None and runs and not decision.fits else base.options,
        descheduled=_descheduled(placed, previous, inputs),
        conditions=_claimed_condition(matched, previous, inputs),
    )
    standing = None if inputs.previous_deleted else inputs.previous
    binding = lay_over(decision, laid)
    changed = should_write(standing, binding, inputs.now)
    if changed:
        losers = matched.losers if matched else {}
        told = explained(
            binding,
            decision,
            now=inputs.now,
            position=inputs.position,
            lost_policies=losers,
            estimates=inputs.estimates,
            reserved=placed.reserved,
        )
        binding = recorded(told, inputs, placed.reserved)
    return Outcome(
        binding=binding if changed else standing,
        changed=changed,
        requeue_after_s=_requeue_after_s(inputs, standing, binding, placed.recheck_after_s, changed=changed),
        overdue_after_s=waiting.recheck_after_s,
        reason=placed.reason if placed.message else "" if matched is None or _applied(matched) else matched.outcome,
        message=placed.message or (matched.message if matched else ""),
    )


def _descheduled(placed: Placed, previous: Binding | None, inputs: Inputs) -> dict[str, str]:
    """Nothing is forgotten by time alone: an entry would be written for that, and nothing else in it would be new."""
    if placed.descheduled is not None:
        return placed.descheduled
    return previous.descheduled if previous is not None and previous.template_uid == inputs.template_uid else {}


def _applied(matched: Match) -> bool:
    return matched.outcome == CLAIMED and matched.refresh


def _requeue_after_s(
    inputs: Inputs, standing: Binding | None, binding: Binding, recheck_after_s: float | None, *, changed: bool
) -> float | None:
    """When a toleration ends, or when a summary that changed may be written."""
    waits = [recheck_after_s] if recheck_after_s is not None else []
    if not changed and standing is not None and _says_more(standing, binding):
        left_s = (next_summary_at(standing) - inputs.now).total_seconds()
        waits += [left_s] if left_s > 0 else []  # Else it is not written for another reason, and time changes nothing.
    return min(waits, default=None)


def _says_more(standing: Binding, binding: Binding) -> bool:
    """A summary that changed and may not be written yet."""
    return any(item.status != "True" for item in binding.conditions) and [item.message for item in standing.conditions] != [
        item.message for item in binding.conditions
    ]


def _claimed_condition(matched: Match | None, previous: Binding | None, inputs: Inputs) -> tuple[Condition, ...]:
    """Says why the owning policy is not applied (GX13); nothing while it is, and nothing of what only follows its owners."""
    if matched is None or _applied(matched) or (inputs.owners and matched.claim is None):
        return ()
    before = next((item for item in previous.conditions if item.type == CLAIMED_CONDITION), None) if previous else None
    since = before.last_transition_time if before else None
    return (
        Condition(
            type=CLAIMED_CONDITION,
            status="False",
            reason=_claimed_reason(matched),
            message=matched.message,
            last_transition_time=since or inputs.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        ),
    )


def _claimed_reason(matched: Match) -> str:
    return "Lazy" if matched.outcome == CLAIMED else matched.outcome


def _end(inputs: Inputs) -> Outcome:
    """The tombstone of the binding, also of one that was never placed: it is the fact that releases the finalizer.

    Its body says where copies were and at which epochs, and whether they are preserved.
    """
    previous = inputs.previous
    if previous is not None and inputs.previous_deleted and previous.template_uid == inputs.template_uid:
        return Outcome(binding=previous, tombstone=True, reason="Deleted")
    if previous is None and (inputs.template is None or inputs.exclusions.reason(inputs.template)):
        return Outcome(reason="Deleted")
    body = previous or from_template(inputs)
    if body.template_uid != inputs.template_uid:
        body = _ended_anew(body, inputs.position)
    body = msgspec.structs.replace(body, template_uid=inputs.template_uid, template_revision=inputs.template_revision)
    return Outcome(binding=body, tombstone=True, changed=True, reason="Deleted")


def _ended_anew(binding: Binding, epoch: int) -> Binding:
    """Copies of an earlier object, to be ended under the uid of this one: only a higher epoch lets an agent delete them."""
    return msgspec.structs.replace(
        binding,
        clusters=tuple(msgspec.structs.replace(target, epoch=epoch) for target in binding.clusters),
        removals={name: msgspec.structs.replace(removal, epoch=epoch) for name, removal in binding.removals.items()},
    )
