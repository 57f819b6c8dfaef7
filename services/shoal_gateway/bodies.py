"""What is read of entries (`Seen`), and their bodies, decoded for the moment.

An entry keeps its bytes; what it decodes it keeps, too, and the gateway reads everything.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from shoal.api.binding import Binding
from shoal.api.meta import Manifest, Struct
from shoal.api.status import Belief, TemplateStatus
from shoal.api.work import Report, Work
from shoal.bus.entries import Entry


class Seen(Protocol):
    """What the pure halves read of an entry; `bus.entries.Entry` is one."""

    @property
    def revision(self) -> int: ...
    @property
    def content(self) -> int: ...
    @property
    def uid(self) -> str: ...
    @property
    def change(self) -> str: ...
    @property
    def deleted(self) -> bool: ...
    @property
    def inputs(self) -> dict[str, int]: ...
    @property
    def body(self) -> Any: ...


class Used(Struct, frozen=True, kw_only=True):
    """An override policy that was used, without what it did."""

    policy: str = ""


class WorkHead(Struct, frozen=True, kw_only=True):
    """A work without its manifest: a fiftieth of the memory and the time."""

    cluster: str = ""
    epoch: int = 0
    template_uid: str = ""
    template_revision: int = 0
    binding_revision: int = 0
    overrides: tuple[Used, ...] = ()
    error: str = ""


_binding = msgspec.json.Decoder(Binding).decode
_status = msgspec.json.Decoder(TemplateStatus).decode
_belief = msgspec.json.Decoder(Belief).decode
_work = msgspec.json.Decoder(Work).decode
_work_head = msgspec.json.Decoder(WorkHead).decode
_report = msgspec.json.Decoder(Report).decode
_manifest = msgspec.json.Decoder(dict[str, Any]).decode


def binding(entry: Entry[Binding]) -> Binding:
    return _binding(entry.raw)


def status(entry: Entry[TemplateStatus]) -> TemplateStatus:
    return _status(entry.raw)


def belief(entry: Entry[Belief]) -> Belief:
    return _belief(entry.raw)


def work(entry: Entry[Work]) -> Work:
    return _work(entry.raw)


def work_head(entry: Entry[Work]) -> WorkHead:
    return _work_head(entry.raw)


def override_error(entry: Entry[Work]) -> str:
    """Why the overrides of a cluster could not be applied (R5.6); empty when they could. Most works name no error, and are not decoded."""
    return work_head(entry).error if b'"error"' in entry.raw else ""


def report(entry: Entry[Report]) -> Report:
    return _report(entry.raw)


def manifest(entry: Entry[Manifest]) -> Manifest:
    return _manifest(entry.raw)


def is_deleting(entry: Entry[Manifest]) -> bool:
    """True when the object has a deletion timestamp. Most have none, and are not decoded for it."""
    return b'"deletionTimestamp"' in entry.raw and bool(manifest(entry)["metadata"].get("deletionTimestamp"))
