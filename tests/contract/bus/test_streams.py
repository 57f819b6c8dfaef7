"""What a stream promises, on both adapters."""

from __future__ import annotations

import pytest

from shoal.api.errors import ManifestInvalid, RevisionConflict, StreamDrifted
from shoal.bus.port import SOURCE, Append, Bus
from support.servers import eventually

KEY = "state.object.apps.Deployment.web.shop"


async def test_append_gives_rising_sequences_and_last_reads_them(bus: Bus) -> None:
    first = await bus.append("STATE", Append(KEY, b"one"))
    second = await bus.append("STATE", Append(KEY, b"two", {"Shoal-Write": "w"}))
    assert second == first + 1
    found = await bus.last("STATE", KEY)
    assert found is not None
    assert (found.sequence, found.data, found.headers["Shoal-Write"], found.subject) == (second, b"two", "w", KEY)
    assert found.time > 1.7e9
    assert await bus.last_direct("STATE", KEY) == found
    assert (await bus.at("STATE", first)).data == b"one"  # type: ignore[union-attr]
    assert await bus.at("STATE", 99) is None
    assert await bus.last("STATE", KEY + "x") is None
    assert await bus.last_direct("STATE", KEY + "x") is None


@pytest.mark.parametrize(
    ("written", "expected", "fits"),
    [
        pytest.param(0, 0, True, id="new-key"),
        pytest.param(1, 0, False, id="exists-already"),
        pytest.param(1, 1, True, id="as-read"),
        pytest.param(2, 1, False, id="moved-on"),
        pytest.param(0, 7, False, id="gone"),
        pytest.param(2, None, True, id="unchecked"),
    ],
)
async def test_compare_and_set(bus: Bus, written: int, expected: int | None, fits: bool) -> None:
    for _ in range(written):
        await bus.append("STATE", Append(KEY, b"x"))
    if fits:
        assert await bus.append("STATE", Append(KEY, b"y", expected=expected)) == written + 1
        return
    with pytest.raises(RevisionConflict) as caught:
        await bus.append("STATE", Append(KEY, b"y", expected=expected))
    assert (caught.value.expected, caught.value.actual) == (expected, written)


async def test_batch_is_contiguous_and_ends_at_the_last(bus: Bus) -> None:
    await bus.append("STATE", Append(KEY, b"x"))
    last = await bus.append_all("STATE", [Append(f"{KEY}{n}", b"%d" % n, expected=0) for n in range(50)])
    assert last == 51
    assert [entry.sequence for entry in await bus.last_many("STATE", [f"{KEY}{n}" for n in range(50)])] == list(range(2, 52))


@pytest.mark.parametrize("wrong", [0, 1, 2], ids=["first", "middle", "last"])
async def test_batch_is_all_or_nothing(bus: Bus, wrong: int) -> None:
    items = [Append(f"{KEY}{n}", b"x", expected=5 if n == wrong else 0) for n in range(3)]
    with pytest.raises(RevisionConflict):
        await bus.append_all("STATE", items)
    assert (await bus.info("STATE")).last == 0
    assert await bus.append_all("STATE", [Append(f"{KEY}{n}", b"x", expected=0) for n in range(3)]) == 3


async def test_batch_of_one_is_a_plain_append(bus: Bus) -> None:
    assert await bus.append_all("STATE", [Append(KEY, b"x", expected=0)]) == 1
    found = await bus.last("STATE", KEY)
    assert found is not None
    assert "Nats-Batch-Id" not in found.headers


async def test_ten_revisions_stay(bus: Bus) -> None:
    for n in range(12):
        await bus.append("STATE", Append(KEY, b"%d" % n))
    assert [(await bus.at("STATE", n)) is not None for n in range(1, 13)] == [False] * 2 + [True] * 10


