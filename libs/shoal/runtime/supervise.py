"""Keeps the processes of one machine's hub running: `python -m shoal.runtime.supervise DIR`, started by `shoal up`.

Ten times a second it looks at every child and does what is due: notice an end, restart after a back-off, rotate a log. A child outlives a
killed supervisor; the next one finds it by the record or by its mark and adopts it, or replaces it when another command is wanted.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import IO

import msgspec

from shoal.api.clock import Clock
from shoal.api.errors import AlreadyInUse
from shoal.runtime import logs, processes
from shoal.runtime.clock import SystemClock
from shoal.runtime.files import write_whole
from shoal.runtime.plan import ChildSpec, ChildState, Layout, Plan, Reply, Request, SupervisorState, read_plan, read_state
from shoal.runtime.processes import Process

import structlog  # isort: skip  # After `logs`, which says why.

log = structlog.get_logger()

LOOK_EVERY_S = 0.1
"""A killed process is noticed that fast; eleven looks cost about 0.1 ms."""
STEADY_AFTER_S = 60.0
"""A child that lived this long starts again with the shortest back-off."""
LOG_BYTES_MAX = 10_000_000
"""A log is moved to `.1` beyond it, so that a machine's hub keeps at most twice that per process."""
ROTATE_EVERY_S = 5.0

Launch = Callable[[ChildSpec], "Running"]


class Running:
    """A living process of a child: our own, or an adopted one whose exit code nobody can read."""

    def __init__(self, process: Process, own: subprocess.Popen[bytes] | None = None) -> None:
        self.process, self._own = process, own

    def gone(self) -> bool:
        """True when it has ended; collects our own child's remains."""
        return self._own.poll() is not None if self._own else not processes.alive(self.process)

    @property
    def exit_code(self) -> int | None:
        return self._own.returncode if self._own else None


class Child:
    """One child over all its lives. Pure of input and output but for `launch`, so that its back-off is tested without processes."""

    def __init__(self, spec: ChildSpec, running: Running | None, clock: Clock) -> None:
        self.spec, self.running, self._clock = spec, running, clock
        self.wanted = True
        self.restarts = 0
        self._exit_code: int | None = None
        self._due, self._delay = clock.monotonic(), spec.restart_after_s
        self._born = clock.monotonic()
        self._kill_at: float | None = None
        self._since = clock.now()

    def step(self, launch: Launch) -> bool:
        """Does what is due. True when something changed."""
        now = self._clock.monotonic()
        if self.running is not None:
            if self.running.gone():
                self._ended(now)
                return True
            if self._kill_at is not None and now >= self._kill_at:
                processes.send(self.running.process, signal.SIGKILL)
                self._kill_at = None
            return False
        if not self.wanted or now < self._due:
            return False
        self._born, self._since = now, self._clock.now()
        try:
            self.running = launch(self.spec)
        except OSError as error:
            log.error("child cannot be started", child=self.spec.name, command=self.spec.command[0], error=str(error))
            self._ended(now)
        return True

    def _ended(self, now: float) -> None:
        self._exit_code = self.running.exit_code if self.running else None
        self.running, self._kill_at, self._since = None, None, self._clock.now()
        if now - self._born >= STEADY_AFTER_S:
            self._delay = self.spec.restart_after_s
        self._due = now + self._delay
        self._delay = min(self._delay * 2, max(self.spec.restart_max_s, self.spec.restart_after_s))
        if self.wanted:
            self.restarts += 1
            log.warning("child ended", child=self.spec.name, exit_code=self._exit_code, again_in_s=round(self._due - now, 1))

    def stop(self) -> None:
        """Ends it and keeps it ended."""
        self.wanted = False
        if self.running is not None:
            processes.send(self.running.process, signal.SIGTERM)
            self._kill_at = self._clock.monotonic() + self.spec.stop_limit_s

    def start(self) -> None:
        """Starts it with the next look, whatever the back-off says."""
        self.wanted = True
        self._due, self._delay = self._clock.monotonic(), self.spec.restart_after_s

    def kill(self) -> None:
        """SIGKILL, as a fault would do it; it starts again by itself after its back-off."""
        if self.running is not None:
            processes.send(self.running.process, signal.SIGKILL)

    def replace(self, spec: ChildSpec) -> None:
        """Wants another command from now on; a running one is ended and started anew."""
        changed = spec.digest != self.spec.digest
        self.spec = spec
        if changed and self.running is not None:
            processes.end([self.running.process], limit_s=spec.stop_limit_s)
            self.running = None
        self.start()

    def state(self) -> ChildState:
        waiting = self.wanted and self.running is None
        again = self._clock.now() + timedelta(seconds=self._due - self._clock.monotonic())
        process = self.running.process if self.running else Process(0, "")
        return ChildState(
            name=self.spec.name,
            state="running" if self.running else "waiting" if waiting else "stopped",
            pid=process.pid,
            started=process.started,
            digest=self.spec.digest,
            since=self._since.isoformat(timespec="milliseconds"),
            again_at=again.isoformat(timespec="milliseconds") if waiting else "",
            restarts=self.restarts,
            exit_code=self._exit_code,
            stop_phase=self.spec.stop_phase,
        )


