"""The state of a past position, on both adapters: the last revisions in STATE, older ones in HISTORY, purged keys too."""

from __future__ import annotations

import pytest

from shoal.api.errors import Terminal
from shoal.api.meta import Ref
from shoal.bus.entries import Draft, Entries, subject_of
from shoal.bus.port import Append, Bus
from shoal.messages.catalogue import OBJECT
from shoal.runtime.clock import SystemClock
from support.servers import eventually

WEB, SHOP = Ref("apps", "Deployment", "shop", "web"), Ref("", "Namespace", "", "shop")


async def write(entries: Entries, ref: Ref, version: int | None, expected: int) -> int:
    body = None if version is None else {"version": version}
    return await entries.write(Draft(family=OBJECT, ref=ref, body=body, uid="u", deleted=version is None), expected=expected)


async def copied(bus: Bus) -> bool:
    return (await bus.info("HISTORY")).messages >= 1


async def test_last_many_as_of_a_sequence(bus: Bus) -> None:
    for name in ("a", "b", "a", "c", "b"):
        await bus.append("STATE", Append(f"state.object._.Namespace._.{name}", b"x"))
    found = await bus.last_many("STATE", ["state.object.>"], up_to=3)
    assert [(entry.subject[-1], entry.sequence) for entry in found] == [("b", 2), ("a", 3)]
    assert await bus.last_many("STATE", ["state.binding.>"], up_to=3) == []


async def test_everything_is_known_as_it_was(bus: Bus) -> None:
    entries = Entries(bus, SystemClock())
    revisions = [await write(entries, WEB, 0, 0)]
    await eventually(lambda: copied(bus))
    shop = await write(entries, SHOP, 1, 0)
    for version in range(1, 25):  # More than the ten that STATE keeps.
        revisions.append(await write(entries, WEB, version, revisions[-1]))
    gone = await write(entries, SHOP, None, shop)
    tombstone = await entries.read(OBJECT, SHOP)
    assert tombstone is not None
    await entries.purge(tombstone)

    async def complete() -> bool:
        return (await bus.info("HISTORY")).messages == gone

    await eventually(complete)
    subjects = [subject_of(OBJECT, WEB), "state.object._.Namespace.>"]
    for version, revision in enumerate(revisions):
        found = {entry.ref: entry for entry in await entries.all_at(subjects, revision)}
        assert found[WEB].body == {"version": version}
        assert found[WEB].revision == revision
        assert (SHOP in found) == (revision > shop)
    assert [entry.deleted for entry in await entries.all_at(subjects, gone)] == [False, True]
    assert await entries.all_at(subjects, 0) == []
    assert await entries.oldest() == 1


async def test_too_many_keys_for_one_question(bus: Bus) -> None:
    for start in range(0, 1100, 550):
        await bus.append_all("STATE", [Append(f"state.belief._.Cluster._.m{n}", b"x", expected=0) for n in range(start, start + 550)])
    found: int | str
    try:
        found = len(await bus.last_many("STATE", ["state.belief.>"], up_to=1100))
    except Terminal as error:
        found = str(error)
    assert found in (1100, "more than 1024 subjects of STATE match; name fewer")  # Memory has no such limit; the port allows both.


@pytest.mark.parametrize("position", [pytest.param(0, id="before-everything"), pytest.param(10_000, id="in-the-future")])
async def test_no_history_is_no_error(bus: Bus, position: int) -> None:
    assert await Entries(bus, SystemClock()).all_at(["state.object.>"], position) == []
