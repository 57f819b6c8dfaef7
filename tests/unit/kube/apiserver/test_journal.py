"""`journal.py`: what was acknowledged is there after a kill; a torn tail is not."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.api.errors import RevisionConflict
from shoal.api.meta import Ref
from shoal.kube.apiserver.journal import Journal, JournalCorrupt
from shoal.kube.apiserver.memory import MemoryStore
from shoal.kube.apiserver.store import Expired, Selection, Stored

CONFIG_MAPS = Selection("", "ConfigMap")


def content(store: MemoryStore) -> dict[Ref, Stored]:
    return {stored.ref: stored for stored in store}


async def fill(store: MemoryStore, *names: str, value: str = "") -> None:
    for name in names:
        ref = Ref("", "ConfigMap", "default", name)
        stored = store.get(ref)
        await store.write(ref, {"metadata": {"name": name}, "data": {"value": value}}, expected=stored.token if stored else 0)


async def test_a_restart_finds_everything_and_goes_on_counting(tmp_path: Path) -> None:
    store = MemoryStore(Journal(tmp_path / "journal"))
    await fill(store, "a", "b", "c")
    stored = store.get(Ref("", "ConfigMap", "default", "b"))
    assert stored is not None
    await store.remove(stored.ref, stored.object(), expected=stored.token)
    again = MemoryStore(Journal(tmp_path / "journal"))  # The first was never closed: as after a kill.
    assert content(again) == content(store)
    assert again.revision() == store.revision() == 5
    with pytest.raises(Expired):
        again.watch(3, CONFIG_MAPS)
    await fill(again, "d")
    assert again.revision() == 6


@pytest.mark.parametrize(
    "cut",
    [pytest.param(1, id="one-byte"), pytest.param(40, id="half-a-record"), pytest.param(70, id="into-the-header")],
)
async def test_a_torn_last_record_is_cut_off(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "journal"
    store = MemoryStore(Journal(path))
    await fill(store, "a", "b")
    whole = path.stat().st_size
    await fill(store, "c", value="x" * 40)
    store.close()
    path.write_bytes(path.read_bytes()[: whole + max(1, path.stat().st_size - whole - cut)])
    again = MemoryStore(Journal(path))
    assert sorted(ref.name for ref in content(again)) == ["a", "b"]
    assert path.stat().st_size == whole
    await fill(again, "d")
    assert sorted(ref.name for ref in content(MemoryStore(Journal(path)))) == ["a", "b", "d"]


async def test_a_hole_at_the_end_is_a_torn_tail(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    store = MemoryStore(Journal(path))
    await fill(store, "a")
    store.close()
    path.write_bytes(path.read_bytes() + b"\0" * 100)
    assert [ref.name for ref in content(MemoryStore(Journal(path)))] == ["a"]


async def test_damage_before_whole_records_is_told(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    store = MemoryStore(Journal(path))
    await fill(store, "a", "b", "c")
    store.close()
    damaged = bytearray(path.read_bytes())
    damaged[30] ^= 0xFF
    path.write_bytes(bytes(damaged))
    with pytest.raises(JournalCorrupt, match="is damaged at byte 0"):
        MemoryStore(Journal(path))


async def test_a_large_file_is_rewritten_with_what_lives(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    store = MemoryStore(Journal(path, compact_bytes_min=4096))
    for number in range(200):
        await fill(store, "a", "b", value=str(number))
    assert path.stat().st_size < 3 * 4096
    again = MemoryStore(Journal(path))
    assert content(again) == content(store)
    assert again.revision() == store.revision()
    assert not path.with_name("journal.new").exists()


operations = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["write", "remove"]), st.text(max_size=20)), max_size=40)
_Operations = list[tuple[str, str, str]]


async def perform(store: MemoryStore, operations: _Operations) -> list[dict[Ref, Stored]]:
    """Every state that the store was in."""
    states = [content(store)]
    for name, operation, value in operations:
        stored = store.get(Ref("", "ConfigMap", "default", name))
        if operation == "write":
            await fill(store, name, value=value)
        elif stored is not None:
            await store.remove(stored.ref, stored.object(), expected=stored.token)
        states.append(content(store))
    store.close()
    return states


@settings(max_examples=60, deadline=None)
@given(operations=operations, torn=st.integers(min_value=0, max_value=400))
def test_replay_gives_a_state_that_once_was(operations: _Operations, torn: int) -> None:
    """The whole file gives the last state, and a torn one an earlier one."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        states = asyncio.run(perform(MemoryStore(Journal(path)), operations))
        assert content(MemoryStore(Journal(path))) == states[-1]
        path.write_bytes(path.read_bytes()[: max(0, path.stat().st_size - torn)])
        assert content(MemoryStore(Journal(path))) in states


@settings(max_examples=40, deadline=None)
@given(operations=operations)
def test_rewriting_loses_nothing(operations: _Operations) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        states = asyncio.run(perform(MemoryStore(Journal(path, compact_bytes_min=400)), operations))
        assert content(MemoryStore(Journal(path))) == states[-1]


async def test_a_conflict_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    store = MemoryStore(Journal(path))
    await fill(store, "a")
    size = path.stat().st_size
    with pytest.raises(RevisionConflict):
        await store.write(Ref("", "ConfigMap", "default", "a"), {"metadata": {}}, expected=0)
    assert path.stat().st_size == size
