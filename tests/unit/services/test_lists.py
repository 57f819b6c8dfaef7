"""Lists for agents: none is older than its question."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from shoal.api.errors import BusUnavailable
from shoal.bus.entries import Draft, Entry, supposed
from shoal.messages.catalogue import REPORTS, WORKS, Family, ListReports, ListWorks
from shoal_health_monitor.answers import Answers as MonitorAnswers
from shoal_override_renderer.answers import Answers as RendererAnswers
from support import build


class Behind:
    """A view that has not taken in the last write of its stream until it is asked to settle."""

    name, position, complete = "behind", 1, True

    def __init__(self, late: Entry[Any], *, away: bool = False) -> None:
        self._late, self._away, self._has = late, away, list[Entry[Any]]()

    async def settled(self) -> int:
        if self._away:
            raise BusUnavailable("the bus is away")
        self._has, self.position = [self._late], 2
        return 2

    def entries(self, family: Family[Any], *, member: str) -> Iterator[Entry[Any]]:
        return (entry for entry in self._has if entry.family.name == family.name)


def listed(family: Family[Any], *, away: bool) -> Any:
    body = build.work() if family is WORKS else build.report()
    view: Any = Behind(supposed(Draft(family=family, ref=build.ref(), member="id-m1", body=body), sequence=2), away=away)
    if family is WORKS:
        return asyncio.run(RendererAnswers(view, 10).works("ask.id-m1.works", ListWorks()))
    return asyncio.run(MonitorAnswers(view, 10).reports("ask.id-m1.reports", ListReports()))


@pytest.mark.parametrize("family", [pytest.param(WORKS, id="works"), pytest.param(REPORTS, id="reports")])
def test_a_list_is_not_older_than_its_question(family: Family[Any]) -> None:
    found = listed(family, away=False)
    assert (found.complete, len(found.items)) == (True, 1)
    assert not listed(family, away=True).complete, "nobody may conclude anything while the bus is away"
