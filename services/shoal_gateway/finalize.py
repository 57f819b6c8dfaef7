"""Letting go: our finalizers are released by written facts, and the tombstone follows; it stays (decision 8).

A template goes when its binding is a tombstone decided on the deletion, and the monitor has said of that tombstone that no copy is left.
A Cluster goes when no binding lists it any more. Absence is never a fact here: a missing entry keeps everything as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import structlog

from shoal.api import cluster
from shoal.api.binding import Binding
from shoal.api.meta import Manifest, Ref, group_of
from shoal.api.status import CopyStatus, TemplateStatus
from shoal.bus.entries import Draft, Entries, Entry
from shoal.bus.view import View
from shoal.bus.work_queue import WorkQueue
from shoal.domain.matching.exclusions import Exclusions
from shoal.messages.catalogue import BINDING, OBJECT, STATUS
from shoal_gateway import bodies, edits, merge, shapes
from shoal_gateway.admit import DRAINED, PROPAGATION
from shoal_gateway.bodies import Seen

log = structlog.get_logger()

_EXCLUSIONS = Exclusions()
RECHECK_S = 5.0
"""A Cluster under deletion is looked at this often: what holds it are the bindings of other keys."""


def template_held_by(object_: Seen, binding: Seen | None, status: Seen | None, *, excluded: bool = False) -> str:
    """Why a template under deletion stays, as a sentence; empty when it may go. `excluded`: no policy may ever place it (R1.12), so no
    binding is written for it.

    A tombstone of this uid is enough: the scheduler writes one for a deletion or finds one that was written before, when nothing was placed
    any more; either way the monitor's word on that very tombstone decides.
    """
    if binding is None or binding.uid != object_.uid:
        return "" if excluded and binding is None else _SCHEDULER
    if not binding.deleted:
        body: Binding = binding.body
        names = sorted({target.name for target in body.clusters} | set(body.removals))
        return f"waits for {', '.join(names)}" if names else _SCHEDULER
    if status is None or status.uid != object_.uid or status.inputs.get("binding", 0) < binding.revision:
        return "waits for the health-monitor to say that no copy is left"
    copies: TemplateStatus | None = None if status.deleted else status.body
    if copies is not None and copies.copies:
        return f"waits for {', '.join(map(_named, copies.copies))}"
    return ""


def _named(copy: CopyStatus) -> str:
    """The cluster, with what stands in the way there."""
    if copy.reason in ("", "Applying"):
        return copy.cluster  # Nothing was heard yet.
    return f"{copy.cluster} ({copy.reason}{': ' + copy.message if copy.message else ''})"


_SCHEDULER = "waits for the scheduler to take note of the deletion"


def without_finalizer(manifest: Manifest, name: str) -> Manifest:
    metadata = dict(manifest["metadata"])
    left = [one for one in metadata.get("finalizers") or () if one != name]
    if left:
        metadata["finalizers"] = left
    else:
        metadata.pop("finalizers", None)
    return {**manifest, "metadata": metadata}


@dataclass(frozen=True)
class Finalizer:
    """Reconciles one object under deletion."""

    view: View
    entries: Entries

    async def reconcile(self, ref: Ref) -> int:
        entry = self.view.get(OBJECT, ref)
        if entry is None or entry.deleted:
            return 0
        body = entry.body
        if edits.is_binding(ref):
            return await self._end_edit(entry, body)
        if not body["metadata"].get("deletionTimestamp"):
            return 0
        ours = [name for name in (PROPAGATION, DRAINED) if name in (body["metadata"].get("finalizers") or ())]
        if not ours or self.held_by(entry):
            return 0
        return await self._release(entry, body, ours)

    def held_by(self, entry: Entry[Manifest]) -> str:
        """Why an object under deletion stays; empty when nothing of ours holds it."""
        if merge.is_cluster(entry.ref):
            listed = self._bindings_with(entry.ref.name)
            return f"{listed} bindings still list the cluster" if listed else ""
        binding = self.view.get(BINDING, entry.ref)
        excluded = binding is None and bool(_EXCLUSIONS.reason(entry.body))
        return template_held_by(entry, binding, self.view.get(STATUS, entry.ref), excluded=excluded)

    def _bindings_with(self, cluster: str) -> int:
        count, quoted = 0, f'"{cluster}"'.encode()
        for entry in self.view.entries(BINDING):
            if entry.deleted or quoted not in entry.raw:
                continue  # Most bindings do not name it at all, and decoding all of them would take a while.
            binding = bodies.binding(entry)
            count += binding.target(cluster) is not None or cluster in binding.removals
        return count

    async def _release(self, entry: Entry[Manifest], body: Manifest, ours: list[str]) -> int:
        """Takes our finalizers off; when nobody else's is left, the tombstone is written in the same step."""
        left = body
        for name in ours:
            left = without_finalizer(left, name)
        gone = not left["metadata"].get("finalizers")
        # The deletion's own change, so that "is my deletion everywhere" stays one question.
        draft: Draft[Manifest] = Draft(
            family=OBJECT,
            ref=entry.ref,
            body=None if gone else left,
            uid=entry.uid,
            change=entry.change,
            author="gateway/finalizer",
            deleted=gone,
            content=0 if gone else entry.content,
        )
        revision = await self.entries.write(draft, expected=entry.revision)
        log.info("object gone" if gone else "finalizer released", ref=str(entry.ref), change=entry.change)
        return revision

    async def _end_edit(self, entry: Entry[Manifest], body: Manifest) -> int:
        """What was said on a binding goes when its template is gone, or another one has its name."""
        about = body["spec"]["resource"]
        ref = Ref(group_of(about["apiVersion"]), about["kind"], about.get("namespace", ""), about["name"])
        template = self.view.get(OBJECT, ref)
        if template is None or (not template.deleted and template.uid == entry.uid):
            return 0
        draft: Draft[Manifest] = Draft(
            family=OBJECT, ref=entry.ref, body=None, uid=entry.uid, change=template.change, author="gateway/finalizer", deleted=True
        )
        return await self.entries.write(draft, expected=entry.revision)


def feed(view: View, queue: WorkQueue[Ref]) -> None:
    """Queues what a change in the view may have set free."""

    def on_change(new: Entry[Any], previous: Entry[Any] | None) -> None:
        if new.family in (BINDING, STATUS) or (new.family is OBJECT and not new.deleted and b'"deletionTimestamp"' in new.raw):
            queue.add(new.ref, fresh=True)
        if new.family is OBJECT and (said := view.get(OBJECT, shapes.binding_ref(new.ref))) is not None and not said.deleted:
            queue.add(said.ref)

    view.subscribe(on_change)


def sweep(view: View, queue: WorkQueue[Ref]) -> None:
    """Queues everything under deletion: what a lost notification or a wait left behind."""
    for entry in view.entries(OBJECT):
        if not entry.deleted and (edits.is_binding(entry.ref) or b'"deletionTimestamp"' in entry.raw):
            queue.add(entry.ref)


def recheck(view: View, queue: WorkQueue[Ref]) -> None:
    """Queues Clusters under deletion."""
    for entry in view.entries(OBJECT, group=cluster.GROUP, kind=cluster.KIND):
        if not entry.deleted and b'"deletionTimestamp"' in entry.raw:
            queue.add(entry.ref)
