"""The window of changes that watches follow and resume in."""

import pytest

from shoal.api.meta import Ref
from shoal.kube.apiserver.store import Event, EventType, Expired, Selection, Stored
from shoal_gateway.window import LAG_EVENTS_MAX, Change, Window

WEB = Ref("apps", "Deployment", "shop", "web")
ALL = Selection("apps", "Deployment")


def change(position: int, ref: Ref = WEB, *, shown: bool = True) -> Change:
    event = Event(EventType.MODIFIED, Stored(ref, b"{}", position, position))
    return Change(position, ref, lambda: event if shown else None)


async def revisions(watch) -> list[int]:
    return [event.revision for event in await watch.next(0)]


async def test_resumes_where_it_was() -> None:
    window = Window(10)
    window.reset(5)
    for position in (6, 7, 8):
        window.publish(change(position))
    assert await revisions(window.watch(6, ALL)) == [7, 8]
    assert await revisions(window.watch(6, ALL, inclusive=True)) == [6, 7, 8]
    assert window.watch(8, ALL).position == 8


@pytest.mark.parametrize("since", [pytest.param(4, id="before-the-load"), pytest.param(5, id="dropped")])
async def test_what_is_forgotten_is_expired(since: int) -> None:
    window = Window(2)
    window.reset(5)
    for position in (6, 7, 8):
        window.publish(change(position))
    with pytest.raises(Expired):
        window.watch(since, ALL)
    assert await revisions(window.watch(6, ALL)) == [7, 8]


async def test_selections_and_live_changes() -> None:
    window = Window(10)
    mine, others = window.watch(0, Selection("apps", "Deployment", "shop")), window.watch(0, Selection("apps", "Deployment", "other"))
    window.publish(change(1))
    window.publish(change(2, Ref("", "ConfigMap", "shop", "c")))
    assert await revisions(mine) == [1]
    assert await revisions(others) == []
    mine.close()
    window.publish(change(3))
    assert await revisions(mine) == []


async def test_a_change_that_shows_nothing_wakes_nobody_and_is_made_once() -> None:
    window = Window(10)
    watch = window.watch(0, ALL)
    window.publish(change(1, shown=False))
    assert await revisions(watch) == []
    made: list[int] = []

    def build() -> Event:
        made.append(1)
        return Event(EventType.ADDED, Stored(WEB, b"{}", 2, 2))

    both = watch, window.watch(1, ALL)
    window.publish(Change(2, WEB, build))
    assert [await revisions(one) for one in both] == [[2], [2]]
    assert made == [1]


async def test_a_rebuilt_view_and_a_slow_reader_list_again() -> None:
    window = Window(LAG_EVENTS_MAX + 5)
    rebuilt, slow = window.watch(0, ALL), window.watch(0, ALL)
    window.reset(3)
    with pytest.raises(Expired):
        await rebuilt.next(0)
    slow = window.watch(3, ALL)
    for position in range(4, LAG_EVENTS_MAX + 5):
        window.publish(change(position))
    with pytest.raises(Expired):
        await slow.next(0)
