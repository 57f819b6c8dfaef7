"""How long change records are kept: some days, and the last ones of every application however old (HISTORY has the rest)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

import structlog

from shoal.api.clock import Clock
from shoal.api.errors import Retryable
from shoal.api.meta import Manifest
from shoal.bus.entries import Draft, Entries, Entry
from shoal.bus.view import View
from shoal.messages.catalogue import OBJECT
from shoal_gateway import changes
from shoal_gateway.answers import record_in
from shoal_gateway.kinds import CHANGE

log = structlog.get_logger()

EVERY_S = 3600.0


def expired(
    records: Iterable[tuple[Entry[Manifest], str, bool]], *, now: datetime, keep_days: int, keep_min: int
) -> Iterator[Entry[Manifest]]:
    """Of (entry, application, answered to the end): those that are old, answered, and not among the last of their application."""
    by_application: dict[str, list[tuple[Entry[Manifest], bool]]] = {}
    for entry, application, answered in records:
        by_application.setdefault(application, []).append((entry, answered))
    oldest = (now - timedelta(days=keep_days)).timestamp()
    for found in by_application.values():
        found.sort(key=lambda one: -one[0].content)
        yield from (entry for entry, answered in found[keep_min:] if answered and entry.time < oldest)


class Retention:
    """Writes the tombstones; several gateways may try, compare-and-set lets one of them."""

    def __init__(self, view: View, entries: Entries, *, clock: Clock, keep_days: int, keep_min: int) -> None:
        self._view, self._entries, self._clock = view, entries, clock
        self._keep_days, self._keep_min = keep_days, keep_min

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(EVERY_S)
            await self.sweep()

    async def sweep(self) -> None:
        found = []
        for entry in self._view.entries(OBJECT, group=CHANGE[0], kind=CHANGE[1]):
            if not entry.deleted:
                record = record_in(entry.body)
                found.append((entry, record.application, changes.closed(record.answered)))
        for old in expired(found, now=self._clock.now(), keep_days=self._keep_days, keep_min=self._keep_min):
            draft: Draft[Manifest] = Draft(
                family=OBJECT, ref=old.ref, body=None, uid=old.uid, change=old.change, author="gateway/retention", deleted=True
            )
            try:
                await self._entries.write(draft, expected=old.revision)
            except Retryable as error:
                log.info("change record kept for now", record=old.ref.name, error=str(error))
