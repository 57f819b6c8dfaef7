"""One hub with three members for a whole file of tests: starting it costs seconds, and a user does not start it for each command either."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.machine import Machine, machine

MEMBERS = "m1:alpha/eu/eu-a,m2:alpha/eu/eu-b,m3:beta/us/us-a"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    state: Path = tmp_path_factory.mktemp("hub") / "state"
    with machine(state, "--members", MEMBERS, "--member-restart", "2") as it:
        yield it
