"""One template's reports -> its status."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import structlog

from shoal.api.binding import Binding
from shoal.api.clock import Clock
from shoal.api.meta import Ref
from shoal.api.status import LOST, TemplateStatus
from shoal.bus.entries import Draft, Entries, Entry
from shoal.bus.view import View
from shoal.domain import interpreting
from shoal.domain.aggregating import Evidence, template_status
from shoal.domain.health import newly_failed, timed
from shoal.domain.releasing import ending
from shoal.messages.catalogue import BELIEF, BINDING, OBJECT, REPORTS, STATUS
from shoal.runtime.telemetry import following

log = structlog.get_logger()


@dataclass(frozen=True)
class Reconciler:
    entries: Entries
    state: View
    reports: View
    clock: Clock
    grace_s: float
    """How long the monitor has to have listened before it passes a verdict."""
    listened_s: Callable[[], float]
    again: Callable[[Ref, float], None]
    """Queues a template once more after some seconds: an application may have failed by then."""

    async def reconcile(self, ref: Ref) -> int:
        """Writes the status of one template when it differs; returns the sequence written, 0 for none."""
        previous, binding = self.state.get(STATUS, ref), self.state.get(BINDING, ref)
        if binding is None:
            return 0  # Nothing was decided yet.
        template = self.state.get(OBJECT, ref)
        beliefs = {entry.ref.name: entry.body for entry in self.state.entries(BELIEF) if not entry.deleted}
        evidence, reports = {}, []
        for cluster, belief in beliefs.items():
            report = self.reports.get(REPORTS, ref, belief.member)
            if report is not None:
                reports.append(report)
            # A report that the copy is gone is a tombstone, and evidence as any other.
            evidence[cluster] = Evidence(
                member=belief.member, report=report.body if report else None, change=report.change if report else ""
            )
        status = template_status(
            template.body if template is not None and not template.deleted and template.uid == binding.uid else None,
            ending(binding.body) if binding.deleted else binding.body,
            evidence,
            merge=interpreting.aggregate,
            silent={cluster for cluster, belief in beliefs.items() if belief.state == LOST},
        )
        status = self._timed(ref, previous, binding, status)
        if self._said(previous, binding, status):
            return 0
        draft = Draft(
            family=STATUS,
            ref=ref,
            body=status,
            uid=binding.uid,
            inputs={"binding": binding.revision},
            change=binding.change,
            author="health-monitor",
            previous=previous,
        )
        # The newest report tells whose trace goes on here.
        cause = max(reports, key=lambda entry: entry.time, default=None)
        with following("aggregate", cause.trace if cause else binding.trace, template=str(ref)) as headers:
            traced = msgspec.structs.replace(draft, headers=headers)
            sequence = await self.entries.write(traced, expected=previous.revision if previous else 0)
        for copy in newly_failed(status, _live(previous)):
            log.info("application failed", template=str(ref), cluster=copy.cluster, unhealthy_since=copy.unhealthy_since)
        return sequence

    def _timed(self, ref: Ref, previous: Entry[TemplateStatus] | None, binding: Entry[Binding], status: TemplateStatus) -> TemplateStatus:
        """With the verdicts on applications that were unhealthy for too long (R12.2)."""
        if binding.deleted:
            return status
        found = timed(status, _live(previous), binding.body, now=self.clock.now(), listened_s=self.listened_s(), grace_s=self.grace_s)
        if found.recheck_after_s is not None:
            self.again(ref, found.recheck_after_s)
        return found.status

    @staticmethod
    def _said(previous: Entry[TemplateStatus] | None, binding: Entry[Binding], status: TemplateStatus) -> bool:
        """Equal content is not written again; but that nothing is left of a deleted template is said once for its tombstone."""
        if previous is None or previous.deleted or previous.uid != binding.uid or previous.body != status:
            return False
        return not binding.deleted or previous.inputs.get("binding", 0) >= binding.revision


def _live(entry: Entry[TemplateStatus] | None) -> TemplateStatus | None:
    return entry.body if entry is not None and not entry.deleted else None
