"""Better estimates than the inventory gives: asked of the agents while a decision waits, within a deadline (Q02)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from shoal.api.binding import Binding
from shoal.api.errors import ShoalError
from shoal.bus.port import Bus
from shoal.bus.requests import ask
from shoal.domain.deciding import Inputs, Outcome
from shoal.domain.scheduling import divided_by_room
from shoal.messages.catalogue import Estimated, EstimateRequest, estimate_subject

log = structlog.get_logger()

NEVER, CONSTRAINED, ALWAYS = "never", "constrained", "always"
ASKED_MAX = 200
"""Clusters asked for one decision: first those that it chose, then by name; the others keep the general estimate."""


@dataclass(frozen=True)
class Estimators:
    """Who does not answer in time keeps the general estimate; a decision is late by the deadline at most."""

    bus: Bus
    when: str
    timeout_s: float

    async def better(self, inputs: Inputs, outcome: Outcome) -> dict[str, int]:
        """Room by cluster for what was just decided; empty when no division depends on it, or nobody answered."""
        binding = outcome.binding
        if binding is None or not self._wanted(outcome, binding):
            return {}
        chosen = {target.name for target in binding.clusters}
        rejected = binding.explanation.rejected
        members = {one.name: one.member for one in inputs.snapshot.clusters if one.ready and one.member and one.name not in rejected}
        asked = sorted(members, key=lambda name: (name not in chosen, name))[:ASKED_MAX]
        reserved = binding.explanation.reserved
        found = await self._ask({name: members[name] for name in asked}, binding, inputs.ref.namespace)
        # What was promised and does not run yet is on no node.
        return {name: max(0, room - reserved.get(name, 0)) for name, room in sorted(found.items())}

    def _wanted(self, outcome: Outcome, binding: Binding) -> bool:
        if self.when == NEVER or not outcome.changed or outcome.tombstone or not binding.explanation.rounds:
            return False
        if not divided_by_room(binding):
            return False
        needs = (binding.replica_requirements, *(one.replica_requirements for one in binding.components))
        return self.when == ALWAYS or any(one is not None and one.node_claim is not None for one in needs)

    async def _ask(self, members: Mapping[str, str], binding: Binding, namespace: str) -> dict[str, int]:
        request = EstimateRequest(namespace=namespace, requirements=binding.replica_requirements, components=binding.components)
        answers = await asyncio.gather(*(self._ask_one(member, request) for member in members.values()))
        return {name: room for name, room in zip(members, answers, strict=True) if room is not None}

    async def _ask_one(self, member: str, request: EstimateRequest) -> int | None:
        try:
            return (await ask(self.bus, estimate_subject(member), request, Estimated, timeout_s=self.timeout_s)).room
        except ShoalError as error:
            log.info("no estimate, the general one counts", member=member, cause=str(error))
            return None
