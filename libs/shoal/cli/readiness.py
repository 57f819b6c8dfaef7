"""Is everything up? Asks the processes of one machine, and the hub about its clusters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import msgspec

from shoal.api.errors import ShoalError, Terminal
from shoal.cli.client import Hub
from shoal.cli.output import Waiting
from shoal.runtime.clock import Deadline
from shoal.runtime.health import announcement
from shoal.runtime.plan import ChildState, Layout, read_state

_LOOK_EVERY_S = 0.05
_ANSWER_LIMIT_S = 2.0
_GIVE_UP_CODES = (2, 3)
"""Exit codes of `runtime.run` that no restart mends: a setting is invalid, or something else has to be changed first."""


class ProcessHealth(msgspec.Struct, frozen=True):
    """One process of this machine, as `shoal status` lists it."""

    name: str
    pid: int
    address: str
    health: str
    """ready, starting, waiting, stopped, unreachable."""
    detail: str = ""
    restarts: int = 0


def processes(layout: Layout) -> list[ProcessHealth]:
    """Every process that the supervisor keeps, asked one by one; nothing when there is no supervisor's record."""
    state = read_state(layout)
    return [_health(layout, child) for child in state.children] if state else []


def _health(layout: Layout, child: ChildState) -> ProcessHealth:
    if child.state != "running":
        detail = f"ended with {child.exit_code}, again at {child.again_at[11:19]}" if child.state == "waiting" else ""
        return ProcessHealth(child.name, 0, "", child.state, detail, child.restarts)
    if child.name == "nats":
        return ProcessHealth(child.name, child.pid, _bus_address(layout), "ready", "", child.restarts)
    found = announcement(layout.announcement(child.name))
    if found is None or found.pid != child.pid:
        return ProcessHealth(child.name, child.pid, "", "starting", "", child.restarts)
    health, detail = _asked(found.address)
    return ProcessHealth(child.name, child.pid, found.address, health, detail, child.restarts)


def _bus_address(layout: Layout) -> str:
    ports = json.loads((layout.directory / "ports.json").read_bytes())
    return f"nats://127.0.0.1:{ports['nats']}"


def _asked(address: str) -> tuple[str, str]:
    """(health, why) from `/readyz`."""
    try:
        with urlopen(f"{address}/readyz", timeout=_ANSWER_LIMIT_S):
            return "ready", ""
    except HTTPError as error:
        return "starting", error.read(500).decode(errors="replace").strip()
    except (URLError, OSError) as error:
        return "unreachable", str(getattr(error, "reason", error))


def wait_ready(layout: Layout, hub: Hub, clusters: Sequence[str], deadline: Deadline, waiting: Waiting) -> None:
    """Until every process is ready and the hub calls every cluster Ready. Raises `Terminal` with what is wrong."""
    missing: list[str] = ["everything"]
    while True:
        missing = _missing_processes(layout) or _missing_clusters(hub, clusters)
        if not missing:
            return
        if deadline.passed:
            raise Terminal(f"not ready after {deadline.limit_s:g} s: {', '.join(missing)}{_last_errors(layout)}; logs are in {layout.logs}")
        waiting.show(f"waiting for {', '.join(missing)}", deadline.spent_s)
        deadline.pause(_LOOK_EVERY_S)


def _missing_processes(layout: Layout) -> list[str]:
    state = read_state(layout)
    if state is None:
        return ["supervisor"]
    for child in state.children:
        if child.state == "waiting" and child.exit_code in _GIVE_UP_CODES:
            raise Terminal(f"{child.name} does not start: {last_error(layout, child.name)}")
    return [child.name for child in state.children if _health(layout, child).health != "ready"]


def _missing_clusters(hub: Hub, wanted: Sequence[str]) -> list[str]:
    try:
        found: list[dict[str, Any]] = hub.get("/api/clusters")
    except ShoalError as error:
        return [f"the hub ({error})"]
    ready = {cluster["name"] for cluster in found if cluster.get("ready")}
    return [f"cluster {name}" for name in wanted if name not in ready]


def _last_errors(layout: Layout) -> str:
    state = read_state(layout)
    bad = [child.name for child in (state.children if state else ()) if _health(layout, child).health != "ready"]
    return "".join(f"\n  {name}: {last_error(layout, name)}" for name in bad)


def last_error(layout: Layout, child: str) -> str:
    """The last trouble that a process tells of in its log, in one sentence; else its last line."""
    try:
        lines = layout.log(child).read_bytes()[-64_000:].decode(errors="replace").splitlines()
    except OSError:
        return "it wrote no log"
    for line in reversed(lines):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        # What libraries complain of (`logger`) follows from what our own lines say.
        if isinstance(entry, dict) and entry.get("level") in ("error", "warning") and "logger" not in entry:
            raised = str(entry.get("exception", "")).strip().splitlines()
            return ": ".join(filter(None, (entry.get("event"), entry.get("message"), entry.get("cause"), raised[-1] if raised else "")))
    return lines[-1] if lines else "it wrote nothing"
