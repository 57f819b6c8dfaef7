"""A binding as it would be beside the one that is."""

from __future__ import annotations

from shoal.api.binding import SCHEDULED, Binding
from shoal.api.meta import Condition, Ref
from shoal.api.plan import PlannedPlacement, PlannedRejection, Unplaced


def placement(
    ref: Ref, before: Binding | None, after: Binding | None, *, tombstone: bool = False, recheck_after_s: float | None = None
) -> PlannedPlacement:
    """What a decision changes. `tombstone`: the template goes, and with it every copy."""
    old = _targets(before)
    new = {} if tombstone else _targets(after)
    claim, told = (after.claim, after.explanation) if after is not None and not tombstone else (None, None)
    scheduled = _scheduled(after)
    return PlannedPlacement(
        ref=str(ref),
        before=old,
        after=new,
        moved=_moved(old, new),
        leaving=tuple(_ending(after) if tombstone else _leaving(before, after)),
        policy=str(claim.policy) if claim else "",
        lost_policies=dict(told.lost_policies) if told else {},
        summary=scheduled.message if scheduled is not None and not tombstone else "",
        rounds=told.rounds if told else (),
        deleted=tombstone,
        recheck_after_s=recheck_after_s,
    )


def unplaced(ref: Ref, after: Binding | None, *, reason: str = "", message: str = "") -> Unplaced | None:
    """Why the template would run nowhere, or not as it asks; None when all is well. `reason` is the outcome's own, of one without a binding."""
    scheduled = _scheduled(after)
    if after is None:
        return Unplaced(ref=str(ref), reason=reason, summary=message) if reason else None
    wrong = next((item for item in after.conditions if item.status != "True"), None)
    if wrong is None:
        return None
    told = scheduled if scheduled is not None and scheduled.status != "True" else wrong
    rejected = tuple(
        PlannedRejection(cluster=name, reason=item.reason, detail=item.detail) for name, item in sorted(after.explanation.rejected.items())
    )
    return Unplaced(ref=str(ref), reason=told.reason, summary=told.message, rejected=rejected)


def _scheduled(binding: Binding | None) -> Condition | None:
    return next((item for item in binding.conditions if item.type == SCHEDULED), None) if binding is not None else None


def _targets(binding: Binding | None) -> dict[str, int | None]:
    return {target.name: target.replicas for target in binding.clusters} if binding is not None else {}


def _moved(before: dict[str, int | None], after: dict[str, int | None]) -> int:
    """Replicas that leave one cluster and appear in another; what has no number counts as one."""
    change = {name: _count(after, name) - _count(before, name) for name in before.keys() | after.keys()}
    return min(sum(number for number in change.values() if number > 0), -sum(number for number in change.values() if number < 0))


def _count(targets: dict[str, int | None], name: str) -> int:
    if name not in targets:
        return 0
    replicas = targets[name]
    return 1 if replicas is None else replicas


def _leaving(before: Binding | None, after: Binding | None) -> list[dict[str, str]]:
    """Removals that are new; those that are under way already are no change."""
    known = before.removals if before is not None else {}
    return [
        {
            "cluster": name,
            "reason": removal.reason,
            "author": removal.author,
            "waitFor": removal.wait_for,
            "copy": "kept" if removal.preserve else "deleted",
        }
        for name, removal in (after.removals if after is not None else {}).items()
        if name not in known or known[name].reason != removal.reason
    ]


def _ending(binding: Binding | None) -> list[dict[str, str]]:
    if binding is None:
        return []
    copy = "kept" if binding.preserve_resources_on_deletion else "deleted"
    return [{"cluster": name, "reason": "TemplateDeleted", "copy": copy} for name in sorted({*_targets(binding), *binding.removals})]
