"""From what the agent did and sees to the report it sends: pure."""

from __future__ import annotations

from datetime import datetime

from shoal.api.errors import ShoalError
from shoal.api.meta import Manifest
from shoal.api.shoal import GENERATION_ANNOTATION
from shoal.api.work import Report, Work
from shoal.domain import interpreting
from shoal.domain.applying import Nothing, Refuse

SUSPENDED, USED_NOT_OWNED = "Suspended", "AlreadyExists"
Said = ShoalError | Refuse | Nothing | None
"""What stood in the way, or a step without a write that has something to say; None: all is as wanted."""


def report_of(
    work: Work,
    live: Manifest | None,
    *,
    revision: int,
    deleted: bool,
    said: Said,
    drifts: int,
    apply_ms: float,
    now: datetime,
) -> Report:
    """What is true of one copy. `live` is the object after the step; `said` what there is to say about it."""
    annotations = (live or {}).get("metadata", {}).get("annotations") or {}
    metadata = (live or {}).get("metadata", {})
    reason, message = _told(said)
    if not reason and work.error:
        reason, message = "OverrideFailed", work.error
    if not reason and deleted and live is not None and not (isinstance(said, Nothing) and said.gone):
        reason, message = "Deleting", _held_by(live)
    applied = not deleted and live is not None and reason in ("", USED_NOT_OWNED)
    return Report(
        work_revision=revision,
        epoch=work.epoch,
        template_uid=work.template_uid,
        template_revision=work.template_revision,
        template_generation=int(annotations.get(GENERATION_ANNOTATION) or 0),
        applied=applied,
        gone=deleted and not reason,
        reason=reason,
        message=message[:1024],
        health=interpreting.health(live) if live is not None and (applied or reason == SUSPENDED) else "Unknown",
        status=interpreting.reflect(live) if live is not None else None,
        generation=int(metadata.get("generation") or 0),
        replicas=_replicas(live),
        image=", ".join(interpreting.images(live))[:512] if live is not None else "",
        live_uid=metadata.get("uid") or "",
        drifts=drifts,
        apply_ms=apply_ms,
        applied_at=now.isoformat(timespec="milliseconds").replace("+00:00", "Z") if applied else "",
    )


def _told(said: Said) -> tuple[str, str]:
    if said is None:
        return "", ""
    return said.reason, str(said) if isinstance(said, ShoalError) else said.message


def _replicas(live: Manifest | None) -> int | None:
    replicas = interpreting.replicas_of(live) if live is not None else None
    if replicas is None:
        return None
    return replicas.count or sum(component.replicas for component in replicas.components)


def _held_by(live: Manifest) -> str:
    finalizers = live.get("metadata", {}).get("finalizers") or live.get("spec", {}).get("finalizers") or []
    return f"waiting for finalizers {', '.join(finalizers)}" if finalizers else "being deleted"
