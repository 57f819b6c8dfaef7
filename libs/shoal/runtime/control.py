"""How others deal with a supervisor: start one, ask it for something, end it and everything it left behind."""

from __future__ import annotations

import socket
import subprocess
import sys

import msgspec

from shoal.api.errors import Retryable, Terminal
from shoal.runtime import processes
from shoal.runtime.clock import Deadline
from shoal.runtime.plan import Layout, Plan, Reply, Request, SupervisorState, read_state, write_plan
from shoal.runtime.processes import Process

_ANSWER_LIMIT_S = 30.0
"""A new plan may have to end running children first."""


def living(layout: Layout) -> SupervisorState | None:
    """The supervisor of this directory, when it lives."""
    state = read_state(layout)
    return state if state is not None and processes.alive(state.process) else None


def launch(layout: Layout, plan: Plan, *, limit_s: float = 10.0) -> SupervisorState:
    """Starts a supervisor for this plan, or gives it to the one that runs. Returns once it has a record of its children."""
    write_plan(layout, plan)
    if living(layout) is not None:
        ask(layout, "plan")
        state = living(layout)
        if state is not None:
            return state
    layout.logs.mkdir(parents=True, exist_ok=True)
    with layout.log("supervisor").open("ab") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", "shoal.runtime.supervise", str(layout.directory)],
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    deadline = Deadline(limit_s)
    while not deadline.passed:
        state = living(layout)
        if state is not None and state.pid == child.pid:
            return state
        if child.poll() is not None:
            break
        deadline.pause(0.02)
    raise Terminal(f"the supervisor did not start; see {layout.log('supervisor')}")


def ask(layout: Layout, action: str, name: str = "") -> None:
    """Sends one request. Raises `Retryable` when no supervisor answers, `Terminal` with its reason when it refuses."""
    state = living(layout)
    if state is None:
        raise Terminal(f"nothing runs in {layout.directory}; start it with `shoal up --state {layout.directory}`")
    try:
        with socket.create_connection(("127.0.0.1", state.port), timeout=_ANSWER_LIMIT_S) as connection:
            connection.sendall(msgspec.json.encode(Request(secret=state.secret, action=action, name=name)) + b"\n")
            answer = msgspec.json.decode(connection.makefile("rb").readline(), type=Reply)
    except (OSError, msgspec.DecodeError) as error:
        raise Retryable(f"the supervisor of {layout.directory} does not answer: {error}") from error
    if not answer.done:
        raise Terminal(answer.message)


def down(layout: Layout, *, limit_s: float = 20.0) -> list[str]:
    """Ends the supervisor and every child, also those that a killed supervisor left. Returns what had to be killed, by name."""
    from shoal.runtime.supervise import survivors

    state = read_state(layout)
    phases = {child.name: child.stop_phase for child in state.children} if state else {}
    killed: list[str] = []
    if state is not None:
        killed += ["supervisor" for _ in processes.end([state.process], limit_s=limit_s)]
    left = [(phases.get(name, 0), name, process) for name, _, process in survivors(layout)]
    for phase in sorted({phase for phase, _, _ in left}):
        killed += _end({process: name for one, name, process in left if one == phase}, limit_s)
    for path in (layout.supervisor, layout.hub, *layout.run.glob("*.json")):
        if path != layout.plan:
            path.unlink(missing_ok=True)
    return killed


def _end(names: dict[Process, str], limit_s: float) -> list[str]:
    return [names[process] for process in processes.end(names, limit_s=limit_s)]
