"""A survey among agents: each question once, so many at most, within so many seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from shoal.api.errors import MemberUnavailable
from shoal.api.estimates import PodSize
from shoal.bus.memory import MemoryBus
from shoal.bus.requests import serve
from shoal.domain.deciding import Known, Wanted
from shoal.messages.catalogue import Estimated, EstimateRequest
from shoal_scheduler.estimates import Estimators, Survey
from support.virtual import VirtualClock, VirtualLoop

SIZE, OTHER = PodSize(namespace="shop"), PodSize(namespace="elsewhere")


class Agents:
    """Of m1 (room for one), m2 (its API is down) and m3, which hears and says nothing."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.bus = MemoryBus(self.clock)
        self.asked: list[tuple[str, str]] = []

    async def start(self) -> None:
        for member in ("id-1", "id-2", "id-3"):
            await serve(self.bus.client(member), f"ask.{member}.estimate", EstimateRequest, self._answer)

    async def _answer(self, subject: str, request: EstimateRequest) -> Estimated:
        self.asked.append((subject.split(".")[1], request.namespace))
        if "id-2" in subject:
            raise MemberUnavailable("no answer")
        if "id-3" in subject:
            await self.clock.sleep(3600)
        return Estimated(room=1)

    def survey(self, within_s: float = 10.0, questions_max: int = 100) -> Survey:
        return Survey(Estimators(self.bus.client("scheduler"), self.clock, "always", 3.0), Known("always"), within_s, questions_max)


def play(story: Callable[[Agents], Awaitable[None]]) -> None:
    async def whole() -> None:
        agents = Agents()
        await agents.start()
        await story(agents)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(whole())


@pytest.mark.spec("Q02", "R4.15")
def test_room_or_why_there_is_no_answer() -> None:
    async def story(agents: Agents) -> None:
        survey = agents.survey()
        await survey.ask([Wanted(SIZE, {"m1": "id-1", "m2": "id-2", "m3": "id-3", "m4": "id-4"})])
        assert dict(survey.known.of(SIZE)) == {
            "m1": 1,
            "m2": "its agent cannot tell (MemberUnavailable)",
            "m3": "its agent did not answer",
            "m4": "its agent did not answer",
        }
        assert agents.clock.monotonic() == pytest.approx(3.0, abs=0.1), "as long as one answer may take"
        assert survey.known.closed == ""

    play(story)


def test_each_cluster_is_asked_once_for_pods_of_one_size() -> None:
    async def story(agents: Agents) -> None:
        survey = agents.survey()
        await survey.ask([Wanted(SIZE, {"m1": "id-1"}), Wanted(SIZE, {"m1": "id-1", "m2": "id-2"}), Wanted(OTHER, {"m1": "id-1"})])
        await survey.ask([Wanted(SIZE, {"m1": "id-1", "m2": "id-2"})])
        assert sorted(agents.asked) == [("id-1", "elsewhere"), ("id-1", "shop"), ("id-2", "shop")]

    play(story)


@pytest.mark.parametrize(
    ("questions_max", "known"),
    [
        pytest.param(3, {"m1": 1, "m2": "its agent cannot tell (MemberUnavailable)"}, id="just-enough"),
        pytest.param(2, {"m1": 1}, id="one-too-many"),
    ],
)
def test_beyond_so_many_questions_it_is_closed(questions_max: int, known: dict[str, int | str]) -> None:
    async def story(agents: Agents) -> None:
        survey = agents.survey(questions_max=questions_max)
        await survey.ask([Wanted(OTHER, {"m1": "id-1"})])
        await survey.ask([Wanted(SIZE, {"m1": "id-1", "m2": "id-2"})])
        assert dict(survey.known.of(SIZE)) == known
        assert survey.known.closed == ("" if len(known) == 2 else "not asked (beyond 2 questions or 10 s)")
        assert len(agents.asked) == questions_max

    play(story)


def test_all_of_it_takes_no_longer_than_it_may() -> None:
    async def story(agents: Agents) -> None:
        survey = agents.survey(within_s=4.0)
        await survey.ask([Wanted(SIZE, {"m3": "id-3"})])
        await survey.ask([Wanted(OTHER, {"m3": "id-3"})])
        assert agents.clock.monotonic() == pytest.approx(4.0, abs=0.1)
        assert survey.known.closed == ""
        await survey.ask([Wanted(PodSize(namespace="third"), {"m1": "id-1"})])
        assert survey.known.closed == "not asked (beyond 100 questions or 4 s)"
        assert ("id-1", "third") not in agents.asked

    play(story)
