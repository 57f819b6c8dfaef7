"""Whatever happens to clusters, templates and policies, in whatever order: nothing drops out, epochs rise, and it comes to rest."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.api.binding import Binding
from shoal.api.cluster_view import ClusterView
from shoal.api.policy import ClusterFailover, Failover
from shoal.api.status import LOST, READY, SUSPECT
from shoal.domain.deciding import Inputs, Outcome, decide
from shoal.domain.matching import Policies
from shoal.domain.scheduling import Snapshot
from support import build

NAMES = ("m1", "m2", "m3", "m4")
PLACEMENTS = tuple(
    build.placement(*names, division=division, spread=spread)
    for names in ((), ("m1", "m2"), ("m3", "m4"))
    for division in (None, build.DUPLICATED, build.EQUAL, build.AGGREGATED)
    for spread in ((), (build.spread("cluster", 1, 2),))
)
name = st.sampled_from(NAMES)
EVENTS = st.one_of(
    st.tuples(st.just("state"), name, st.sampled_from((READY, SUSPECT, LOST))),
    st.tuples(st.just("delete"), name),
    st.tuples(st.just("forget"), name),
    st.tuples(st.just("gone"), name),
    st.tuples(st.just("replicas"), st.integers(0, 9)),
    st.tuples(st.just("policy"), st.sampled_from(PLACEMENTS), st.booleans()),
    st.tuples(st.just("no-policy")),
    st.tuples(st.just("anew")),
)


class World:
    def __init__(self) -> None:
        self.position = 100
        self.clusters: dict[str, ClusterView] = {
            name: build.cluster(name, region="hz" if name in {"m1", "m2"} else "bj", pods=12) for name in NAMES
        }
        self.policies = Policies([])
        self.replicas, self.uid, self.revision = 3, "uid-0", 10
        self.binding: Binding | None = None
        self.gone: dict[str, int] = {}
        self.ended: dict[str, int] = {}
        """Cluster -> highest epoch that was ever assigned there."""

    def happen(self, what: str, *facts: Any) -> None:
        self.position += 10
        if what == "state":
            self.clusters[facts[0]] = msgspec.structs.replace(self.clusters[facts[0]], state=facts[1])
        elif what == "delete":
            self.clusters[facts[0]] = msgspec.structs.replace(self.clusters[facts[0]], deleting=True)
        elif what == "forget":
            self.clusters[facts[0]] = msgspec.structs.replace(self.clusters[facts[0]], deleting=True, forgotten=True)
        elif what == "gone" and self.binding and facts[0] in self.binding.removals:
            self.gone[facts[0]] = self.binding.removals[facts[0]].epoch
        elif what == "replicas":
            self.replicas, self.revision = facts[0], self.position
        elif what == "policy":
            failover = Failover(cluster=ClusterFailover()) if facts[1] else None
            self.policies = Policies([build.owned(build.policy("p", to=facts[0], failover=failover), revision=self.position)])
        elif what == "no-policy":
            self.policies = Policies([])
        elif what == "anew":
            self.uid, self.revision = f"uid-{self.position}", self.position

    def inputs(self) -> Inputs:
        template = build.deployment("web", replicas=self.replicas)
        template["metadata"]["uid"] = self.uid
        self.position += 1
        return build.inputs(
            template,
            revision=self.revision,
            position=self.position,
            policies=self.policies,
            previous=self.binding,
            status=build.status(gone=self.gone, uid=self.uid),
            snapshot=Snapshot(self.clusters.values()),
        )

    def decide(self) -> Outcome:
        before, outcome = self.binding, decide(self.inputs())
        if outcome.binding is not None:
            self.check(before, outcome.binding)
        self.binding = outcome.binding
        return outcome

    def check(self, before: Binding | None, after: Binding) -> None:
        now = {target.name: target.epoch for target in after.clusters}
        assert not now.keys() & after.removals.keys()
        for target in before.clusters if before else ():
            over = self.clusters[target.name].forgotten
            assert target.name in now or target.name in after.removals or over, "a cluster dropped out"
            if target.name in now and before is not None and before.template_uid == after.template_uid:
                assert now[target.name] == target.epoch, "who stays keeps its epoch"
        for name, removal in (before.removals if before else {}).items():
            over = self.clusters[name].forgotten or self.gone.get(name, -1) >= removal.epoch
            assert name in after.removals or name in now or over, "a removal was forgotten"
        for name, epoch in now.items():
            assert epoch >= self.ended.get(name, 0), "an epoch went back"
            self.ended[name] = epoch
            if before is None or before.target(name) is None or before.template_uid != after.template_uid:
                assert self.clusters[name].ready, "something new went to a cluster that is not heard"
                assert epoch == self.position
        self.check_numbers(after)

    def check_numbers(self, after: Binding) -> None:
        said = after.conditions[-1]
        strategy = after.placement.replica_scheduling
        if after.claim is None or said.status != "True" or strategy is None or not self.replicas:
            return
        counts = [target.replicas or 0 for target in after.clusters]
        assert sum(counts) == self.replicas if strategy.replica_scheduling_type == "Divided" else set(counts) <= {self.replicas}


@pytest.mark.spec("E08", "R3.2", "R11.5")
@given(st.lists(EVENTS, max_size=25))
@settings(max_examples=250, deadline=None)
def test_any_story(events):
    world = World()
    for event in [("policy", PLACEMENTS[0], True), *events]:
        world.happen(*event)
        for _ in range(4):
            if not world.decide().changed:
                break
        else:
            raise AssertionError(f"it does not come to rest after {event}")
        assert not world.decide().changed, "it has to say the same again"
