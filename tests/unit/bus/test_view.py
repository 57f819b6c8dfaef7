"""What a view does when its list is built anew, when entries are strange, and when callbacks fail."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.api.errors import BusUnavailable
from shoal.api.meta import Ref
from shoal.bus.entries import Draft, Entries, Entry, encode
from shoal.bus.memory import MemoryBus
from shoal.bus.port import Append
from shoal.bus.topology import bootstrap
from shoal.bus.view import View
from shoal.messages.catalogue import BELIEF, OBJECT, STATE
from support.clock import ManualClock, settle


def draft(name: str, **more: Any) -> Draft[Any]:
    return Draft(family=OBJECT, ref=Ref("", "Service", "a", name), body=more.pop("body", {}), **more)


class World:
    """A bus, a writer that is never cut off, and a view of another client with what it told."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.bus = MemoryBus(self.clock)
        self.entries = Entries(self.bus.client("writer"), self.clock)
        self.told: list[tuple[str, int, int]] = []
        self.rebuilt: list[int] = []

    async def view(self, *families: Any) -> View:
        view = View(self.bus.client("reader"), STATE, families or (OBJECT,), name="test", clock=self.clock)
        view.subscribe(lambda new, previous: self.told.append((new.ref.name, new.revision, previous.revision if previous else 0)))
        view.on_rebuilt(lambda: self.rebuilt.append(view.position))
        await view.start()
        return view


@pytest.fixture
async def world() -> World:
    made = World()
    await bootstrap(made.bus, create=True)
    return made


async def test_while_it_is_built_anew_the_old_entries_stay_readable(world: World) -> None:
    for name in ("a", "b"):
        await world.entries.write(draft(name), expected=0)
    view = await world.view()
    await view.completed()
    world.bus.disconnect("reader")
    await world.entries.write(draft("a"), expected=1)
    await world.entries.write(draft("c"), expected=0)
    await settle()
    assert ([entry.ref.name for entry in view.entries(OBJECT)], view.position) == (["a", "b"], 2)
    world.told.clear()
    world.bus.reconnect("reader")
    await settle()
    assert view.complete
    # What did not change is not told again; on_rebuilt is there for that.
    assert world.told == [("a", 3, 1), ("c", 4, 0)]
    assert world.rebuilt == [2, 4]
    await view.stop()


async def test_absence_is_nobodys_intent(world: World) -> None:
    """What a rebuilt list lacks is forgotten, and no callback is told of a deletion."""
    for name in ("a", "b"):
        await world.entries.write(draft(name), expected=0)
    view = await world.view()
    await view.completed()
    world.bus.disconnect("reader")
    await world.bus.client("writer").purge("STATE", "state.object._.Service.a.a", below=9)
    world.told.clear()
    world.bus.reconnect("reader")
    await settle()
    assert [entry.ref.name for entry in view.entries(OBJECT)] == ["b"]
    assert view.get(OBJECT, Ref("", "Service", "a", "a")) is None
    assert world.told == []
    await view.stop()


async def test_waiters_wait_over_a_rebuild(world: World) -> None:
    view = await world.view()
    await view.completed()
    world.bus.disconnect("reader")
    revision = await world.entries.write(draft("a"), expected=0)
    with pytest.raises(BusUnavailable, match="at 0"):
        await view.passed(revision, timeout_s=0.05)
    world.bus.reconnect("reader")
    await view.passed(revision)
    assert view.get(OBJECT, Ref("", "Service", "a", "a")) is not None
    await view.stop()


async def test_stopping_tells_those_who_wait(world: World) -> None:
    view = await world.view()
    await view.completed()
    from asyncio import create_task

    waiting = create_task(view.passed(5))
    await settle()
    await view.stop()
    with pytest.raises(BusUnavailable, match="stopped"):
        await waiting


async def test_strange_entries_do_not_stop_it(world: World) -> None:
    writer = world.bus.client("writer")
    await writer.append("STATE", Append("state.object._.Service.a.bad", b"not json"))
    await writer.append("STATE", Append("state.object.short", b"{}"))
    await writer.append("STATE", Append("state.object._.Service.a.newer", encode(draft("x")).replace(b"object/1", b"newer/1")))
    await world.entries.write(draft("good"), expected=0)
    view = await world.view()
    await view.completed()
    assert [entry.ref.name for entry in view.entries(OBJECT)] == ["good"]
    assert view.position == 4
    await view.stop()


async def test_a_callback_that_fails_does_not_stop_it(world: World) -> None:
    view = await world.view()

    def failing(new: Entry[Any], previous: Entry[Any] | None) -> None:
        raise ValueError("a bug")

    view.subscribe(failing)
    view.subscribe(lambda new, previous: world.told.append(("after", new.revision, 0)))
    await world.entries.write(draft("a"), expected=0)
    await view.completed()
    await view.passed(1)
    assert world.told == [("a", 1, 0), ("after", 1, 0)]
    await view.stop()


async def test_iterating_is_safe_while_it_changes(world: World) -> None:
    for n in range(5):
        await world.entries.write(draft(str(n)), expected=0)
    view = await world.view()
    await view.completed()
    names = []
    for entry in view.entries(OBJECT):
        names.append(entry.ref.name)
        await world.entries.write(draft(f"new{entry.ref.name}"), expected=0)
        await settle()
    assert names == [str(n) for n in range(5)]
    assert len(view) == 10
    await view.stop()


async def test_only_its_own_families_are_held(world: World) -> None:
    await world.entries.write(draft("a"), expected=0)
    view = await world.view(BELIEF)
    await view.completed()
    assert (len(view), view.position) == (0, 1)
    await view.stop()


async def test_drop_takes_only_the_tombstone_that_was_purged(world: World) -> None:
    view = await world.view()
    revision = await world.entries.write(draft("a", deleted=True), expected=0)
    await view.completed()
    await view.passed(revision)
    tombstone = view.get(OBJECT, Ref("", "Service", "a", "a"))
    assert tombstone is not None
    await world.entries.write(draft("a"), expected=revision)
    await view.passed(revision + 1)
    view.drop(tombstone)
    assert view.get(OBJECT, Ref("", "Service", "a", "a")) is not None
    await view.stop()
