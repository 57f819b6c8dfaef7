"""Answers to questions about decisions: why, what if, and again. Nothing here writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
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
from shoal.domain.deciding import Outcome, reasons, said_without
from shoal.domain.planning import unfold, unplaced
from shoal.messages.catalogue import BELIEF, BINDING, OBJECT
from shoal.messages.planning import Explained, ExplainRequest, Foresee, Foreseen, ForeseenBinding, Replayed, ReplayRequest, Supposed
from shoal_scheduler.estimates import EXPLAIN_S, PLAN_S, Estimators, Survey
from shoal_scheduler.imagined import Imagined, Picture
from shoal_scheduler.knowledge import Knowledge
from shoal_scheduler.reading import Reading
from shoal_scheduler.replaying import replay

T = TypeVar("T")
SLICE = 20
"""Steps before others get their turn on the loop: a few milliseconds."""
LOOKS_MAX = 5
"""How often what finds no place is looked at again, once all the rest is decided: each time something must have moved, and it settles soon."""
ANSWER_BYTES_MAX = 4 * 1024 * 1024
"""Of one answer; the bus takes 8 MB. Decisions beyond it are counted."""


@dataclass(frozen=True)
class Answers:
    entries: Entries
    state: View
    knowledge: Knowledge
    clock: Clock
    estimators: Estimators

    async def explain(self, subject: str, request: ExplainRequest) -> Explained:
        """The reasons of now. An object that does not exist has none, which is an answer as well."""
        reading = Reading(self.state, self.knowledge)
        survey = self.estimators.survey(EXPLAIN_S)
        inputs, decided = await survey.decide(lambda: reading.inputs(request.ref, now=self.clock.now()))
        told = reasons(msgspec.structs.replace(inputs, estimates=decided.estimates or None))
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
        survey = self.estimators.survey(PLAN_S, request.estimates or ())
        if request.estimates is not None:
            survey.known.closed = "not asked"
        world = Imagined(
            Picture.of(self.state),
            now=self.clock.now(),
            ledger=self.knowledge.ledger.copy(),
            quotas=self.knowledge.enforces_quotas,
            known=survey.known,
        )
        await in_slices(world.load())
        position = world.picture.position
        world.suppose(_entries(world.picture, request))
        last, estimated = await self._unfolded(world, survey)
        found = [
            _foreseen(
                ref, world.replaced.get(ref, world.picture.get(BINDING, ref)), world.picture.get(BINDING, ref), outcome, estimated.get(ref)
            )
            for ref, outcome in sorted(last.items())
        ]
        fitted = _fitted(position, [one for one in found if one is not None])
        return msgspec.structs.replace(fitted, estimates=survey.known.told(), assumptions=_assumed(estimated.values()))

    async def _unfolded(self, world: Imagined, survey: Survey) -> tuple[dict[Ref, Outcome], dict[Ref, Outcome]]:
        """The last decision of each template, and the last one that estimates were asked for."""
        last, estimated, looks = dict[Ref, Outcome](), dict[Ref, Outcome](), 0
        while True:
            async for step in _sliced(unfold(world)):
                if step.outcome is None:
                    continue
                last[step.ref] = step.outcome
                if step.outcome.estimates or step.outcome.without:
                    estimated[step.ref] = step.outcome
            if wanted := world.wanted():
                await survey.ask(wanted)
            elif looks < LOOKS_MAX and world.look_again():
                looks += 1
            else:
                return last, estimated

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


def _foreseen(
    ref: Ref, before: Entry[Binding] | None, after: Entry[Binding] | None, outcome: Outcome, estimated: Outcome | None
) -> ForeseenBinding | None:
    """None when nothing changes, nothing is missing, and nobody was asked."""
    old = before.body if before is not None and not before.deleted else None
    new = after.body if after is not None else None
    changed = after is not before
    tombstone = after is not None and after.deleted
    missing = unplaced(ref, new, reason=outcome.reason, message=outcome.message) if not tombstone else None
    if not changed and missing is None and estimated is None:
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
        estimates=estimated.estimates if estimated is not None else {},
        without=estimated.without if estimated is not None else {},
    )


def _assumed(estimated: Iterable[Outcome]) -> tuple[str, ...]:
    """What a plan could not learn, and what that leaves open."""
    without = {name: reason for outcome in estimated for name, reason in outcome.without.items()}
    return tuple(f"{said}, and a deploy may come out otherwise" for said in said_without(without))


def _fitted(position: int, found: list[ForeseenBinding]) -> Foreseen:
    """As many decisions as one answer takes, those that change something first."""
    kept, size = list[ForeseenBinding](), 0
    for one in sorted(found, key=lambda one: not one.changed):
        size += len(msgspec.json.encode(one))
        if size > ANSWER_BYTES_MAX:
            break
        kept.append(one)
    return Foreseen(position=position, bindings=tuple(sorted(kept, key=lambda one: one.ref)), more=len(found) - len(kept))
