"""The clusters where a workload runs, and what is known of it from what their agents said (R15.6)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from shoal.api.meta import Ref
from shoal.api.pod_usage import TargetUsage
from shoal.domain.autoscaling.replicas import Seen, Situation


class Place(NamedTuple):
    """A cluster where a workload runs."""

    cluster: str
    member: str
    """Empty: it is not asked."""
    pods: int
    """That it should have, for who hears nothing of them."""
    stays: bool
    """False: it is being left; then only pods that are heard of count."""
    why: str = ""
    """Why it is not asked."""


class Runs(NamedTuple):
    """Where one workload runs."""

    places: tuple[Place, ...]
    duplicated: bool


Answer = tuple[datetime, TargetUsage] | str
"""What an agent said, and when by its clock; or why nothing is known."""


def situation(ref: Ref, replicas: int, runs: Runs, told: Mapping[tuple[str, Ref], Answer]) -> tuple[Situation, tuple[str, ...]]:
    """What is known of one workload, and sentences about clusters of which not everything is known."""
    pods: list[Seen] = []
    notes, unheard, counted = list[str](), 0, 0
    for place in runs.places:
        answer = told.get((place.cluster, ref), place.why or "was not asked")
        if not isinstance(answer, str) and answer[1].reason:
            answer = f"cannot tell of it: {answer[1].reason}"
        if isinstance(answer, str):
            if place.stays:
                unheard, counted = unheard + place.pods, counted + 1
                notes.append(f"{place.cluster} {answer}, its {place.pods} replicas count as pods without metrics")
            continue
        at, usage = answer
        counted += place.stays or bool(usage.pods)
        pods += [Seen(pod, at) for pod in usage.pods]
        if usage.missing:
            notes.append(usage.missing)
    return Situation(replicas, pods, unheard, max(1, counted) if runs.duplicated else 1), tuple(notes)
