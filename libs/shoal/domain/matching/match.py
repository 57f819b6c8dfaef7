"""One template meets all policies: the claim it keeps, the claim it gets, or why it has none."""

from __future__ import annotations

from collections.abc import Iterable, Set
from itertools import islice

import msgspec

from shoal.api.binding import Claim
from shoal.api.meta import Manifest, Ref
from shoal.api.policy import GROUP, KUBE_PRIORITY_CLASS, PropagationPolicy
from shoal.api.selecting import ALL, LABEL, NAME, NONE, closest
from shoal.domain.matching.content import user_content
from shoal.domain.matching.exclusions import Exclusions
from shoal.domain.matching.policies import Owned, Policies

CLAIMED, FROZEN, WAITING, BLOCKED, EXCLUDED = "Claimed", "Frozen", "WaitingForPolicy", "WaitingForOverrides", "Excluded"
UNRANKED = "WaitingForPriorityClass"

DEFAULT_EXCLUSIONS = Exclusions()
_NEAR_MAX = 5
"""Policies that a message names."""
_WORDS = {ALL: "its kind", LABEL: "a label selector", NAME: "its name"}


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """What matching says of one template."""

    outcome: str
    """Claimed; Frozen: its policy let it go by the template's own change, it stays as it is (R1.8); WaitingForPolicy;
    WaitingForOverrides: its policy asks for override policies that do not exist (R1.4); WaitingForPriorityClass: its policy names a
    PriorityClass that does not exist (R2.6); Excluded (R1.12)."""
    owner: Owned[PropagationPolicy] | None = None
    """The policy that owns the template now; None when nobody does."""
    claim: Claim | None = None
    """As the binding records it; its revision is that of the policy content that is applied, 0 = none yet (lazy, R1.11)."""
    refresh: bool = False
    """The policy's present spec is to be applied; False: what was applied stays (lazy, frozen, waiting for what the policy needs)."""
    losers: dict[str, str] = {}
    """Policies that matched too, by `Kind/ns/name` -> why they do not own it."""
    message: str = ""


class _Candidate(msgspec.Struct, frozen=True):
    policy: Owned[PropagationPolicy]
    closeness: int

    @property
    def rank(self) -> tuple[bool, int, int, bytes]:
        """Smallest wins (R1.3): namespaced first, then priority, closeness, and the name by its bytes."""
        spec = self.policy.object.spec
        return (not self.policy.namespaced, -spec.priority, -self.closeness, self.policy.ref.name.encode())


def match(
    template: Manifest,
    policies: Policies | Iterable[Owned[PropagationPolicy]],
    previous: Claim | None = None,
    *,
    revision: int = 0,
    decided: int = 0,
    overrides: Set[Ref] = frozenset(),
    priority_classes: Set[str] = frozenset(),
    exclusions: Exclusions = DEFAULT_EXCLUSIONS,
) -> Match:
    """Who owns the template (R1.3).

    `revision` is the content revision of the template and `decided` the one its binding is about (0 = it has none); both are positions in
    the same stream as the revisions of policies, which is how lazy and frozen templates are told from others (R1.8, R1.11). `overrides`
    are the override policies that exist, for `dependentOverrides` (R1.4), `priority_classes` the PriorityClasses, by name (R2.6).
    """
    if template["metadata"].get("deletionTimestamp"):
        return Match(outcome=EXCLUDED, message="the template is being deleted")
    if reason := exclusions.reason(template):
        return Match(outcome=EXCLUDED, message=reason)
    index = policies if isinstance(policies, Policies) else Policies(policies)
    candidates = sorted(_matching(template, index), key=lambda candidate: candidate.rank)
    holder = index.get(previous.uid) if previous else None
    held = next((item for item in candidates if holder and item.policy.uid == holder.uid), None)
    if holder is not None and held is None and holder.revision < revision:
        # Seen as two positions in one stream: the template moved after its policy did, so the template left, and it keeps what it has.
        if (winner := _preempting(holder, candidates)) is None:
            return _frozen(holder, previous, candidates)
    elif held is not None:
        winner = _preempting(held.policy, candidates) or held
    else:
        winner = candidates[0] if candidates else None
    if winner is None:
        return _waiting(template, index)
    claimed = _claimed(template, winner, previous, candidates, revision=revision, decided=decided)
    return _with_what_it_needs(claimed, previous, overrides, priority_classes)


def _matching(template: Manifest, index: Policies) -> Iterable[_Candidate]:
    for policy in index.speaking_of(template):
        closeness = closest(policy.object.spec.resource_selectors, template)
        if closeness > NONE:
            yield _Candidate(policy, closeness)


def _preempting(holder: Owned[PropagationPolicy], candidates: list[_Candidate]) -> _Candidate | None:
    """The best policy that may take the template from its holder (R1.7): opted in, and it speaks of the template by name."""
    return next((item for item in candidates if _may_preempt(item, holder)), None)


def _may_preempt(item: _Candidate, holder: Owned[PropagationPolicy]) -> bool:
    spec = item.policy.object.spec
    if spec.preemption != "Always" or item.policy.uid == holder.uid or item.closeness != NAME:
        return False
    if item.policy.namespaced != holder.namespaced:
        return item.policy.namespaced
    return spec.priority > holder.object.spec.priority


