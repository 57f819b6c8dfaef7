"""Templates whose number of replicas the members' own HorizontalPodAutoscalers set (R15.10): their mark, and the number that follows."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from shoal.api.autoscaling import RETAIN_REPLICAS_LABEL, RETAINED_FOR_ANNOTATION
from shoal.api.binding import Binding
from shoal.api.meta import Manifest
from shoal.api.status import CopyStatus, TemplateStatus


def marks(template: Manifest, autoscalers: Collection[str]) -> dict[str, Any]:
    """The change of a template's metadata, as a merge patch; empty when it is as it should be.

    `autoscalers`: names of those that go to members and scale it. A label that the user set, whatever it says, stays as it is.
    """
    labels, annotations = (template["metadata"].get(field) or {} for field in ("labels", "annotations"))
    label, holder = labels.get(RETAIN_REPLICAS_LABEL), annotations.get(RETAINED_FOR_ANNOTATION)
    if label is not None and holder is None:
        return {}
    wanted = holder if holder in autoscalers else min(autoscalers, default=None)
    retain = "true" if wanted is not None else None
    if (label, holder) == (retain, wanted):
        return {}
    return {"labels": {RETAIN_REPLICAS_LABEL: retain}, "annotations": {RETAINED_FOR_ANNOTATION: wanted}}


def followed(template: Manifest, content: int, binding: Binding, status: TemplateStatus) -> int | None:
    """The number of replicas that the members have, for the template's spec; None when that is not to be told, or is there already.

    `content` is the template's content revision. What a user has just written stands until every copy was rendered from it and has said so:
    the binding must be for this very content, and each of its copies of this very generation.
    """
    metadata, count = template["metadata"], (template.get("spec") or {}).get("replicas")
    if (metadata.get("labels") or {}).get(RETAIN_REPLICAS_LABEL) != "true" or metadata.get("deletionTimestamp"):
        return None
    division = binding.placement.replica_scheduling
    if division is None or division.replica_scheduling_type != "Divided":
        return None
    if not count or (binding.template_uid, binding.template_revision, binding.replicas) != (metadata.get("uid"), content, count):
        return None  # A user who writes 0 has switched it off, and no autoscaler switches it on.
    copies = {copy.cluster: copy for copy in status.copies} if status.template_uid == binding.template_uid else {}
    numbers = [_settled(copies.get(target.name), metadata.get("generation", 0)) for target in binding.clusters]
    total = sum(number for number in numbers if number is not None)
    return total if numbers and None not in numbers and total != count else None


def _settled(copy: CopyStatus | None, generation: int) -> int | None:
    """The replicas of one copy; None while it has not taken in the template, has none, or is between two versions, when some count twice."""
    if copy is None or not copy.applied or copy.template_generation != generation or not copy.status:
        return None
    number = copy.status.get("replicas", 0)
    if copy.status.get("observedGeneration", 0) < copy.generation or copy.status.get("updatedReplicas", 0) != number:
        return None
    return number or None
