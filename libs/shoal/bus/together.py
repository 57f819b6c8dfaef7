"""Writes that are due at the same moment, as one atomic batch: one question to the bus and one fsync for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from shoal.api.errors import BusUnavailable, RevisionConflict, ShoalError
from shoal.bus.entries import Draft, Entries

MOST = 100
"""Entries of one batch. Bindings have some kilobytes; a batch stays far below the server's `max_payload`, and nobody waits long for it."""
_LEAD = -1


class _Item(msgspec.Struct, eq=False):
    draft: Draft[Any]
    expected: int | None
    done: asyncio.Future[int]
    """Its revision, or `_LEAD`: the batches from here on are this writer's to send."""


class Together:
    """`write` is as that of `Entries`. What comes while a batch is under way goes with the next one; nobody waits for company.

    The writers send for each other, one at a time: there is no task that could outlive them.
    """

    def __init__(self, entries: Entries, *, most: int = MOST) -> None:
        self._entries, self._most = entries, most
        self._due: list[_Item] = []
        self._led = False

    async def write(self, draft: Draft[Any], *, expected: int | None) -> int:
        """The new revision. Raises as `Entries.write` does; a conflict of one entry is no conflict of the others."""
        item = _Item(draft, expected, asyncio.get_running_loop().create_future())
        self._due.append(item)
        if self._led:
            try:
                revision = await item.done
            except asyncio.CancelledError:
                self._leave(item)
                raise
            if revision != _LEAD:
                return revision
        return await self._lead(item)

    def _leave(self, item: _Item) -> None:
        """A writer that was cancelled while it waited: what was not sent is not sent, and the lead goes on."""
        led = item.done.done() and not item.done.cancelled() and item.done.exception() is None and item.done.result() == _LEAD
        if item in self._due:
            self._due.remove(item)
        if led:
            self._hand_over()

    async def _lead(self, item: _Item) -> int:
        self._led = True
        part = [item]
        try:
            await asyncio.sleep(0)  # Whoever is ready in this turn joins.
            part = self._due[: self._most]
            outcomes = await self._send(part)
        except BaseException:
            for other in part:
                if other is not item and not other.done.done():
                    other.done.set_exception(BusUnavailable(f"{other.draft.subject[:200]} may be written or not: its batch was given up"))
            raise
        finally:
            self._due = [other for other in self._due if other not in part]
            self._hand_over()
        for other, outcome in zip(part, outcomes, strict=True):
            if other is item or other.done.done():
                continue
            if isinstance(outcome, int):
                other.done.set_result(outcome)
            else:
                other.done.set_exception(outcome)
        mine = outcomes[part.index(item)]
        if isinstance(mine, int):
            return mine
        raise mine

    def _hand_over(self) -> None:
        following = next((item for item in self._due if not item.done.done()), None)
        self._led = following is not None
        if following is not None:
            following.done.set_result(_LEAD)

    async def _send(self, part: Sequence[_Item]) -> list[int | ShoalError]:
        """A revision or an error for each."""
        try:
            return list(await self._entries.write_all([(item.draft, item.expected) for item in part]))
        except RevisionConflict as error:
            if len(part) == 1:
                return [error]
        except ShoalError as error:
            return [error] * len(part)
        return list(await asyncio.gather(*(self._alone(item) for item in part)))

    async def _alone(self, item: _Item) -> int | ShoalError:
        try:
            return await self._entries.write(item.draft, expected=item.expected)
        except ShoalError as error:
            return error
