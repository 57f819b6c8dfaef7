"""What the agent says: one report per work, sent when its content changed and again when the monitor lacks it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import structlog

from shoal.api.clock import Clock
from shoal.api.cluster import GROUP as CLUSTER_GROUP
from shoal.api.cluster import KIND as CLUSTER_KIND
from shoal.api.errors import BusUnavailable
from shoal.api.meta import Ref
from shoal.api.work import Inventory, Report
from shoal.bus.entries import Draft, Entries, digest_of
from shoal.bus.port import Bus
from shoal.bus.requests import ask
from shoal.bus.work_queue import WorkQueue
from shoal.messages import subject
from shoal.messages.catalogue import INVENTORY, REPORTS, ListReports, ReportList

log = structlog.get_logger()

_ASK_TIMEOUT_S = 5.0
INTERVAL_S = 0.1
"""One object's report is sent at most this often; a rollout changes its status many times a second."""


class Said(msgspec.Struct, frozen=True):
    report: Report
    uid: str
    change: str
    headers: dict[str, str]
    digest: str
    """Of the report's content; times and durations are none."""


def content_digest(report: Report) -> str:
    return digest_of(msgspec.json.encode(msgspec.structs.replace(report, apply_ms=0.0, applied_at="")))


class Reports:
    def __init__(self, bus: Bus, entries: Entries, member: str, cluster: str, clock: Clock, chance: Callable[[], float]) -> None:
        self._bus, self._entries, self._member, self._cluster, self._clock = bus, entries, member, cluster, clock
        self._latest: dict[Ref, Said] = {}
        self._sent: dict[Ref, str] = {}
        self._sent_at: dict[Ref, float] = {}
        self._inventory: Inventory | None = None
        self.queue: WorkQueue[Ref] = WorkQueue("agent-reports", self._send, clock=clock, workers=8, random=chance)

    def tell(self, ref: Ref, report: Report, *, uid: str, change: str, headers: dict[str, str]) -> None:
        """Keeps the newest report and sees that it is sent; an equal one is not sent again."""
        said = Said(report, uid, change, headers, content_digest(report))
        self._latest[ref] = said
        if self._sent.get(ref) != said.digest:
            since = self._clock.monotonic() - self._sent_at.get(ref, -INTERVAL_S)
            self.queue.add(ref, fresh=True, after_s=max(0.0, INTERVAL_S - since))

    def last(self, ref: Ref) -> Report | None:
        said = self._latest.get(ref)
        return said.report if said else None

    async def _send(self, ref: Ref) -> int:
        said = self._latest.get(ref)
        if said is None or self._sent.get(ref) == said.digest:
            return 0
        draft = Draft(
            family=REPORTS,
            ref=ref,
            body=said.report,
            member=self._member,
            uid=said.uid,
            inputs={"work": said.report.work_revision},
            change=said.change,
            author=f"agent/{self._cluster}",
            deleted=said.report.gone,
            headers=said.headers,
            digest=said.digest,
        )
        await self._entries.write(draft, expected=None)
        self._sent[ref] = said.digest
        self._sent_at[ref] = self._clock.monotonic()
        return 0

    async def tell_inventory(self, inventory: Inventory) -> None:
        """Sends the inventory when it changed. Raises `BusUnavailable`."""
        if inventory == self._inventory:
            return
        ref = Ref(CLUSTER_GROUP, CLUSTER_KIND, "", self._cluster)
        draft = Draft(family=INVENTORY, ref=ref, body=inventory, member=self._member, author=f"agent/{self._cluster}")
        await self._entries.write(draft, expected=None)
        self._inventory = inventory

    async def reconcile(self) -> None:
        """Compares with what the monitor has heard, and sends what it lacks. Raises `BusUnavailable`."""
        heard: dict[Ref, str] = {}
        after = ""
        while True:
            page = await ask(self._bus, f"ask.{self._member}.reports", ListReports(after=after), ReportList, timeout_s=_ASK_TIMEOUT_S)
            if not page.complete:
                raise BusUnavailable("the monitor's list of reports is not complete yet")
            heard |= {subject.decode_ref(item.key): item.digest for item in page.items}
            after = page.next
            if not after:
                break
        for ref, said in tuple(self._latest.items()):
            if heard.get(ref) != said.digest:
                self._sent.pop(ref, None)
                self.queue.add(ref)
        if Ref(CLUSTER_GROUP, CLUSTER_KIND, "", self._cluster) not in heard:
            self._inventory = None  # The next inventory is sent whatever it holds.
