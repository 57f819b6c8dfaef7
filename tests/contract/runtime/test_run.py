"""`run` as real processes: what a service does to its exit code, and what signals do to a service."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from shoal.runtime.clock import Deadline

LIMIT_S = 20.0

PROGRAM = """
import asyncio, sys
from shoal.runtime.run import run
from shoal.runtime.config import SchedulerConfig
from shoal.api.errors import Retryable, SettingInvalid, Terminal

attempts = []

class Service:
    name = "scheduler"
    def __init__(self, config):
        attempts.append(self)
        self.end = asyncio.Event()
    async def start(self):
        if BEHAVIOUR == "terminal": raise Terminal("the bus is of another kind")
        if BEHAVIOUR == "setting": raise SettingInvalid("SHOAL_X=1: write 2")
        if BEHAVIOUR == "later" and len(attempts) < 3: raise Retryable("the bus is away")
        if BEHAVIOUR == "hangs-in-start": await asyncio.Event().wait()
    async def run(self):
        if BEHAVIOUR == "crash": raise RuntimeError("a bug")
        if BEHAVIOUR == "ends": return
        if BEHAVIOUR == "deaf": await asyncio.Event().wait()
        await self.end.wait()
    async def stop(self):
        self.end.set()
        if BEHAVIOUR != "deaf": print("stopped", flush=True)
    def ready(self): return BEHAVIOUR != "unready", "views load"
    def status(self): return {"attempts": len(attempts), "rich": "rich" in sys.modules, "sdk": "opentelemetry.sdk" in sys.modules}

run(Service, SchedulerConfig)
"""


class Running:
    def __init__(self, directory: Path, behaviour: str, **environment: str) -> None:
        self.announcement = directory / "run" / "scheduler.json"
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("SHOAL_")}
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"BEHAVIOUR = {behaviour!r}\n{PROGRAM}"],
            env=inherited | {"SHOAL_STATE_DIR": str(directory)} | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    @property
    def address(self) -> str:
        deadline = Deadline(LIMIT_S)
        while not self.announcement.exists():
            assert not deadline.passed
            assert self.process.poll() is None, self.process.communicate()[1]
            deadline.pause(0.01)
        return str(json.loads(self.announcement.read_bytes())["address"])

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urlopen(self.address + path, timeout=LIMIT_S) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()

    def until_started(self) -> None:
        deadline = Deadline(LIMIT_S)
        assert self.process.stderr
        while not deadline.passed and "service started" not in self.process.stderr.readline():
            pass

    def ended(self) -> tuple[int, str, str]:
        out, errors = self.process.communicate(timeout=LIMIT_S)
        return self.process.returncode, out, errors


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Running]]:
    running: list[Running] = []
    yield running
    for one in running:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


@pytest.mark.parametrize(
    ("behaviour", "environment", "code", "says"),
    [
        pytest.param("crash", {}, 1, "a bug", id="crash"),
        pytest.param("ends", {}, 1, "without being asked", id="ends-by-itself"),
        pytest.param("setting", {}, 2, "SHOAL_X=1: write 2", id="setting-found-invalid-while-starting"),
        pytest.param("", {"SHOAL_HTTP_PORT": "many"}, 2, "SHOAL_HTTP_PORT=many: write a whole number", id="setting-invalid"),
        pytest.param("terminal", {}, 3, "the bus is of another kind", id="cannot-start"),
    ],
)
def test_exit_code(started: list[Running], tmp_path: Path, *, behaviour: str, environment: dict[str, str], code: int, says: str) -> None:
    started.append(Running(tmp_path, behaviour, **environment))
    ended, _, errors = started[0].ended()
    assert ended == code
    assert says in errors


def test_port_in_use(started: list[Running], tmp_path: Path) -> None:
    started.append(Running(tmp_path / "a", ""))
    port = started[0].address.rpartition(":")[2]
    started.append(Running(tmp_path / "b", "", SHOAL_HTTP_PORT=port))
    code, _, errors = started[1].ended()
    assert code == 3
    assert f"cannot listen on 127.0.0.1:{port}" in errors


def test_a_life(started: list[Running], tmp_path: Path) -> None:
    """Serves its endpoints, stays light, and stops gracefully on a signal."""
    started.append(Running(tmp_path, "unready"))
    assert started[0].get("/healthz") == (200, "ok\n")
    assert started[0].get("/readyz") == (503, "views load\n")
    assert started[0].get("/else")[0] == 404
    status = json.loads(started[0].get("/status")[1])
    assert (status["pid"], status["rich"], status["sdk"]) == (started[0].process.pid, False, False)
    started[0].until_started()
    started[0].process.send_signal(signal.SIGTERM)
    code, out, _ = started[0].ended()
    assert (code, out) == (0, "stopped\n")
    assert not started[0].announcement.exists()


def test_start_waits_for_what_is_away(started: list[Running], tmp_path: Path) -> None:
    started.append(Running(tmp_path, "later"))
    started[0].until_started()
    assert json.loads(started[0].get("/status")[1])["attempts"] == 3


def test_a_signal_ends_a_start_that_hangs(started: list[Running], tmp_path: Path) -> None:
    started.append(Running(tmp_path, "hangs-in-start"))
    assert started[0].get("/healthz")[0] == 200
    started[0].process.send_signal(signal.SIGINT)
    assert started[0].ended()[:2] == (0, "stopped\n")


@pytest.mark.parametrize(
    ("signals", "environment"),
    [
        pytest.param(1, {"SHOAL_STOP_LIMIT_S": "0.2"}, id="limit"),
        pytest.param(2, {"SHOAL_STOP_LIMIT_S": "600"}, id="second-signal"),
    ],
)
def test_a_stop_that_hangs(started: list[Running], tmp_path: Path, signals: int, environment: dict[str, str]) -> None:
    started.append(Running(tmp_path, "deaf", **environment))
    started[0].until_started()
    deadline = Deadline(LIMIT_S)
    for _ in range(signals):
        started[0].process.send_signal(signal.SIGTERM)
        # Two signals in a row may arrive as one: the second goes out when the first was taken.
        while started[0].process.poll() is None and not deadline.passed and _pending(started[0].process.pid):
            deadline.pause(0.01)
        deadline.pause(0.1)
    assert started[0].ended()[0] == 1


def _pending(pid: int) -> bool:
    """Whether a signal waits to be taken by this process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return any(line.startswith(("SigPnd", "ShdPnd")) and int(line.split()[1], 16) for line in status.splitlines())
