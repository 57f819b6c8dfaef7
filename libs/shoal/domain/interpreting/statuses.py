"""Merging the statuses of copies: the parts that several kinds share (R8.3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from shoal.api.meta import Manifest
from shoal.api.shoal import GENERATION_ANNOTATION
from shoal.api.status import CopyStatus
from shoal.domain.interpreting.metadata import at, maps


def pick(status: Manifest, fields: Iterable[str]) -> Manifest:
    """The fields that are there."""
    return {field: status[field] for field in fields if status.get(field) is not None}


def reflected(live: Manifest, fields: Iterable[str]) -> Manifest | None:
    """The named fields of a copy's status, with the generation of the copy and that of the template it was rendered from (R7.5).

    None while the member's controllers have not written a status yet.
    """
    status = live.get("status")
    if not status:
        return None
    found = pick(status, fields)
    generation = at(live, "metadata", "generation")
    if generation:
        found["generation"] = generation
    rendered_from = at(live, "metadata", "annotations", GENERATION_ANNOTATION)
    if isinstance(rendered_from, str) and rendered_from.isdecimal():
        found["resourceTemplateGeneration"] = int(rendered_from)
    return found


def present(items: Sequence[CopyStatus]) -> list[tuple[CopyStatus, Manifest]]:
    """The copies that have a status, with it."""
    return [(item, item.status) for item in items if item.status]


def summed(statuses: Iterable[Manifest], counters: Iterable[str]) -> dict[str, int]:
    """The sum of every counter; a counter that nobody has is left out."""
    total: dict[str, int] = {}
    for status in statuses:
        for counter in counters:
            if isinstance(value := status.get(counter), int):
                total[counter] = total.get(counter, 0) + value
    return total


def observed_generation(template: Manifest, items: Sequence[CopyStatus], generation: int) -> int:
    """The template's generation when every copy has taken in exactly that one, else what the template's status said before (R8.3).

    A copy without a status blocks it, and so does having no copy at all.
    """
    if items and all(_caught_up(item, generation) for item in items):
        return generation
    before = at(template, "status", "observedGeneration")
    return before if isinstance(before, int) else 0


def _caught_up(item: CopyStatus, generation: int) -> bool:
    if not item.status or item.template_generation != generation:
        return False
    # StatefulSets do not reflect what they observed (R7.5); for them the copy's generation stands in.
    return int(item.status.get("observedGeneration", item.generation)) >= item.generation


def counted(template: Manifest, items: Sequence[CopyStatus], generation: int, counters: Iterable[str]) -> Manifest:
    """Sums of the counters beside the observed generation; other fields of the template's status are dropped."""
    merged: Manifest = dict(summed((status for _, status in present(items)), counters))
    if observed := observed_generation(template, items, generation):
        merged["observedGeneration"] = observed
    return merged


def load_balancer(items: Sequence[CopyStatus]) -> Manifest:
    """Load-balancer entries of all copies, each once, by IP and then host name."""
    entries: list[Manifest] = []
    for _, status in present(items):
        entries.extend(entry for entry in maps(at(status, "loadBalancer", "ingress")) if entry not in entries)
    entries.sort(key=lambda entry: (str(entry.get("ip", "")), str(entry.get("hostname", ""))))
    return {"loadBalancer": {"ingress": entries} if entries else {}}


def has_address(status: Any) -> bool:
    """At least one load-balancer entry with an IP or a host name."""
    return any(entry.get("ip") or entry.get("hostname") for entry in maps(at(status, "loadBalancer", "ingress")))


def latest(statuses: Iterable[Manifest], field: str) -> str | None:
    """The latest RFC 3339 time in UTC of a field; None when nobody has one."""
    return max((status[field] for status in statuses if status.get(field)), default=None)
