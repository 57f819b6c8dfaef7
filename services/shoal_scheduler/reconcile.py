"""One template -> its binding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from shoal.api.binding import Binding
from shoal.api.clock import Clock
from shoal.api.errors import RevisionConflict
from shoal.api.meta import Manifest, Ref
from shoal.bus.entries import Entries, Entry
from shoal.bus.together import Together
from shoal.bus.view import View
from shoal.domain.deciding import Outcome
from shoal.messages.catalogue import BINDING, OBJECT
from shoal.runtime.telemetry import following
from shoal_scheduler.estimates import Estimators
from shoal_scheduler.knowledge import Knowledge, is_unplaced
from shoal_scheduler.reading import Reading, draft_of

log = structlog.get_logger()


UNSCHEDULABLE_S = 300.0
"""How long what is not placed rests when nothing happens that could help it (E07)."""
FREED_S = 1.0
"""After a reservation ends by itself: reservations end in groups, and one look serves them all."""


@dataclass(frozen=True)
class Reconciler:
    """Reads what it owns, reads the inputs, decides, writes; may run twice."""

    entries: Entries
    together: Together
    state: View
    knowledge: Knowledge
    clock: Clock
    estimators: Estimators
    again: Callable[[Ref, float], None]
    """Queues a template once more after some seconds: a toleration ends, a summary may be written."""

    async def reconcile(self, ref: Ref) -> int:
        """Decides one template; returns the sequence written, 0 for none."""
        reading = Reading(self.state, self.knowledge)
        _, outcome = await self.estimators.survey().decide(lambda: reading.inputs(ref, now=self.clock.now()))
        previous, template = self.state.get(BINDING, ref), self.state.get(OBJECT, ref)
        self._again(ref, outcome)
        if outcome.changed and outcome.binding is not None:
            cause = template or previous
            with following("schedule", cause.trace if cause else "", binding=str(ref)) as headers:
                return await self._write(ref, template, previous, outcome, outcome.binding, headers)
        return 0

    def _again(self, ref: Ref, outcome: Outcome) -> None:
        """What is not placed is looked at again, though nobody tells that anything changed (R3.10); and what asks for it."""
        waits = [wait_s for wait_s in (outcome.requeue_after_s, outcome.overdue_after_s) if wait_s is not None]
        if outcome.binding is not None and not outcome.tombstone and is_unplaced(outcome.binding):
            freed = self.knowledge.ledger.until(self.clock.now())
            waits.append(UNSCHEDULABLE_S if freed is None else min(UNSCHEDULABLE_S, freed + FREED_S))
        if waits:
            self.again(ref, min(waits))

    async def _write(
        self,
        ref: Ref,
        template: Entry[Manifest] | None,
        previous: Entry[Binding] | None,
        outcome: Outcome,
        binding: Binding,
        headers: dict[str, str],
    ) -> int:
        draft = draft_of(ref, binding, template=template, previous=previous, tombstone=outcome.tombstone, headers=headers)
        # Known to the next decision before it is written: two must not spend the same room, nor overlook each other.
        self.knowledge.decided(ref, None if outcome.tombstone else binding, self.clock.now().timestamp())
        try:
            sequence = await self.together.write(draft, expected=previous.revision if previous else 0)
        except RevisionConflict:
            stands = previous.body if previous is not None and not previous.deleted else None
            self.knowledge.decided(ref, stands, previous.time if previous is not None else 0.0)
            raise
        log.info(
            "binding ended" if outcome.tombstone else "binding scheduled",
            binding=str(ref),
            clusters={target.name: target.replicas for target in binding.clusters},
            removals=sorted(binding.removals),
            change=draft.change,
        )
        return sequence
