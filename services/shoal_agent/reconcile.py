"""One work -> the member's object, and a report of what came of it."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field

import structlog

from shoal.api.clock import Clock
from shoal.api.errors import DependencyMissing, MemberUnavailable, Retryable, RevisionConflict, Terminal
from shoal.api.meta import Manifest, Ref
from shoal.api.shoal import MANAGED_LABEL
from shoal.api.work import Report, Work
from shoal.bus.entries import Entry
from shoal.domain import interpreting
from shoal.domain.applying import PASSING, Apply, Create, Delete, Nothing, Refuse, Release, Step, plan_apply
from shoal.kube.client.member import Labelled, Member
from shoal.runtime.telemetry import following
from shoal_agent.parked import Parked
from shoal_agent.reports import Reports
from shoal_agent.telling import Said, report_of
from shoal_agent.watch import Watches
from shoal_agent.works import Works

log = structlog.get_logger()

PARKED_RETRY_S = 10.0
"""An object that waits for its namespace or kind is looked at again that often, if nothing woke it before."""
REFUSED_RETRY_S = 20.0
"""An object that something of others stands in the way of is looked at again that often."""
DRIFT_WINDOW_S = 60.0


class DriftContested(Retryable):
    """Somebody else in the member keeps changing what we own; correcting it pauses for a while."""

    reason = "DriftContested"


@dataclass(frozen=True)
class Reconciler:
    member: Member
    works: Works
    reports: Reports
    watches: Watches
    parked: Parked
    drift: DriftBudget
    clock: Clock

    async def reconcile(self, ref: Ref) -> int:
        """Brings one object to what the hub wants; writes nothing when it is so already. Raises `Retryable` for the queue to back off."""
        work = await self.works.get(ref)
        if work is None:
            return 0  # Nothing was ever wanted under this key.
        with following("apply", work.trace, object=str(ref)) as headers:
            await self._bring(ref, work, headers)
        return 0

    async def _bring(self, ref: Ref, work: Entry[Work], headers: dict[str, str]) -> None:
        started, live = self.clock.monotonic(), None
        try:
            live = await self._live(ref, work)
            step = await self._plan(work, live)
            live = await self._carry_out(step, ref, work, live)
        except DependencyMissing as error:
            self._tell(ref, work, None, error, started, headers)
            self.parked.wait(ref)
            return
        except RevisionConflict:
            raise  # Somebody was faster: look again.
        except MemberUnavailable as error:
            self._tell(ref, work, None, error, started, headers)
            raise
        except DriftContested as error:
            self._tell(ref, work, live, error, started, headers)
            raise
        except Terminal as error:
            self._tell(ref, work, None, error, started, headers)
            self.parked.look_again(ref)  # A webhook or a quota that refuses today may not tomorrow; nobody tells us then.
            return
        self._tell(ref, work, live, step if isinstance(step, Refuse | Nothing) else None, started, headers)
        if _going(step, live) or (isinstance(step, Refuse) and step.reason in PASSING):
            self.parked.look_again(ref)
        if not isinstance(step, Nothing | Refuse):
            self.parked.wake()

    async def _live(self, ref: Ref, work: Entry[Work]) -> Manifest | None:
        if not work.deleted:
            await self.watches.follow(ref)
        return self.watches.take(ref) or await self.member.live(ref)

    async def _plan(self, work: Entry[Work], live: Manifest | None) -> Step:
        foreign: tuple[Ref, ...] = ()
        if work.deleted and work.ref.kind == "Namespace" and live is not None:
            foreign = tuple(await self.member.foreign_objects(work.ref.name, _is_ours))
        wanted = work.body.manifest
        retained = interpreting.retain(wanted, live) if live is not None and wanted else None
        return plan_apply(work.body, live, work_deleted=work.deleted, foreign=foreign, retained=retained)

    async def _carry_out(self, step: Step, ref: Ref, work: Entry[Work], live: Manifest | None) -> Manifest | None:
        """The object after the step, None when there is none."""
        if isinstance(step, Nothing | Refuse):
            return live
        if isinstance(step, Delete):
            await self.member.delete(ref, uid=step.uid, resource_version=step.resource_version, foreground=step.foreground)
            return await self.member.live(ref)
        if isinstance(step, Release):
            await self.member.api.patch_merge(ref, step.patch)
            return None
        if isinstance(step, Apply) and step.drift:
            self.drift.spend(ref, self.clock.monotonic())
            log.info("drift corrected", ref=str(ref), fields=list(step.drift)[:5])
        if isinstance(step, Create):
            return await self.member.apply(step.body, force=False)
        # With the uid as precondition: another object of that name is looked at first (RevisionConflict), not overwritten.
        return await self.member.apply({**step.body, "metadata": {**step.body["metadata"], "uid": step.uid}}, force=True)

    def _tell(self, ref: Ref, work: Entry[Work], live: Manifest | None, said: Said, started: float, headers: dict[str, str]) -> None:
        report: Report = report_of(
            work.body,
            live,
            revision=work.revision,
            deleted=work.deleted,
            said=said,
            drifts=self.drift.spent(ref),
            apply_ms=round((self.clock.monotonic() - started) * 1000, 1),
            now=self.clock.now(),
        )
        self.reports.tell(ref, report, uid=work.uid, change=work.change, headers=headers)


@dataclass(frozen=True)
class DriftBudget:
    """How often one object may be corrected per minute; more is a fight with somebody else's controller, which is reported instead."""

    limit_per_minute: int
    _spent: dict[Ref, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    _total: dict[Ref, int] = field(default_factory=lambda: defaultdict(int))

    def spend(self, ref: Ref, now: float) -> None:
        """Raises `DriftContested` above the limit."""
        times = self._spent[ref]
        while times and now - times[0] > DRIFT_WINDOW_S:
            times.popleft()
        if len(times) >= self.limit_per_minute:
            raise DriftContested(
                f"corrected {len(times)} times in a minute; another controller in the cluster changes the same fields",
                retry_after_s=DRIFT_WINDOW_S,
            )
        times.append(now)
        self._total[ref] += 1

    def spent(self, ref: Ref) -> int:
        return self._total.get(ref, 0)


def _going(step: Step, live: Manifest | None) -> bool:
    """Deleted, and held by finalizers. A kind of which nothing is wanted any more is not watched after a restart, so nobody tells its end."""
    return (isinstance(step, Delete) and live is not None) or (isinstance(step, Nothing) and step.reason == "Deleting")


def _is_ours(item: Labelled) -> bool:
    return item.labels.get(MANAGED_LABEL) == "true"
