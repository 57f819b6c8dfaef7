"""Inputs that no revision of STATE tells, kept with the decision: what it was told of decisions that were made and not yet written, and by
estimators. A replay reads all the others from the history, and these from here.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from shoal.api.binding import QUOTA_EXCEEDED, SCHEDULED, Binding
from shoal.domain.deciding.inputs import Inputs, Peer
from shoal.domain.deciding.workloads import by_room
from shoal.domain.scheduling import Recorded


def recorded(binding: Binding, inputs: Inputs, reserved: Mapping[str, int]) -> Binding:
    """The binding with what it was told of quotas, groups, owners and unschedulable pods; estimates and reservations are in its explanation.

    `reserved`: what it was told of reservations, to see whether that is.
    """
    affinity, anti, told = binding.affinity_group, binding.anti_affinity_group, binding.explanation
    incomplete = bool((reserved and not told.reserved) or (inputs.estimates and not told.estimates))
    needed_by = tuple(sorted(owner.ref for owner in inputs.owners if not owner.binding.clusters))
    if not (inputs.quotas or affinity or anti or needed_by or incomplete or inputs.unschedulable):
        return binding
    beside = {tuple(sorted(peer.clusters)) for peer in inputs.peers if affinity and peer.affinity_group == affinity and peer.clusters}
    away_from = {name for peer in inputs.peers if anti and peer.anti_affinity_group == anti for name in peer.clusters}
    explanation = msgspec.structs.replace(
        told,
        used=dict(inputs.quotas[0].used) if inputs.quotas else None,  # All of a namespace are told the same.
        beside=tuple(sorted(beside)) if affinity else None,
        away_from=tuple(sorted(away_from)) if anti else None,
        needed_by=needed_by,
        incomplete=incomplete,
        unschedulable=dict(inputs.unschedulable),
    )
    return msgspec.structs.replace(binding, explanation=explanation)


def untold(binding: Binding, replayed: Binding | None) -> tuple[str, ...]:
    """What the recorded decision `binding` does not tell and the `replayed` one rests on, as sentences."""
    told, said = binding.explanation, list[str]()
    refused = next((item.reason for item in binding.conditions if item.type == SCHEDULED and item.status != "True"), "")
    asked = by_room(binding.placement) and bool(told.rounds or refused)
    asks = replayed is not None and bool(replayed.explanation.rounds) and by_room(replayed.placement)
    if told.incomplete:
        said.append("what was estimated and reserved then: the record of this decision was too large for it")
    elif asks and not asked:
        said.append("what was estimated and reserved then: this decision did not ask, since free room did not matter to it")
    if refused == QUOTA_EXCEEDED and told.used is None:
        said.append("what the namespace used then: the version that made this decision did not record it")
    return tuple(said)


def recalled(inputs: Inputs, binding: Binding) -> Inputs:
    """`inputs` as the recorded decision `binding` had them; what was not recorded with it stays as it is given."""
    told = binding.explanation
    return msgspec.structs.replace(
        inputs,
        estimates=told.estimates or None,
        reservations=Recorded(told.reserved),
        quotas=inputs.quotas if told.used is None else tuple(msgspec.structs.replace(quota, used=told.used) for quota in inputs.quotas),
        peers=_peers(inputs.peers, binding),
        unschedulable=told.unschedulable,
        # A request that was carried out, though who asked is forgotten.
        reschedule_at=max(inputs.reschedule_at, binding.rescheduled_at),
    )


def _peers(known: tuple[Peer, ...], binding: Binding) -> tuple[Peer, ...]:
    """Those of other groups as given: a policy that stands in for the one of then may ask of them."""
    told = binding.explanation
    affinity = binding.affinity_group if told.beside is not None else ""
    anti = binding.anti_affinity_group if told.away_from is not None else ""
    others = tuple(
        msgspec.structs.replace(
            peer,
            affinity_group="" if peer.affinity_group == affinity else peer.affinity_group,
            anti_affinity_group="" if peer.anti_affinity_group == anti else peer.anti_affinity_group,
        )
        for peer in known
    )
    beside = tuple(Peer(affinity_group=affinity, clusters=frozenset(names)) for names in told.beside or ())
    return (*others, *beside, *((Peer(anti_affinity_group=anti, clusters=frozenset(told.away_from)),) if told.away_from else ()))
