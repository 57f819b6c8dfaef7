"""Watches what the agent owns in its member: one reflector per kind, started with the first work of that kind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from shoal.api.meta import Manifest, Ref
from shoal.api.shoal import MANAGED_LABEL
from shoal.kube.client.api import Kind
from shoal.kube.client.member import Member
from shoal.kube.client.reflector import Reflector, Seen

log = structlog.get_logger()

SYNC_LIMIT_S = 5.0
"""How long the first list of a kind is waited for; after that objects are read one by one."""


class Watches:
    """Hands each event's object to the reconciler once, so that a status change costs no read of the member's API."""

    def __init__(self, member: Member, changed: Callable[[Ref], None]) -> None:
        self._member, self._changed = member, changed
        self._reflectors: dict[Kind, Reflector] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._latest: dict[Ref, Manifest] = {}
        """Objects of events that were not looked at yet."""

    async def follow(self, ref: Ref) -> None:
        """Sees that the kind of `ref` is watched; waits for its first list, so that a restart reads each kind once and not each object."""
        kind = Kind(ref.group, ref.kind)
        reflector = self._reflectors.get(kind)
        if reflector is None:
            reflector = self._member.reflector(kind, on_event=self._event, label_selector=f"{MANAGED_LABEL}=true", whole=True)
            self._reflectors[kind] = reflector
            self._tasks.append(asyncio.create_task(reflector.run()))
        if not reflector.synced.is_set():
            try:
                await asyncio.wait_for(reflector.synced.wait(), SYNC_LIMIT_S)
            except TimeoutError:
                log.info("first list of a kind takes long", kind=ref.kind, cause=str(reflector.failure or ""))

    def take(self, ref: Ref) -> Manifest | None:
        """The object of the last event that nobody has looked at; None says nothing about whether it exists."""
        return self._latest.pop(ref, None)

    def owned(self) -> set[Ref]:
        """Everything in the member that carries our mark, of the kinds that are watched."""
        return {ref for reflector in self._reflectors.values() for ref in reflector.seen}

    def _event(self, kind: str, ref: Ref, seen: Seen) -> None:
        if kind == "DELETED" or seen.manifest is None:
            self._latest.pop(ref, None)
        else:
            self._latest[ref] = seen.manifest
        self._changed(ref)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
