"""A decision of the past, made again: the state at its view position is read back from STATE and HISTORY, then decided as ever."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from shoal.api.binding import Binding
from shoal.api.cluster import GROUP as CLUSTER_GROUP
from shoal.api.cluster import KIND as CLUSTER_KIND
from shoal.api.errors import Terminal
from shoal.api.policy import GROUP as POLICY_GROUP
from shoal.api.shoal import GROUP as SHOAL_GROUP
from shoal.bus.entries import Draft, Entries, Entry, subject_of, supposed
from shoal.bus.view import View
from shoal.domain.deciding import decide
from shoal.domain.scheduling import Recorded, same_content
from shoal.messages import subject as subjects
from shoal.messages.catalogue import BELIEF, BINDING, OBJECT, STATUS
from shoal.messages.planning import Replayed, ReplayRequest, Supposed
from shoal_scheduler.imagined import Imagined, Picture
from shoal_scheduler.knowledge import WORK_GROUP

_CLUSTER = (CLUSTER_GROUP, CLUSTER_KIND)


class NothingRecorded(Terminal):
    """There is no decision about this object at that revision, or it has aged out."""

    reason = "NothingRecorded"


async def replay(entries: Entries, state: View, request: ReplayRequest) -> Replayed:
    """Raises `NothingRecorded` when there is no decision to replay, `Retryable` while the bus does not answer."""
    ref = request.ref
    recorded = await _recorded(entries, state, request)
    told = recorded.body.explanation
    position = told.view_position or recorded.revision - 1
    found = await _past(entries, state, recorded, position)
    if not recorded.inputs.get("previous"):  # A tombstone that was purged by then is still in HISTORY.
        found = [entry for entry in found if (entry.family.name, entry.ref) != (BINDING.name, ref)]
    aged_out = await _aged_out(entries, state, found, recorded, position)
    answer = Replayed(revision=recorded.revision, view_position=position, recorded=recorded.body, aged_out=tuple(aged_out))
    if not any(entry.family.name == OBJECT.name and entry.ref == ref for entry in found):
        return answer
    picture = Picture(found, position)
    picture.position = position
    _stand_in(picture, request.policies)
    picture.position = position
    world = Imagined(picture, now=_moment(told.decided_at, recorded.time))
    for _ in world.load():
        pass
    inputs = world.inputs(ref)
    outcome = decide(
        msgspec.structs.replace(
            inputs, estimates=told.estimates or None, reservations=Recorded(told.reserved), reschedule_at=recorded.body.rescheduled_at
        )
    )
    replayed = outcome.binding
    return msgspec.structs.replace(
        answer,
        replayed=replayed,
        same=replayed is not None and outcome.tombstone == recorded.deleted and same_content(replayed, recorded.body),
        reason=outcome.reason,
        message=outcome.message,
    )


async def _recorded(entries: Entries, state: View, request: ReplayRequest) -> Entry[Binding]:
    at = request.at or state.position
    found = await entries.all_at([subject_of(BINDING, request.ref)], at)
    if found:
        return found[-1]
    if request.at:
        raise NothingRecorded(
            f"no decision about {request.ref} is known at revision {request.at}; the hub remembers since {await entries.oldest()}"
        )
    raise NothingRecorded(f"nothing was ever decided about {request.ref}; `shoal explain` says why")


async def _past(entries: Entries, state: View, recorded: Entry[Binding], position: int) -> list[Entry[Any]]:
    """Everything that the decision may have read, as of that position."""
    ref, binding = recorded.ref, recorded.body
    own = [subject_of(family, ref) for family in (OBJECT, BINDING, STATUS)]
    owners = [subject_of(family, item.owner) for item in binding.required_by for family in (OBJECT, BINDING)]
    policies = [
        f"state.object.{subjects.encode_token(POLICY_GROUP)}.>",
        f"state.object.{subjects.encode_token(SHOAL_GROUP)}.FailoverPolicy.>",
    ]
    found = await entries.all_at([*own, *owners], position)
    for subject in policies:
        found += await entries.all_at([subject], position)
    found += await _clusters(entries, state, position)
    said = f"state.object.{subjects.encode_token(WORK_GROUP)}.*.{subjects.encode_token(ref.namespace)}.>"
    found += await entries.all_at([said], position)  # What users say on bindings.
    inside = ref.name if (ref.group, ref.kind) == ("", "Namespace") else ref.namespace
    if inside and (inside == ref.name or binding.affinity_group or binding.anti_affinity_group):
        found += await entries.all_at([f"state.binding.*.*.{subjects.encode_token(inside)}.>"], position)
    return list({(entry.family.name, entry.ref): entry for entry in found}.values())


async def _clusters(entries: Entries, state: View, position: int) -> list[Entry[Any]]:
    """Clusters and beliefs; by name when there are more than one question may match."""
    try:
        found = await entries.all_at([f"state.object.{subjects.encode_token(CLUSTER_GROUP)}.>"], position)
        return found + await entries.all_at(["state.belief.>"], position)
    except Terminal:
        names = [entry.ref for entry in state.entries(OBJECT, group=CLUSTER_GROUP, kind=CLUSTER_KIND)]
        return await entries.all_at([subject_of(family, ref) for family in (OBJECT, BELIEF) for ref in names], position)


async def _aged_out(entries: Entries, state: View, found: Iterable[Entry[Any]], recorded: Entry[Binding], position: int) -> list[str]:
    """Inputs that were there and cannot be read any more, as far as that can be told."""
    known = {(entry.family.name, entry.ref): entry for entry in found}
    template = known.get((OBJECT.name, recorded.ref))
    binding, told = recorded.body, list[str]()
    if template is None:
        told.append(f"the template at revision {binding.template_revision}")
    if binding.claim is not None and (OBJECT.name, binding.claim.policy) not in known:
        told.append(f"policy {binding.claim.policy}")
    told += [f"{item.owner}, which needs it" for item in binding.required_by if (OBJECT.name, item.owner) not in known]
    oldest = await entries.oldest()
    then = binding.explanation.decided_at
    for entry in state.entries(OBJECT):
        steers = entry.ref.group in (POLICY_GROUP, CLUSTER_GROUP) or (entry.ref.group, entry.ref.kind) == (SHOAL_GROUP, "FailoverPolicy")
        if not steers or entry.revision <= position or (OBJECT.name, entry.ref) in known or oldest <= 1:
            continue
        made = "" if entry.deleted else str(entry.body["metadata"].get("creationTimestamp", ""))
        if made <= then:
            told.append(f"{entry.ref} as it was before revision {entry.revision}")
    return sorted(set(told))


def _stand_in(picture: Picture, policies: tuple[Supposed, ...]) -> None:
    """Policies of the request instead of those of then: same identity, a revision that the template has not seen pass."""
    for one in policies:
        before = picture.get(OBJECT, one.ref)
        uid = before.uid if before is not None and not before.deleted else one.uid
        sequence = before.revision if before is not None else max(1, picture.position)
        draft = Draft(family=OBJECT, ref=one.ref, body=one.body, uid=uid, author="replay", content=before.content if before else 0)
        picture.put(supposed(draft, sequence=sequence))


def _moment(decided_at: str, written: float) -> datetime:
    return datetime.fromisoformat(decided_at.replace("Z", "+00:00")) if decided_at else datetime.fromtimestamp(written, UTC)
