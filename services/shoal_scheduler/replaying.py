"""A decision of the past, made again: the state at its view position is read back from STATE and HISTORY, then decided as ever."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from shoal.api.apps import GROUP as APPS_GROUP
from shoal.api.binding import Binding
from shoal.api.cluster import GROUP as CLUSTER_GROUP
from shoal.api.cluster import KIND as CLUSTER_KIND
from shoal.api.errors import Terminal
from shoal.api.meta import Ref
from shoal.api.policy import GROUP as POLICY_GROUP
from shoal.api.shoal import GROUP as SHOAL_GROUP
from shoal.bus.entries import Draft, Entries, Entry, subject_of, supposed
from shoal.bus.view import View
from shoal.domain.deciding import decide, recalled, untold
from shoal.domain.scheduling import same_content
from shoal.messages import subject as subjects
from shoal.messages.catalogue import BELIEF, BINDING, OBJECT, STATUS, Family
from shoal.messages.planning import Replayed, ReplayRequest, Supposed
from shoal_scheduler.imagined import Imagined, Picture
from shoal_scheduler.knowledge import PRIORITY_CLASS, WORK_GROUP


class NothingRecorded(Terminal):
    """There is no decision about this object at that revision, or it has aged out."""

    reason = "NothingRecorded"


async def replay(entries: Entries, state: View, request: ReplayRequest) -> Replayed:
    """Raises `NothingRecorded` when there is no decision to replay, `Retryable` while the bus does not answer."""
    ref = request.ref
    recorded = await _recorded(entries, state, request)
    told, position = recorded.body.explanation, _position(recorded)
    found = await _past(entries, state, recorded, position, request.policies)
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
    world = Imagined(picture, now=_moment(told.decided_at, recorded.time), quotas=told.used is not None)
    for _ in world.load():
        pass
    outcome = decide(recalled(world.inputs(ref), recorded.body))
    replayed = outcome.binding
    return msgspec.structs.replace(
        answer,
        aged_out=(*aged_out, *untold(recorded.body, replayed)),
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


def _position(recorded: Entry[Binding]) -> int:
    """Where the state stood that was decided on. An end explains nothing anew: it follows from the template and from what stood before."""
    if recorded.deleted:
        return max(recorded.inputs.values(), default=recorded.revision - 1)
    return recorded.body.explanation.view_position or recorded.revision - 1


async def _past(entries: Entries, state: View, recorded: Entry[Binding], position: int, policies: tuple[Supposed, ...]) -> list[Entry[Any]]:
    """Everything that the decision may have read, as of that position."""
    ref, binding = recorded.ref, recorded.body
    own = [subject_of(family, ref) for family in (OBJECT, BINDING, STATUS)]
    owners = [subject_of(family, owner) for owner in _owners(binding) for family in (OBJECT, BINDING)]
    found = await entries.all_at([*own, *owners], position)
    for family, (group, kind, namespace) in _steering(recorded, policies):
        found += await _all(entries, state, position, family, group=group, kind=kind, namespace=namespace)
    return list({(entry.family.name, entry.ref): entry for entry in found}.values())


def _owners(binding: Binding) -> tuple[Ref, ...]:
    return (*(item.owner for item in binding.required_by), *binding.explanation.needed_by)


def _steering(
    recorded: Entry[Binding], policies: tuple[Supposed, ...]
) -> Iterator[tuple[Family[Any], tuple[str | None, str | None, str | None]]]:
    """What decisions are made by beside their own objects: (family, (group, kind, namespace)), None for any."""
    ref = recorded.ref
    yield OBJECT, (POLICY_GROUP, None, None)
    yield OBJECT, (SHOAL_GROUP, "FailoverPolicy", None)
    yield OBJECT, (CLUSTER_GROUP, CLUSTER_KIND, None)
    yield BELIEF, (None, None, None)
    yield OBJECT, (WORK_GROUP, None, ref.namespace)  # What users say on bindings.
    yield OBJECT, (APPS_GROUP, "WorkloadRebalancer", None)
    yield OBJECT, (*PRIORITY_CLASS, None)
    if (ref.group, ref.kind) == ("", "Namespace"):
        yield BINDING, (None, None, ref.name)
    elif ref.namespace and (policies or _misses_peers(recorded.body)):
        yield BINDING, (None, None, ref.namespace)


def _misses_peers(binding: Binding) -> bool:
    """It is in a group, and a version that did not record it yet has decided it."""
    told = binding.explanation
    return bool((binding.affinity_group and told.beside is None) or (binding.anti_affinity_group and told.away_from is None))


async def _all(
    entries: Entries, state: View, position: int, family: Family[Any], *, group: str | None, kind: str | None, namespace: str | None
) -> list[Entry[Any]]:
    """By name when there are more of them than one question may match."""
    tokens = ("*" if part is None else subjects.encode_token(part) for part in (group, kind, namespace))
    try:
        return await entries.all_at([".".join(("state", family.name, *tokens, "*"))], position)
    except Terminal:
        names = [entry.ref for entry in state.entries(family, group=group, kind=kind, namespace=namespace)]
        return await entries.all_at([subject_of(family, ref) for ref in names], position)


async def _aged_out(entries: Entries, state: View, found: Iterable[Entry[Any]], recorded: Entry[Binding], position: int) -> list[str]:
    """Inputs that were there and cannot be read any more, as far as that can be told."""
    known = {(entry.family.name, entry.ref): entry for entry in found}
    template = known.get((OBJECT.name, recorded.ref))
    binding, told = recorded.body, list[str]()
    if template is None:
        told.append(f"the template at revision {binding.template_revision}")
    if binding.claim is not None and (OBJECT.name, binding.claim.policy) not in known:
        told.append(f"policy {binding.claim.policy}")
    told += [f"{owner}, which needs it" for owner in _owners(binding) if (OBJECT.name, owner) not in known]
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
