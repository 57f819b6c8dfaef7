"""The list of features is true: what it calls tested has a test that carries its id, and every id is told once."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = {id_: row for section in tomllib.loads((ROOT / "docs/features.toml").read_text()).values() for id_, row in section.items()}
SPANS = {"B": 33, "C": 19, "D": 15, "E": 11, "G": 16, "K": 7, "W": 4, "AA": 24, "KA": 15, "GX": 26}
"""How many rows there are of each letter."""


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_has_a_test_is_called_tested_and_nothing_else(generate: ModuleType) -> None:
    marks = generate.spec_marks()
    assert {id_ for id_, (_, _, state) in ROWS.items() if state == "tested"} == ROWS.keys() & marks.keys()


def test_no_row_is_left_out() -> None:
    wanted = {f"{letter}{number:02}" for letter, last in SPANS.items() for number in range(1, last + 1)} | {"Q01", "Q06"}
    assert wanted - ROWS.keys() == set()


def test_rows_are_well_formed(generate: ModuleType) -> None:
    for id_, (priority, title, state) in ROWS.items():
        assert re.fullmatch(r"[A-Z]{1,2}\d\d", id_)
        assert priority in {"P0", "P1", "P2", ""}, id_
        assert title[0].isupper(), id_
        assert not title.endswith("."), id_
        assert state in generate.STATES, id_
