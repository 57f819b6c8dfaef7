"""Decisions that follow from each other, one after the other, until nothing moves any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from shoal.api.meta import Ref
from shoal.domain.deciding import Inputs, Outcome, decide

ROUNDS_MAX = 10
"""How often one template may be decided: its owners and its namespace move it a few times at most. More would be two that push each other."""


class World(Protocol):
    """A state that is only supposed."""

    def due(self) -> Ref | None:
        """The next template that something was changed for; None: nothing moves any more."""
        ...

    def inputs(self, ref: Ref) -> Inputs: ...

    def accept(self, ref: Ref, outcome: Outcome) -> None:
        """Lays an outcome that changed over the state; what follows from it becomes due."""
        ...


class Step(NamedTuple):
    ref: Ref
    outcome: Outcome


def unfold(world: World) -> Iterator[Step]:
    """Each decision as it is made. A generator, so that whoever drives it may let others have their turn in between."""
    rounds: Counter[Ref] = Counter()
    while (ref := world.due()) is not None:
        rounds[ref] += 1
        if rounds[ref] > ROUNDS_MAX:
            continue
        outcome = decide(world.inputs(ref))
        if outcome.changed and outcome.binding is not None:
            world.accept(ref, outcome)
        yield Step(ref, outcome)
