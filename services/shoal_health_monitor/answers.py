"""Answers to agents: which of their reports were heard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from shoal.bus.entries import Entry
from shoal.bus.view import View, up_to_date
from shoal.messages.catalogue import INVENTORY, REPORTS, Family, ListReports, ReportItem, ReportList
from shoal.messages.subject import decode_token, encode_ref

_FAMILIES: tuple[Family[Any], ...] = (REPORTS, INVENTORY)


@dataclass(frozen=True)
class Answers:
    reports_view: View
    page_items_max: int

    async def reports(self, subject: str, request: ListReports) -> ReportList:
        """One page of a member's reports, in order, not older than the question. A view that is not there yet says so."""
        member = decode_token(subject.split(".")[1])
        if not await up_to_date(self.reports_view):
            return ReportList(complete=False)
        found: Iterator[Entry[Any]] = chain(*(self.reports_view.entries(family, member=member) for family in _FAMILIES))
        entries = {encode_ref(entry.ref): entry for entry in found}
        keys = sorted(key for key in entries if key > request.after)
        page = keys[: self.page_items_max]
        return ReportList(
            items=tuple(ReportItem(key=k, work_revision=entries[k].inputs.get("work", 0), digest=entries[k].digest) for k in page),
            next=page[-1] if len(keys) > len(page) else "",
        )
