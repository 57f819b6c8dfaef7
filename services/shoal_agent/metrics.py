"""What pods of this cluster use, asked by gateways for their FederatedHPAs (R15.6)."""

from __future__ import annotations

from shoal.api.clock import Clock
from shoal.kube.client.member import Member
from shoal.kube.client.metrics import usages
from shoal.messages.measuring import MetricsMeasured, MetricsRequest


class Metrics:
    def __init__(self, member: Member, clock: Clock) -> None:
        self._member, self._clock = member, clock

    async def answer(self, subject: str, request: MetricsRequest) -> MetricsMeasured:
        """Raises `MemberUnavailable` when the member's API does not answer: no answer is better than an old one."""
        targets = await usages(self._member.api, request.refs, request.resources)
        return MetricsMeasured(at=self._clock.now(), targets=targets)
