from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.api.webster import descending, webster


@pytest.mark.spec("R4.4")
@pytest.mark.parametrize(
    ("total", "weights", "uid", "expected"),
    [
        pytest.param(9, {"A": 1, "B": 2}, "", {"A": 3, "B": 6}, id="4-a-1"),
        pytest.param(9, {"A": 1, "B": 3}, "", {"A": 2, "B": 7}, id="4-a-2"),
        pytest.param(7, {"A": 5, "B": 3, "C": 1}, "", {"A": 4, "B": 2, "C": 1}, id="4-a-3"),
        pytest.param(5, {"A": 4, "B": 4, "C": 1}, "", {"A": 2, "B": 2, "C": 1}, id="4-a-4"),
        pytest.param(3, {"A": 2, "B": 1}, "", {"A": 2, "B": 1}, id="4-b-3"),
        pytest.param(4, {"A": 2, "B": 1}, "", {"A": 3, "B": 1}, id="4-b-4"),
        pytest.param(5, {"A": 2, "B": 1}, "", {"A": 3, "B": 2}, id="4-b-5"),
        pytest.param(6, {"A": 2, "B": 1}, "", {"A": 4, "B": 2}, id="4-b-6"),
        pytest.param(10, {"A": 1, "B": 1, "C": 1}, "u2", {"A": 4, "B": 3, "C": 3}, id="4-c-even"),
        pytest.param(10, {"A": 1, "B": 1, "C": 1}, "u1", {"A": 3, "B": 3, "C": 4}, id="4-c-odd"),
        pytest.param(1, {"A": 1, "B": 1}, "u1", {"A": 0, "B": 1}, id="4-c-one-odd"),
        pytest.param(0, {"A": 1}, "", {"A": 0}, id="nothing-to-split"),
        pytest.param(4, {}, "", {}, id="nobody"),
    ],
)
def test_worked_examples(total, weights, uid, expected):
    assert webster(total, weights, uid) == expected


WEIGHTS = st.dictionaries(st.sampled_from("ABCDEFGH"), st.integers(0, 40), min_size=1)


@pytest.mark.spec("R4.4")
@given(st.integers(0, 400), WEIGHTS, st.sampled_from(["", "u1", "u2"]))
def test_equals_the_seat_by_seat_rule(total, weights, uid):
    seats = dict.fromkeys(weights, 0)
    names = sorted(weights, reverse=descending(uid))
    for _ in range(total):
        best = names[0]
        for name in names[1:]:
            left, right = weights[name] * (2 * seats[best] + 1), weights[best] * (2 * seats[name] + 1)
            if left > right or (left == right and seats[name] < seats[best]):
                best = name
        seats[best] += 1
    assert webster(total, weights, uid) == seats
