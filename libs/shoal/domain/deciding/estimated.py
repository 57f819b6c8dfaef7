"""Decisions that rest on better estimates than the inventory gives (Q02): when somebody is asked, who, and what the answers mean."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import NamedTuple

import msgspec

from shoal.api.binding import Binding
from shoal.api.estimates import Estimates, PodSize
from shoal.domain.deciding.decide import decide
from shoal.domain.deciding.inputs import Inputs, Outcome
from shoal.domain.scheduling import divided_by_room

NEVER, CONSTRAINED, ALWAYS = "never", "constrained", "always"
ASKED_MAX = 200
"""Clusters asked for one decision: first those that it chose, then by name; the others keep the general estimate."""
_NOBODY = "no agent is there to ask"
_SHOWN_MAX = 5
"""Clusters that one sentence names."""


class Wanted(NamedTuple):
    """What has to be asked before a decision counts."""

    size: PodSize
    members: dict[str, str]
    """Cluster -> member; whom to ask first comes first."""


class Known:
    """What was answered, by size of the pods and cluster: kept for one decision, or for all of one plan, so that nobody is asked twice."""

    def __init__(self, when: str = NEVER, said: Iterable[Estimates] = ()) -> None:
        self.when = when
        """never, constrained: for pods with node selectors, node affinity or tolerations; always."""
        self.closed = ""
        """Why nobody is asked any more; empty: whoever is not known is asked."""
        self._answers: dict[bytes, tuple[PodSize, dict[str, int | str]]] = {}
        for one in said:
            self._answers[_key(one.size)] = (one.size, {**one.rooms, **one.without})

    def heard(self, size: PodSize, cluster: str, answer: int | str) -> None:
        """Room, or why there is no answer."""
        self._answers.setdefault(_key(size), (size, {}))[1][cluster] = answer

    def of(self, size: PodSize) -> Mapping[str, int | str]:
        """By cluster."""
        found = self._answers.get(_key(size))
        return found[1] if found is not None else {}

    def told(self) -> tuple[Estimates, ...]:
        """All of it; who was given it as `said` knows the same."""
        return tuple(
            Estimates(
                size=size,
                rooms={name: answer for name, answer in sorted(answers.items()) if isinstance(answer, int)},
                without={name: answer for name, answer in sorted(answers.items()) if isinstance(answer, str)},
            )
            for size, answers in self._answers.values()
        )


def decide_estimated(inputs: Inputs, known: Known) -> Outcome | Wanted:
    """Decides one template as `decide`, with the estimates that its division depends on; `Wanted` as long as some of them are not known.

    An answer counts without what is promised there and does not run yet: that is on no node (E11).
    """
    outcome = decide(inputs)
    binding = outcome.binding
    # What no node takes shows that sums say too little of these pods.
    when = ALWAYS if inputs.unschedulable and known.when != NEVER else known.when
    if binding is None or not _depends(outcome, binding, when):
        return outcome
    size = PodSize(namespace=inputs.ref.namespace, requirements=binding.replica_requirements, components=binding.components)
    members, answers = _members(inputs, binding), known.of(size)
    missing = {name: member for name, member in members.items() if member and name not in answers}
    if missing and not known.closed:
        return Wanted(size, missing)
    reserved: Mapping[str, int] = {}
    if inputs.reservations is not None:
        reserved = inputs.reservations.taken(inputs.snapshot, size.requirements, size.components, now=inputs.now)
    said = {name: answers.get(name, known.closed if members[name] else _NOBODY) for name in sorted(members)}
    rooms = {name: max(0, answer - reserved.get(name, 0)) for name, answer in said.items() if isinstance(answer, int)}
    without = {name: answer for name, answer in said.items() if isinstance(answer, str)}
    if rooms:
        outcome = decide(msgspec.structs.replace(inputs, estimates=rooms))
    return msgspec.structs.replace(outcome, binding=_telling(outcome, without), estimates=rooms, without=without)


def merged(wanted: Iterable[Wanted]) -> list[Wanted]:
    """Each size once, with all the clusters that somebody wants to know of."""
    found: dict[bytes, Wanted] = {}
    for one in wanted:
        before = found.get(key := _key(one.size))
        found[key] = one if before is None else Wanted(one.size, before.members | one.members)
    return list(found.values())


def said_without(without: Mapping[str, str]) -> tuple[str, ...]:
    """Sentences about clusters that gave no estimate."""
    reasons: dict[str, list[str]] = defaultdict(list)
    for name, reason in without.items():
        reasons[reason].append(name)
    return tuple(f"{_names(names)}: {reason}; the general estimate counts" for reason, names in sorted(reasons.items()))


def _depends(outcome: Outcome, binding: Binding, when: str) -> bool:
    """Whether a division by free room was just made, of pods of which sums say too little."""
    if when == NEVER or not outcome.changed or outcome.tombstone or not binding.explanation.rounds or not divided_by_room(binding):
        return False
    needs = (binding.replica_requirements, *(one.replica_requirements for one in binding.components))
    return when == ALWAYS or any(one is not None and one.node_claim is not None for one in needs)


def _members(inputs: Inputs, binding: Binding) -> dict[str, str]:
    """Whom to ask: cluster -> member. One without a member is only supposed to have joined."""
    chosen, rejected = {target.name for target in binding.clusters}, binding.explanation.rejected
    members = {one.name: one.member for one in inputs.snapshot.clusters if one.ready and one.name not in rejected}
    return {name: members[name] for name in islice(sorted(members, key=lambda name: (name not in chosen, name)), ASKED_MAX)}


def _telling(outcome: Outcome, without: Mapping[str, str]) -> Binding | None:
    """The binding, which also explains who gave no estimate."""
    binding = outcome.binding
    if binding is None or not outcome.changed or not without:
        return binding
    explanation = msgspec.structs.replace(binding.explanation, rounds=(*binding.explanation.rounds, *said_without(without)))
    return msgspec.structs.replace(binding, explanation=explanation)


def _names(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN_MAX} more" if len(names) > _SHOWN_MAX else ""
    return ", ".join(names[:_SHOWN_MAX]) + more


def _key(size: PodSize) -> bytes:
    return msgspec.json.encode(size, order="deterministic")
