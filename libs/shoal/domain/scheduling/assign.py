"""How many replicas each selected cluster gets (R4.1 to R4.14)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from shoal.api.binding import UNSCHEDULABLE
from shoal.api.webster import webster
from shoal.domain.scheduling.candidates import Candidate
from shoal.domain.scheduling.request import AGGREGATED, STATIC, Request
from shoal.domain.scheduling.select import Unplaced
from shoal.domain.scheduling.snapshot import Snapshot

T = TypeVar("T")
Shares = dict[str, int]


class Division:
    """One division and what it says of itself, round by round."""

    def __init__(self, request: Request, snapshot: Snapshot, *, fresh: bool) -> None:
        self.request, self.snapshot, self.fresh = request, snapshot, fresh
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
        if self.request.strategy == STATIC:
            return self._split(replicas, self._static_weights(members), "static weights")
        if self.fresh:
            return self._by_room(members, replicas, lambda candidate: candidate.available, "from zero, by free and held replicas")
        held = sum(current.values())
        if held == replicas:
            return current
        if held > replicas:
            return self._shrink(current, replicas)
        added = self._by_room(members, replicas - held, lambda candidate: candidate.room, f"{replicas - held} more, by free replicas")
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
                part = self._by_room(taking, quota, lambda candidate: candidate.room, text)
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

    def _by_room(self, members: Sequence[Candidate], replicas: int, room: Callable[[Candidate], int], text: str) -> Shares | Unplaced:
        """R4.11 and R4.12: weights are free replicas; Aggregated uses the fewest clusters, those that hold some first."""
        ordered = sorted(members, key=lambda candidate: -room(candidate))
        if sum(room(candidate) for candidate in members) < replicas:
            return self._short(sum(room(candidate) for candidate in members), replicas)
        if self.request.strategy == AGGREGATED:
            if not self.fresh:
                ordered.sort(key=lambda candidate: candidate.current <= 0)
            ordered = _shortest_prefix(ordered, replicas, room)
        return self._split(replicas, {candidate.name: room(candidate) for candidate in ordered}, text)

    def _shrink(self, current: Shares, replicas: int) -> Shares:
        """R4.10: weights are what is held; Aggregated lets the largest holders keep theirs. Free room is not asked."""
        ordered = sorted(current, key=lambda name: (-current[name], name))
        if self.request.strategy == AGGREGATED:
            ordered = _shortest_prefix(ordered, replicas, current.__getitem__)
        return self._split(replicas, {name: current[name] for name in ordered}, f"fewer: {replicas}, by held replicas")

    def _split(self, replicas: int, weights: Shares, text: str) -> Shares:
        shares = webster(replicas, weights, self.request.uid)
        shown = ", ".join(f"{name}={shares[name]}" for name in list(shares)[:20] if shares[name])
        self.rounds.append(f"{text}: {shown}{' ...' if len(shares) > 20 else ''}")
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
