"""Writes that go together."""

from __future__ import annotations

import asyncio

import pytest

from shoal.api.binding import Binding
from shoal.api.errors import BusUnavailable, RevisionConflict
from shoal.api.meta import Ref
from shoal.bus.entries import Draft
from shoal.bus.together import Together
from shoal.messages.catalogue import BINDING


class Entries:
    """Keeps what is asked; answers when it may."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.revision = 0
        self.conflicting: set[str] = set()
        self.lost = False

    async def write(self, draft, *, expected):
        return (await self.write_all([(draft, expected)]))[0]

    async def write_all(self, drafts):
        names = [draft.ref.name for draft, _ in drafts]
        self.asked.append(names)
        await self.gate.wait()
        if self.lost:
            raise BusUnavailable("no answer")
        if self.conflicting & set(names):
            raise RevisionConflict("k", expected=0)
        first = self.revision + 1
        self.revision += len(drafts)
        return tuple(range(first, self.revision + 1))


def draft(name):
    return Draft(family=BINDING, ref=Ref("apps", "Deployment", "shop", name), body=Binding(template_uid="u", template_revision=1))


def start(together, *names):
    return [asyncio.create_task(together.write(draft(name), expected=0)) for name in names]


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


async def test_one_goes_at_once_and_what_comes_meanwhile_goes_together() -> None:
    entries = Entries()
    together = Together(entries, most=3)
    entries.gate.clear()
    first = start(together, "a")
    await settle()
    others = start(together, *"bcdef")
    await settle()
    assert entries.asked == [["a"]]
    entries.gate.set()
    assert await asyncio.gather(*first, *others) == [1, 2, 3, 4, 5, 6]
    assert entries.asked == [["a"], ["b", "c", "d"], ["e", "f"]]
    assert await together.write(draft("g"), expected=0) == 7


async def test_a_conflict_is_only_its_own() -> None:
    entries = Entries()
    entries.conflicting = {"b"}
    told = await asyncio.gather(*start(Together(entries), *"abc"), return_exceptions=True)
    assert (told[0], type(told[1]), told[2]) == (1, RevisionConflict, 2)
    assert entries.asked == [["a", "b", "c"], ["a"], ["b"], ["c"]]


async def test_a_lost_answer_is_told_to_all() -> None:
    entries = Entries()
    entries.lost = True
    together = Together(entries)
    told = await asyncio.gather(*start(together, *"ab"), return_exceptions=True)
    assert [type(one) for one in told] == [BusUnavailable, BusUnavailable]
    entries.lost = False
    assert await together.write(draft("c"), expected=0) == 1


@pytest.mark.parametrize(
    "cancelled", [pytest.param(0, id="who-sends"), pytest.param(1, id="who-waits"), pytest.param(2, id="who-comes-next")]
)
async def test_a_cancelled_writer_leaves_the_others_going(cancelled) -> None:
    entries = Entries()
    together = Together(entries, most=2)
    entries.gate.clear()
    tasks = start(together, *"abcd")
    await settle()
    tasks[cancelled].cancel()
    await settle()
    entries.gate.set()
    told = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(told[cancelled], asyncio.CancelledError)
    left = [one for number, one in enumerate(told) if number != cancelled]
    assert all(isinstance(one, int) or (cancelled == 0 and isinstance(one, BusUnavailable)) for one in left)
    assert await asyncio.wait_for(together.write(draft("z"), expected=0), 5) > 0


async def test_the_lead_goes_on_when_the_next_one_is_cancelled() -> None:
    entries = Entries()
    together = Together(entries, most=1)
    tasks = start(together, *"abc")
    await tasks[0]
    tasks[1].cancel()
    told = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
    assert isinstance(told[2], int)
