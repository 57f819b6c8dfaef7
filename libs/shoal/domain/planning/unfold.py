"""Decisions that follow from each other, one after the other, until nothing moves any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from shoal.api.meta import Ref
from shoal.domain.deciding import Inputs, Known, Outcome, Wanted, decide_estimated

ROUNDS_MAX = 10
"""How often one template may be decided: its owners and its namespace move it a few times at most. More would be two that push each other."""


class World(Protocol):
    """A state that is only supposed."""

    @property
    def known(self) -> Known:
        """What estimators have answered so far."""
        ...

    def due(self) -> Ref | None:
        """The next template that something was changed for; None: nothing moves any more."""
        ...

    def inputs(self, ref: Ref) -> Inputs: ...

    def wait(self, ref: Ref, wanted: Wanted) -> None:
        """Puts a template aside; it becomes due again once that is known, or nobody is asked any more."""
        ...

    def accept(self, ref: Ref, outcome: Outcome) -> None:
        """Lays an outcome that changed over the state; what follows from it becomes due."""
        ...


class Step(NamedTuple):
    ref: Ref
    outcome: Outcome | None
    """None: it waits for estimates."""


def unfold(world: World) -> Iterator[Step]:
    """Each decision as it is made. A generator, so that whoever drives it may let others have their turn in between.

    Who waits for estimates does not hold up the others, as a scheduler decides them while it waits for an answer. After the last step
    whoever drives this asks for what is wanted, all of it at once, and unfolds again.
    """
    rounds: Counter[Ref] = Counter()
    while (ref := world.due()) is not None:
        rounds[ref] += 1
        if rounds[ref] > ROUNDS_MAX:
            continue
        outcome = decide_estimated(world.inputs(ref), world.known)
        if isinstance(outcome, Wanted):
            world.wait(ref, outcome)
            yield Step(ref, None)
            continue
        if outcome.changed and outcome.binding is not None:
            world.accept(ref, outcome)
        yield Step(ref, outcome)
