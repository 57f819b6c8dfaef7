from __future__ import annotations

import json
from pathlib import Path

import pytest

from shoal.cli.readiness import last_error
from shoal.runtime.plan import Layout

ERROR = json.dumps({"level": "error", "event": "cannot start", "message": "the bus is of another kind"})
WAITS = json.dumps({"level": "warning", "event": "start waits", "message": "no answer"})
INFO = json.dumps({"level": "info", "event": "service started"})
FOREIGN = json.dumps({"level": "error", "event": "Unclosed client session", "logger": "asyncio"})
CRASH = json.dumps({"level": "error", "event": "process crashed", "message": "", "exception": "Traceback\n  File\nKeyError: 'x'"})


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        pytest.param([INFO, ERROR], "cannot start: the bus is of another kind", id="error"),
        pytest.param([ERROR, WAITS, INFO], "start waits: no answer", id="the-latest-trouble"),
        pytest.param([WAITS, FOREIGN], "start waits: no answer", id="ours-before-a-library's"),
        pytest.param([CRASH], "process crashed: KeyError: 'x'", id="crash"),
        pytest.param(["Segmentation fault"], "Segmentation fault", id="no-json"),
        pytest.param(["[1, 2]", "null", "last"], "last", id="other-json"),
        pytest.param([], "it wrote nothing", id="empty"),
        pytest.param(None, "it wrote no log", id="no-log"),
    ],
)
def test_last_error(tmp_path: Path, lines: list[str] | None, sentence: str) -> None:
    layout = Layout(tmp_path)
    layout.logs.mkdir()
    if lines is not None:
        layout.log("scheduler").write_text("\n".join(lines))
    assert last_error(layout, "scheduler") == sentence
