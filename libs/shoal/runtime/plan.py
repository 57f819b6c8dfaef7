"""What a supervisor is told (`plan.json`), what it says of its children (`supervisor.json`), where things lie below a state directory."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from shoal.runtime.files import write_whole
from shoal.runtime.processes import Process


class Layout:
    """The files of one machine's hub below its state directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.run = self.directory / "run"
        self.logs = self.directory / "logs"
        self.members = self.directory / "members"
        self.plan = self.run / "plan.json"
        self.supervisor = self.run / "supervisor.json"
        self.lock = self.run / "lock"
        self.hub = self.run / "hub.json"
        self.kubeconfig = self.directory / "hub.kubeconfig"

    def log(self, child: str) -> Path:
        return self.logs / f"{child}.log"

    def announcement(self, child: str) -> Path:
        """Where that process says where it listens (`health.Announcement`)."""
        return self.run / f"{child}.json"

    def member_kubeconfig(self, member: str) -> Path:
        return self.members / f"{member}.kubeconfig"


class ChildSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One process to keep running."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str] = {}
    """Beside the supervisor's own environment without its `SHOAL_*`."""
    restart_after_s: float = 0.2
    """Wait before the first restart; doubles with each further one within a minute."""
    restart_max_s: float = 10.0
    stop_limit_s: float = 12.0
    """From SIGTERM to SIGKILL; above the process's own limit."""
    stop_phase: int = 0
    """Children of a lower phase are stopped first: the bus goes last."""

    @property
    def digest(self) -> str:
        """Tells whether a running child is the one that is wanted."""
        return hashlib.sha256(msgspec.json.encode((self.command, sorted(self.environment.items())))).hexdigest()[:16]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    children: tuple[ChildSpec, ...] = ()


class ChildState(msgspec.Struct, frozen=True, kw_only=True):
    """One child as the supervisor sees it."""

    name: str
    state: str
    """`running`, `waiting` (ended; starts again at `again_at`), `stopped` (on request)."""
    pid: int = 0
    started: str = ""
    """Identity of the process beside its pid."""
    digest: str = ""
    since: str = ""
    """RFC 3339 of the last change of state."""
    again_at: str = ""
    restarts: int = 0
    exit_code: int | None = None
    """Of its last life; negative for a signal."""
    stop_phase: int = 0

    @property
    def process(self) -> Process | None:
        return Process(self.pid, self.started) if self.pid else None


class SupervisorState(msgspec.Struct, frozen=True, kw_only=True):
    """Written whenever something changed; enough to stop everything without the supervisor."""

    pid: int
    started: str
    port: int
    """Of its control server on loopback."""
    secret: str
    """Shown by whoever asks it for something; the file is readable by its owner only."""
    children: tuple[ChildState, ...] = ()

    @property
    def process(self) -> Process:
        return Process(self.pid, self.started)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One line to the control server. `action`: start, stop, kill (SIGKILL; it restarts by itself), plan (read `plan.json` again)."""

    secret: str
    action: str
    name: str = ""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    done: bool
    message: str = ""


def read_plan(layout: Layout) -> Plan:
    """The plan; an empty one when there is none. Raises msgspec.DecodeError when it is damaged."""
    return msgspec.json.decode(layout.plan.read_bytes(), type=Plan) if layout.plan.exists() else Plan()


def write_plan(layout: Layout, plan: Plan) -> None:
    write_whole(layout.plan, msgspec.json.format(msgspec.json.encode(plan)))


def read_state(layout: Layout) -> SupervisorState | None:
    """What the last supervisor wrote, dead or alive; None when there is nothing usable."""
    try:
        return msgspec.json.decode(layout.supervisor.read_bytes(), type=SupervisorState)
    except (OSError, msgspec.DecodeError):
        return None
