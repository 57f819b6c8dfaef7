"""Which workloads of this cluster have pods that no node takes, asked by the scheduler when it deschedules (R15.4)."""

from __future__ import annotations

from datetime import timedelta

from shoal.api.clock import Clock
from shoal.kube.client.member import Member
from shoal.kube.client.unschedulable import unschedulable
from shoal.messages.catalogue import UnschedulableCounted, UnschedulableRequest


class UnschedulablePods:
    def __init__(self, member: Member, clock: Clock) -> None:
        self._member, self._clock = member, clock

    async def answer(self, subject: str, request: UnschedulableRequest) -> UnschedulableCounted:
        """Raises `MemberUnavailable` when the member's API does not answer: no answer takes nothing away from anybody."""
        before = self._clock.now() - timedelta(seconds=request.longer_than_s)
        return UnschedulableCounted(counts=await unschedulable(self._member.api, request.refs, before=before))
