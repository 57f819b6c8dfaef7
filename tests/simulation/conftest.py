"""Seeds: `--seeds N` of them, or the one of `--seed`; the ones that failed once are in seeds.txt and always run."""

from __future__ import annotations

from pathlib import Path

import pytest

KNOWN = Path(__file__).with_name("seeds.txt")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seeds", type=int, default=60, help="how many seeds the simulation runs")
    parser.addoption("--seed", type=int, default=None, help="run only this seed")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        only = metafunc.config.getoption("--seed")
        failed = [int(line.split("#")[0]) for line in KNOWN.read_text().splitlines() if line.split("#")[0].strip()]
        metafunc.parametrize("seed", [only] if only is not None else [*failed, *range(metafunc.config.getoption("--seeds"))])
