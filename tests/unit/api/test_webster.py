from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.api.webster import descending, webster, within


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
        pytest.param(1, {"A": 1, "B": 1}, "u2", {"A": 1, "B": 0}, id="4-c-one-even"),
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


@pytest.mark.spec("R4.4")
@given(st.integers(0, 400), WEIGHTS, st.sampled_from(["", "u1", "u2"]))
def test_without_limits_nothing_is_different(total, weights, uid):
    assert within(total, weights, uid, least={}, most={}) == webster(total, weights, uid)


@pytest.mark.spec("KA01")
@pytest.mark.parametrize(
    ("total", "least", "most", "expected"),
    [
        pytest.param(9, {"A": 5}, {}, {"A": 5, "B": 2, "C": 2}, id="the-least-first"),
        pytest.param(9, {}, {"B": 1}, {"A": 4, "B": 1, "C": 4}, id="the-rest-goes-on"),
        pytest.param(3, {"A": 4, "B": 4}, {}, {"A": 2, "B": 1, "C": 0}, id="too-few-for-the-least"),
        pytest.param(9, {}, {"A": 1, "B": 1, "C": 1}, None, id="too-many-for-the-most"),
        pytest.param(2, {"A": 4}, {"A": 1}, {"A": 1, "B": 1, "C": 0}, id="the-most-wins"),
    ],
)
def test_limits(total, least, most, expected):
    assert within(total, {"A": 1, "B": 1, "C": 1}, least=least, most=most) == expected
