"""A hub and its members as real processes on this machine, driven the way a user drives them: the CLI, kubectl, signals."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from shoal.api.errors import Retryable
from shoal.cli.client import Hub

TOOLS = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parents[2]


class Machine:
    """One `shoal up` in a directory of its own."""

    def __init__(self, state: Path, **environment: str) -> None:
        self.state = state
        kept = {key: value for key, value in os.environ.items() if not key.startswith("SHOAL_")}
        self.environment = {**kept, "PATH": f"{TOOLS}:{os.environ['PATH']}", **environment}

    def shoal(self, *arguments: str, code: int | None = 0, stdin: str = "", timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        """Runs one command; `code` is the exit code it must have, None for any."""
        result = subprocess.run(
            [str(TOOLS / "shoal"), *arguments, "--state", str(self.state)],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env=self.environment,
            cwd=ROOT,
            check=False,
        )
        if code is not None and result.returncode != code:
            raise AssertionError(
                f"shoal {' '.join(arguments)} exited {result.returncode}\n{result.stdout}\n{result.stderr}\n{self.tails()}"
            )
        return result

    def up(self, *arguments: str) -> str:
        return self.shoal("up", *arguments).stdout

    def down(self) -> None:
        self.shoal("down", code=None)

    @property
    def hub(self) -> Hub:
        access = json.loads((self.state / "run" / "hub.json").read_text())
        return Hub(access["url"], access.get("token", ""))

    def kubectl(self, *arguments: str, member: str = "", stdin: str = "", code: int | None = 0, timeout_s: float = 60) -> str:
        """The hub's API, or a member's own."""
        config = self.state / "members" / f"{member}.kubeconfig" if member else self.state / "hub.kubeconfig"
        result = subprocess.run(
            [str(TOOLS / "kubectl"), "--kubeconfig", str(config), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env=self.environment,
            cwd=ROOT,
            check=False,
        )
        if code is not None and result.returncode != code:
            raise AssertionError(f"kubectl {' '.join(arguments)} exited {result.returncode}\n{result.stdout}\n{result.stderr}")
        return result.stdout if result.returncode == 0 else result.stdout + result.stderr

    def objects(self, member: str, kind: str, namespace: str = "") -> dict[str, dict[str, Any]]:
        """Name -> object, as the member has it."""
        scope = ["-n", namespace] if namespace else ["-A"]
        found = json.loads(self.kubectl("get", kind, *scope, "-o", "json", member=member))
        return {item["metadata"]["name"]: item for item in found["items"]}

    def deploy(self, event: dict[str, Any], *, limit_s: float = 30) -> dict[str, Any]:
        """Sends one deploy event until it is answered; the same id may be sent again."""
        from shoal.cli.client import HubRefused, HubUnreachable

        deadline = time.monotonic() + limit_s
        while True:
            try:
                answer: dict[str, Any] = self.hub.post("/deploy", json.dumps(event).encode())
            except HubRefused as error:
                return {"accepted": False, **error.body}
            except (HubUnreachable, FileNotFoundError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return answer

    def processes(self) -> dict[str, int]:
        """Name -> pid of everything that runs."""
        shown = json.loads(self.shoal("status", "-o", "json", code=None).stdout)
        return {process["name"]: process["pid"] for process in shown["processes"] if process.get("pid")}

    def kill(self, name: str) -> int:
        """SIGKILL; the pid that was killed."""
        pid = self.processes()[name]
        os.kill(pid, signal.SIGKILL)
        return pid

    def tails(self, lines: int = 15) -> str:
        """The end of every log, for a failure's message."""
        parts = []
        for log in sorted((self.state / "logs").glob("*.log")):
            parts.append(f"--- {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-lines:]))
        return "\n".join(parts)


@contextlib.contextmanager
def machine(state: Path, *arguments: str, **environment: str) -> Iterator[Machine]:
    """Up, and down again whatever happens."""
    it = Machine(state, **environment)
    try:
        it.up(*arguments)
        yield it
    finally:
        it.down()


def eventually(check: Callable[[], Any], *, limit_s: float, what: str, pause_s: float = 0.1) -> Any:
    """Waits for a condition with a limit; the value of `check` once it is true."""
    deadline = time.monotonic() + limit_s
    last: Any = None
    while time.monotonic() < deadline:
        try:
            last = check()
        except (AssertionError, KeyError, OSError, ValueError, Retryable) as error:
            last = repr(error)
        else:
            if last:
                return last
        time.sleep(pause_s)
    raise AssertionError(f"not within {limit_s:g} s: {what}; last seen: {last}")
