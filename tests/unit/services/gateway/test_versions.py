"""The order of versions."""

import pytest

from shoal_gateway.versions import Order, compare


@pytest.mark.parametrize(
    ("live", "wanted", "order"),
    [
        pytest.param("1.2.3", "1.2.3", Order.SAME, id="same"),
        pytest.param("1.2", "v1.2.0", Order.SAME, id="same-release-written-otherwise"),
        pytest.param("1.9", "1.10", Order.NEWER, id="numbers-not-text"),
        pytest.param("1.10", "1.9", Order.OLDER, id="older"),
        pytest.param("41", "42", Order.NEWER, id="run-number"),
        pytest.param("2026.11.24", "2026.11.3", Order.OLDER, id="date"),
        pytest.param("1.0.0-rc.1", "1.0.0", Order.NEWER, id="release-after-candidate"),
        pytest.param("1.0.0-rc.10", "1.0.0-rc.9", Order.OLDER, id="candidates-by-number"),
        pytest.param("1.0.0-alpha", "1.0.0-alpha.1", Order.NEWER, id="more-parts"),
        pytest.param("1.0.0-alpha", "1.0.0-1", Order.OLDER, id="numbers-below-words"),
        pytest.param("1.0.0+a", "1.0.0+b", Order.SAME, id="build-does-not-count"),
        pytest.param("abc", "abd", Order.UNKNOWN, id="words"),
        pytest.param("3f2a91c", "1.0", Order.UNKNOWN, id="commit"),
        pytest.param("", "1.0", Order.UNKNOWN, id="none-before"),
        pytest.param("abc", "abc", Order.SAME, id="same-word"),
    ],
)
def test_compare(live: str, wanted: str, order: Order) -> None:
    assert compare(live, wanted) == order