async def test_last_many_takes_wildcards_and_more_than_a_thousand(bus: Bus) -> None:
    for start in range(0, 1500, 500):
        await bus.append_all("WORK", [Append(f"work.m.apps.Deployment.web.n{n}", b"x") for n in range(start, start + 500)])
    await bus.append("WORK", Append("work.other.apps.Deployment.web.n", b"x"))
    assert len(await bus.last_many("WORK", ["work.m.>"])) == 1500
    assert len(await bus.last_many("WORK", ["work.*.apps.Deployment.web.n", "work.m.apps.Deployment.web.n7"])) == 2
    assert len(await bus.last_many("WORK", [f"work.m.apps.Deployment.web.n{n}" for n in range(1500)])) == 1500
    assert await bus.last_many("WORK", []) == []
    assert await bus.last_many("WORK", ["work.nobody.>"]) == []


async def test_purge_is_exclusive_and_keeps_the_last_sequence(bus: Bus) -> None:
    for _ in range(3):
        await bus.append("STATE", Append(KEY, b"x"))
    await bus.purge("STATE", KEY, below=3)
    assert [(await bus.at("STATE", n)) is not None for n in (1, 2, 3)] == [False, False, True]
    await bus.purge("STATE", KEY, below=4)
    info = await bus.info("STATE")
    assert (info.messages, info.last) == (0, 3)
    assert await bus.append("STATE", Append(KEY, b"y", expected=0)) == 4


async def test_first_from_finds_the_next_of_a_pattern(bus: Bus) -> None:
    for name in ("a", "b", "a", "c"):
        await bus.append("STATE", Append(f"state.object._.Namespace._.{name}", b"x"))
    found = await bus.first_from("STATE", "state.object._.Namespace._.a", 2)
    assert found is not None
    assert found.sequence == 3
    found = await bus.first_from("STATE", "state.object.>", 2)
    assert found is not None
    assert found.sequence == 2
    assert await bus.first_from("STATE", "state.binding.>", 1) is None
    assert await bus.first_from("STATE", "state.>", 5) is None


async def test_history_keeps_every_revision_with_its_state_sequence(bus: Bus) -> None:
    await bus.append_all("STATE", [Append(f"{KEY}{n}", b"x", expected=0) for n in range(3)])

    async def copied(count: int) -> bool:
        return (await bus.info("HISTORY")).messages == count

    await eventually(lambda: copied(3))  # A new copy starts with what its source still has.
    for _ in range(12):
        await bus.append("STATE", Append(KEY, b"y", {"Shoal-Write": "w"}))
    await eventually(lambda: copied(15))
    found = await bus.last("HISTORY", "history" + KEY.removeprefix("state"))
    assert found is not None
    assert found.headers[SOURCE].split()[:2] == ["STATE", "15"]
    assert found.headers["Shoal-Write"] == "w"


@pytest.mark.parametrize(
    "subject",
    [
        pytest.param("state.object." + "n" * 4090, id="too-long"),
        pytest.param("state.object..x", id="empty-token"),
        pytest.param("state.object.a b", id="blank"),
    ],
)
async def test_subjects_that_would_cost_the_connection_are_refused(bus: Bus, subject: str) -> None:
    with pytest.raises(ManifestInvalid):
        await bus.append("STATE", Append(subject, b"x"))
    with pytest.raises(ManifestInvalid):
        await bus.publish(subject, b"x")
    assert bus.connected


async def test_too_large_payloads_are_refused(bus: Bus) -> None:
    with pytest.raises(ManifestInvalid):
        await bus.append("STATE", Append(KEY, b"x" * 8_380_000))
    with pytest.raises(ManifestInvalid):
        await bus.append("WORK", Append("work.m.a.b.c.d", b"x" * 2_200_000))
    assert await bus.append("STATE", Append(KEY, b"x" * 3_000_000)) == 1


async def test_a_missing_stream_is_told(bus: Bus) -> None:
    with pytest.raises(StreamDrifted):
        await bus.info("NOWHERE")
