"""Positions of the projection."""

import pytest

from shoal_gateway.project import positions_of


@pytest.mark.parametrize(
    ("header", "positions"),
    [
        pytest.param("STATE=12 WORK=3 REPORT=7", {"STATE": 12, "WORK": 3, "REPORT": 7}, id="whole"),
        pytest.param("", {}, id="missing"),
        pytest.param("STATE=x WORK", {}, id="garbled"),
    ],
)
def test_positions(header: str, positions: dict[str, int]) -> None:
    assert positions_of(header) == positions
