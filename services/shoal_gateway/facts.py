"""What changes are judged by: the views of STATE and WORK, and how far scheduler and renderer say they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from shoal.api import cluster, status
from shoal.api.meta import Ref
from shoal.bus.entries import Entry
from shoal.bus.progress import ProgressReader
from shoal.bus.view import View
from shoal.domain.interpreting import interpreter_of
from shoal.messages.catalogue import BELIEF, BINDING, OBJECT, STATUS, WORKS, Progress
from shoal_gateway import bodies
from shoal_gateway.index import Index
from shoal_gateway.kinds import is_template

SCHEDULER, RENDERER = "scheduler", "override-renderer"


class Peeked(NamedTuple):
    """An entry with its body decoded for the moment."""

    revision: int
    content: int
    uid: str
    change: str
    deleted: bool
    body: Any
    time: float
    inputs: dict[str, int]


def peek(entry: Entry[Any] | None, decode: Callable[[Entry[Any]], Any]) -> Peeked | None:
    if entry is None:
        return None
    body = None if entry.deleted else decode(entry)
    return Peeked(entry.revision, entry.content, entry.uid, entry.change, entry.deleted, body, entry.time, entry.inputs)


class ViewFacts:
    """Implements `changes.Facts`."""

    def __init__(self, state: View, works: View, index: Index, progress: ProgressReader) -> None:
        self._state, self._works, self._index, self._progress = state, works, index, progress

    def object(self, ref: Ref) -> Peeked | None:
        return peek(self._state.get(OBJECT, ref), lambda _: None)

    def deleting(self, ref: Ref) -> bool:
        entry = self._state.get(OBJECT, ref)
        return entry is not None and not entry.deleted and bodies.is_deleting(entry)

    def binding(self, ref: Ref) -> Peeked | None:
        return peek(self._state.get(BINDING, ref), bodies.binding)

    def status(self, ref: Ref) -> Peeked | None:
        return peek(self._state.get(STATUS, ref), bodies.status)

    def work(self, cluster: str, ref: Ref) -> Peeked | None:
        return peek(self._works.get(WORKS, ref, self._index.member_of(cluster)), bodies.work_head)

    def lost(self, name: str) -> bool:
        entry = self._state.get(BELIEF, Ref(cluster.GROUP, cluster.KIND, "", name))
        return entry is not None and not entry.deleted and bodies.belief(entry).state == status.LOST

    def placed(self, ref: Ref) -> bool:
        return is_template(ref) and ref.kind != "Namespace"

    def judged(self, ref: Ref) -> bool:
        api_version = f"{ref.group}/v1" if ref.group else "v1"  # Rules are by group and kind; any version will do.
        return interpreter_of({"apiVersion": api_version, "kind": ref.kind}).health is not None

    @property
    def scheduler(self) -> Progress | None:
        told = self._progress.get(SCHEDULER)
        # What it wrote has to be in the view before "it left the entry as it was" can be concluded.
        return told if told is not None and self._state.position >= told.wrote else None

    @property
    def renderer(self) -> Progress | None:
        told = self._progress.get(RENDERER)
        return told if told is not None and self._works.position >= told.wrote else None
