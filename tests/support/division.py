"""Replica division once more, written from the rules alone, slow and plain: what the fast one is compared with.

Shares no code with `shoal.domain.scheduling` or `shoal.api.webster`. Parties are (name, room, held) triples.
"""

from __future__ import annotations

from fractions import Fraction

Party = tuple[str, int, int]


def fnv(text: str) -> int:
    value = 2166136261
    for byte in text.encode():
        value = ((value ^ byte) * 16777619) % 2**32
    return value


def give(seats: int, weights: dict[str, int], uid: str) -> dict[str, int]:
    """R4.4, one by one."""
    names = sorted(weights, reverse=bool(uid) and fnv(uid) % 2 == 1)
    have = dict.fromkeys(names, 0)
    for _ in range(seats):
        best = names[0]
        for name in names[1:]:
            mine, theirs = Fraction(weights[name], 2 * have[name] + 1), Fraction(weights[best], 2 * have[best] + 1)
            if mine > theirs or (mine == theirs and have[name] < have[best]):
                best = name
        have[best] += 1
    return have


def prefix(parties: list[tuple[str, int]], need: int) -> list[tuple[str, int]]:
    for length in range(len(parties) + 1):
        if sum(size for _, size in parties[:length]) >= need:
            return parties[:length]
    return parties


def divide(parties: list[Party], replicas: int, uid: str, *, aggregated: bool, fresh: bool) -> dict[str, int] | None:
    """R4.8 to R4.12; None is Unschedulable. Parties come in the scheduler's order (R3.7)."""
    held = {name: count for name, _, count in parties if count}
    assigned = sum(held.values())
    if fresh:
        weighed = sorted(((name, room + count) for name, room, count in parties), key=lambda party: -party[1])
        if sum(size for _, size in weighed) < replicas:
            return None
        chosen = prefix(weighed, replicas) if aggregated else weighed
        return {name: seats for name, seats in give(replicas, dict(chosen), uid).items() if seats}
    if assigned == replicas:
        return held
    if assigned > replicas:
        largest = sorted(held.items(), key=lambda party: (-party[1], party[0]))
        chosen = prefix(largest, replicas) if aggregated else largest
        return {name: seats for name, seats in give(replicas, dict(chosen), uid).items() if seats}
    more = replicas - assigned
    weighed = sorted(((name, room) for name, room, _ in parties), key=lambda party: -party[1])
    if sum(room for _, room in weighed) < more:
        return None
    if aggregated:
        weighed = prefix([party for party in weighed if party[0] in held] + [party for party in weighed if party[0] not in held], more)
    added = give(more, dict(weighed), uid)
    total = {name: held.get(name, 0) + added.get(name, 0) for name in {*held, *added}}
    return {name: seats for name, seats in total.items() if seats}
