"""Where the owner of an API server puts its own rules: `Admission`."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from shoal.api.meta import Manifest, Ref
from shoal.kube.apiserver.registry import ResourceType

Operation = Literal["CREATE", "UPDATE", "DELETE"]


class Context(msgspec.Struct, frozen=True):
    """Who asks for what."""

    resource: ResourceType
    ref: Ref
    subresource: str
    """Empty, `status`, `scale` or `finalize`."""
    manager: str
    """The field manager."""
    user: str
    """From the header `x-remote-user` that a front door sets; empty when there is none."""
    dry_run: bool
    headers: dict[str, str]
    """Of the request; empty for a write that did not come over HTTP."""


class Admission(Protocol):
    def receive(self, sent: Manifest, *, context: Context) -> Manifest:
        """Called with the object of a create, a replace or an apply before it meets what is stored: the place to drop what its sender does
        not own (labels and annotations of the system, an aggregated status), so that it is neither stored nor owned nor a conflict."""
        ...

    async def admit(self, operation: Operation, old: Manifest | None, new: Manifest | None, *, context: Context) -> Manifest:
        """Called before every write with the object as it would be stored (defaults filled; it is validated afterwards), and may return
        another or raise a `StatusError`. It may run several times for one request (a write that met a conflict is decided again), and
        must not write.

        CREATE: `old` is None. UPDATE: both are set; also for status, scale, and a deletion that only marks the object.
        DELETE: `new` is None; the object returned (usually `old`) is what is deleted: finalizers added to it keep it, marked as deleting.
        """
        ...


class AdmitAll:
    """No rules."""

    def receive(self, sent: Manifest, *, context: Context) -> Manifest:
        return sent

    async def admit(self, operation: Operation, old: Manifest | None, new: Manifest | None, *, context: Context) -> Manifest:
        chosen = new if new is not None else old
        if chosen is None:
            raise ValueError("a write has an object before or after it")
        return chosen
