"""Better estimates than the inventory gives: asked of the agents while decisions wait, within limits (Q02)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from shoal.api.clock import Clock
from shoal.api.errors import BusUnavailable, ShoalError
from shoal.api.estimates import Estimates, PodSize
from shoal.bus.port import Bus
from shoal.bus.requests import ask
from shoal.domain.deciding import Inputs, Known, Outcome, Wanted, decide_estimated, merged
from shoal.messages.catalogue import Estimated, EstimateRequest, estimate_subject

log = structlog.get_logger()

QUESTIONS_MAX = 2_000
"""Of one survey. A decision has 200 at most; a plan asks that of ten sizes of pods in 200 clusters, each of which makes a member read."""
AT_ONCE = 200
"""Questions of one survey that are on the way at the same time: those of one decision."""
PLAN_S = 10.0
"""How long a plan waits for estimates in all. It has to be told within the gateway's 30 s, and decides for about five of them."""
EXPLAIN_S = 0.5
"""How long the reasons of now wait for estimates; the gateway waits one second for them."""


@dataclass(frozen=True)
class Estimators:
    bus: Bus
    clock: Clock
    when: str
    timeout_s: float

    def survey(self, within_s: float | None = None, said: Iterable[Estimates] = ()) -> Survey:
        """`within_s`: for all questions together; None: as long as one may take. `said`: what is known already."""
        return Survey(self, Known(self.when, said), within_s or self.timeout_s)

    async def answer(self, size: PodSize, member: str, timeout_s: float) -> int | str:
        """Room, or why there is no answer."""
        request = EstimateRequest(namespace=size.namespace, requirements=size.requirements, components=size.components)
        try:
            found = await ask(self.bus, estimate_subject(member), request, Estimated, timeout_s=min(self.timeout_s, timeout_s))
        except ShoalError as error:
            log.info("no estimate, the general one counts", member=member, cause=str(error))
            return "its agent did not answer" if isinstance(error, BusUnavailable) else f"its agent cannot tell ({error.reason})"
        return found.room


class Survey:
    """Asks what decisions want to know, each cluster once for pods of one size, and keeps the answers in `known`.

    Who does not answer, or is not asked since the limits are reached, keeps the general estimate.
    """

    def __init__(self, estimators: Estimators, known: Known, within_s: float, questions_max: int = QUESTIONS_MAX) -> None:
        self.known, self._estimators = known, estimators
        self._left, self._left_s = questions_max, within_s
        self._beyond = f"not asked (beyond {questions_max} questions or {within_s:g} s)"
        self._room = asyncio.Semaphore(AT_ONCE)

    async def decide(self, look: Callable[[], Inputs]) -> tuple[Inputs, Outcome]:
        """What `look` tells last, and what is decided of it; nothing is awaited between the two."""
        inputs = look()
        while isinstance(found := decide_estimated(inputs, self.known), Wanted):
            await self.ask([found])
            inputs = look()  # Time has passed: everything is read anew, and what was promised meanwhile counts.
        return inputs, found

    async def ask(self, wanted: Iterable[Wanted]) -> None:
        """Afterwards all of it is known, or `known` is closed. All calls together take no longer than the survey may."""
        questions = [
            (size, name, member) for size, members in merged(wanted) for name, member in members.items() if name not in self.known.of(size)
        ]
        clock = self._estimators.clock
        began = clock.monotonic()
        deadline = began + self._left_s
        await asyncio.gather(*(self._ask(*one, deadline) for one in questions[: self._left]))
        if len(questions) > self._left:
            self.known.closed = self._beyond
        self._left -= min(self._left, len(questions))
        self._left_s -= clock.monotonic() - began

    async def _ask(self, size: PodSize, cluster: str, member: str, deadline: float) -> None:
        async with self._room:
            left_s = deadline - self._estimators.clock.monotonic()
            if left_s > 0:
                self.known.heard(size, cluster, await self._estimators.answer(size, member, left_s))
            else:
                self.known.closed = self._beyond
