"""What a process writes to its log: one JSON object per line, or coloured lines; foreign warnings come through the same door."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

PROGRAM = """
import logging, sys
from shoal.runtime import logs
from shoal.runtime.clock import SystemClock
import structlog
logs.configure("scheduler", level=sys.argv[1], form=sys.argv[2], clock=SystemClock())
log = structlog.get_logger()
log.debug("not needed")
log.info("binding scheduled", binding="apps/Deployment/a/b", clusters=2, ref=("a", "b"), other=object)
logging.getLogger("foreign").info("chatter")
logging.getLogger("foreign").warning("reconnecting to %s", "x")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("process crashed")
print("rich" in sys.modules)
"""


def run(level: str, form: str) -> tuple[list[str], str]:
    ended = subprocess.run([sys.executable, "-c", PROGRAM, level, form], capture_output=True, text=True, check=True)
    return ended.stderr.splitlines(), ended.stdout.strip()


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in run("info", "json")[0]]


def test_a_line_begins_with_what_one_looks_for(lines: list[dict[str, Any]]) -> None:
    assert list(lines[0])[:3] == ["time", "level", "event"]
    assert {key: lines[0][key] for key in ("level", "event", "service", "binding", "clusters", "ref")} == {
        "level": "info", "event": "binding scheduled", "service": "scheduler", "binding": "apps/Deployment/a/b", "clusters": 2, "ref": ["a", "b"],
    }  # fmt: skip


def test_what_has_no_json_is_shown_all_the_same(lines: list[dict[str, Any]]) -> None:
    assert lines[0]["other"] == "<class 'object'>"


def test_foreign_warnings_come_too_and_their_chatter_does_not(lines: list[dict[str, Any]]) -> None:
    assert [(line["event"], line["level"]) for line in lines if line.get("logger") == "foreign"] == [("reconnecting to x", "warning")]


def test_an_error_comes_with_its_trace(lines: list[dict[str, Any]]) -> None:
    assert lines[-1]["event"] == "process crashed"
    assert "ZeroDivisionError: division by zero" in lines[-1]["exception"]


@pytest.mark.parametrize(("level", "count"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_level(level: str, count: int) -> None:
    assert len(run(level, "json")[0]) == count


def test_auto_is_json_when_nobody_looks() -> None:
    assert json.loads(run("info", "auto")[0][0])["event"] == "binding scheduled"


@pytest.mark.parametrize("form", ["json", "console"])
def test_logging_loads_no_rich(form: str) -> None:
    lines, rich = run("info", form)
    assert "binding scheduled" in lines[0]
    assert rich == "False"
