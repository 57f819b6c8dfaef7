from __future__ import annotations

import pytest

from shoal.domain.health import Listening, hold, listen


@pytest.mark.parametrize(
    ("previous", "at", "able", "expected"),
    [
        pytest.param(None, 10.0, True, Listening(since=10.0, last=10.0), id="begins"),
        pytest.param(Listening(since=1.0, last=9.0), 10.0, True, Listening(since=1.0, last=10.0), id="goes-on"),
        pytest.param(Listening(since=1.0, last=8.0), 10.0, True, Listening(since=1.0, last=10.0), id="a-gap-of-one-beat"),
        pytest.param(Listening(since=1.0, last=7.9), 10.0, True, Listening(since=10.0, last=10.0), id="a-stall-begins-anew"),
        pytest.param(Listening(since=1.0, last=9.0), 10.0, False, None, id="cut-off"),
        pytest.param(Listening(since=1.0, last=11.0), 10.0, True, Listening(since=10.0, last=10.0), id="another-clock"),
    ],
)
def test_listen(previous, at, able, expected):
    assert listen(previous, at, able=able, beat_s=2.0) == expected


@pytest.mark.parametrize(
    ("silent", "total", "expected"),
    [
        pytest.param(1, 1, False, id="the-only-one"),
        pytest.param(1, 2, False, id="one-of-two"),
        pytest.param(2, 6, True, id="a-third"),
        pytest.param(3, 10, False, id="30-percent"),
        pytest.param(4, 10, True, id="40-percent"),
        pytest.param(30, 100, False, id="30-of-100"),
        pytest.param(31, 100, True, id="31-of-100"),
        pytest.param(0, 0, False, id="nobody"),
    ],
)
def test_hold(silent, total, expected):
    assert hold(silent, total) is expected
