"""CronJob (batch): runs in every selected cluster as it is."""

from __future__ import annotations

from collections.abc import Sequence

from shoal.api.meta import Manifest
from shoal.api.status import CopyStatus
from shoal.domain.interpreting.interpreter import Interpreter
from shoal.domain.interpreting.metadata import maps
from shoal.domain.interpreting.pods import pod_dependencies
from shoal.domain.interpreting.statuses import latest, present


def aggregate(template: Manifest, items: Sequence[CopyStatus], generation: int) -> Manifest:
    """All active jobs, and the latest times (R8.3)."""
    statuses = [status for _, status in present(items)]
    merged: Manifest = {}
    if active := [job for status in statuses for job in maps(status.get("active"))]:
        merged["active"] = active
    for field in ("lastScheduleTime", "lastSuccessfulTime"):
        if time := latest(statuses, field):
            merged[field] = time
    return merged


INTERPRETER = Interpreter(group="batch", kind="CronJob", aggregate=aggregate, dependencies=pod_dependencies)