class Supervisor:
    """All children of one directory, and whoever asks for something."""

    def __init__(self, layout: Layout, clock: Clock) -> None:
        self._layout, self._clock = layout, clock
        self._children: dict[str, Child] = {}
        self._secret = secrets.token_hex(16)
        self._port = 0
        self._asked_to_leave = asyncio.Event()
        self._lock: IO[str] | None = None

    def take_lock(self) -> None:
        """Raises `AlreadyInUse` when another supervisor has this directory."""
        self._layout.run.mkdir(parents=True, exist_ok=True)
        self._lock = self._layout.lock.open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise AlreadyInUse(f"{self._layout.directory} is supervised already; `shoal down` ends that") from error

    async def run(self) -> None:
        """Until SIGTERM or SIGINT; then stops every child, the bus last."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._asked_to_leave.set)
        self._adopt(read_plan(self._layout))
        self._look()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        self._save()
        rotated = self._clock.monotonic()
        while not self._asked_to_leave.is_set():
            if self._look():
                self._save()
            if self._clock.monotonic() - rotated >= ROTATE_EVERY_S:
                rotated = self._clock.monotonic()
                rotate(self._layout.logs)
            await self._clock.sleep(LOOK_EVERY_S)
        server.close()
        await self._stop_all()
        self._layout.supervisor.unlink(missing_ok=True)

    def _look(self) -> bool:
        changed = [child.step(self._launch) for child in self._children.values()]  # A list: every child has its turn.
        return any(changed)

    def _adopt(self, plan: Plan) -> None:
        """Takes over children of a supervisor that died; ends those that nobody wants or that run another command."""
        specs = {spec.name: spec for spec in plan.children}
        found: dict[str, Process] = {}
        foreign: list[Process] = []
        for name, digest, process in survivors(self._layout):
            if name in specs and specs[name].digest == digest and name not in found:
                found[name] = process
            else:
                foreign.append(process)
        processes.end(foreign, limit_s=max([12.0, *(spec.stop_limit_s for spec in plan.children)]))
        for name, spec in specs.items():
            adopted = found.get(name)
            self._children[name] = Child(spec, Running(adopted) if adopted else None, self._clock)
            if adopted:
                log.info("child adopted", child=name, pid=adopted.pid)

    def _launch(self, spec: ChildSpec) -> Running:
        self._layout.logs.mkdir(parents=True, exist_ok=True)
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("SHOAL_")}
        environment = inherited | spec.environment | {processes.MARK: processes.mark(self._layout.directory, spec.name, spec.digest)}
        with self._layout.log(spec.name).open("ab") as out:
            own = subprocess.Popen(
                spec.command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
            )
        process = processes.identify(own.pid) or Process(own.pid, "")
        log.info("child started", child=spec.name, pid=own.pid)
        return Running(process, own)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = msgspec.json.decode(await asyncio.wait_for(reader.readline(), 5.0), type=Request)
            writer.write(msgspec.json.encode(self._obey(request)) + b"\n")
            await writer.drain()
        except (TimeoutError, ValueError, ConnectionError, msgspec.DecodeError) as error:
            log.warning("control request dropped", error=repr(error))
        finally:
            writer.close()

    def _obey(self, request: Request) -> Reply:
        if not secrets.compare_digest(request.secret, self._secret):
            return Reply(done=False, message="wrong secret")
        if request.action == "plan":
            self._follow(read_plan(self._layout))
        else:
            child = self._children.get(request.name)
            if child is None:
                return Reply(done=False, message=f"no process {request.name}; there are: {', '.join(sorted(self._children))}")
            action = {"start": child.start, "stop": child.stop, "kill": child.kill}.get(request.action)
            if action is None:
                return Reply(done=False, message=f"unknown action {request.action}")
            action()
        log.info("control request", action=request.action, child=request.name)
        self._look()
        self._save()
        return Reply(done=True)

    def _follow(self, plan: Plan) -> None:
        for name in self._children.keys() - {spec.name for spec in plan.children}:
            self._children[name].stop()
        for spec in plan.children:
            if spec.name in self._children:
                self._children[spec.name].replace(spec)
            else:
                self._children[spec.name] = Child(spec, None, self._clock)

    async def _stop_all(self) -> None:
        for phase in sorted({child.spec.stop_phase for child in self._children.values()}):
            children = [child for child in self._children.values() if child.spec.stop_phase == phase]
            for child in children:
                child.stop()
            while any(child.running for child in children):
                self._look()
                await self._clock.sleep(LOOK_EVERY_S / 2)
        log.info("all children stopped")

    def _save(self) -> None:
        me = processes.identify(os.getpid())
        assert me is not None
        state = SupervisorState(
            pid=me.pid,
            started=me.started,
            port=self._port,
            secret=self._secret,
            children=tuple(child.state() for child in self._children.values()),
        )
        write_whole(self._layout.supervisor, msgspec.json.encode(state))


def survivors(layout: Layout) -> list[tuple[str, str, Process]]:
    """(child, digest, process) of every child of this directory that lives, from the record and from the marks."""
    state = read_state(layout)
    recorded = [(child.name, child.digest, child.process) for child in (state.children if state else ()) if child.process]
    found = {process: (name, digest, process) for name, digest, process in recorded if process and processes.alive(process)}
    found |= {process: (name, digest, process) for name, digest, process in processes.marked(layout.directory)}
    return list(found.values())


def rotate(directory: Path) -> None:
    """Copies a log that grew too large to `.1` and empties it: its writer holds it open and appends."""
    for path in directory.glob("*.log"):
        if path.stat().st_size > LOG_BYTES_MAX:
            content = path.read_bytes()
            path.with_suffix(".log.1").write_bytes(content)
            os.truncate(path, 0)


def main() -> None:
    """Entry of `python -m shoal.runtime.supervise DIR`. Exit codes: 0 stopped, 3 the directory has a supervisor already."""
    clock = SystemClock()
    logs.configure("supervisor", level="info", form="auto", clock=clock)
    supervisor = Supervisor(Layout(Path(sys.argv[1])), clock)
    try:
        supervisor.take_lock()
    except AlreadyInUse as error:
        log.error("cannot start", message=str(error))
        sys.exit(3)
    asyncio.run(supervisor.run())


if __name__ == "__main__":
    main()
