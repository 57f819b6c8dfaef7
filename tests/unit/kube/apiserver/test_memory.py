"""`memory.py`: the store of an embedded member."""

from __future__ import annotations

import pytest

from shoal.api.errors import RevisionConflict
from shoal.api.meta import Manifest, Ref
from shoal.kube.apiserver.memory import LAG_EVENTS_MAX, MemoryStore
from shoal.kube.apiserver.store import Event, EventType, Expired, Selection

CONFIG_MAPS = Selection("", "ConfigMap")


def ref(name: str, namespace: str = "default", kind: str = "ConfigMap") -> Ref:
    return Ref("", kind, namespace, name)


def object_(name: str, value: int = 0) -> Manifest:
    return {"metadata": {"name": name}, "data": {"value": str(value)}}


def told(events: list[Event]) -> list[tuple[str, str]]:
    return [(event.type.value, event.object.ref.name) for event in events]


async def test_every_write_raises_the_one_revision() -> None:
    store = MemoryStore()
    first = await store.write(ref("a"), object_("a"), expected=0)
    second = await store.write(ref("b"), object_("b"), expected=0)
    third = await store.write(ref("a"), object_("a", 1), expected=first.token)
    assert [one.revision for one in (first, second, third)] == [2, 3, 4]
    assert third.object()["metadata"]["resourceVersion"] == "4"
    assert store.get(ref("a")) == third
    assert await store.settled() == store.revision() == 4


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("a", 0, id="exists-already"),
        pytest.param("a", 99, id="another-revision"),
        pytest.param("b", 2, id="does-not-exist"),
    ],
)
async def test_a_write_on_another_state_is_a_conflict(name: str, expected: int) -> None:
    store = MemoryStore()
    await store.write(ref("a"), object_("a"), expected=0)
    with pytest.raises(RevisionConflict):
        await store.write(ref(name), object_(name), expected=expected)
    with pytest.raises(RevisionConflict):
        await store.remove(ref(name), object_(name), expected=expected or 98)
    assert store.revision() == 2


async def test_lists_are_ordered_by_namespace_and_name() -> None:
    store = MemoryStore()
    for namespace, name in (("b", "x"), ("a-b", "y"), ("a", "z"), ("a", "b")):
        await store.write(ref(name, namespace), object_(name), expected=0)
    await store.write(ref("x", "a", "Secret"), object_("x"), expected=0)
    everywhere = [(one.ref.namespace, one.ref.name) for one in store.list(CONFIG_MAPS)]
    assert everywhere == [("a", "b"), ("a", "z"), ("a-b", "y"), ("b", "x")]
    assert [one.ref.name for one in store.list(Selection("", "ConfigMap", "a"))] == ["b", "z"]
    assert list(store.list(Selection("apps", "Deployment"))) == []


async def test_a_watch_hears_of_everything_after_its_revision() -> None:
    store = MemoryStore()
    first = await store.write(ref("a"), object_("a"), expected=0)
    changed = await store.write(ref("a"), object_("a", 1), expected=first.token)
    watch = store.watch(first.revision, CONFIG_MAPS)
    await store.write(ref("b", "other"), object_("b"), expected=0)
    await store.write(ref("s", kind="Secret"), object_("s"), expected=0)
    await store.remove(ref("a"), object_("a", 1), expected=changed.token)
    events = await watch.next(1)
    assert told(events) == [("MODIFIED", "a"), ("ADDED", "b"), ("DELETED", "a")]
    assert events[0].previous == first
    assert events[2].object.object()["metadata"]["resourceVersion"] == str(store.revision())
    assert watch.position == store.revision()
    assert await watch.next(0) == []


async def test_a_watch_of_one_namespace() -> None:
    store = MemoryStore()
    watch = store.watch(store.revision(), Selection("", "ConfigMap", "a"))
    await store.write(ref("x", "b"), object_("x"), expected=0)
    await store.write(ref("y", "a"), object_("y"), expected=0)
    assert told(await watch.next(1)) == [("ADDED", "y")]


async def test_a_revision_outside_the_window_is_expired() -> None:
    store = MemoryStore(window=2)
    for name in "abcd":
        await store.write(ref(name), object_(name), expected=0)
    with pytest.raises(Expired):
        store.watch(2, CONFIG_MAPS)
    assert told(await store.watch(3, CONFIG_MAPS).next(1)) == [("ADDED", "c"), ("ADDED", "d")]


async def test_a_reader_that_stops_reading_is_told_to_list_again() -> None:
    store = MemoryStore(window=1)
    watch = store.watch(store.revision(), CONFIG_MAPS)
    stored = await store.write(ref("a"), object_("a"), expected=0)
    for value in range(LAG_EVENTS_MAX):
        stored = await store.write(ref("a"), object_("a", value), expected=stored.token)
    with pytest.raises(Expired):
        await watch.next(1)


async def test_a_closed_watch_gets_nothing() -> None:
    store = MemoryStore()
    watch = store.watch(store.revision(), CONFIG_MAPS)
    watch.close()
    await store.write(ref("a"), object_("a"), expected=0)
    assert await watch.next(0) == []


async def test_events_carry_their_type() -> None:
    store = MemoryStore()
    watch = store.watch(store.revision(), CONFIG_MAPS)
    stored = await store.write(ref("a"), object_("a"), expected=0)
    await store.write(ref("a"), object_("a", 1), expected=stored.token)
    assert [event.type for event in await watch.next(1)] == [EventType.ADDED, EventType.MODIFIED]
