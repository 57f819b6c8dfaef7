"""How many replicas a cluster gets at least and at most: bounds of the policy (KA01), and room where static weights are capped (GX12)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from shoal.domain.scheduling.candidates import Candidate
from shoal.domain.scheduling.request import STATIC, Request
from shoal.domain.scheduling.snapshot import Snapshot


class Limits(NamedTuple):
    """By cluster; one that is absent has none."""

    least: Mapping[str, int] = {}
    most: Mapping[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self.least or self.most)

    def standing(self, members: Sequence[Candidate], replicas: int) -> dict[str, int]:
        """What is held within the most. Where others have to give so that everybody gets the least, those replicas are in it too."""
        held = {one.name: min(one.current, self.most.get(one.name, one.current)) for one in members if one.current > 0}
        raised = {one.name: max(held.get(one.name, 0), min(self.least.get(one.name, 0), one.available)) for one in members}
        if sum(raised.values()) > replicas and held:
            return {name: count for name, count in raised.items() if count > 0}
        return held


NO_LIMITS = Limits()


def limits_of(request: Request, snapshot: Snapshot, members: Sequence[Candidate]) -> Limits:
    options = request.options
    capped = options.cap_static and request.strategy == STATIC
    if not options.bounds and not capped:
        return NO_LIMITS
    least: dict[str, int] = {}
    most = {one.name: one.available for one in members} if capped else {}
    seen = 0
    for bounds in options.bounds:
        matching = snapshot.matching(bounds.target_cluster) & ~seen
        seen |= matching
        for one in members:
            if not snapshot.bit(one.name) & matching:
                continue
            if bounds.min:
                least[one.name] = bounds.min
            if bounds.max is not None:
                most[one.name] = min(bounds.max, most.get(one.name, bounds.max))
    return Limits(least, most)
