"""What a deploy would change: staged as a deploy is, decided by the scheduler over a copy of what it knows, rendered, compared. No write."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from shoal.api.binding import Binding
from shoal.api.clock import Clock
from shoal.api.cluster import GROUP as CLUSTER_GROUP
from shoal.api.cluster import KIND as CLUSTER_KIND
from shoal.api.cluster import Cluster
from shoal.api.clusters import Clusters
from shoal.api.errors import DeployRefused, ManifestInvalid, Terminal
from shoal.api.meta import Manifest, Ref, ref_of
from shoal.api.override import OverridePolicy
from shoal.api.plan import CHANGED, CREATED, DELETED, PlannedEstimates, PlannedObject, PlannedPlacement, Refusal, Unplaced
from shoal.api.policy import GROUP as POLICY_GROUP
from shoal.api.selecting import selects
from shoal.api.status import Belief
from shoal.api.webster import descending
from shoal.api.work import Work
from shoal.bus.entries import Draft, Entries
from shoal.bus.port import Bus
from shoal.bus.requests import ask
from shoal.bus.view import View
from shoal.domain.planning import Planned, differences, joined, lost, placement, planned_works, unplaced
from shoal.messages.catalogue import BELIEF, BINDING, FORESEE_SUBJECT, OBJECT, WORKS, DeployData, DeployEvent
from shoal.messages.planning import Foresee, Foreseen, ForeseenBinding, PlanAnswer, PlanRequest, Supposed
from shoal_gateway import bodies
from shoal_gateway.deploy import Deploys, Rehearsal
from shoal_gateway.deploy_event import parse_manifests
from shoal_gateway.queries import Invalid, NotFound

FORESEE_TIMEOUT_S = 30.0
"""A big hub decides ten thousand templates in about five seconds, and waits ten for estimates of agents."""
OVERRIDE_KINDS = ("OverridePolicy", "ClusterOverridePolicy")
ANSWER_BYTES_MAX = 6 * 1024 * 1024
"""Of an answer over the bus, which takes 8 MB."""
SLICE = 10
"""Bindings rendered before others get their turn on the loop."""


class TooLarge(Terminal):
    """An answer that no message takes."""

    reason = "TooLarge"


@dataclass(frozen=True)
class Plan:
    """A plan with everything in it; `answer` is what may be told."""

    answer: PlanAnswer
    bindings: dict[Ref, ForeseenBinding]
    works: dict[Ref, list[Planned]]


@dataclass(frozen=True, kw_only=True)
class Plans:
    view: View
    works: View
    entries: Entries
    deploys: Deploys
    bus: Bus
    clock: Clock

    async def answer(self, subject: str, request: PlanRequest) -> PlanAnswer:
        """For `ask.hub.plan`. Raises `TooLarge` for what the bus does not carry."""
        answer = (await self.plan(request)).answer
        if len(msgspec.json.encode(answer)) > ANSWER_BYTES_MAX:
            raise TooLarge("the plan is larger than one message of the bus; ask with POST /api/plan, or about fewer objects at once")
        return answer

    async def plan(self, request: PlanRequest) -> Plan:
        """Raises `Invalid` and `NotFound` for what cannot be planned, `Retryable` while bus or scheduler do not answer."""
        joining = [_cluster(one) for one in request.cluster_join]
        try:
            event = _event(request, joining)
        except DeployRefused as error:
            return Plan(PlanAnswer(revision=self.view.position, refused=(_refusal(error),)), {}, {})
        rehearsal = await self.deploys.rehearse(event)
        supposed = [_supposed(one.draft) for one in rehearsal.staged]
        beliefs, assumptions = self._beliefs(request, joining, {one.ref for one in supposed})
        position = self.view.position
        question = Foresee(objects=tuple(supposed), beliefs=beliefs, position=position)
        foreseen = await ask(self.bus, FORESEE_SUBJECT, question, Foreseen, timeout_s=FORESEE_TIMEOUT_S)
        ties = {} if request.id else await self._ties(question, foreseen)
        state = _Supposition(self.view, supposed, beliefs, foreseen.position)
        found = {one.ref: one for one in foreseen.bindings if one.changed}
        works = await self._works(state, found)
        told = [one for ref, planned in sorted(works.items()) for one in (item.told(ref) for item in planned) if one is not None]
        answer = PlanAnswer(
            revision=position,
            refused=tuple(map(_refusal, rehearsal.refusals)),
            objects=tuple(_objects(self.view, rehearsal)),
            placements=tuple(_placements(foreseen.bindings, ties)),
            manifests=tuple(told),
            unplaced=tuple(_unplaced(foreseen.bindings)),
            estimates=tuple(_estimates(foreseen.bindings)),
            assumptions=(*assumptions, *foreseen.assumptions),
            more=foreseen.more,
        )
        return Plan(answer, found, works)

    def _beliefs(self, request: PlanRequest, joining: Sequence[Manifest], staged: set[Ref]) -> tuple[dict[str, Belief], list[str]]:
        """What is supposed of clusters, and what that leaves open."""
        beliefs, said, now = dict[str, Belief](), list[str](), self.clock.now()
        if request.cluster_down:
            known = self.view.get(BELIEF, Ref(CLUSTER_GROUP, CLUSTER_KIND, "", request.cluster_down))
            if known is None or known.deleted:
                raise NotFound(f"no cluster {request.cluster_down} was ever heard; `shoal clusters` lists them")
            beliefs[request.cluster_down] = lost(bodies.belief(known), now=now)
            said.append(f"cluster {request.cluster_down} is Lost, and no other cluster changes")
        for manifest in joining:
            if ref_of(manifest) in staged or self.view.get(OBJECT, ref_of(manifest)) is not None:
                found = joined(manifest, self._neighbours(), now=now)
                beliefs[manifest["metadata"]["name"]] = found.belief
                said += found.assumptions
        return beliefs, said

    def _neighbours(self) -> Iterator[tuple[Cluster, Belief]]:
        for entry in self.view.entries(OBJECT, group=CLUSTER_GROUP, kind=CLUSTER_KIND):
            belief = self.view.get(BELIEF, entry.ref)
            if not entry.deleted and belief is not None and not belief.deleted:
                yield msgspec.convert(entry.body, Cluster), bodies.belief(belief)

    async def _ties(self, question: Foresee, foreseen: Foreseen) -> dict[Ref, Binding]:
        """Decisions that come out otherwise when new objects get uids of the other kind: a uid decides who gets what is left over (R4.4)."""
        divided = {one.ref for one in foreseen.bindings if one.before is None and one.after is not None and _divided(one.after)}
        if not divided:
            return {}
        turned = tuple(
            msgspec.structs.replace(one, uid=_other(one.uid)) if one.ref in divided and one.body is not None else one
            for one in question.objects
        )
        other = msgspec.structs.replace(question, objects=turned, estimates=foreseen.estimates)
        again = await ask(self.bus, FORESEE_SUBJECT, other, Foreseen, timeout_s=FORESEE_TIMEOUT_S)
        first = {one.ref: one.after for one in foreseen.bindings}
        return {
            one.ref: one.after
            for one in again.bindings
            if one.after is not None and (known := first.get(one.ref)) is not None and _targets(known) != _targets(one.after)
        }

    async def _works(self, state: _Supposition, found: Mapping[Ref, ForeseenBinding]) -> dict[Ref, list[Planned]]:
        """What each cluster would be told anew: of bindings that change, and of those that a changed override policy speaks of."""
        out: dict[Ref, list[Planned]] = {}
        changed = [(ref, one.before, one.after, one.tombstone) for ref, one in found.items() if one.after is not None]
        same = [(ref, binding, binding, False) for ref, binding in state.overridden(found)]
        for number, (ref, before, after, tombstone) in enumerate([*changed, *same], 1):
            if after is None:
                continue
            template = None if tombstone else await self._template(state, ref, after)
            planned = planned_works(
                template, after, state.clusters, state.overrides_for(ref), self._current(state, ref), before=before, tombstone=tombstone
            )
            if planned:
                out[ref] = planned
            if number % SLICE == 0:
                await asyncio.sleep(0)
        return out

    async def _template(self, state: _Supposition, ref: Ref, binding: Binding) -> Manifest | None:
        """The content revision that the binding names, as the renderer finds it."""
        one, entry = state.objects.get(ref), self.view.get(OBJECT, ref)
        if one is not None and one.body is not None and (one.same_content or binding.template_revision > state.position):
            return one.body
        if entry is not None and not entry.deleted and entry.content == binding.template_revision:
            return entry.body
        old = await self.entries.read_at(OBJECT, ref, binding.template_revision)
        return None if old is None or old.deleted else old.body

    def _current(self, state: _Supposition, ref: Ref) -> dict[str, Work]:
        found: dict[str, Work] = {}
        for name, cluster in state.clusters.items():
            entry = self.works.get(WORKS, ref, cluster.member) if cluster.member else None
            if entry is not None and not entry.deleted:
                found[name] = bodies.work(entry)
        return found


class _Supposition:
    """The view with what is supposed laid over it, as far as rendering reads it."""

    def __init__(self, view: View, supposed: Sequence[Supposed], beliefs: Mapping[str, Belief], position: int) -> None:
        self._view, self.position = view, position
        self.objects = {one.ref: one for one in supposed}
        joined = Clusters()
        for ref, body in self._bodies((CLUSTER_GROUP, CLUSTER_KIND)):
            joined.told(ref.name, body)
            belief = view.get(BELIEF, ref)
            if belief is not None and not belief.deleted:
                joined.believed(ref.name, bodies.belief(belief))
        for name, one in beliefs.items():
            joined.believed(name, one)
        self.clusters = joined.by_name
        self._overrides = {
            ref: msgspec.convert(body, OverridePolicy)
            for kind in OVERRIDE_KINDS
            for ref, body in self._bodies((POLICY_GROUP, kind))
            if body is not None
        }

    def _bodies(self, kind: tuple[str, str]) -> Iterator[tuple[Ref, Manifest | None]]:
        """All objects of a kind, as supposed; None for a tombstone."""
        for entry in self._view.entries(OBJECT, group=kind[0], kind=kind[1]):
            if entry.ref not in self.objects:
                yield entry.ref, None if entry.deleted else entry.body
        yield from ((ref, one.body) for ref, one in self.objects.items() if (ref.group, ref.kind) == kind)

    def overrides_for(self, ref: Ref) -> list[OverridePolicy]:
        """Policies in scope of an object (R5.1)."""
        return [
            policy
            for one, policy in self._overrides.items()
            if one.kind == "ClusterOverridePolicy" or (ref.namespace and one.namespace == ref.namespace)
        ]

    def overridden(self, besides: Mapping[Ref, Any]) -> Iterator[tuple[Ref, Binding]]:
        """Bindings that stand, whose template an override policy speaks of that changes (R5.8): of the old selectors or the new ones."""
        changed = [ref for ref in self.objects if ref.group == POLICY_GROUP and ref.kind in OVERRIDE_KINDS]
        for entry in self._view.entries(BINDING) if changed else ():
            template = self._view.get(OBJECT, entry.ref)
            if entry.deleted or entry.ref in besides or template is None or template.deleted:
                continue
            if any(self._speaks(policy, entry.ref, template.body) for policy in changed):
                yield entry.ref, bodies.binding(entry)

    def _speaks(self, policy: Ref, ref: Ref, template: Manifest) -> bool:
        if policy.namespace and policy.namespace != ref.namespace:
            return False
        before = self._view.get(OBJECT, policy)
        versions = [before.body if before is not None and not before.deleted else None, self.objects[policy].body]
        for body in versions:
            if body is not None:
                selectors = msgspec.convert(body, OverridePolicy).spec.resource_selectors
                if not selectors or any(selects(one, template) for one in selectors):
                    return True
        return False


def _event(request: PlanRequest, joining: Sequence[Manifest]) -> DeployEvent:
    """The deploy that is rehearsed. Raises `Invalid` when there is nothing to plan, `DeployRefused` for YAML that cannot be read."""
    if not (request.manifests or request.delete or request.images or request.cluster_down or joining):
        raise Invalid("there is nothing to plan: give manifests, delete, images, clusterDown or clusterJoin")
    if request.images and not request.application:
        raise Invalid("images needs application: whose containers are meant?")
    manifests = parse_manifests(request.manifests) if isinstance(request.manifests, str) else request.manifests
    data = DeployData(
        application=request.application,
        version=request.version,
        manifests=[*manifests, *({key: value for key, value in one.items() if key != "status"} for one in joining)],
        images=request.images,
        delete=request.delete,
        rollback=request.rollback,
    )
    return DeployEvent(id=request.id or "plan", source=request.source, data=data)


def _cluster(manifest: Manifest) -> Manifest:
    try:
        cluster = msgspec.convert(manifest, Cluster)
    except msgspec.ValidationError as error:
        raise Invalid(f"clusterJoin: {error}") from error
    if cluster.kind != CLUSTER_KIND or not cluster.metadata.name:
        raise Invalid("clusterJoin: give objects of kind Cluster (cluster.karmada.io/v1alpha1) with a name")
    return manifest


def _supposed(draft: Draft[Manifest]) -> Supposed:
    return Supposed(ref=draft.ref, body=None if draft.deleted else draft.body, uid=draft.uid, same_content=bool(draft.content))


def _refusal(error: Terminal) -> Refusal:
    if isinstance(error, ManifestInvalid):
        return Refusal(reason="InvalidManifest", message=str(error), violations=error.violations)
    return Refusal(reason=error.reason, message=str(error))


def _objects(view: View, rehearsal: Rehearsal) -> Iterator[PlannedObject]:
    for one in rehearsal.staged:
        ref, entry = one.draft.ref, view.get(OBJECT, one.draft.ref)
        before = entry.body if entry is not None and not entry.deleted else None
        after = None if one.draft.deleted else one.draft.body
        going = after is None or (
            bool(after["metadata"].get("deletionTimestamp")) and not (before or {"metadata": {}})["metadata"].get("deletionTimestamp")
        )
        fields = () if going else differences(before, after)
        if going or before is None or fields:
            yield PlannedObject(ref=str(ref), action=DELETED if going else CREATED if before is None else CHANGED, fields=fields)


def _placements(found: Sequence[ForeseenBinding], ties: Mapping[Ref, Binding]) -> Iterator[PlannedPlacement]:
    for one in found:
        if not one.changed:
            continue
        told = placement(one.ref, one.before, one.after, tombstone=one.tombstone, recheck_after_s=one.recheck_after_s)
        if one.ref in ties:
            told = msgspec.structs.replace(told, alternative=dict(_targets(ties[one.ref])))
        if told.before != told.after or told.leaving or told.deleted or told.alternative or told.recheck_after_s is not None:
            yield told


def _unplaced(found: Sequence[ForeseenBinding]) -> Iterator[Unplaced]:
    for one in found:
        told = None if one.tombstone else unplaced(one.ref, one.after, reason=one.reason, message=one.message)
        if told is not None:
            yield told


def _estimates(found: Sequence[ForeseenBinding]) -> Iterator[PlannedEstimates]:
    for one in found:
        if one.estimates or one.without:
            yield PlannedEstimates(ref=str(one.ref), rooms=one.estimates, without=one.without)


def _targets(binding: Binding) -> tuple[tuple[str, int | None], ...]:
    return tuple((target.name, target.replicas) for target in binding.clusters)


def _divided(binding: Binding) -> bool:
    block = binding.placement.replica_scheduling
    return len(binding.clusters) > 1 and block is not None and block.replica_scheduling_type == "Divided"


def _other(uid: str) -> str:
    """A uid that breaks ties the other way round."""
    return next(f"{uid}-{number}" for number in range(1000) if descending(f"{uid}-{number}") != descending(uid))
