"""Merging and reflecting statuses of foreign kinds, from a description of their fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shoal.api.meta import Manifest
from shoal.api.status import CopyStatus
from shoal.domain.interpreting.conditions import condition, holds
from shoal.domain.interpreting.metadata import maps
from shoal.domain.interpreting.statuses import latest, observed_generation, present, reflected


@dataclass(frozen=True, kw_only=True)
class Fields:
    """How the fields of one kind's status are merged (R8.3). Copies come in the order of their clusters; one without a status says nothing."""

    summed: tuple[str, ...] = ()
    """Numbers, or maps of numbers of any depth."""
    carried: tuple[str, ...] = ()
    """Of the last copy that has them: they are the same everywhere, or no sum makes sense."""
    earliest: tuple[str, ...] = ()
    latest: tuple[str, ...] = ()
    """RFC 3339 times."""
    finished: tuple[str, ...] = ()
    """Times that say nothing before every copy has one: then the latest."""
    every: tuple[str, ...] = ()
    """True when it is true in every copy."""
    listed: tuple[str, ...] = ()
    """Lists, joined."""
    worst: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Field -> its values, the worst first; one that is not listed counts as the best. Of a map, its `state` or `phase` is compared."""
    conditions: bool = False
    """Conditions of all copies; equal ones are joined, the clusters' names stand in the message."""
    outcome: tuple[str, str] | None = None
    """(condition of success, kind): conditions are made anew as for a Job: Failed when any copy failed, success when all succeeded."""

    def reflect(self, live: Manifest) -> Manifest | None:
        """The fields that are merged, with the generations (R7.5)."""
        times = (*self.earliest, *self.latest, *self.finished)
        singles = (*self.summed, *self.carried, *times, *self.every, *self.listed, *self.worst)
        both = ("conditions",) if self.conditions or self.outcome else ()
        return reflected(live, (*singles, *both, "observedGeneration"))

    def aggregate(self, template: Manifest, items: Sequence[CopyStatus], generation: int) -> Manifest:
        statuses = [status for _, status in present(items)]
        merged: Manifest = {}
        for name in self.summed:
            _keep(merged, name, _sum([status[name] for status in statuses if status.get(name) is not None]))
        for name in self.carried:
            _keep(merged, name, next((status[name] for status in reversed(statuses) if status.get(name) not in (None, "")), None))
        for name in self.earliest:
            _keep(merged, name, min((status[name] for status in statuses if status.get(name)), default=None))
        for name in self.latest:
            _keep(merged, name, latest(statuses, name))
        for name in self.finished:
            if len(statuses) == len(items) and all(status.get(name) for status in statuses):
                _keep(merged, name, latest(statuses, name))
        for name in self.every:
            _keep(merged, name, all(bool(status.get(name)) for status in statuses) if statuses else None)
        for name in self.listed:
            _keep(merged, name, [item for status in statuses for item in maps(status.get(name))] or None)
        for name, order in self.worst.items():
            _keep(merged, name, _worst([status[name] for status in statuses if status.get(name) is not None], order))
        if self.outcome:
            _keep(merged, "conditions", _outcome(items, *self.outcome) or None)
        if self.conditions:
            _keep(merged, "conditions", _joined(items) or None)
        if observed := observed_generation(template, items, generation):
            merged["observedGeneration"] = observed
        return merged


def _keep(merged: Manifest, name: str, value: Any) -> None:
    if value is not None:
        merged[name] = value


def _sum(values: list[Any]) -> Any:
    """Numbers added; maps added key by key; None when there is neither."""
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if numbers:
        return sum(numbers)
    tables = [value for value in values if isinstance(value, dict)]
    if not tables:
        return None
    keys = {key: None for table in tables for key in table}
    sums = {key: _sum([table[key] for table in tables if key in table]) for key in keys}
    return {key: value for key, value in sums.items() if value is not None}


def _worst(values: list[Any], order: tuple[str, ...]) -> Any:
    ranks = {word: rank for rank, word in enumerate(order)}
    return min(values, key=lambda value: ranks.get(_word(value), len(order)), default=None)


def _word(value: Any) -> str:
    return str(value.get("state") or value.get("phase") or "") if isinstance(value, dict) else str(value)


def _joined(items: Sequence[CopyStatus]) -> list[Manifest]:
    joined: dict[tuple[Any, ...], Manifest] = {}
    for item, status in present(items):
        for one in maps(status.get("conditions")):
            key = (one.get("type"), one.get("status"), one.get("reason"))
            message = f"{item.cluster}={one.get('message', '')}"
            before = joined.get(key)
            joined[key] = {**one, "message": message} if before is None else {**before, "message": f"{before['message']}, {message}"}
    return list(joined.values())


def _outcome(items: Sequence[CopyStatus], success: str, kind: str) -> list[Manifest]:
    """As a native Job's: no condition while copies are under way."""
    copies = present(items)
    failed = [(item.cluster, status) for item, status in copies if holds(status, "Failed")]
    if failed:
        clusters = ", ".join(cluster for cluster, _ in failed)
        message = f"{kind} executed failed in member clusters {clusters}"
        return [_made("Failed", (status for _, status in failed), f"{kind}Failed", message)]
    if copies and len(copies) == len(items) and all(holds(status, success) for _, status in copies):
        return [_made(success, (status for _, status in copies), "Completed", f"{kind} completed")]
    return []


def _made(kind: str, statuses: Iterable[Manifest], reason: str, message: str) -> Manifest:
    """With the times at which the last copy reached it; these are data, no clock is read."""
    copies = [one for status in statuses if (one := condition(status, kind))]
    times = {name: time for name in ("lastUpdateTime", "lastTransitionTime") if (time := latest(copies, name))}
    return {"type": kind, "status": "True", "reason": reason, "message": message, **times}
