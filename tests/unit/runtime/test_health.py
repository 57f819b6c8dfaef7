from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shoal.runtime.config import SchedulerConfig
from shoal.runtime.health import Endpoints, announce, announcement, base_url, withdraw
from support.clock import ManualClock


class Fake:
    """A service that is as ready as it is told to be."""

    name = "scheduler"

    def __init__(self, ready: bool, why: str = "") -> None:
        self._ready = (ready, why)

    async def start(self) -> None: ...

    async def run(self) -> None: ...

    async def stop(self) -> None: ...

    def ready(self) -> tuple[bool, str]:
        return self._ready

    def status(self) -> dict[str, Any]:
        return {"views": 3}


@pytest.mark.parametrize(
    ("service", "path", "status", "body"),
    [
        pytest.param(Fake(False), "/healthz", 200, b"ok\n", id="alive-though-not-ready"),
        pytest.param(Fake(True), "/readyz", 200, b"ok\n", id="ready"),
        pytest.param(Fake(True), "/readyz?verbose=1", 200, b"ok\n", id="query-is-ignored"),
        pytest.param(Fake(False, "view of STATE is not complete"), "/readyz", 503, b"view of STATE is not complete\n", id="says-why-not"),
        pytest.param(Fake(False), "/readyz", 503, b"not ready\n", id="without-a-reason"),
    ],
)
async def test_answer(service: Fake, path: str, status: int, body: bytes) -> None:
    answer = await Endpoints(service, SchedulerConfig(), ManualClock()).answer(path)
    assert answer is not None
    assert (answer.status, answer.body) == (status, body)


async def test_status_names_the_process() -> None:
    answer = await Endpoints(Fake(False, "loading"), SchedulerConfig(name="s-1"), ManualClock()).answer("/status")
    assert answer is not None
    shown = msgspec.json.decode(answer.body)
    assert shown == {
        "name": "s-1", "pid": os.getpid(), "started": "2026-01-01T00:00:00+00:00", "ready": False, "why": "loading", "views": 3,
    }  # fmt: skip


async def test_metrics_are_prometheus_text() -> None:
    answer = await Endpoints(Fake(True), SchedulerConfig(), ManualClock()).answer("/metrics")
    assert answer is not None
    assert b"process_resident_memory_bytes" in answer.body


async def test_other_paths_have_no_answer() -> None:
    assert await Endpoints(Fake(True), SchedulerConfig(), ManualClock()).answer("/healthz/x") is None


def test_announce_and_withdraw(tmp_path: Path) -> None:
    config = SchedulerConfig(state_dir=str(tmp_path))
    place = tmp_path / "run" / "scheduler.json"
    announce(config, "http://127.0.0.1:1", ManualClock())
    found = announcement(place)
    assert found is not None
    assert (found.name, found.pid, found.address) == ("scheduler", os.getpid(), "http://127.0.0.1:1")
    withdraw(config)
    assert announcement(place) is None


def test_withdraw_leaves_what_a_successor_wrote(tmp_path: Path) -> None:
    config = SchedulerConfig(state_dir=str(tmp_path))
    place = tmp_path / "run" / "scheduler.json"
    place.parent.mkdir()
    place.write_text('{"name":"scheduler","pid":1,"address":"http://127.0.0.1:2","started":"2026-01-01T00:00:00+00:00"}')
    withdraw(config)
    assert place.exists()


def test_without_a_directory_nothing_is_announced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    announce(SchedulerConfig(), "http://127.0.0.1:1", ManualClock())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("host", "shown"),
    [("127.0.0.1", "http://127.0.0.1:80"), ("0.0.0.0", "http://127.0.0.1:80"), ("::", "http://[::1]:80"), ("::1", "http://[::1]:80")],
)
def test_base_url(host: str, shown: str) -> None:
    assert base_url(host, 80) == shown
