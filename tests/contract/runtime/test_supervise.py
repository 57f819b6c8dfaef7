"""The supervisor with real processes: kills, orphans, a second one, a new plan."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shoal.api.errors import Terminal
from shoal.runtime import control, processes
from shoal.runtime.clock import Deadline
from shoal.runtime.plan import ChildSpec, ChildState, Layout, Plan, read_state

LIMIT_S = 20.0
SLEEP = ("sleep", "3600")
BUS = ChildSpec(name="nats", command=SLEEP, stop_phase=1)
WORKER = ChildSpec(name="worker", command=SLEEP)


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    made = Layout(tmp_path / "state")
    yield made
    control.down(made)
    assert not list(processes.marked(made.directory))


def child(layout: Layout, name: str) -> ChildState:
    state = read_state(layout)
    assert state is not None
    return next(one for one in state.children if one.name == name)


def until(condition: Callable[[], bool]) -> None:
    deadline = Deadline(LIMIT_S)
    while not condition():
        assert not deadline.passed
        deadline.pause(0.02)


def running(layout: Layout, name: str) -> bool:
    found = child(layout, name)
    return found.process is not None and processes.alive(found.process)


def test_a_killed_child_is_started_again(layout: Layout) -> None:
    control.launch(layout, Plan(children=(WORKER,)))
    first = child(layout, "worker")
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: child(layout, "worker").pid not in (0, first.pid))
    assert (child(layout, "worker").restarts, child(layout, "worker").exit_code) == (1, -9)


def test_children_inherit_no_settings_and_write_a_log(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOAL_GRACE_S", "1")
    show = ("sh", "-c", "env | grep SHOAL_ | grep -v SUPERVISED; sleep 3600")
    control.launch(layout, Plan(children=(ChildSpec(name="worker", command=show, environment={"SHOAL_NAME": "worker"}),)))
    until(lambda: layout.log("worker").read_text() != "")
    assert layout.log("worker").read_text() == "SHOAL_NAME=worker\n"


def test_stop_start_kill(layout: Layout) -> None:
    control.launch(layout, Plan(children=(ChildSpec(name="worker", command=SLEEP, restart_after_s=3600),)))
    control.ask(layout, "stop", "worker")
    until(lambda: child(layout, "worker").state == "stopped")
    control.ask(layout, "start", "worker")
    until(lambda: running(layout, "worker"))
    control.ask(layout, "kill", "worker")
    until(lambda: child(layout, "worker").state == "waiting")
    control.ask(layout, "start", "worker")
    until(lambda: running(layout, "worker"))


def test_asking_for_nobody(layout: Layout) -> None:
    with pytest.raises(Terminal, match="nothing runs in"):
        control.ask(layout, "stop", "worker")
    control.launch(layout, Plan(children=(WORKER,)))
    with pytest.raises(Terminal, match="no process ghost; there are: worker"):
        control.ask(layout, "stop", "ghost")


def test_a_second_supervisor_is_refused(layout: Layout) -> None:
    import subprocess

    control.launch(layout, Plan(children=(WORKER,)))
    second = subprocess.run(
        [sys.executable, "-m", "shoal.runtime.supervise", str(layout.directory)],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert second.returncode == 3
    assert "is supervised already" in second.stderr


def test_orphans_are_adopted_by_the_next_supervisor(layout: Layout) -> None:
    first = control.launch(layout, Plan(children=(BUS, WORKER)))
    before = child(layout, "worker").pid
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: control.living(layout) is None)
    second = control.launch(layout, Plan(children=(BUS, WORKER)))
    assert second.pid != first.pid
    assert child(layout, "worker").pid == before
    os.kill(before, signal.SIGKILL)
    until(lambda: child(layout, "worker").pid not in (0, before))


def test_orphans_with_another_command_are_replaced(layout: Layout) -> None:
    first = control.launch(layout, Plan(children=(BUS, WORKER)))
    before = child(layout, "worker")
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: control.living(layout) is None)
    control.launch(layout, Plan(children=(BUS, ChildSpec(name="worker", command=("sleep", "7200")))))
    assert before.process is not None
    assert not processes.alive(before.process)
    assert running(layout, "worker")


def test_a_child_that_was_never_recorded_is_found_by_its_mark(layout: Layout) -> None:
    state = control.launch(layout, Plan(children=(WORKER,)))
    lost = child(layout, "worker").process
    os.kill(state.pid, signal.SIGKILL)
    layout.supervisor.unlink()
    control.down(layout)
    assert lost is not None
    assert not processes.alive(lost)


def test_a_new_plan_adds_replaces_and_removes(layout: Layout) -> None:
    control.launch(layout, Plan(children=(BUS, WORKER)))
    bus, worker = child(layout, "nats").pid, child(layout, "worker").process
    control.launch(layout, Plan(children=(BUS, ChildSpec(name="new", command=SLEEP))))
    until(lambda: running(layout, "new"))
    assert child(layout, "nats").pid == bus
    assert worker is not None
    until(lambda: not processes.alive(worker))
    control.launch(layout, Plan(children=(ChildSpec(name="nats", command=("sleep", "7200"), stop_phase=1),)))
    until(lambda: child(layout, "nats").pid not in (0, bus))


@pytest.mark.parametrize("supervised", [pytest.param(True, id="supervised"), pytest.param(False, id="supervisor-killed")])
def test_down_stops_everything_and_the_bus_last(layout: Layout, tmp_path: Path, supervised: bool) -> None:
    order = tmp_path / "order"
    program = "trap 'echo {0} >> {1}; exit 0' TERM; echo up >> {1}; while :; do sleep 0.02; done"
    children = tuple(
        ChildSpec(name=name, command=("sh", "-c", program.format(name, order)), stop_phase=phase)
        for name, phase in (("nats", 1), ("worker", 0))
    )
    state = control.launch(layout, Plan(children=children))
    until(lambda: order.exists() and order.read_text().count("up") == 2)
    if not supervised:
        os.kill(state.pid, signal.SIGKILL)
    assert control.down(layout) == []
    assert order.read_text().split() == ["up", "up", "worker", "nats"]


def test_down_kills_what_does_not_stop(layout: Layout) -> None:
    deaf = ("sh", "-c", "trap '' TERM; while :; do sleep 0.02; done")
    state = control.launch(layout, Plan(children=(ChildSpec(name="worker", command=deaf),)))
    os.kill(state.pid, signal.SIGKILL)
    until(lambda: running(layout, "worker"))
    assert control.down(layout, limit_s=0.3) == ["worker"]


def test_a_reused_pid_is_not_mistaken(layout: Layout) -> None:
    me = processes.identify(os.getpid())
    assert me is not None
    assert processes.alive(me)
    assert not processes.alive(processes.Process(me.pid, "another life"))
