"""Answers to questions about decisions: why, what if, and again. Nothing here writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from shoal.api.binding import Binding
from shoal.api.clock import Clock
from shoal.api.cluster import GROUP as CLUSTER_GROUP
from shoal.api.cluster import KIND as CLUSTER_KIND
from shoal.api.meta import Ref
from shoal.bus.entries import Draft, Entries, Entry, supposed
from shoal.bus.view import View
from shoal.domain.deciding import Outcome, reasons
from shoal.domain.planning import unfold, unplaced
from shoal.messages.catalogue import BELIEF, BINDING, OBJECT
from shoal.messages.planning import Explained, ExplainRequest, Foresee, Foreseen, ForeseenBinding, Replayed, ReplayRequest, Supposed
from shoal_scheduler.imagined import Imagined, Picture
from shoal_scheduler.knowledge import Knowledge
from shoal_scheduler.reading import Reading
from shoal_scheduler.replaying import replay

T = TypeVar("T")
SLICE = 20
"""Steps before others get their turn on the loop: a few milliseconds."""
ANSWER_BYTES_MAX = 4 * 1024 * 1024
"""Of one answer; the bus takes 8 MB. Decisions beyond it are counted."""


@dataclass(frozen=True)
class Answers:
    entries: Entries
    state: View
    knowledge: Knowledge
    clock: Clock

    async def explain(self, subject: str, request: ExplainRequest) -> Explained:
        """The reasons of now. An object that does not exist has none, which is an answer as well."""
        told = reasons(Reading(self.state, self.knowledge).inputs(request.ref, now=self.clock.now()))
        outcome, explanation = told.outcome, told.explanation
        binding = outcome.binding
        return Explained(
            position=self.state.position,
            changed=outcome.changed,
            reason=outcome.reason,
            message=outcome.message,
            clusters=binding.clusters if binding and not outcome.tombstone else (),
            conditions=binding.conditions if binding else (),
            removals=binding.removals if binding else {},
            policy=binding.claim.policy if binding and binding.claim else None,
            lost_policies=explanation.lost_policies,
            rejected=explanation.rejected,
            scores=explanation.scores,
            fitting=told.fitting,
            afresh=told.afresh,
            rounds=explanation.rounds,
        )

    async def foresee(self, subject: str, request: Foresee) -> Foreseen:
        """What would be decided if these entries were written: the same triggers and decisions, over a copy of what is known."""
        await self.state.passed(request.position)
        world = Imagined(
            Picture.of(self.state), now=self.clock.now(), ledger=self.knowledge.ledger.copy(), quotas=self.knowledge.enforces_quotas
        )
        await in_slices(world.load())
        position = world.picture.position
        world.suppose(_entries(world.picture, request))
        last: dict[Ref, Outcome] = {}
        async for step in _sliced(unfold(world)):
            last[step.ref] = step.outcome
        found = [
            _foreseen(ref, world.replaced.get(ref, world.picture.get(BINDING, ref)), world.picture.get(BINDING, ref), outcome)
            for ref, outcome in sorted(last.items())
        ]
        return _fitted(position, [one for one in found if one is not None])

    async def replay(self, subject: str, request: ReplayRequest) -> Replayed:
        """A past decision, made again from the state at its view position."""
        return await replay(self.entries, self.state, request)


async def in_slices(steps: Iterator[T]) -> None:
    async for _ in _sliced(steps):
        pass


async def _sliced(steps: Iterator[T]) -> AsyncIterator[T]:
    """The steps, with a pause for others in between."""
    for number, step in enumerate(steps, 1):
        yield step
        if number % SLICE == 0:
            await asyncio.sleep(0)


def entry_of(one: Supposed, sequence: int, known: Entry[Any] | None) -> Entry[Any]:
    """The entry that a supposed object would be."""
    content = known.content if one.same_content and known is not None else 0
    draft = Draft(
        family=OBJECT, ref=one.ref, body=one.body, uid=one.uid, author="plan", deleted=one.body is None, content=content, change="plan"
    )
    return supposed(draft, sequence=sequence)


def _entries(picture: Picture, request: Foresee) -> list[Entry[Any]]:
    first = picture.position + 1
    objects = [entry_of(one, number, picture.get(OBJECT, one.ref)) for number, one in enumerate(request.objects, first)]
    beliefs = [
        Draft(family=BELIEF, ref=Ref(CLUSTER_GROUP, CLUSTER_KIND, "", name), body=belief, author="plan")
        for name, belief in sorted(request.beliefs.items())
    ]
    return [*objects, *(supposed(draft, sequence=number) for number, draft in enumerate(beliefs, first + len(objects)))]


def _foreseen(ref: Ref, before: Entry[Binding] | None, after: Entry[Binding] | None, outcome: Outcome) -> ForeseenBinding | None:
    """None when nothing changes and nothing is missing."""
    old = before.body if before is not None and not before.deleted else None
    new = after.body if after is not None else None
    changed = after is not before
    tombstone = after is not None and after.deleted
    missing = unplaced(ref, new, reason=outcome.reason, message=outcome.message) if not tombstone else None
    if not changed and missing is None:
        return None
    return ForeseenBinding(
        ref=ref,
        before=old,
        after=new,
        changed=changed,
        tombstone=tombstone,
        reason=outcome.reason,
        message=outcome.message,
        recheck_after_s=outcome.requeue_after_s,
    )


def _fitted(position: int, found: list[ForeseenBinding]) -> Foreseen:
    """As many decisions as one answer takes, those that change something first."""
    kept, size = list[ForeseenBinding](), 0
    for one in sorted(found, key=lambda one: not one.changed):
        size += len(msgspec.json.encode(one))
        if size > ANSWER_BYTES_MAX:
            break
        kept.append(one)
    return Foreseen(position=position, bindings=tuple(sorted(kept, key=lambda one: one.ref)), more=len(found) - len(kept))
