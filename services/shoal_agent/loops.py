"""What the agent does by the clock: beat, list again, read the inventory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from shoal.api.clock import Clock
from shoal.api.errors import BusUnavailable, Retryable, ShoalError
from shoal.api.work import Inventory
from shoal.bus.port import Bus
from shoal.bus.requests import ask
from shoal.kube.client.member import Member, healthy_inventory
from shoal.messages.catalogue import Beat, BeatAnswer, Grading
from shoal.runtime.config import AgentConfig
from shoal_agent.reports import Reports
from shoal_agent.watch import Watches
from shoal_agent.works import Works

log = structlog.get_logger()

_LIST_RETRY_S = 1.0
_STRAGGLES_BEATS = 2
"""Beats in a row in which the hub was further than the agent, before it lists again."""


class UnknownMember(Retryable):
    """The hub does not know this member's id (any more): the process starts again and registers."""

    reason = "UnknownMember"


class Loops:
    def __init__(
        self,
        config: AgentConfig,
        member_id: str,
        bus: Bus,
        works: Works,
        reports: Reports,
        member: Member,
        watches: Watches,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        self._config, self._id, self._bus, self._works, self._reports = config, member_id, bus, works, reports
        self._member, self._watches, self._clock, self._chance = member, watches, clock, chance
        self._list_now, self._count_now = asyncio.Event(), asyncio.Event()
        self._grading = Grading(revision=0)
        """By what nodes are counted; by nothing until a beat was answered."""
        self._api_healthy = True
        self._behind = 0

    def list_soon(self) -> None:
        """A reconnect: notifications may have been missed."""
        self._list_now.set()

    async def beat(self) -> None:
        """Says "I am here" every interval. Raises `UnknownMember` when the hub has forgotten us."""
        interval = self._config.beat_interval_s
        unknown = 0
        while True:
            started = self._clock.monotonic()
            beat = Beat(
                cluster=self._config.cluster,
                sequence=self._works.highest,
                api_healthy=self._api_healthy,
                interval_s=interval,
                grading=self._grading.revision,
            )
            try:
                answer = await ask(self._bus, f"beat.{self._id}", beat, BeatAnswer, timeout_s=interval)
                unknown = 0 if answer.known else unknown + 1
                self._straggler(answer)
                self._graded(answer)
            except BusUnavailable as error:
                log.info("beat not answered", cause=str(error))
            if unknown >= 5:
                raise UnknownMember(f"the hub does not know member {self._id}")
            await self._clock.sleep(max(0.0, interval - (self._clock.monotonic() - started)))

    async def probe(self) -> None:
        """Asks the member's API whether it is well, as often as it beats and beside it: a slow API must not delay a beat."""
        while True:
            self._api_healthy = await self._member.api.healthy()
            await self._clock.sleep(self._config.beat_interval_s)

    def _straggler(self, answer: BeatAnswer) -> None:
        self._behind = self._behind + 1 if answer.sequence > self._works.highest else 0
        if self._behind >= _STRAGGLES_BEATS:
            self._behind = 0
            self._list_now.set()

    def _graded(self, answer: BeatAnswer) -> None:
        """Other grades are counted by at once."""
        if answer.grading is None:
            return
        if answer.grading.grades != self._grading.grades:
            self._count_now.set()
        self._grading = answer.grading

    async def list(self) -> None:
        """Lists at the start, after a reconnect, and now and then with jitter; then compares what the monitor has heard."""
        while True:
            self._list_now.clear()
            try:
                await self._works.list()
                await self._reports.reconcile()
                self._tell_orphans()
            except BusUnavailable as error:
                log.info("list not answered", cause=str(error))
                await self._clock.sleep(_LIST_RETRY_S * (0.5 + self._chance()))
                continue
            pause = self._config.relist_interval_s * (1 + self._config.relist_jitter * (2 * self._chance() - 1))
            await self._pause(pause, self._list_now)

    async def _pause(self, seconds: float, wake: asyncio.Event) -> None:
        sleep = asyncio.ensure_future(self._clock.sleep(seconds))
        woken = asyncio.ensure_future(wake.wait())
        try:
            await asyncio.wait({sleep, woken}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            woken.cancel()

    def _tell_orphans(self) -> None:
        """Absence is never intent: what is ours and not in the list stays, and is told."""
        for ref in sorted(self._watches.owned() - set(self._works.refs())):
            log.warning("owned object is not in the hub's list, left alone", ref=str(ref))

    async def inventory(self) -> None:
        """Nodes, capacity, API kinds; sent when they changed. Kinds alone are looked at twice as often: an object may wait for one."""
        half_s = self._config.inventory_interval_s / 2
        while True:
            self._count_now.clear()
            inventory = await healthy_inventory(self._member, self._config.cluster, self._grading.grades)
            try:
                await self._reports.tell_inventory(inventory)
            except BusUnavailable as error:
                log.info("inventory not sent", cause=str(error))
            await self._pause(half_s, self._count_now)
            if not self._count_now.is_set() and not await self._serves_other_kinds(inventory):
                await self._pause(half_s, self._count_now)

    async def _serves_other_kinds(self, than: Inventory) -> bool:
        try:
            kinds = await self._member.api.discover()
        except ShoalError as error:
            log.info("kinds not read", cause=str(error))
            return False
        return kinds.enablements() != than.api_enablements
