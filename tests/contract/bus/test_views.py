"""Watches and views on both adapters: load, end mark, live, own writes, batches, purges."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.api.errors import BusUnavailable
from shoal.api.meta import Ref
from shoal.api.status import Belief
from shoal.api.work import Work
from shoal.bus.entries import Draft, Entries, Entry
from shoal.bus.port import Append, Bus, Event, Loaded, Passed, Stored
from shoal.bus.view import View, up_to_date
from shoal.messages.catalogue import BELIEF, OBJECT, WORKS, Family
from support.servers import until

SHOP = Ref("apps", "Deployment", "web", "shop")


def named(name: str) -> Ref:
    return Ref("apps", "Deployment", "web", name)


def draft(ref: Ref, body: Any = None, **more: Any) -> Draft[Any]:
    return Draft(family=OBJECT, ref=ref, body=body or {"kind": ref.kind, "metadata": {"name": ref.name}}, **more)


def view_of(bus: Bus, world: Any, *families: Family[Any], member: str = "*") -> View:
    return View(bus, families[0].stream, families, name="test", clock=world.clock, member=member)


async def collect(bus: Bus, count: int, *, stream: str = "STATE", subjects: tuple[str, ...] = ("state.>",), **more: Any) -> list[Event]:
    watch = bus.watch(stream, subjects, **more)
    events: list[Event] = []
    async for event in watch:
        events.append(event)
        if len(events) == count:
            break
    await watch.aclose()
    return events


async def test_an_empty_list_ends_at_the_streams_last_sequence(bus: Bus) -> None:
    assert await collect(bus, 1) == [Loaded(0)]
    await bus.append("STATE", Append("state.object.a.b.c.d", b"x"))
    assert await collect(bus, 1, subjects=("state.binding.>",)) == [Loaded(1)]


async def test_a_purged_end_does_not_hold_the_end_mark_back(bus: Bus) -> None:
    for name in ("one", "two"):
        await bus.append("STATE", Append(f"state.object.a.b.c.{name}", b"x"))
    await bus.purge("STATE", "state.object.a.b.c.two", below=3)
    first, second = await collect(bus, 2)
    assert isinstance(first, Stored)
    assert (first.sequence, second) == (1, Loaded(2))


async def test_a_watch_lists_last_values_in_order_then_lives(bus: Bus) -> None:
    for name in ("one", "two", "one"):
        await bus.append("STATE", Append(f"state.object.a.b.c.{name}", b"x", {"K": "v"}))
    watch = bus.watch("STATE", ("state.object.>", "state.binding.>"))
    events: list[Event] = []
    async for event in watch:
        events.append(event)
        if isinstance(event, Loaded):
            await bus.append("STATE", Append("state.belief.a.b.c.x", b"x"))
            await bus.append("STATE", Append("state.binding.a.b.c.one", b"live"))
        if len(events) == 4:
            break
    await watch.aclose()
    assert [event.sequence if isinstance(event, Stored) else event for event in events] == [2, 3, Loaded(3), 5]
    assert isinstance(events[0], Stored)
    assert events[0].headers["K"] == "v"


async def test_a_watch_after_a_sequence_gives_every_revision(bus: Bus) -> None:
    for _ in range(4):
        await bus.append("STATE", Append("state.object.a.b.c.d", b"x"))
    events = await collect(bus, 4, after=1)
    assert [event.sequence if isinstance(event, Stored) else event for event in events] == [2, 3, 4, Loaded(4)]


async def test_sync_answers_with_the_streams_last_sequence_though_nothing_of_ours_was_written(bus: Bus) -> None:
    watch = bus.watch("STATE", ("state.binding.>",))
    async for event in watch:
        if isinstance(event, Loaded):
            await bus.append("STATE", Append("state.object.a.b.c.d", b"x"))
            watch.sync()
        if isinstance(event, Passed):
            assert event.position == 1
            break
    await watch.aclose()


async def test_view_loads_then_follows(world: Any, bus: Bus) -> None:
    entries = Entries(bus, world.clock)
    await entries.write_all([(draft(named(f"n{n}")), 0) for n in range(20)])
    view = view_of(bus, world, OBJECT, BELIEF)
    heard: list[tuple[str, int, int]] = []
    view.subscribe(lambda new, previous: heard.append((new.ref.name, new.revision, previous.revision if previous else 0)))
    rebuilt: list[int] = []
    view.on_rebuilt(lambda: rebuilt.append(len(view)))
    await view.start()
    await view.completed()
    assert (len(view), view.position, rebuilt) == (20, 20, [20])
    revision = await entries.write(draft(named("n3"), {"kind": "Deployment", "spec": {}}), expected=4)
    await view.passed(revision)
    found = view.get(OBJECT, named("n3"))
    assert found is not None
    assert (found.revision, found.body["spec"]) == (21, {})
    assert heard[-1] == ("n3", 21, 4)
    await view.stop()


async def test_view_is_never_behind_an_own_write(world: Any, bus: Bus) -> None:
    entries, view = Entries(bus, world.clock), view_of(bus, world, OBJECT)
    await view.start()
    await view.completed()
    revision = 0
    for n in range(100):
        revision = await entries.write(draft(SHOP, {"n": n}), expected=revision)
        await view.passed(revision)
        found = view.get(OBJECT, SHOP)
        assert found is not None
        assert found.body == {"n": n}
    await view.stop()


async def test_view_passes_writes_of_families_it_does_not_hold(world: Any, bus: Bus) -> None:
    entries, view = Entries(bus, world.clock), view_of(bus, world, BELIEF)
    await view.start()
    await view.completed()
    await view.passed(await entries.write(draft(SHOP), expected=0))
    assert (view.position, len(view)) == (1, 0)
    await entries.write(draft(named("b")), expected=0)
    assert await view.settled() == 2
    await view.stop()


async def test_settled_sees_what_another_connection_wrote(world: Any, bus: Bus) -> None:
    other = Entries(await world.client("two"), world.clock)
    view = view_of(bus, world, OBJECT)
    await view.start()
    await view.completed()
    for n in range(50):
        await other.write(draft(named(f"n{n}")), expected=0)
        await view.settled()
        assert view.get(OBJECT, named(f"n{n}")) is not None
    await view.stop()


async def test_a_view_is_up_to_date_once_it_has_what_was_written_before(world: Any, bus: Bus) -> None:
    other, view = Entries(await world.client("two"), world.clock), view_of(bus, world, OBJECT)
    assert not await up_to_date(view), "it has no list yet"
    await view.start()
    await view.completed()
    for number in range(20):
        await other.write(draft(named(f"n{number}")), expected=0)
        assert await up_to_date(view)
        assert len(view) == number + 1
    await view.stop()


async def test_passed_gives_up(world: Any, bus: Bus) -> None:
    view = view_of(bus, world, OBJECT)
    await view.start()
    await view.completed()
    with pytest.raises(BusUnavailable):
        await view.passed(5, timeout_s=0.1)
    await view.stop()


async def test_a_batch_is_seen_as_a_whole(world: Any, bus: Bus) -> None:
    entries, view = Entries(bus, world.clock), view_of(bus, world, OBJECT)
    seen: list[int] = []
    view.subscribe(lambda new, previous: seen.append(len(view)))
    await view.start()
    await view.completed()
    revisions = await entries.write_all([(draft(named(f"n{n}")), 0) for n in range(30)])
    await view.passed(revisions[-1])
    assert seen == [30] * 30
    await view.stop()


async def test_the_part_of_a_batch_that_concerns_a_view_does_not_wait_for_the_rest(world: Any, bus: Bus) -> None:
    entries, view = Entries(bus, world.clock), view_of(bus, world, WORKS, member="m1")
    await view.start()
    await view.completed()
    body = Work(cluster="c", epoch=1, template_uid="u", template_revision=1)
    await entries.write_all([(Draft(family=WORKS, ref=SHOP, member=member, body=body), 0) for member in ("m1", "m2")])
    await until(lambda: view.get(WORKS, SHOP, "m1"))
    assert view.get(WORKS, SHOP, "m2") is None
    await view.stop()


async def test_tombstones_stay_until_dropped(world: Any, bus: Bus) -> None:
    entries, view = Entries(bus, world.clock), view_of(bus, world, OBJECT)
    await view.start()
    revision = await entries.write(draft(SHOP), expected=0)
    revision = await entries.write(Draft(family=OBJECT, ref=SHOP, body=None, deleted=True, uid="u"), expected=revision)
    await view.completed()
    await view.passed(revision)
    found: Entry[Any] | None = view.get(OBJECT, SHOP)
    assert found is not None
    assert (found.deleted, found.has_body, found.uid) == (True, False, "u")
    await entries.purge(found)
    assert await entries.read(OBJECT, SHOP) is None
    view.drop(found)
    assert view.get(OBJECT, SHOP) is None
    assert list(view.entries(OBJECT)) == []
    await view.stop()


async def test_entries_are_found_by_kind_namespace_and_member(world: Any, bus: Bus) -> None:
    entries = Entries(bus, world.clock)
    namespace = Ref("", "Namespace", "", "a")
    refs = [Ref("apps", "Deployment", "a", "x"), Ref("apps", "Deployment", "b", "x"), Ref("", "Service", "a", "x"), namespace]
    await entries.write_all([(draft(ref), 0) for ref in refs])
    await entries.write(Draft(family=BELIEF, ref=namespace, body=Belief(member="m", state="Ready", since="")), expected=0)
    view = view_of(bus, world, OBJECT, BELIEF)
    await view.start()
    await view.completed()

    def names(**wanted: str) -> list[str]:
        return [str(entry.ref) for entry in view.entries(OBJECT, **wanted)]

    assert names(group="apps", kind="Deployment") == ["apps/Deployment/a/x", "apps/Deployment/b/x"]
    assert names(group="apps", kind="Deployment", namespace="b") == ["apps/Deployment/b/x"]
    assert names(kind="Service") == ["Service/a/x"]
    assert names(namespace="a") == ["apps/Deployment/a/x", "Service/a/x"]
    assert len(names()) == 4
    assert [entry.body.state for entry in view.entries(BELIEF)] == ["Ready"]
    await view.stop()
