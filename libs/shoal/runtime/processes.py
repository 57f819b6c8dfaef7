"""Processes of this machine, named so that a reused pid is never mistaken for an old one: by pid and start time.

A child of the supervisor leads its own process group and carries a mark in its environment (`SHOAL_SUPERVISED`), so that it is found again
even when the supervisor was killed before it could write it down.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from shoal.runtime.clock import Deadline

MARK = "SHOAL_SUPERVISED"
"""`<directory>\\t<child>\\t<digest of its command>`: whose child a process is."""
_PROC = Path("/proc")
_POLL_S = 0.05


class Process(NamedTuple):
    """One life of one process."""

    pid: int
    started: str
    """Start time in the system's own words; only compared."""


def identify(pid: int) -> Process | None:
    """The process that has this pid now; None when there is none, or only its remains (a zombie)."""
    if not _PROC.is_dir():
        return _identify_by_ps(pid)
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else Process(pid, f"{_boot()}/{fields[19]}")


def _boot() -> str:
    """Tells one boot of the machine from the next: start times count from it."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _identify_by_ps(pid: int) -> Process | None:
    found = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout.split(None, 1)
    return None if len(found) < 2 or found[0].startswith("Z") else Process(pid, found[1].strip())


def alive(process: Process) -> bool:
    """True while exactly this process lives."""
    return identify(process.pid) == process


def mark(directory: Path, child: str, digest: str) -> str:
    """The mark of a child, for its environment."""
    return f"{directory.resolve()}\t{child}\t{digest}"


def marked(directory: Path) -> Iterator[tuple[str, str, Process]]:
    """(child, digest, process) of every child of this directory that lives; nothing where the system has no `/proc`."""
    wanted = f"{MARK}={directory.resolve()}\t".encode()
    for place in _PROC.glob("[0-9]*/environ"):
        try:
            content = place.read_bytes()
        except OSError:
            continue  # Gone by now, or another user's.
        for entry in content.split(b"\0"):
            if entry.startswith(wanted):
                process = identify(int(place.parent.name))
                if process is not None and _leads(process.pid):
                    child, _, digest = entry[len(wanted) :].decode().partition("\t")
                    yield child, digest, process


def _leads(pid: int) -> bool:
    """True for the first process of its group: what a child starts inherits its mark."""
    try:
        return os.getpgid(pid) == pid
    except ProcessLookupError:
        return False


def send(process: Process, number: signal.Signals) -> None:
    """Signals the group that this process leads; nothing when it is gone."""
    if not alive(process):
        return
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def end(processes: Iterable[Process], *, limit_s: float) -> list[Process]:
    """SIGTERM to all, SIGKILL to those that still live after the limit. Blocks; returns those that had to be killed."""
    waiting = [process for process in processes if alive(process)]
    for process in waiting:
        send(process, signal.SIGTERM)
    waiting = wait_gone(waiting, limit_s=limit_s)
    for process in waiting:
        send(process, signal.SIGKILL)
    wait_gone(waiting, limit_s=limit_s)
    return waiting


def wait_gone(processes: Iterable[Process], *, limit_s: float) -> list[Process]:
    """Blocks until none of them lives or the limit is over; returns those that still live."""
    deadline = Deadline(limit_s)
    waiting = [process for process in processes if alive(process)]
    while waiting and not deadline.passed:
        deadline.pause(_POLL_S)
        waiting = [process for process in waiting if alive(process)]
    return waiting
