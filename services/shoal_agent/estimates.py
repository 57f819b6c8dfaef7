"""How many more pods fit into this cluster, asked by the scheduler when a division depends on it."""

from __future__ import annotations

import asyncio

from shoal.api.clock import Clock
from shoal.api.nodes import NodeRoom
from shoal.domain.estimating import estimate
from shoal.kube.client.member import Member
from shoal.messages.catalogue import Estimated, EstimateRequest

FRESH_S = 1.0
"""Questions come in bursts, when many workloads are decided at once: nodes and pods are read once for all of them."""


class Estimates:
    def __init__(self, member: Member, clock: Clock) -> None:
        self._member, self._clock = member, clock
        self._nodes: list[NodeRoom] = []
        self._read_at: float | None = None
        self._reading = asyncio.Lock()

    async def answer(self, subject: str, request: EstimateRequest) -> Estimated:
        """Raises `MemberUnavailable` when the member's API does not answer: no answer is better than an old one."""
        nodes = await self._present()
        quotas = await self._member.quota_rooms(request.namespace) if request.namespace else []
        found = estimate(nodes, quotas, request.requirements, request.components)
        return Estimated(room=found.room, reason=found.reason)

    async def _present(self) -> list[NodeRoom]:
        async with self._reading:
            now = self._clock.monotonic()
            if self._read_at is None or now - self._read_at >= FRESH_S:
                self._nodes = await self._member.node_rooms()
                self._read_at = now
            return self._nodes
