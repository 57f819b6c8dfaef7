"""Keeps new copies off clusters whose taints the placement does not tolerate (C08, C09, C18)."""

from __future__ import annotations

from collections.abc import Iterator

from shoal.api.binding import Rejection
from shoal.api.cluster import Taint
from shoal.domain.scheduling.question import Question, Refusal


def taint_toleration(question: Question) -> Iterator[Refusal]:
    """Removing what already runs is eviction's work, not scheduling's."""
    for bits, taint in question.snapshot.untolerated(question.request.placement.cluster_tolerations):
        yield bits & ~question.current, Rejection(reason="TaintNotTolerated", detail=f"cluster(s) had untolerated taint {{{_text(taint)}}}")


def _text(taint: Taint) -> str:
    """As Kubernetes prints it: `key=value:effect`, `key:effect`."""
    return f"{taint.key}={taint.value}:{taint.effect}" if taint.value else f"{taint.key}:{taint.effect}"