def _claimed(
    template: Manifest, winner: _Candidate, previous: Claim | None, candidates: list[_Candidate], *, revision: int, decided: int
) -> Match:
    policy = winner.policy
    kept = previous is not None and previous.uid == policy.uid
    lazy = policy.object.spec.activation_preference == "Lazy"
    content = user_content(template) if lazy else ""
    fresh = not lazy or _wakes(policy, previous if kept else None, content, revision=revision, decided=decided)
    applied = policy.revision if fresh else previous.revision if kept and previous else 0
    return Match(
        outcome=CLAIMED,
        owner=policy,
        claim=Claim(policy=policy.ref, uid=policy.uid, revision=applied, content=content),
        refresh=fresh,
        losers={_name(item.policy): _why_not(item, winner, kept=kept) for item in candidates if item is not winner},
        message="" if fresh else f"{_name(policy)} is lazy: it is applied when the template itself changes",
    )


def _wakes(policy: Owned[PropagationPolicy], previous: Claim | None, content: str, *, revision: int, decided: int) -> bool:
    """Whether a lazy policy is applied as it is now: it was already, or the user has changed the template since (R1.11)."""
    if previous is not None and previous.content:
        return previous.revision == policy.revision or previous.content != content
    return revision > policy.revision or 0 < decided < revision


def _with_what_it_needs(claimed: Match, previous: Claim | None, overrides: Set[Ref], priority_classes: Set[str]) -> Match:
    """The match, unless its policy cannot be applied for want of what it names: then nothing is claimed, and what was applied stays."""
    policy = claimed.owner
    assert policy is not None
    outcome, missing = BLOCKED, _missing_overrides(policy, overrides)
    if not missing and claimed.refresh:  # The class is read when the policy is applied.
        outcome, missing = UNRANKED, _missing_class(policy, priority_classes)
    if not missing:
        return claimed
    kept = previous is not None and previous.uid == policy.uid
    message = f"{_name(policy)} waits for {', '.join(missing)}"
    return msgspec.structs.replace(claimed, outcome=outcome, owner=policy if kept else None, claim=previous, refresh=False, message=message)


def _frozen(holder: Owned[PropagationPolicy], previous: Claim | None, candidates: list[_Candidate]) -> Match:
    return Match(
        outcome=FROZEN,
        owner=holder,
        claim=previous,
        losers={_name(item.policy): f"{_name(holder)} holds the template" for item in candidates},
        message=f"the template changed so that {_name(holder)} does not match it any more; it stays as it was decided last",
    )


def _waiting(template: Manifest, index: Policies) -> Match:
    """Nobody speaks for it; who speaks of its kind, and why not of this one, is what helps (GX13)."""
    near = {_name(policy): _selects_others(policy, template) for policy in islice(index.of_kind(template), _NEAR_MAX)}
    message = "no policy matches; the template waits for one"
    if near:
        message += f". Of its kind, but of others, speak {', '.join(near)}: {next(iter(near.values()))}"
    return Match(outcome=WAITING, losers=near, message=message)


def _selects_others(policy: Owned[PropagationPolicy], template: Manifest) -> str:
    selectors = [one for one in policy.object.spec.resource_selectors if one.kind == template["kind"]]
    if named := [one.name for one in selectors if one.name]:
        return f"it selects by name: {', '.join(named[:_NEAR_MAX])}"
    if elsewhere := [one.namespace for one in selectors if one.namespace and one.namespace != template["metadata"].get("namespace")]:
        return f"it selects in other namespaces: {', '.join(elsewhere[:_NEAR_MAX])}"
    return "its label selector does not match the labels of the template"


def _missing_overrides(policy: Owned[PropagationPolicy], overrides: Set[Ref]) -> list[str]:
    kind = "OverridePolicy" if policy.namespaced else "ClusterOverridePolicy"
    names = policy.object.spec.dependent_overrides
    return [f"{kind} {name}" for name in names if Ref(GROUP, kind, policy.ref.namespace, name) not in overrides]


def _missing_class(policy: Owned[PropagationPolicy], priority_classes: Set[str]) -> list[str]:
    """The class that the policy itself names. One that pods name is their members' matter."""
    wanted = policy.object.spec.schedule_priority
    if wanted is None or wanted.priority_class_source != KUBE_PRIORITY_CLASS or wanted.priority_class_name in priority_classes:
        return []
    return [f"PriorityClass {wanted.priority_class_name}"]


def _why_not(loser: _Candidate, winner: _Candidate, *, kept: bool) -> str:
    """The first difference that decided, as a sentence."""
    mine, theirs = loser.policy.object.spec, winner.policy.object.spec
    if kept and loser.rank < winner.rank:
        return f"{_name(winner.policy)} claimed the template first, and a claim is not taken without preemption"
    if loser.policy.namespaced != winner.policy.namespaced:
        if winner.policy.namespaced:
            return "a namespaced policy goes before every cluster policy"
        return f"{_name(winner.policy)} claimed the template first"
    if mine.priority != theirs.priority:
        return f"priority {mine.priority} is lower than {theirs.priority} of {_name(winner.policy)}"
    if loser.closeness != winner.closeness:
        return f"it matches through {_WORDS[loser.closeness]}, {_name(winner.policy)} through {_WORDS[winner.closeness]}"
    return f"the name {winner.policy.ref.name} comes first"


def _name(policy: Owned[PropagationPolicy]) -> str:
    """`PropagationPolicy/ns/name`, as people see it."""
    return "/".join(part for part in policy.ref[1:] if part)
