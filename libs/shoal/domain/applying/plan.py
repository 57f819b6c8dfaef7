"""The plan for one object: what should be, what is there, and who owns it."""

from __future__ import annotations

from shoal.api.meta import Manifest, Ref, ref_of
from shoal.api.shoal import CREATED_NAMESPACE_ANNOTATION, DIGEST_ANNOTATION
from shoal.api.work import Work
from shoal.domain.applying.digest import digest
from shoal.domain.applying.drift import drifted
from shoal.domain.applying.marks import Mark, owned, read_mark, unmarking
from shoal.domain.applying.step import Apply, Create, Delete, Nothing, Refuse, Release, Step

_NAMED = 5
"""Foreign objects that a message names; more are counted."""


def plan_apply(
    work: Work,
    live: Manifest | None,
    *,
    work_deleted: bool = False,
    foreign: tuple[Ref, ...] = (),
    retained: Manifest | None = None,
) -> Step:
    """What to do with one object of a member (R6.8 to R6.12).

    `live` is the object as the member has it now, None when there is none. `work_deleted`: the Work is a tombstone. `foreign`: for a
    tombstone of a Namespace, what is inside it and not ours. `retained`: the Work's manifest after the kind's Retain rule (R7.3); None
    when that changes nothing. Carrying the step out and planning again with the object of then gives `Nothing`.
    """
    if live is not None and owned(live) and (stale := _stale(work, read_mark(live))):
        return stale
    if work_deleted:
        return _plan_delete(work, live, foreign)
    if not work.manifest:
        return Refuse(reason="OverrideFailed", message=work.error or "the Work has no manifest")
    return _plan_present(work, live, retained or work.manifest)


def _stale(work: Work, mark: Mark) -> Refuse | None:
    """Fencing: nobody acts for an older assignment than the one that made the copy, nor for another template unless it came later."""
    if work.epoch < mark.epoch:
        return Refuse(reason="StaleEpoch", message=f"the copy was made in epoch {mark.epoch}, this work is of epoch {work.epoch}")
    if mark.uid and mark.uid != work.template_uid and work.epoch <= mark.epoch:
        return Refuse(
            reason="OtherTemplate", message=f"the copy belongs to template {mark.uid} in epoch {mark.epoch}, not to {work.template_uid}"
        )
    return None


def _plan_delete(work: Work, live: Manifest | None, foreign: tuple[Ref, ...]) -> Step:
    if live is None or not owned(live):
        # What is not ours was never ours, or was released: it stays, and nothing of ours is left.
        return Nothing(gone=True)
    metadata = live["metadata"]
    if work.preserve:
        return Release(patch=unmarking(live), uid=metadata.get("uid", ""))
    if metadata.get("deletionTimestamp"):
        return Nothing(reason="Deleting", message=f"waiting for finalizers {', '.join(metadata.get('finalizers') or ()) or '(none)'}")
    if _is_namespace(live):
        if not read_mark(live).made_namespace:
            return Release(patch=unmarking(live), uid=metadata.get("uid", ""))
        if foreign:
            return Refuse(reason="NotEmpty", message=f"namespace {metadata.get('name')} holds objects that are not ours: {_some(foreign)}")
    return Delete(uid=metadata.get("uid", ""), resource_version=metadata.get("resourceVersion", ""), foreground=work.foreground)


def _plan_present(work: Work, live: Manifest | None, desired: Manifest) -> Step:
    if live is None:
        return Nothing(reason="Suspended") if work.suspended else Create(body=_body(work, desired, made_namespace=_is_namespace(desired)))
    mine = owned(live)
    if not mine and _is_namespace(live) and not live["metadata"].get("deletionTimestamp"):
        return Nothing(applied=True, reason="AlreadyExists", message="the namespace was there before; it is used and not owned")
    drift = drifted(desired, live) if mine else ()
    current = mine and read_mark(live).digest == digest(work)
    if work.suspended:
        return Nothing(applied=current, reason="Suspended")
    if live["metadata"].get("deletionTimestamp"):
        return Refuse(reason="BeingDeleted", message="the object is being deleted in the member; it is made anew when it is gone")
    if not mine and work.conflict != "Overwrite":
        return Refuse(
            reason="Conflict", message=f"{ref_of(live)} exists and is not ours; set conflictResolution: Overwrite to take it over"
        )
    if current and not drift:
        return Refuse(reason="OverrideFailed", message=work.error) if work.error else Nothing(applied=True)
    body = _body(work, desired, made_namespace=mine and read_mark(live).made_namespace)
    return Apply(body=body, uid=live["metadata"].get("uid", ""), takeover=not mine, drift=drift if current else ())


def _body(work: Work, desired: Manifest, *, made_namespace: bool) -> Manifest:
    """The manifest with the marks that only the agent knows."""
    metadata = desired["metadata"]
    annotations = {**(metadata.get("annotations") or {}), DIGEST_ANNOTATION: digest(work)}
    if made_namespace:
        annotations[CREATED_NAMESPACE_ANNOTATION] = "true"
    return {**desired, "metadata": {**metadata, "annotations": annotations}}


def _is_namespace(manifest: Manifest) -> bool:
    return manifest.get("kind") == "Namespace" and manifest.get("apiVersion") == "v1"


def _some(refs: tuple[Ref, ...]) -> str:
    named = ", ".join(str(ref) for ref in refs[:_NAMED])
    return named if len(refs) <= _NAMED else f"{named} and {len(refs) - _NAMED} more"
