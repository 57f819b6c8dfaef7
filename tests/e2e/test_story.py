"""The demo itself, and a short kill loop: what people see first, and what nobody should ever see."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from support.machine import ROOT

STEPS = (
    "6 clusters ready",
    ": ready",
    "traced through every process",
    "refused: InvalidManifest",
    "ready elsewhere",
    "nothing runs twice",
    "ready in m7",
    "Done",
)


def run(*command: str, limit_s: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=limit_s, check=False)


def test_the_demo_tells_its_story_and_leaves_nothing_running(tmp_path: Path) -> None:
    result = run("examples/demo.py", "--state", str(tmp_path / "state"), limit_s=120)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr
    told = [result.stdout.find(step) for step in STEPS]
    assert told == sorted(told), dict(zip(STEPS, told, strict=True))
    assert -1 not in told
    seconds = re.search(r"ready elsewhere ([\d.]+) s after the kill", result.stdout)
    assert seconds is not None
    assert float(seconds[1]) < 30, "a lost cluster's workloads move in seconds"
    left = [p for p in Path("/proc").glob("[0-9]*/cmdline") if str(tmp_path).encode() in _read(p)]
    assert left == []


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # It ended meanwhile.


def test_a_few_kills_lose_nothing() -> None:
    result = run("tests/chaos/kill_loop.py", "--rounds", "6", "--seed", "4", limit_s=240)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr
    assert "lost accepted deploys 0; duplicates 0" in result.stdout
