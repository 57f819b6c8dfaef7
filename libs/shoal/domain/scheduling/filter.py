"""All plugins in a row: which clusters are candidates, and the first reason of each that is not (R3.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from shoal.domain.scheduling.plugins import PLUGINS, Plugin
from shoal.domain.scheduling.question import Question, Refusal
from shoal.domain.scheduling.snapshot import Bits, Snapshot


class Filtered(NamedTuple):
    feasible: Bits
    refusals: tuple[Refusal, ...]
    """Disjoint sets of clusters, in the order of the plugins."""


def run_filters(question: Question, plugins: Mapping[str, Plugin] = PLUGINS) -> Filtered:
    """Asks every plugin about the clusters that are left."""
    left, refusals = question.snapshot.everything, []
    for plugin in plugins.values():
        for bits, rejection in plugin(question):
            if refused := bits & left:
                refusals.append((refused, rejection))
                left &= ~refused
    return Filtered(left, tuple(refusals))


def summary(snapshot: Snapshot, refusals: tuple[Refusal, ...]) -> str:
    """`0/N clusters are available: k reason, ...` (E05): Karmada's sentence, counted and ordered by its text."""
    counts: Counter[str] = Counter()
    for bits, rejection in refusals:
        counts[rejection.detail or rejection.reason] += bits.bit_count()
    reasons = sorted(f"{count} {reason}" for reason, count in counts.items())
    return f"0/{len(snapshot)} clusters are available" + (f": {', '.join(reasons)}." if reasons else ".")
