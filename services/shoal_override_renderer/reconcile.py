"""One binding -> the works of its clusters."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import structlog

from shoal.api.binding import Binding, TargetCluster
from shoal.api.errors import Terminal
from shoal.api.meta import Manifest, Ref
from shoal.api.work import Work
from shoal.bus.entries import Draft, Entries, Entry
from shoal.bus.view import View
from shoal.domain.releasing import OwnerState, ending, owner_state, purging, releasable
from shoal.domain.rendering import failed, render, same_content, tombstone
from shoal.messages.catalogue import BINDING, OBJECT, STATUS, WORKS
from shoal.runtime.telemetry import following
from shoal_override_renderer.knowledge import Knowledge

log = structlog.get_logger()

Written = tuple[Draft[Work], int]
"""A draft and the revision it replaces."""


@dataclass(frozen=True)
class Reconciler:
    """Renders exactly the content revision that the binding names: another could put a new image where an old placement was decided."""

    entries: Entries
    state: View
    works: View
    knowledge: Knowledge

    async def reconcile(self, ref: Ref) -> int:
        """Writes the works of one template that changed, in one atomic batch; returns the highest sequence written, 0 for none."""
        current = {name: self._work(ref, name) for name in self.knowledge.clusters}
        binding = self.state.get(BINDING, ref)
        if binding is None:
            return 0  # Nothing was decided yet.
        with following("render", binding.trace, binding=str(ref)) as headers:
            drafts = [*await self._targets(binding, current), *self._removals(binding, current)]
            traced = [(msgspec.structs.replace(draft, headers=headers), expected) for draft, expected in drafts]
            sequences = await self.entries.write_all(traced) if traced else (0,)
        self._tell_orphans(binding, current)
        return max(sequences)

    def _work(self, ref: Ref, cluster: str) -> Entry[Work] | None:
        member = self.knowledge.clusters[cluster].member
        return self.works.get(WORKS, ref, member) if member else None

    async def _targets(self, entry: Entry[Binding], current: dict[str, Entry[Work] | None]) -> list[Written]:
        binding = entry.body
        targets = [target for target in binding.clusters if target.name in current and self.knowledge.clusters[target.name].member]
        if entry.deleted or not targets:
            return []
        template = await self._template(entry)
        if template is None:
            log.warning("template revision aged out, works stay as they are", binding=str(entry.ref), revision=binding.template_revision)
            return []
        # Of a cluster that is not known here nobody can say whether it was told.
        told = {name for name in binding.removals if name not in current or current[name] is not None}
        drafts, waits = list[Written](), purging(binding, told)
        for target in targets:
            before = current[target.name]
            there = before is not None and not before.deleted
            if waits and not there:
                log.info("new copy waits for a purge", binding=str(entry.ref), cluster=target.name, purging=waits)
                continue
            work = self._rendered(entry, target, template, before)
            if before is None or not there or not same_content(before.body, work):
                drafts.append(self._draft(entry, target.name, work, before))
        return drafts

    async def _template(self, entry: Entry[Binding]) -> Manifest | None:
        """The content revision that the binding names: from the view, or by its sequence when the view is past it (lazy, frozen)."""
        binding, seen = entry.body, self.state.get(OBJECT, entry.ref)
        if seen is not None and not seen.deleted and seen.content == binding.template_revision:
            return seen.body
        old = await self.entries.read_at(OBJECT, entry.ref, binding.template_revision)
        return None if old is None or old.deleted or old.uid != binding.template_uid else old.body

    def _rendered(self, entry: Entry[Binding], target: TargetCluster, template: Manifest, before: Entry[Work] | None) -> Work:
        """The work of one cluster. A failing override leaves what runs there and says so; other clusters go on (R5.6)."""
        binding = entry.body
        try:
            return render(
                template,
                binding,
                target,
                self.knowledge.clusters[target.name],
                list(self.knowledge.overrides_for(entry.ref)),
                template_revision=binding.template_revision,
                change=entry.change,
                binding_revision=entry.revision,
            )
        except Terminal as error:
            log.warning("rendering failed", binding=str(entry.ref), cluster=target.name, reason=str(error))
            fresh = Work(
                cluster=target.name,
                epoch=target.epoch,
                template_uid=binding.template_uid,
                template_revision=binding.template_revision,
                binding_revision=entry.revision,
            )
            return failed(before.body if before is not None and not before.deleted else None, fresh, error)

    def _removals(self, entry: Entry[Binding], current: dict[str, Entry[Work] | None]) -> list[Written]:
        """A tombstone only for a listed removal whose condition holds; a cluster that is merely absent is never deleted from.

        One that was never told to run it is told as well: its member says that nothing is there, and with that the removal is over.
        """
        binding, status = ending(entry.body) if entry.deleted else entry.body, self.state.get(STATUS, entry.ref)
        owners = [self._owner(owner) for removal in binding.removals.values() for owner in removal.owners]
        drafts = []
        for name in sorted(releasable(binding, status.body if status else None, owners)):
            before, cluster = current.get(name), self.knowledge.clusters.get(name)
            ended = before is not None and before.deleted and before.body.epoch >= binding.removals[name].epoch
            if ended or cluster is None or not cluster.member:
                continue
            work = tombstone(binding, name, binding.removals[name], binding_revision=entry.revision)
            drafts.append(self._draft(entry, name, work, before, deleted=True))
        return drafts

    def _owner(self, ref: Ref) -> OwnerState:
        binding, status = self.state.get(BINDING, ref), self.state.get(STATUS, ref)
        deleted = binding is not None and binding.deleted
        return owner_state(ref, binding.body if binding else None, status.body if status else None, deleted=deleted)

    def _draft(self, entry: Entry[Binding], cluster: str, work: Work, before: Entry[Work] | None, *, deleted: bool = False) -> Written:
        draft = Draft(
            family=WORKS,
            ref=entry.ref,
            body=work,
            member=self.knowledge.clusters[cluster].member,
            uid=entry.body.template_uid,
            inputs={"binding": entry.revision, "template": entry.body.template_revision},
            change=entry.change,
            author="override-renderer",
            deleted=deleted,
        )
        return draft, before.revision if before else 0

    def _tell_orphans(self, entry: Entry[Binding], current: dict[str, Entry[Work] | None]) -> None:
        """Absence is never intent: a work that its binding neither targets nor removes is told, not deleted."""
        listed = {target.name for target in entry.body.clusters} | set(entry.body.removals)
        for name, work in current.items():
            if work is not None and not work.deleted and name not in listed and not entry.deleted:
                log.warning("orphaned work", binding=str(entry.ref), cluster=name)
