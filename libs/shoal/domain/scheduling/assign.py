"""How many replicas each selected cluster gets (R4.1 to R4.14)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import TypeVar

from shoal.api.binding import UNSCHEDULABLE
from shoal.api.webster import allot, within
from shoal.domain.scheduling.candidates import Candidate
from shoal.domain.scheduling.estimate import UNLIMITED
from shoal.domain.scheduling.limits import NO_LIMITS, limits_of
from shoal.domain.scheduling.request import AGGREGATED, STATIC, Request
from shoal.domain.scheduling.snapshot import Snapshot
from shoal.domain.scheduling.unplaced import Unplaced

T = TypeVar("T")
Shares = dict[str, int]
_SHOWN_MAX = 20
"""Clusters that one sentence names."""


class Division:
    """One division and what it says of itself, round by round."""

    def __init__(self, request: Request, snapshot: Snapshot, *, fresh: bool) -> None:
        self.request, self.snapshot, self.fresh = request, snapshot, fresh
        self.limits = NO_LIMITS
        self.rounds: list[str] = []

    def assign(self, selected: Sequence[Candidate]) -> dict[str, int | None] | Unplaced:
        """Replicas by cluster; None where a number means nothing (R4.1). Clusters that get none are not in it (R4.2)."""
        request = self.request
        if not request.divided:
            return whole(request, (candidate.name for candidate in selected))
        if request.replicas == 0:
            return self._scaled_to_zero(selected)
        shares = self._in_tiers(selected)
        return shares if isinstance(shares, Unplaced) else {name: count for name, count in sorted(shares.items()) if count > 0}

    def _scaled_to_zero(self, selected: Sequence[Candidate]) -> dict[str, int | None]:
        """Where it ran it stays, with no replicas (Karmada removes it there); a new one goes to every selected cluster."""
        here = [candidate.name for candidate in selected if candidate.current > 0 or candidate.score >= 100]
        self.rounds.append("scaled to zero: the object stays without replicas")
        return dict.fromkeys(here or [candidate.name for candidate in selected], 0)

    def _in_tiers(self, selected: Sequence[Candidate]) -> Shares | Unplaced:
        """R4.14: the main group as far as it has room, then the overflow groups, each with the same strategy."""
        tiers = sorted({candidate.tier for candidate in selected})
        if len(tiers) <= 1:
            return self._divide(selected, self.request.replicas)
        left, shares = self.request.replicas, Shares()
        for tier in tiers:
            members = [candidate for candidate in selected if candidate.tier == tier]
            quota = min(left, sum(candidate.available for candidate in members))
            if quota == 0:
                continue
            part = self._divide(members, quota)
            if isinstance(part, Unplaced):
                return part
            self.rounds.append(f"group {tier}: {quota} of {self.request.replicas} replicas")
            shares |= part
            left -= quota
        return self._short(self.request.replicas - left) if left else shares

    def _divide(self, members: Sequence[Candidate], replicas: int) -> Shares | Unplaced:
        """One strategy over one tier."""
        current = {candidate.name: candidate.current for candidate in members if candidate.current > 0}
        if self.request.prefer and not self.fresh and (lost := replicas - sum(current.values())) > 0:
            return self._take_over(members, current, lost)
        self.limits = limits_of(self.request, self.snapshot, members)
        if self.request.strategy == STATIC:
            return self._split(replicas, self._static_weights(members), "static weights")
        if self.fresh:
            return self._by_room(members, replicas, "from zero, by free and held replicas")
        if self.limits:
            current = self.limits.standing(members, replicas)
        held = sum(current.values())
        if held == replicas:
            return current
        if held > replicas:
            return self._shrink(current, replicas)
        added = self._by_room(members, replicas - held, f"{replicas - held} more, by free replicas", beside=current)
        return added if isinstance(added, Unplaced) else _sum(current, added)

    def _take_over(self, members: Sequence[Candidate], current: Shares, lost: int) -> Shares | Unplaced:
        """A failover: what runs keeps its number (R11.5), what was lost fills the preferred tiers one after the other."""
        tiers = len(self.request.prefer)
        shares, left = current, lost
        for level in range(tiers if self.request.strict else tiers + 1):
            taking = [candidate for candidate in members if candidate.preference == level]
            static = self.request.strategy == STATIC
            quota = left if static and taking else min(left, sum(candidate.room for candidate in taking))
            if quota == 0:
                continue
            text = f"{quota} of {lost} lost go to preferred tier {level + 1}"
            if static:
                part: Shares | Unplaced = self._split(quota, self._static_weights(taking), text)
            else:
                part = self._by_room(taking, quota, text, beside=current)
            if isinstance(part, Unplaced):
                return part
            shares, left = _sum(shares, part), left - quota
        return self._short(lost - left, lost) if left else shares

    def _static_weights(self, members: Sequence[Candidate]) -> Shares:
        """R4.6: the largest weight of the entries that match; clusters that match nothing take no part; nobody matches = all equal."""
        preference = self.request.placement.replica_scheduling and self.request.placement.replica_scheduling.weight_preference
        result: Shares = {}
        for entry in preference.static_weight_list if preference else ():
            matching = self.snapshot.matching(entry.target_cluster)
            for candidate in members:
                if matching & self.snapshot.bit(candidate.name):
                    result[candidate.name] = max(entry.weight, result.get(candidate.name, 0))
        return result or {candidate.name: 1 for candidate in members}

    def _by_room(self, members: Sequence[Candidate], replicas: int, text: str, *, beside: Shares | None = None) -> Shares | Unplaced:
        """R4.11 and R4.12: weights are free replicas; Aggregated uses the fewest clusters, those that hold some first.

        `beside`: what is held already and stays; without it the division is from zero, and what is held is room as well.
        """
        weights = {one.name: one.available if beside is None else one.room for one in members}
        held, room = beside or {}, weights
        if self.limits:
            room = {name: max(0, min(free, self.limits.most.get(name, UNLIMITED) - held.get(name, 0))) for name, free in room.items()}
        if sum(room.values()) < replicas:
            return self._short(sum(room.values()), replicas)
        if self.request.strategy != AGGREGATED:
            return self._split(replicas, weights, text, held)
        needy = {name: min(missing, room[name]) for name, least in self.limits.least.items() if (missing := least - held.get(name, 0)) > 0}
        ordered = self._aggregated_order(members, room)
        if self.request.options.fill or self.request.options.prefer:
            return self._fill(ordered, replicas, room, needy, text)
        # Who has to get something takes part, whatever its room.
        taking = [name for name in ordered if name in needy]
        taking += _shortest_prefix([n for n in ordered if n not in needy], replicas - sum(room[name] for name in taking), room.__getitem__)
        return self._split(replicas, {name: weights[name] for name in taking}, text, held)

    def _aggregated_order(self, members: Sequence[Candidate], room: Shares) -> list[str]:
        """Those in use first, then by preference, then the roomiest."""
        ordered = sorted(room, key=room.__getitem__, reverse=True)
        if self.request.options.prefer:
            penalties = {one.name: one.penalty for one in members}
            ordered.sort(key=penalties.__getitem__)
        if self.fresh:
            return ordered
        using = {one.name for one in members if one.current > 0}
        return [*(name for name in ordered if name in using), *(name for name in ordered if name not in using)]

    def _fill(self, ordered: Sequence[str], replicas: int, room: Shares, needy: Shares, text: str) -> Shares:
        """GX25: one cluster after the other, as far as it has room; the least of each before that."""
        shares, left = Shares(), replicas
        for name in ordered:
            shares[name] = min(needy.get(name, 0), left)
            left -= shares[name]
        for name in ordered:
            part = min(room[name] - shares[name], left)
            shares[name], left = shares[name] + part, left - part
        return self._told(shares, f"{text}, filling one after the other")

    def _shrink(self, current: Shares, replicas: int) -> Shares | Unplaced:
        """R4.10: weights are what is held; Aggregated lets the largest holders keep theirs. Free room is not asked."""
        ordered = sorted(current, key=lambda name: (self.limits.least.get(name, 0) == 0, -current[name], name))
        if self.request.strategy == AGGREGATED:
            ordered = _shortest_prefix(ordered, replicas, current.__getitem__)
        weights, text = {name: current[name] for name in ordered}, f"fewer: {replicas}, by held replicas"
        if not self.limits:
            return self._told(allot(replicas, weights, self.request.uid), text)
        shares = within(replicas, weights, self.request.uid, least=self.limits.least, most=weights)
        return self._short(sum(weights.values()), replicas) if shares is None else self._told(shares, text)

    def _split(self, replicas: int, weights: Shares, text: str, beside: Shares | None = None) -> Shares | Unplaced:
        """By Webster's rule (R4.4), within the limits; weights by room are limits themselves."""
        if not self.limits:
            return self._told(allot(replicas, weights, self.request.uid), text)
        held = beside or {}
        by_room = self.request.strategy != STATIC
        most = {name: max(0, self.limits.most.get(name, UNLIMITED) - held.get(name, 0)) for name in weights}
        if by_room:
            most = {name: min(limit, weights[name]) for name, limit in most.items()}
        least = {name: max(0, count - held.get(name, 0)) for name, count in self.limits.least.items() if name in weights}
        shares = within(replicas, weights, self.request.uid, least=least, most=most)
        return (
            self._short(sum(most.values()), replicas)
            if shares is None
            else self._told(shares, f"{text}, within the limits of each cluster")
        )

    def _told(self, shares: Shares, text: str) -> Shares:
        """In the order of names, with a sentence about it."""
        shares = {name: shares[name] for name in sorted(shares) if shares[name]}
        shown = ", ".join(f"{name}={count}" for name, count in islice(shares.items(), _SHOWN_MAX))
        self.rounds.append(f"{text}: {shown}{' ...' if len(shares) > _SHOWN_MAX else ''}")
        return shares

    def _short(self, room: int, wanted: int | None = None) -> Unplaced:
        wanted = self.request.replicas if wanted is None else wanted
        return Unplaced(UNSCHEDULABLE, f"Clusters available replicas {room} are not enough to schedule {wanted} replicas.")


def whole(request: Request, names: Iterable[str]) -> dict[str, int | None]:
    """Every cluster gets all of it (R4.5); no number where a number means nothing (R4.1)."""
    return dict.fromkeys(names, request.replicas if request.divisible else None)


def _shortest_prefix(ordered: Sequence[T], replicas: int, size: Callable[[T], int]) -> list[T]:
    total, prefix = 0, []
    for item in ordered:
        if total >= replicas:
            break
        prefix.append(item)
        total += size(item)
    return prefix


def _sum(left: Shares, right: Shares) -> Shares:
    return {name: left.get(name, 0) + right.get(name, 0) for name in (*left, *(name for name in right if name not in left))}
