"""How an agent becomes a member: the id it is given, kept in the member itself, and the lease that makes it the only one."""

from __future__ import annotations

import socket

import structlog

from shoal.api.clock import Clock
from shoal.api.errors import BusUnavailable, Retryable, Terminal
from shoal.bus.port import Bus
from shoal.bus.requests import ask
from shoal.kube.client.api import Api
from shoal.kube.client.lease import AgentLease
from shoal.kube.client.member import Member
from shoal.messages.catalogue import REGISTER_SUBJECT, Register, Registered
from shoal.runtime.config import AgentConfig

log = structlog.get_logger()

VERSION = "0.1.0"
_MEMBER_KEY = "member-id"
_RETRY_S = (0.1, 2.0)
"""First and longest wait between two requests: on one machine the hub is up a moment later, a thousand agents must not press it."""
_ASK_TIMEOUT_S = 5.0


class JoinRefused(Terminal):
    """The hub does not take this cluster; the text says what to do."""

    reason = "JoinRefused"


async def join(member: Member, api: Api, bus: Bus, config: AgentConfig, clock: Clock) -> str:
    """The member id: the one this cluster was given before, or a new one. Waits for the hub. Raises `JoinRefused`."""
    remembered = (await member.identity()).get(_MEMBER_KEY, "")
    request = Register(
        name=config.cluster,
        uid=await api.kube_system_uid(),
        member=remembered,
        provider=config.provider,
        region=config.region,
        zones=config.zones,
        labels=config.labels,
        version=VERSION,
    )
    wait_s = _RETRY_S[0]
    while True:
        try:
            answer = await ask(bus, REGISTER_SUBJECT, request, Registered, timeout_s=_ASK_TIMEOUT_S)
            break
        except BusUnavailable as error:
            if remembered:
                log.info("hub does not answer yet, going on with the id from before", member=remembered)
                return remembered
            log.info("waiting for the hub to register", cause=str(error))
            await clock.sleep(wait_s)
            wait_s = min(2 * wait_s, _RETRY_S[1])
    if not answer.member:
        raise JoinRefused(f"the hub refused cluster {config.cluster}: {answer.message}")
    if answer.member != remembered:
        await member.ensure_namespace()
        await member.remember({_MEMBER_KEY: answer.member})
    log.info("joined", cluster=answer.cluster or config.cluster, member=answer.member)
    return answer.member


class LeaseLost(Retryable):
    """Another agent holds the member's lease."""

    reason = "LeaseLost"


class OnlyOne:
    """The member's lease: waited for at the start, renewed while working."""

    def __init__(self, member: Member, api: Api, config: AgentConfig, clock: Clock) -> None:
        holder = f"{config.name}@{socket.gethostname()}:{config.state_dir}"
        self._lease = AgentLease(api, clock, holder=holder, duration_s=config.lease_s)
        self._member, self._clock, self._renew_s = member, clock, config.lease_s / 3

    async def acquire(self) -> None:
        """Returns once this agent is the only one."""
        await self._member.ensure_namespace()
        if not await self._lease.try_acquire():
            log.warning("another agent works in this cluster, waiting", holder=self._lease.held_by)
            await self._lease.acquire()

    async def keep(self) -> None:
        """Renews until it is lost. Raises `LeaseLost`: a process that starts again waits for its turn."""
        while True:
            await self._clock.sleep(self._renew_s)
            try:
                held = await self._lease.try_acquire()
            except Retryable as error:
                log.warning("lease not renewed", cause=str(error))
                continue
            if not held:
                raise LeaseLost(f"the lease of this cluster is held by {self._lease.held_by}")

    async def release(self) -> None:
        try:
            await self._lease.release()
        except Retryable as error:
            log.info("lease not released, it runs out by itself", cause=str(error))
