"""Quantities are exact thousandths."""

from __future__ import annotations

import pytest

from shoal.api.quantity import milli


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("0", 0, id="zero"),
        pytest.param("500m", 500, id="milli"),
        pytest.param("2", 2000, id="whole"),
        pytest.param("0.1", 100, id="decimal"),
        pytest.param(".5", 500, id="bare-point"),
        pytest.param("1Gi", 1024**3 * 1000, id="binary"),
        pytest.param("1G", 10**12, id="decimal-suffix"),
        pytest.param("2e3", 2_000_000, id="exponent"),
        pytest.param("1u", 1, id="below-a-thousandth-is-rounded-up"),
        pytest.param("9E", 9 * 10**21, id="huge"),
    ],
)
def test_milli(text, expected):
    assert milli(text) == expected


@pytest.mark.parametrize("text", ["", "m", "1 Gi", "1gi", "1e", "0x10", "--1", "1" * 65, "1e9999999", "1e-9999999", "1e99999"])
def test_no_quantity(text):
    with pytest.raises(ValueError, match="is no quantity"):
        milli(text)
