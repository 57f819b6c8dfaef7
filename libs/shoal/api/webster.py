"""Webster's rule: how a number of seats (replicas, completions) is split by weight (R4.4). Arithmetic that several decisions share."""

from __future__ import annotations

import heapq
from collections.abc import Mapping

_FRACTION_BITS = 64
"""Quotients by odd numbers below 2**32 that differ do so by more than 2**-64: whole numbers tell them apart, faster than fractions."""


def webster(total: int, weights: Mapping[str, int], uid: str = "") -> dict[str, int]:
    """Split `total` over the parties; every party is in the result, sorted by name. The parts sum up to `total` unless there is no party.

    Seats go one by one to the largest `weight / (2 * seats + 1)`. Ties go to fewer seats, then by name: ascending, or descending when the
    32-bit FNV-1a hash of `uid` is odd.
    """
    seats = dict.fromkeys(sorted(weights), 0)
    if not seats:
        return seats
    whole = sum(weights.values())
    if whole > 0 and total > 0:
        # Nobody gets less than share - (share * parties / total + 1) / 2: a large total starts there and costs no more than a small one.
        for name in seats:
            least = 2 * total * weights[name] - len(seats) * weights[name] - whole
            seats[name] = max(least // (2 * whole), 0)
    order = sorted(seats, reverse=descending(uid))
    heap = [(-_quotient(weights[name], seats[name]), seats[name], place) for place, name in enumerate(order)]
    heapq.heapify(heap)
    for _ in range(total - sum(seats.values())):
        _, _, place = heap[0]
        name = order[place]
        seats[name] += 1
        heapq.heapreplace(heap, (-_quotient(weights[name], seats[name]), seats[name], place))
    return seats


def _quotient(weight: int, seats: int) -> int:
    return (weight << _FRACTION_BITS) // (2 * seats + 1)


def descending(uid: str) -> bool:
    """Whether ties go to later names first for this template uid."""
    value = 0x811C9DC5
    for byte in uid.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return bool(uid) and value % 2 == 1
