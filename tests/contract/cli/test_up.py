"""`shoal up`, `status`, `member`, `down` as real processes with a real bus; services and members are stand-ins."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shoal.runtime import control, processes
from shoal.runtime.clock import Deadline
from shoal.runtime.plan import Layout, read_state

STAND_INS = Path(__file__).parent / "stand_ins"
LIMIT_S = 60.0


class Machine:
    """The command line on one state directory."""

    def __init__(self, directory: Path) -> None:
        self.layout = Layout(directory)

    def shoal(self, *arguments: str, code: int = 0, **environment: str) -> str:
        """Output and errors of a command that must end with this exit code."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("SHOAL_")}
        ended = subprocess.run(
            [sys.executable, "-c", "from shoal.cli.main import main; main()", *arguments],
            env=inherited | {"PYTHONPATH": str(STAND_INS), "SHOAL_STATE": str(self.layout.directory)} | environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip
        assert ended.returncode == code, ended.stdout
        return ended.stdout

    def processes(self) -> dict[str, Any]:
        return {one["name"]: one for one in json.loads(self.shoal("status", "-o", "json"))["processes"]}


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path / "state")
    yield made
    control.down(made.layout)
    assert not list(processes.marked(made.layout.directory))


NAMES = {"nats", "gateway", "scheduler", "override-renderer", "health-monitor", "member-m1"}


def test_a_day_of_one_machine(machine: Machine) -> None:
    """Up, a member joins, one is killed, up again keeps all of it, down, up again where it was, purge."""
    layout = machine.layout
    out = machine.shoal("up", "--members", "1")
    assert "1 clusters ready" in out
    running = machine.processes()
    assert set(running) == NAMES
    assert {one["health"] for one in running.values()} == {"ready"}
    assert all(one["pid"] and one["address"] for one in running.values())
    hub = json.loads(layout.hub.read_bytes())
    assert hub["url"] == running["gateway"]["address"]
    assert hub["url"] in layout.kubeconfig.read_text()
    assert json.loads((layout.directory / "streams.json").read_bytes())

    assert "m7 is ready (beta/us-east/us-east-z)" in machine.shoal("member", "add", "m7:beta/us-east/us-east-z")
    after = machine.processes()
    assert {name: after[name]["pid"] for name in running} == {name: running[name]["pid"] for name in running}

    machine.shoal("member", "kill", "m1")
    assert "problems" in machine.shoal("status")
    assert "2 clusters ready" in machine.shoal("up")
    again = machine.processes()
    assert again["member-m1"]["pid"] != running["member-m1"]["pid"]
    assert again["gateway"]["pid"] == running["gateway"]["pid"]

    assert "stopped 7 processes" in machine.shoal("down")
    assert "nothing runs" in machine.shoal("down")
    machine.shoal("up")
    assert machine.processes()["gateway"]["address"] == hub["url"]
    machine.shoal("down", "--purge")
    assert not layout.directory.exists()


def test_everything_survives_a_killed_supervisor(machine: Machine) -> None:
    machine.shoal("up", "--members", "1")
    before = machine.processes()
    state = read_state(machine.layout)
    assert state is not None
    os.kill(state.pid, signal.SIGKILL)
    machine.shoal("up")
    assert {name: one["pid"] for name, one in machine.processes().items()} == {name: one["pid"] for name, one in before.items()}


def test_settings_of_the_caller_reach_the_service(machine: Machine) -> None:
    machine.shoal("up", "--members", "0", SHOAL_GRACE_S="30", SHOAL_HTTP_PORT="1")
    plan = {child["name"]: child["environment"] for child in json.loads(machine.layout.plan.read_bytes())["children"]}
    assert plan["health-monitor"]["SHOAL_GRACE_S"] == "30"
    assert plan["gateway"]["SHOAL_HTTP_PORT"] != "1"


def test_a_service_that_does_not_start_is_told_and_nothing_stays(machine: Machine) -> None:
    out = machine.shoal("up", "--members", "1", "--timeout", "4", code=1, SHOAL_LOG_LEVEL="error")
    assert "not ready after 4 s" in out
    assert "this stand-in was told to fail" in out
    assert not list(processes.marked(machine.layout.directory))


def test_a_setting_that_is_invalid_is_told_at_once(machine: Machine) -> None:
    out = machine.shoal("up", "--members", "1", code=1, SHOAL_GRACE_S="1.5")
    assert "health-monitor does not start: setting invalid: SHOAL_GRACE_S=1.5: write at least three beats" in out
    assert not list(processes.marked(machine.layout.directory))


def test_a_port_in_use_is_told_before_anything_starts(machine: Machine) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        out = machine.shoal("up", "--members", "0", "--port", str(port), code=1)
    assert f"port {port} is in use" in out
    assert not machine.layout.supervisor.exists()


def test_a_lost_store_is_not_made_again_silently(machine: Machine) -> None:
    machine.shoal("up", "--members", "0")
    machine.shoal("down")
    subprocess.run(["rm", "-r", str(machine.layout.directory / "nats" / "jetstream")], check=True)
    assert "existed before and cannot be found" in machine.shoal("up", code=1)


def test_foreground_ends_with_everything(machine: Machine, tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as out:
        foreground = subprocess.Popen(
            [sys.executable, "-c", "from shoal.cli.main import main; main()", "up", "--foreground", "--members", "0"],
            env=os.environ | {"PYTHONPATH": str(STAND_INS), "SHOAL_STATE": str(machine.layout.directory)}, stdout=out, stderr=out,
        )  # fmt: skip
    deadline = Deadline(LIMIT_S)
    while "Shoal is up" not in (tmp_path / "out").read_text():
        assert foreground.poll() is None, (tmp_path / "out").read_text()
        assert not deadline.passed
        deadline.pause(0.05)
    foreground.send_signal(signal.SIGINT)
    assert foreground.wait(LIMIT_S) == 0
    assert not list(processes.marked(machine.layout.directory))
