"""Answers to agents: which works are there for a member."""

from __future__ import annotations

from dataclasses import dataclass

from shoal.bus.view import View, up_to_date
from shoal.messages.catalogue import WORKS, ListWorks, WorkItem, WorkList
from shoal.messages.subject import decode_token, encode_ref


@dataclass(frozen=True)
class Answers:
    works_view: View
    page_items_max: int

    async def works(self, subject: str, request: ListWorks) -> WorkList:
        """One page of a member's keys, in order, not older than the question: an agent hears of what was written before it listened by this
        alone. A view that is not there yet says so; nobody may conclude anything from what is missing."""
        member = decode_token(subject.split(".")[1])
        if not await up_to_date(self.works_view):
            return WorkList(complete=False)
        entries = {encode_ref(entry.ref): entry for entry in self.works_view.entries(WORKS, member=member)}
        keys = sorted(key for key in entries if key > request.after)
        page = keys[: self.page_items_max]
        return WorkList(
            items=tuple(WorkItem(key=key, revision=entries[key].revision, tombstone=entries[key].deleted) for key in page),
            sequence=self.works_view.position,
            next=page[-1] if len(keys) > len(page) else "",
        )
