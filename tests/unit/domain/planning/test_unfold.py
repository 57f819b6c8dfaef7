"""The pure engine over a state that is a dictionary: a workload moves, its dependency follows, and what comes out is what stands then."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.api.binding import Binding, NodeClaim, ReplicaRequirements
from shoal.api.meta import Ref, ref_of
from shoal.api.policy import PropagationPolicy
from shoal.domain.deciding import Inputs, Known, Outcome, Owner, Wanted, decide
from shoal.domain.matching import Policies
from shoal.domain.planning import unfold
from shoal.domain.planning.unfold import ROUNDS_MAX
from shoal.domain.scheduling import Snapshot
from support import build

WEB, SETTINGS = build.ref(), build.ref("ConfigMap", "settings", group="")
NAMES = ("m1", "m2", "m3")


class Hub:
    """`planning.World` over dictionaries: one workload that needs one ConfigMap."""

    def __init__(self, policy: PropagationPolicy, replicas: int, order: tuple[Ref, ...] = (WEB, SETTINGS)) -> None:
        self.templates: dict[Ref, Any] = {ref_of(one): one for one in (build.deployment("web", replicas=replicas), build.config_map())}
        self.bindings: dict[Ref, Binding] = {}
        self.policy, self.position = policy, 100
        self.queue = list(order)
        self.known = Known()
        self.waiting: dict[Ref, Wanted] = {}

    def due(self) -> Ref | None:
        return self.queue.pop(0) if self.queue else None

    def inputs(self, ref: Ref) -> Inputs:
        template = self.templates[ref]
        web = self.bindings.get(WEB)
        owners = (Owner(ref=WEB, binding=web),) if ref == SETTINGS and web is not None and web.propagate_deps else ()
        return Inputs(
            ref=ref,
            template=template,
            template_uid=template["metadata"]["uid"],
            template_revision=10,
            policies=Policies([build.owned(self.policy)]),
            snapshot=Snapshot([build.cluster(name, pods=10) for name in NAMES]),
            previous=self.bindings.get(ref),
            owners=owners,
            replicas=(template.get("spec") or {}).get("replicas", 0),
            now=build.NOW,
            position=self.position,
        )

    def wait(self, ref: Ref, wanted: Wanted) -> None:
        self.waiting[ref] = wanted

    def accept(self, ref: Ref, outcome: Outcome) -> None:
        assert outcome.binding is not None
        self.position += 1
        self.bindings[ref] = outcome.binding
        if ref == WEB:
            self.queue.append(SETTINGS)


def policy(*clusters: str, division: Any = build.EQUAL) -> PropagationPolicy:
    return build.policy("p", build.selector(), to=build.placement(*clusters, division=division), propagate_deps=True)


def targets(hub: Hub) -> dict[Ref, dict[str, int | None]]:
    return {ref: {one.name: one.replicas for one in binding.clusters} for ref, binding in hub.bindings.items()}


def test_what_follows_is_decided_after_it() -> None:
    hub = Hub(policy("m1", "m2"), 4)
    steps = [(step.ref, step.outcome is not None and step.outcome.changed) for step in unfold(hub)]
    assert steps == [(WEB, True), (SETTINGS, True), (SETTINGS, False)]
    assert targets(hub) == {WEB: {"m1": 2, "m2": 2}, SETTINGS: {"m1": None, "m2": None}}


class Restless(Hub):
    """Says that everything is due again, always."""

    def due(self) -> Ref | None:
        return WEB if self.position < 100_000 and (self.__dict__.setdefault("asked", 0) < 50) and not self._count() else None

    def _count(self) -> bool:
        self.__dict__["asked"] += 1
        return self.__dict__["asked"] > 50


def test_two_that_push_each_other_come_to_an_end() -> None:
    assert len(list(unfold(Restless(policy("m1"), 1)))) == ROUNDS_MAX


class Choosy(Hub):
    """The pods choose their nodes, so that an agent is asked."""

    def inputs(self, ref: Ref) -> Inputs:
        picky = ReplicaRequirements(node_claim=NodeClaim(node_selector={"disk": "ssd"}))
        return msgspec.structs.replace(super().inputs(ref), requirements=picky if ref == WEB else None)


@pytest.mark.spec("Q02")
def test_who_waits_for_estimates_does_not_hold_up_the_others() -> None:
    hub = Choosy(policy("m1", "m2", division=build.AGGREGATED), 4)
    hub.known = Known("constrained")
    assert [(step.ref, step.outcome is None) for step in unfold(hub)] == [(WEB, True), (SETTINGS, False)]
    wanted = hub.waiting.pop(WEB)
    assert list(wanted.members) == ["m1", "m2"]
    for name, room in (("m1", 1), ("m2", 9)):
        hub.known.heard(wanted.size, name, room)
    hub.queue.append(WEB)
    steps = list(unfold(hub))
    assert [step.ref for step in steps] == [WEB, SETTINGS]
    assert steps[0].outcome is not None
    assert steps[0].outcome.estimates == {"m1": 1, "m2": 9}
    assert targets(hub) == {WEB: {"m2": 4}, SETTINGS: {"m2": None}}


CHANGES = st.lists(st.tuples(st.sets(st.sampled_from(NAMES), min_size=1), st.integers(0, 7), st.booleans()), min_size=1, max_size=5)


@given(CHANGES, st.permutations([WEB, SETTINGS]))
@settings(max_examples=100, deadline=None)
@pytest.mark.spec("R9.1")
def test_a_plan_is_what_is_decided_when_it_is_applied(changes: list[tuple[set[str], int, bool]], order: list[Ref]) -> None:
    """Planned over a copy, then applied to the hub, which decides key by key in another order until it rests: the same targets."""
    hub = Hub(policy(*NAMES), 3)
    for _ in unfold(hub):
        pass
    for clusters, replicas, divided in changes:
        wanted = policy(*sorted(clusters), division=build.EQUAL if divided else build.DUPLICATED)
        plan = Hub(wanted, replicas)
        plan.bindings, plan.position = dict(hub.bindings), hub.position
        for _ in unfold(plan):
            pass
        hub.policy, hub.templates = wanted, plan.templates
        for _ in range(3):
            for ref in order:
                outcome = decide(hub.inputs(ref))
                if outcome.changed:
                    hub.accept(ref, outcome)
        assert targets(hub) == targets(plan)
        assert not decide(hub.inputs(WEB)).changed, "deciding again after a plan says nothing new"
