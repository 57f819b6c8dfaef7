"""Webster's rule: how a number of seats (replicas, completions) is split by weight (R4.4). Arithmetic that several decisions share."""

from __future__ import annotations

import heapq
from collections.abc import Mapping

_FRACTION_BITS = 64
"""Quotients by odd numbers below 2**32 that differ do so by more than 2**-64: whole numbers tell them apart, faster than fractions."""
_GUESSES_MAX = 8


def webster(total: int, weights: Mapping[str, int], uid: str = "") -> dict[str, int]:
    """Split `total` over the parties; every party is in the result, sorted by name. The parts sum up to `total` unless there is no party.

    Seats go one by one to the largest `weight / (2 * seats + 1)`. Ties go to fewer seats, then by name: ascending, or descending when the
    32-bit FNV-1a hash of `uid` is odd.
    """
    given = allot(total, weights, uid)
    return {name: given.get(name, 0) for name in sorted(weights)}


def allot(total: int, weights: Mapping[str, int], uid: str = "") -> dict[str, int]:
    """The same, only with the parties that get something, in no order.

    Parties of one weight take turns, so weights are dealt with and not parties. A start that gives nothing away too early comes from one
    division: all seats whose quotient is above some bound are the first ones.
    """
    if total <= 0 or not weights:
        return {}
    # Before a smaller weight gets a seat, every larger one has one: no more parties than there are seats can get any, but for equals.
    sizes = sorted(weights.values(), reverse=True)
    least = sizes[min(total, len(sizes)) - 1]
    parties: dict[int, list[str]] = {least: list(weights)} if sizes[0] == sizes[-1] else {}
    for name, weight in weights.items() if not parties else ():
        if weight >= least:
            parties.setdefault(weight, []).append(name)
    counts = {weight: len(parties[weight]) for weight in sorted(parties, reverse=True)}
    first = heapq.nlargest if descending(uid) else heapq.nsmallest
    seats = _start(total, counts)
    left = total - sum(seats[weight] * count for weight, count in counts.items())
    given = {name: seat for weight, seat in seats.items() if seat for name in parties[weight]}
    heap = [(-_quotient(weight, seat), seat, weight) for weight, seat in seats.items()]
    heapq.heapify(heap)
    while left > 0:
        _, seat, weight = heap[0]
        members = parties[weight]
        # No other weight has this quotient with so few seats, so that the turn belongs to all of these.
        turn = members if left >= len(members) else first(left, members)
        for name in turn:
            given[name] = seat + 1
        left -= len(turn)
        heapq.heapreplace(heap, (-_quotient(weight, seat + 1), seat + 1, weight))
    return given


def within(
    total: int, weights: Mapping[str, int], uid: str = "", *, least: Mapping[str, int], most: Mapping[str, int]
) -> dict[str, int] | None:
    """Webster's rule where each party has to get `least` and may not get more than `most`; absent: 0, no limit. None: `total` is too much.

    The least comes first; when it is too much for the total already, the rule deals it out as far as it goes.
    """
    floor = {name: min(least.get(name, 0), most.get(name, total)) for name in weights}
    if sum(floor.values()) > total:
        most, floor = floor, dict.fromkeys(weights, 0)
    place = {name: index for index, name in enumerate(sorted(weights, reverse=descending(uid)))}
    seats, left = dict(floor), total - sum(floor.values())
    heap = [(-_quotient(weights[name], seats[name]), seats[name], place[name], name) for name in weights]
    heapq.heapify(heap)
    while left > 0 and heap:
        _, seat, rank, name = heap[0]
        if seat >= most.get(name, total):
            heapq.heappop(heap)
            continue
        seats[name], left = seat + 1, left - 1
        heapq.heapreplace(heap, (-_quotient(weights[name], seat + 1), seat + 1, rank, name))
    return None if left > 0 else {name: seats[name] for name in sorted(seats)}


def _start(total: int, counts: Mapping[int, int]) -> dict[int, int]:
    """Seats per party by weight that every party has at least, close to the end."""
    whole = sum(weight * count for weight, count in counts.items())
    goal = total
    if whole > 0 and total >= len(counts):
        for _ in range(_GUESSES_MAX):
            if goal <= 0:
                break
            seats = {weight: (2 * weight * goal + whole) // (2 * whole) for weight in counts}
            over = sum(seats[weight] * count for weight, count in counts.items()) - total
            if over <= 0:
                return seats
            goal -= over
    return dict.fromkeys(counts, 0)


def _quotient(weight: int, seats: int) -> int:
    return (weight << _FRACTION_BITS) // (2 * seats + 1)


def descending(uid: str) -> bool:
    """Whether ties go to later names first for this template uid."""
    value = 0x811C9DC5
    for byte in uid.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return bool(uid) and value % 2 == 1
