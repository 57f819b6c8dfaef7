"""What is laid over the user's own part of an object, and what a change of either looks like to a watch."""

from __future__ import annotations

from typing import Any

from shoal.api.meta import Manifest, Ref
from shoal.api.status import Belief
from shoal.bus.entries import Entry
from shoal.bus.view import View
from shoal.kube.apiserver.store import Event, EventType, Stored, encode_at
from shoal.messages.catalogue import BELIEF, BINDING, STATUS
from shoal_gateway import bodies, merge
from shoal_gateway.kinds import inert_status


class Overlay:
    """What is laid over an object entry: aggregated status while a binding claims this very object, and a Cluster's belief."""

    __slots__ = ("belief", "revision", "status")

    def __init__(self, status: Manifest | None, belief: Belief | None, revision: int) -> None:
        self.status, self.belief, self.revision = status, belief, revision

    @classmethod
    def of(cls, view: View, ref: Ref, uid: str, **instead: Entry[Any] | None) -> Overlay:
        """From the view; entries given by family name (`status=`, `binding=`, `belief=`) stand in for the view's."""
        belief = instead["belief"] if "belief" in instead else (view.get(BELIEF, ref) if merge.is_cluster(ref) else None)
        status = instead["status"] if "status" in instead else view.get(STATUS, ref)
        binding = instead["binding"] if "binding" in instead else view.get(BINDING, ref)
        spoken = [entry for entry in (status, binding) if entry is not None and not entry.deleted and entry.uid == uid]
        merged = bodies.status(status).status if status is not None and len(spoken) == 2 else None
        known = belief if belief is not None and not belief.deleted else None
        revision = max([entry.revision for entry in spoken] + ([known.revision] if known is not None else []), default=0)
        return cls(merged, bodies.belief(known) if known is not None else None, revision)

    def over(self, own: Manifest) -> Manifest:
        return merge.shown(own, status=inert_status(own) or self.status, belief=self.belief)


class ObjectChange:
    """Makes the event of a new object entry, with what was laid over it at that moment."""

    __slots__ = ("_new", "_overlay", "_overlay_before", "_previous")

    def __init__(self, view: View, new: Entry[Manifest], previous: Entry[Manifest] | None) -> None:
        self._new, self._previous = new, previous if previous is not None and not previous.deleted else None
        self._overlay = Overlay.of(view, new.ref, new.uid)
        self._overlay_before = (
            Overlay.of(view, new.ref, previous.uid) if previous is not None and previous.uid != new.uid else self._overlay
        )

    def __call__(self) -> Event | None:
        at, before = self._new.revision, None
        if self._previous is not None:
            revision = max(self._previous.revision, min(self._overlay_before.revision, at - 1))
            body = encode_at(self._overlay_before.over(self._previous.body), revision)
            before = Stored(self._previous.ref, body, revision, self._previous.revision)
        if self._new.deleted:
            if before is None or self._previous is None:
                return None
            last = encode_at(self._overlay_before.over(self._previous.body), at)
            return Event(EventType.DELETED, Stored(self._new.ref, last, at, at), before)
        after = Stored(self._new.ref, encode_at(self._overlay.over(self._new.body), at), at, at)
        return Event(EventType.MODIFIED if before is not None else EventType.ADDED, after, before)


class OverlayChange:
    """Makes the event of an object whose status, belief or binding changed; nothing when it looks the same as before."""

    __slots__ = ("_after", "_at", "_before", "_entry")

    def __init__(self, view: View, entry: Entry[Manifest], new: Entry[Any], previous: Entry[Any] | None) -> None:
        self._entry, self._at = entry, new.revision
        self._after = Overlay.of(view, entry.ref, entry.uid, **{new.family.name: new})
        self._before = Overlay.of(view, entry.ref, entry.uid, **{new.family.name: previous})

    def __call__(self) -> Event | None:
        if self._after.status == self._before.status and self._after.belief == self._before.belief:
            return None
        own, ref = self._entry.body, self._entry.ref
        old = max(self._entry.revision, self._before.revision)
        before = Stored(ref, encode_at(self._before.over(own), old), old, self._entry.revision)
        after = Stored(ref, encode_at(self._after.over(own), self._at), self._at, self._entry.revision)
        return Event(EventType.MODIFIED, after, before)
