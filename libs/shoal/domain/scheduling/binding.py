"""The decision as an entry, and whether it says anything new."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from shoal.api.binding import SCHEDULED, Binding, Explanation, Rejection
from shoal.api.meta import Condition
from shoal.domain.scheduling.decision import Decision

T = TypeVar("T")
SUMMARY_INTERVAL = timedelta(seconds=10)
"""A binding that is not fully placed is written again at most this often when only its summary changes."""
NOT_EXPLAINED = Explanation()
_REJECTIONS_MAX = 2_000
"""Clusters whose reason is recorded one by one; with more, the summary still counts all of them."""
EXPLANATION_BYTES_MAX = 65_536
"""Compressed size of an explanation: it is written with the decision, and a decision has to stay cheap."""


def lay_over(decision: Decision, base: Binding) -> Binding:
    """The content: `base` carries what is not decided here (template, claim, settings of the policy, targets with what owners add)."""
    return msgspec.structs.replace(
        base,
        affinity_name=decision.affinity_name,
        rescheduled_at=decision.rescheduled_at,
        standing=decision.standing,
        conditions=_with(base.conditions, decision.condition),
        explanation=NOT_EXPLAINED,
    )


def explained(
    binding: Binding,
    decision: Decision,
    *,
    now: datetime,
    position: int,
    lost_policies: dict[str, str] | None = None,
    estimates: dict[str, int] | None = None,
    reserved: dict[str, int] | None = None,
) -> Binding:
    """The binding with what explains it, made only for a binding that is written."""
    explanation = Explanation(
        rejected=_rejected(decision),
        scores=decision.scores,
        rounds=decision.rounds,
        lost_policies=lost_policies or {},
        estimates=estimates or {},
        reserved=reserved or {},
        decided_at=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        view_position=position,
    )
    return msgspec.structs.replace(binding, explanation=bounded(explanation))


def bounded(explanation: Explanation, bytes_max: int = EXPLANATION_BYTES_MAX) -> Explanation:
    """The explanation within so many bytes, compressed. Details of rejections go first, then clusters, then sentences.

    Estimates stay as long as they can: they are an input that is recorded nowhere else.
    """
    if _fits(explanation, bytes_max):
        return explanation
    rejected = {name: Rejection(reason=item.reason) for name, item in explanation.rejected.items()}
    explanation = msgspec.structs.replace(
        explanation,
        rejected=rejected,
        rounds=tuple(text[:_SENTENCE_MAX] for text in explanation.rounds[:_SENTENCES_MAX]),
        lost_policies={name: text[:_SENTENCE_MAX] for name, text in list(explanation.lost_policies.items())[:_SENTENCES_MAX]},
    )
    while not _fits(explanation, bytes_max) and (explanation.rejected or explanation.scores):
        rejected, scores = _half(explanation.rejected), _half(explanation.scores)
        left_out = len(explanation.rejected) - len(rejected) + len(explanation.scores) - len(scores)
        explanation = msgspec.structs.replace(explanation, rejected=rejected, scores=scores, left_out=explanation.left_out + left_out)
    return (
        explanation
        if _fits(explanation, bytes_max)
        else msgspec.structs.replace(explanation, estimates={}, reserved={}, rounds=(), lost_policies={})
    )


_SENTENCE_MAX, _SENTENCES_MAX = 500, 50


def _fits(explanation: Explanation, bytes_max: int) -> bool:
    """Short JSON fits however it compresses, and that is nearly always the end of it."""
    raw = msgspec.json.encode(explanation)
    return len(raw) <= bytes_max or len(zlib.compress(raw, 1)) <= bytes_max


def _half(items: dict[str, T]) -> dict[str, T]:
    return dict(list(items.items())[: len(items) // 2])


def to_binding(decision: Decision, base: Binding, *, now: datetime, position: int) -> Binding:
    """The body of the entry for a decision that nobody adds to."""
    base = msgspec.structs.replace(base, clusters=decision.clusters, removals=decision.removals)
    return explained(lay_over(decision, base), decision, now=now, position=position)


def same_content(left: Binding, right: Binding) -> bool:
    """Whether two bindings say the same: targets, removals, claim, template, settings, and the status and reason of conditions.

    What explains them, the times and words of conditions, and the policy revision that was looked at (the settings that came out of it
    are compared themselves) are no content.
    """
    return _content(left) == _content(right)


def should_write(previous: Binding | None, following: Binding, now: datetime) -> bool:
    """True when the content is new, or when the summary of one that is not fully placed changed and was not written for 10 s."""
    if previous is None or not same_content(previous, following):
        return True
    if _words(previous) == _words(following) or _placed(following):
        return False
    return now >= next_summary_at(previous)


def next_summary_at(previous: Binding) -> datetime:
    """The earliest time at which a changed summary may be written again."""
    written = previous.explanation.decided_at
    if not written:
        return datetime.min.replace(tzinfo=UTC)
    return datetime.fromisoformat(written.replace("Z", "+00:00")) + SUMMARY_INTERVAL


def _content(binding: Binding) -> Binding:
    claim = binding.claim
    return msgspec.structs.replace(
        binding,
        claim=msgspec.structs.replace(claim, revision=min(claim.revision, 1)) if claim else None,
        conditions=tuple(Condition(type=item.type, status=item.status, reason=item.reason) for item in binding.conditions),
        removals={name: msgspec.structs.replace(removal, since="") for name, removal in binding.removals.items()},
        explanation=NOT_EXPLAINED,
    )


def _words(binding: Binding) -> tuple[str, ...]:
    return tuple(item.message for item in binding.conditions)


def _placed(binding: Binding) -> bool:
    return all(item.status == "True" for item in binding.conditions if item.type == SCHEDULED)


def _with(conditions: tuple[Condition, ...], new: Condition) -> tuple[Condition, ...]:
    return tuple(sorted((*(item for item in conditions if item.type != new.type), new), key=lambda item: item.type))


def _rejected(decision: Decision) -> dict[str, Rejection]:
    rejected: dict[str, Rejection] = {}
    for bits, rejection in decision.refusals:
        if len(rejected) >= _REJECTIONS_MAX:
            break
        rejected |= dict.fromkeys(decision.snapshot.names_in(bits), rejection)
    return rejected
