"""What the gateway makes for an object of one kind: other objects of the hub, kept as they should be, and gone with what they are made for.

They are objects like any other from there on: policies place them, overrides change them, the agents bring them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import structlog

from shoal.api.meta import Manifest, Ref, ref_of
from shoal.api.shoal import MADE_FOR_LABEL
from shoal_gateway import origin
from shoal_gateway.hub import Hub

log = structlog.get_logger()

_HEAD = frozenset({"apiVersion", "kind", "metadata", "status"})


class Made:
    """Several gateways may try, compare-and-set lets one of them."""

    def __init__(self, hub: Hub, new_change: Callable[[], str], *, kind: str, author: str, manager: str) -> None:
        """`kind`: of what it is made for; objects that carry it in their label `shoal.dev/made-for` are ours."""
        self._hub, self._new_change = hub, new_change
        self._kind, self._author, self._manager = kind, author, manager

    async def keep(self, owner: Ref, wanted: Sequence[Manifest], others: Iterable[Ref] = ()) -> list[Ref]:
        """Makes and changes what is wanted, in that order, and deletes the `others`. Returns what was left alone: a user's own objects that
        have a wanted name.

        A field that may be wanted is always stated, also when it is empty: of a `spec`, what the door added as a default does not count as
        different, and a field that is merely left out would stay. Raises what the hub raises.
        """
        origin.enter(origin.Origin(self._author, self._new_change(), trusted=True))
        foreign = [ref_of(want) for want in wanted if not await self._keep(owner, want)]
        there = {ref_of(want) for want in wanted}
        for other in others:
            if other not in there:
                await self._drop(other)
        return foreign

    async def _keep(self, owner: Ref, want: Manifest) -> bool:
        """False when the name is taken."""
        part = ref_of(want)
        live = self._hub.get(part)
        labels = {**want["metadata"].get("labels", {}), MADE_FOR_LABEL: self._kind}
        if live is None:
            await self._hub.create({**want, "metadata": {**want["metadata"], "labels": labels}}, manager=self._manager)
            return True
        if not self._is_ours(live):
            log.warning("made by somebody else, left alone", owner=str(owner), object=str(part))
            return False
        if live["metadata"].get("deletionTimestamp"):
            return True  # It is made anew when it is gone.
        content = {field: value for field, value in want.items() if field not in _HEAD}
        marks = live["metadata"].get("labels") or {}
        if differs(marks, labels) or any(_changed(live, field, value) for field, value in content.items()):
            metadata = {**live["metadata"], "labels": {**marks, **labels}}
            await self._hub.update({**live, **content, "metadata": metadata}, manager=self._manager)
        return True

    async def _drop(self, part: Ref) -> None:
        live = self._hub.get(part)
        if live is not None and self._is_ours(live) and not live["metadata"].get("deletionTimestamp"):
            await self._hub.delete(part, live["apiVersion"])

    def _is_ours(self, live: Manifest) -> bool:
        return bool((live["metadata"].get("labels") or {}).get(MADE_FOR_LABEL) == self._kind)


def _changed(live: Manifest, field: str, wanted: Any) -> bool:
    return differs(live.get(field), wanted) if field == "spec" else live.get(field) != wanted


def differs(live: Any, wanted: Any) -> bool:
    """Whether something that is wanted is not so; what is there beside it does not count, but in a list."""
    if isinstance(wanted, dict):
        return not isinstance(live, dict) or any(name not in live or differs(live[name], value) for name, value in wanted.items())
    if isinstance(wanted, list):
        return not isinstance(live, list) or len(live) != len(wanted) or any(map(differs, live, wanted))
    return bool(live != wanted)
