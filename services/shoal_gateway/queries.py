"""What people ask: clusters, where an application runs, how far a change is, why a cluster was chosen. JSON-able answers from the views.

Refs are text (`group/Kind/namespace/name`), keys are camelCase, missing values are left out.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog

from shoal.api import cluster, status
from shoal.api.binding import Binding
from shoal.api.errors import Terminal
from shoal.api.meta import Ref
from shoal.api.status import CopyStatus, TemplateStatus
from shoal.bus.entries import Entries, Entry
from shoal.bus.port import Bus
from shoal.bus.view import View
from shoal.messages.catalogue import (
    BELIEF,
    BINDING,
    OBJECT,
    REPORTS,
    STATUS,
    WORKS,
    ApplicationHead,
    ChangeRecord,
)
from shoal_gateway import bodies
from shoal_gateway.answers import Changes
from shoal_gateway.changes import ChangeState, CopyState, ObjectState, State
from shoal_gateway.deploy_event import head_ref
from shoal_gateway.finalize import Finalizer
from shoal_gateway.index import Index

log = structlog.get_logger()

MISSING_MAX = 20

Json = dict[str, Any]
_STEP = {State.PENDING: "accepted", State.RENDERED: "accepted"}


class NotFound(Terminal):
    """Nothing of that name; the text says what there is."""

    reason = "NotFound"


class Invalid(Terminal):
    """A question that cannot be understood; the text says what to write."""

    reason = "Invalid"


class Queries:
    def __init__(self, view: View, works: View, index: Index, changes: Changes, finalizer: Finalizer, entries: Entries, bus: Bus) -> None:
        self._view, self._works, self._index = view, works, index
        self._changes, self._finalizer, self._entries, self._bus = changes, finalizer, entries, bus

    # --- clusters and status ----------------------------------------------------------------------------------------------------------

    def clusters(self) -> list[Json]:
        found = [entry for entry in self._view.entries(OBJECT, group=cluster.GROUP, kind=cluster.KIND) if not entry.deleted]
        return [self._cluster(entry) for entry in sorted(found, key=lambda entry: entry.ref.name)]

    def _cluster(self, entry: Entry[Any]) -> Json:
        manifest, told = bodies.manifest(entry), self._view.get(BELIEF, entry.ref)
        spec, belief = manifest.get("spec") or {}, bodies.belief(told) if told is not None and not told.deleted else None
        zones = spec.get("zones") or ([spec["zone"]] if spec.get("zone") else [])
        nodes = belief.status.node_summary if belief is not None else None
        state = belief.state if belief is not None else status.JOINING
        return _filled(
            {
                "name": entry.ref.name,
                "state": state,
                "ready": state == status.READY,
                "since": belief.since if belief is not None else manifest["metadata"].get("creationTimestamp", ""),
                "provider": spec.get("provider"),
                "region": spec.get("region"),
                "zone": ",".join(zones),
                "nodes": {"readyNum": nodes.ready_num, "totalNum": nodes.total_num} if nodes is not None else None,
                "version": belief.status.kubernetes_version if belief is not None else None,
                "message": belief.message if belief is not None else "the cluster was not heard yet",
                "reason": belief.reason if belief is not None else None,
                "member": self._index.member_of(entry.ref.name),
                "deleting": bool(manifest["metadata"].get("deletionTimestamp")) or None,
            }
        )

    def status(self) -> Json:
        """First what is wrong: clusters, deletions that wait, the oldest change that is not everywhere; then what moves."""
        known = self.clusters()
        problems = [
            {"subject": f"cluster {one['name']}", "message": one.get("message") or f"is {one['state']}"}
            for one in known
            if not one["ready"]
        ]
        problems += self._pending_deletions()
        open_records = self._changes.open_records()
        oldest = next((found for record in open_records if (found := self._missing(record)) is not None), None)
        return {
            "problems": problems,
            "clusters": known,
            "moves": self._moves(),
            "oldest_change": oldest,
            "openChanges": len(open_records),
            "objects": sum(1 for entry in self._view.entries(OBJECT) if not entry.deleted),
            "revision": self._view.position,
        }

    def _pending_deletions(self) -> list[Json]:
        out: list[Json] = []
        for entry in self._view.entries(OBJECT):
            if entry.deleted or b'"deletionTimestamp"' not in entry.raw:
                continue
            if bodies.manifest(entry)["metadata"].get("deletionTimestamp"):
                out.append(
                    {"subject": str(entry.ref), "message": f"is being deleted: {self._finalizer.held_by(entry) or 'about to be gone'}"}
                )
        return out

    def _missing(self, record: ChangeRecord) -> Json | None:
        state = self._changes.state(record.change)
        if state is None or state.state in (State.READY, State.SUPERSEDED):
            return None
        missing = [
            _filled(
                {"ref": str(one.ref), "cluster": copy.cluster, "state": _copy_state(copy), "reason": copy.reason, "message": copy.message}
            )
            for one in state.objects
            for copy in one.copies
            if copy.state != State.READY
        ]
        missing += [
            _filled({"ref": str(one.ref), "state": _step(one.state), "reason": one.reason, "message": one.message})
            for one in state.objects
            if not one.copies and one.state not in (State.READY, State.UNPLACED)
        ]
        return {
            "change": record.change,
            "application": record.application,
            "version": record.version,
            "acceptedAt": record.accepted_at,
            "state": _step(state.state),
            "missing": missing[:MISSING_MAX],
        }

    def _moves(self) -> list[Json]:
        out: list[Json] = []
        for entry in self._view.entries(BINDING):
            if entry.deleted or b'"removals"' not in entry.raw:
                continue  # Most bindings move nowhere, and decoding all of them would take a while.
            binding = bodies.binding(entry)
            targets = [one.name for one in binding.clusters]
            for name, removal in sorted(binding.removals.items()):
                told = {"ref": str(entry.ref), "from": name, "to": targets, "reason": removal.reason, "since": removal.since}
                out.append(_filled(told | {"waitsFor": removal.wait_for, "author": removal.author}))
        return out

    # --- applications -----------------------------------------------------------------------------------------------------------------

    def where(self, application: str) -> Json:
        refs = sorted(self._refs_of(application))
        head = self._head(application)
        return _filled(
            {
                "application": application,
                "version": head.version if head is not None else None,
                "change": head.change if head is not None else None,
                "objects": [{"ref": str(ref), "clusters": self._copies(ref)} for ref in refs],
            }
        )

    def applications(self) -> list[str]:
        return list(self._index.applications())

    def _refs_of(self, application: str) -> tuple[Ref, ...]:
        refs = self._index.objects_of(application)
        if not refs:
            known = ", ".join(list(self._index.applications())[:10]) or "there is none yet"
            raise NotFound(f"no application {application}; known are: {known}")
        return refs

    def _head(self, application: str) -> ApplicationHead | None:
        entry = self._view.get(OBJECT, head_ref(application))
        return msgspec.convert(entry.body["spec"], ApplicationHead) if entry is not None and not entry.deleted else None

    def _copies(self, ref: Ref) -> list[Json]:
        object_, binding, told = self._view.get(OBJECT, ref), self._view.get(BINDING, ref), self._view.get(STATUS, ref)
        uid = object_.uid if object_ is not None else ""
        decided = bodies.binding(binding) if binding is not None and not binding.deleted and binding.uid == uid else None
        heard = bodies.status(told) if told is not None and not told.deleted and told.uid == uid else None
        targets = {one.name: one.replicas for one in decided.clusters} if decided is not None else {}
        leaving = set(decided.removals) if decided is not None else set()
        reported = {one.cluster: one for one in heard.copies} if heard is not None else {}
        return [_where(name, targets, leaving, reported.get(name)) for name in sorted({*targets, *leaving, *reported})]

    # --- changes ----------------------------------------------------------------------------------------------------------------------

    def changes(self, limit: int = 50) -> list[Json]:
        out: list[Json] = []
        for record in self._changes.records():
            if len(out) == limit:
                break
            state = self._changes.state(record.change)
            told = {"change": record.change, "application": record.application, "version": record.version, "source": record.source}
            out.append(_filled(told | {"acceptedAt": record.accepted_at, "state": _step(state.state) if state is not None else ""}))
        return out

    def change(self, change: str) -> Json:
        state = self._changes.state(change)
        if state is None:
            raise NotFound(f"change {change} is not known here: it is older than the records, or newer changes wrote everything it touched")
        return shown(state)

    async def trace(self, change: str) -> list[Json]:
        """Every hop of a change with its time, as far as what stands now still tells."""
        state = self._changes.state(change)
        if state is None:
            raise NotFound(f"change {change} is not known here: it is older than the records, or newer changes wrote everything it touched")
        hops: list[Json] = []
        record = self._index.record_of(change)
        entry = self._view.get(OBJECT, record) if record is not None else None
        if entry is not None:
            told = f"{state.application} {state.version} from {state.source}".strip()
            hops.append(_hop("accepted", "gateway", entry.ref, state.accepted_at, told))
        for one in state.objects:
            hops += await self._hops(one.ref)
        hops.sort(key=lambda hop: str(hop["time"]))
        first = _seconds(hops[0]["time"]) if hops else 0.0
        return [{**hop, "afterMs": round((_seconds(hop["time"]) - first) * 1000, 1)} for hop in hops]

    async def _hops(self, ref: Ref) -> list[Json]:
        out: list[Json] = []
        object_, binding = self._view.get(OBJECT, ref), self._view.get(BINDING, ref)
        if object_ is not None:
            out.append(_hop("object", "gateway", ref, object_.time, f"revision {object_.revision} by {object_.author}"))
        decided = None
        if binding is not None and object_ is not None and binding.uid == object_.uid:
            decided = bodies.binding(binding) if not binding.deleted else None
            out.append(_hop("binding", "scheduler", ref, binding.time, _targets(decided)))
        for target in decided.clusters if decided is not None else ():
            member = self._index.member_of(target.name)
            work = self._works.get(WORKS, ref, member)
            if work is None:
                continue
            out.append(_hop("work", "override-renderer", ref, work.time, f"revision {work.revision}", target.name))
            report = await self._entries.read(REPORTS, ref, member)
            if report is not None and report.has_body:
                out.append(_hop("report", "agent", ref, report.time, _reported(report), target.name))
        told = self._view.get(STATUS, ref)
        if told is not None and object_ is not None and told.uid == object_.uid:
            out.append(_hop("status", "health-monitor", ref, told.time, _healths(None if told.deleted else bodies.status(told))))
        return out


def shown(state: ChangeState) -> Json:
    """A change as the CLI follows it."""
    return _filled(
        {
            "change": state.change,
            "application": state.application,
            "version": state.version,
            "source": state.source,
            "acceptedAt": state.accepted_at,
            "state": _step(state.state),
            "reason": state.reason,
            "message": state.message,
            "supersededBy": state.superseded_by,
            "clusters": {name: _step(step) for name, step in state.clusters.items()},
            "objects": [_object(one) for one in state.objects],
        }
    )


def final(state: ChangeState) -> bool:
    """True when following it further tells nothing new."""
    return state.state in (State.READY, State.SUPERSEDED)


def _object(one: ObjectState) -> Json:
    head = {"ref": str(one.ref), "state": _step(one.state), "reason": one.reason, "message": one.message, "deleted": one.deleted or None}
    return _filled(head) | {"clusters": [_copy(copy) for copy in one.copies]}


def _copy(copy: CopyState) -> Json:
    told = {"cluster": copy.cluster, "state": _copy_state(copy), "reason": copy.reason, "message": copy.message}
    return _filled(told | {"health": copy.health, "replicas": copy.replicas, "image": copy.image})


def _step(state: State) -> str:
    return _STEP.get(state, str(state))


def _copy_state(copy: CopyState) -> str:
    return "unreachable" if copy.reason == "ClusterUnreachable" else str(copy.state)


def _where(name: str, targets: dict[str, int | None], leaving: set[str], copy: CopyStatus | None) -> Json:
    reason = copy.reason if copy is not None else "Pending"
    told: Json = {"cluster": name, "replicas": targets.get(name), "health": copy.health if copy is not None else "Unknown"}
    if copy is not None:
        ready = (copy.status or {}).get("readyReplicas", (copy.status or {}).get("succeeded"))
        told |= {"ready": ready, "image": copy.image, "applied": copy.applied, "message": copy.message}
        told["replicas"] = told["replicas"] if told["replicas"] is not None else copy.replicas
    return _filled(told | {"reason": "Leaving" if name in leaving else reason, "leaving": name in leaving or None})


def _hop(hop: str, service: str, ref: Ref, time: float | str, detail: str, name: str = "") -> Json:
    told = time if isinstance(time, str) else datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds")
    return {"hop": hop, "service": service, "ref": str(ref), "cluster": name, "time": told, "detail": detail}


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()


def _targets(binding: Binding | None) -> str:
    if binding is None:
        return "nowhere any more"
    return ", ".join(f"{one.name}" + (f"={one.replicas}" if one.replicas is not None else "") for one in binding.clusters) or "nowhere"


def _reported(entry: Entry[Any]) -> str:
    report = bodies.report(entry)
    if report.gone:
        return "gone"
    return f"applied in {report.apply_ms:.0f} ms, {report.health}" if report.applied else f"{report.reason}: {report.message}"


def _healths(told: TemplateStatus | None) -> str:
    if told is None or not told.copies:
        return "no copies"
    return ", ".join(f"{one.cluster} {one.health}" for one in told.copies)


def _filled(fields: Json) -> Json:
    """Without what is not known; False and 0 are known."""
    return {name: value for name, value in fields.items() if value not in (None, "", {})}
