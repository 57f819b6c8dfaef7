"""The table of streams, its creation and its comparison, on the memory bus."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.api.errors import StreamDrifted
from shoal.bus.memory import MemoryBus
from shoal.bus.port import Append
from shoal.bus.topology import Storage, bootstrap, check, differences, stream_config
from shoal.messages.catalogue import DEPLOY, HISTORY, LEASE, STATE, STREAMS, WORK
from support.clock import ManualClock


@pytest.mark.parametrize("replicas", [1, 3])
def test_every_stream_is_in_the_table(replicas: int) -> None:
    for stream in STREAMS:
        config = stream_config(stream, Storage(replicas=replicas))
        assert config["num_replicas"] == replicas
        # The server refuses the two together, and the fast mode with replicas.
        assert not (config.get("allow_atomic") and config.get("persist_mode"))
        assert not (replicas > 1 and config.get("persist_mode"))
        assert config["allow_rollup_hdrs"] is (stream is LEASE)


def test_only_what_was_asked_for_and_is_otherwise_counts() -> None:
    wanted: dict[str, Any] = {
        "max_msgs_per_subject": 1,
        "allow_direct": True,
        "republish": {"src": "a", "headers_only": True},
        "subjects": [],
    }
    filled = {**wanted, "max_msgs": -1, "discard": "old", "duplicate_window": 120, "metadata": {"_nats.ver": "2.15.1"}, "max_age": 0}
    del filled["subjects"]
    assert differences(wanted, filled) == {}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param({"max_msgs_per_subject": 5}, "max_msgs_per_subject", id="changed"),
        pytest.param({"allow_atomic": False}, "allow_atomic", id="switched-off"),
        pytest.param({"max_age": 10**9}, "max_age", id="limit-added"),
        pytest.param({"deny_purge": True}, "deny_purge", id="denied"),
        pytest.param({"persist_mode": "async"}, "persist_mode", id="fast-and-loose"),
        pytest.param({"republish": {"src": "work.*.>", "dest": "live.>", "headers_only": True}}, "republish.dest", id="nested"),
        pytest.param({"republish": None}, "republish", id="gone"),
        pytest.param({"allow_rollup_hdrs": True}, "allow_rollup_hdrs", id="rollup-allowed"),
        pytest.param({"storage": "memory"}, "storage", id="storage"),
    ],
)
async def test_drift_is_told(change: dict[str, Any], told: str) -> None:
    bus = MemoryBus(ManualClock())
    await bootstrap(bus, create=True)
    await bus.update_stream(bus.streams["WORK"].config | change)
    with pytest.raises(StreamDrifted, match=rf"WORK\.{told}"):
        await check(bus)
    with pytest.raises(StreamDrifted, match=rf"WORK\.{told}"):
        await bootstrap(bus, create=True)


async def test_a_source_that_drifted_is_told() -> None:
    bus = MemoryBus(ManualClock())
    await bootstrap(bus, create=True)
    await bus.update_stream(bus.streams["HISTORY"].config | {"sources": [{"name": "OTHER"}]})
    with pytest.raises(StreamDrifted, match=r"HISTORY\.sources\[0\]\.name"):
        await check(bus)


async def test_bootstrap_creates_what_is_missing_and_no_more() -> None:
    bus = MemoryBus(ManualClock())
    assert await bootstrap(bus, create=True, streams=(STATE,)) == ("STATE",)
    assert await bootstrap(bus, create=True) == tuple(stream.name for stream in STREAMS if stream is not STATE)
    assert await bootstrap(bus, create=True) == ()
    assert await bootstrap(bus, create=False) == ()


@pytest.mark.parametrize(
    ("expected", "create", "told"),
    [
        pytest.param(set(), False, "run `shoal bootstrap`", id="only-when-told-to"),
        pytest.param({"STATE"}, True, "SHOAL_STORE_KEY", id="what-existed-is-never-made-again-silently"),
        pytest.param({"HISTORY"}, True, "SHOAL_STORE_KEY", id="history-neither"),
    ],
)
async def test_bootstrap_refuses(expected: set[str], create: bool, told: str) -> None:
    bus = MemoryBus(ManualClock())
    with pytest.raises(StreamDrifted, match=told):
        await bootstrap(bus, create=create, expected=expected)
    assert bus.streams == {}


async def test_leases_are_made_again_since_nothing_is_lost_with_them() -> None:
    bus = MemoryBus(ManualClock())
    names = {stream.name for stream in STREAMS}
    await bootstrap(bus, create=True, streams=tuple(stream for stream in STREAMS if stream is not LEASE))
    assert await bootstrap(bus, create=True, expected=names) == ("LEASE",)


async def test_a_stream_that_is_made_anew_starts_above_what_anybody_knows() -> None:
    bus = MemoryBus(ManualClock())
    await bootstrap(bus, create=True, first={"STATE": 1000})
    client = bus.client("a")
    assert (await client.info("STATE")).last == 999
    assert await client.append("STATE", Append("state.object.a.b.c.d", b"")) == 1000


async def test_a_missing_consumer_is_told() -> None:
    bus = MemoryBus(ManualClock())
    await bootstrap(bus, create=True)
    bus.streams[DEPLOY.name].consumers.clear()
    with pytest.raises(StreamDrifted, match="gateway"):
        await check(bus)


def test_streams_that_hold_truth_are_synced_and_take_batches() -> None:
    for stream in (STATE, WORK):
        config = stream_config(stream, Storage())
        assert (config["allow_atomic"], config.get("persist_mode")) == (True, None)
    assert stream_config(HISTORY, Storage())["persist_mode"] == "async"
