"""What is promised and not yet part of any inventory; and that no interleaving spends the same room twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.api.binding import Component, ReplicaRequirements
from shoal.api.cluster import ResourceSummary
from shoal.api.status import CopyStatus, TemplateStatus
from shoal.domain.scheduling import Ledger, Recorded, Request, Snapshot, schedule, to_binding
from shoal.domain.scheduling.estimate import Promised, amounts, room_for, sets_for
from shoal.domain.scheduling.ledger import QUIET_S, SETTLE_S
from support import build

NOW = build.NOW
T = NOW.timestamp()
CPU = ReplicaRequirements(resource_request={"cpu": "1"})
WEB = build.ref()
OLD, NEW = ResourceSummary(allocated={"cpu": "0"}), ResourceSummary(allocated={"cpu": "3"})


def decision(**replicas):
    targets = [build.target(name, count) for name, count in sorted(replicas.items())]
    return build.binding(*targets, replicas=sum(replicas.values()), replica_requirements=CPU)


def told(**pods):
    return TemplateStatus(
        template_uid="uid-deployment-web",
        copies=tuple(CopyStatus(cluster=name, applied=True, epoch=1, status={"replicas": count}) for name, count in sorted(pods.items())),
    )


def taken(ledger, now=NOW, requirements=CPU, clusters=None):
    snapshot = Snapshot(clusters or (build.cluster("m1", free={"cpu": "10"}), build.cluster("m2", free={"cpu": "10"})))
    return ledger.taken(snapshot, requirements, (), now=now)


def open_ledger():
    """One that has heard of both clusters."""
    ledger = Ledger()
    for name in ("m1", "m2"):
        ledger.counted(name, OLD, T - 100)
    return ledger


@pytest.mark.spec("E11")
def test_a_decision_is_a_reservation():
    ledger = open_ledger()
    ledger.decided(WEB, decision(m1=3, m2=1), T)
    assert taken(ledger) == {"m1": 3, "m2": 1}
    assert taken(ledger, requirements=ReplicaRequirements(resource_request={"cpu": "2"})) == {"m1": 2, "m2": 1}


@pytest.mark.spec("E11")
def test_it_ends_with_an_inventory_from_after_the_pods_were_there():
    ledger = open_ledger()
    ledger.decided(WEB, decision(m1=3), T)
    ledger.counted("m1", ResourceSummary(allocated={"cpu": "9"}), T + 1)
    assert taken(ledger) == {"m1": 3}, "an inventory alone says nothing of pods that nobody has seen"
    ledger.reported(WEB, told(m1=3), T + 5)
    assert taken(ledger) == {"m1": 3}
    ledger.counted("m1", NEW, T + 5 + SETTLE_S)
    assert taken(ledger) == {}


@pytest.mark.spec("E11")
def test_an_inventory_that_never_changes_ends_it_after_a_while():
    ledger = open_ledger()
    ledger.decided(WEB, decision(m1=3), T)
    ledger.reported(WEB, told(m1=3), T + 5)
    almost, quiet = NOW + timedelta(seconds=4 + QUIET_S), NOW + timedelta(seconds=5 + QUIET_S)
    assert (taken(ledger, almost), ledger.until(almost), taken(ledger, quiet)) == ({"m1": 3}, 1.0, {})


@pytest.mark.spec("E11")
def test_pods_that_are_there_are_not_reserved_again_by_a_scale_up():
    ledger = open_ledger()
    ledger.decided(WEB, decision(m1=3), T)
    ledger.reported(WEB, told(m1=3), T)
    ledger.counted("m1", NEW, T + SETTLE_S)
    ledger.decided(WEB, decision(m1=5), T + 10)
    ledger.reported(WEB, told(m1=4), T + 11)
    assert taken(ledger) == {"m1": 2}
    ledger.decided(WEB, decision(m1=2), T + 12)
    assert taken(ledger) == {}
    ledger.decided(WEB, decision(m1=4), T + 13)
    assert taken(ledger) == {"m1": 2}, "the status is of before, and may tell of pods that go"


@pytest.mark.spec("E11")
@pytest.mark.parametrize(
    ("kind", "copy", "open_"),
    [
        pytest.param("Deployment", CopyStatus(cluster="m1", applied=True, epoch=1), 3, id="applied-is-no-pod"),
        pytest.param("Deployment", CopyStatus(cluster="m1", epoch=0, status={"replicas": 3}), 3, id="of-an-earlier-assignment"),
        pytest.param("Job", CopyStatus(cluster="m1", applied=True, epoch=1, status={}), 3, id="job-not-begun"),
        pytest.param("Job", CopyStatus(cluster="m1", applied=True, epoch=1, status={"active": 1}), 0, id="job-begun"),
        pytest.param("Job", CopyStatus(cluster="m1", applied=True, epoch=1, status={"succeeded": 3}), 0, id="job-over"),
        pytest.param("Other", CopyStatus(cluster="m1", applied=True, epoch=1), 0, id="a-kind-that-counts-no-pods"),
        pytest.param("Other", CopyStatus(cluster="m1", epoch=1), 3, id="and-is-not-applied"),
    ],
)
def test_when_pods_are_there(kind, copy, open_):
    ledger, ref = open_ledger(), build.ref(kind)
    ledger.decided(ref, decision(m1=3), T)
    ledger.reported(ref, TemplateStatus(template_uid="u", copies=(copy,)), T)
    ledger.counted("m1", NEW, T + SETTLE_S)
    assert taken(ledger).get("m1", 0) == open_


def test_after_a_restart_it_is_the_same_or_a_little_longer():
    """The order in which last values are loaded does not matter; times of inventories are not known."""
    first, second = Ledger(), Ledger()
    for ledger in (first, second):
        ledger.counted("m1", NEW, T + 50)
    first.decided(WEB, decision(m1=3), T)
    first.reported(WEB, told(m1=2), T + 5)
    second.reported(WEB, told(m1=2), T + 5)
    second.decided(WEB, decision(m1=3), T)
    for ledger in (first, second):
        assert taken(ledger, NOW + timedelta(seconds=6)) == {"m1": 3}
        assert taken(ledger, NOW + timedelta(seconds=6 + QUIET_S)) == {"m1": 1}


def test_an_ended_binding_and_what_only_follows_reserve_nothing():
    ledger = open_ledger()
    ledger.decided(WEB, decision(m1=3), T)
    ledger.decided(WEB, None, T)
    ledger.decided(build.ref("ConfigMap", group=""), build.binding(build.target("m1")), T)
    ledger.decided(build.ref("Deployment", "job"), build.binding(build.target("m1"), attached=("m1",), replicas=4), T)
    assert taken(ledger) == {}


def test_a_copy_goes_its_own_way():
    ledger = open_ledger()
    ledger.decided(WEB, decision(m1=3), T)
    other = ledger.copy()
    other.decided(WEB, None, T)
    assert (taken(ledger), taken(other)) == ({"m1": 3}, {})
    assert Recorded({"m1": 2}).taken(Snapshot(()), CPU, (), now=NOW) == {"m1": 2}


NODES = ((3, {"cpu": 4000}), (1, {"cpu": 8000}))


@pytest.mark.spec("E11", "R4.17")
@pytest.mark.parametrize(
    ("promised", "asked", "room"),
    [
        pytest.param(Promised(), "3", 5, id="nothing-promised"),
        pytest.param(Promised.of(({"cpu": 3000}, 2)), "3", 3, id="two-of-the-same-size"),
        pytest.param(Promised.of(({"cpu": 1000}, 2)), "3", 4, id="small-ones-break-a-node"),
        pytest.param(Promised.of(({"cpu": 4000}, 3)), "4", 2, id="small-nodes-full"),
        pytest.param(Promised.of(({"cpu": 9000}, 2)), "1", 2, id="what-fits-no-node-still-counts-in-the-sum"),
        pytest.param(Promised.of(({"cpu": 9000}, 9)), "1", 0, id="more-than-there-is"),
    ],
)
def test_promises_fill_nodes_first(promised, asked, room):
    cluster = build.cluster(models=NODES, free={"cpu": "20"})
    assert room_for(cluster, amounts(ReplicaRequirements(resource_request={"cpu": asked})), promised) == room


@pytest.mark.spec("E11", "R4.20")
def test_sets_beside_promises():
    components = (Component(name="a", replicas=1, replica_requirements=CPU), Component(name="b", replicas=2, replica_requirements=CPU))
    flat, graded = build.cluster(free={"cpu": "10"}), build.cluster(free={"cpu": "10"}, models=((5, {"cpu": 2000}),))
    promised = Promised.of(({"cpu": 1000}, 4))
    assert [sets_for(one, components) for one in (flat, graded)] == [3, 3]
    assert [sets_for(one, components, promised) for one in (flat, graded)] == [2, 2]
    ledger = open_ledger()
    ledger.decided(WEB, build.binding(build.target("m1"), components=components), T)
    assert ledger.taken(Snapshot((build.cluster("m1", free={"cpu": "10"}),)), None, components, now=NOW) == {"m1": 1}


# --- the property -------------------------------------------------------------------------------------------------------------------------

CAPACITY = {"m1": 7, "m2": 4}
APPS = ("a", "b", "c")
STEPS = st.one_of(
    st.tuples(st.just("decide"), st.sampled_from(APPS), st.integers(0, 8)),
    st.tuples(st.just("decide-afresh"), st.sampled_from(APPS), st.integers(0, 8)),
    st.tuples(st.just("apply"), st.sampled_from(APPS), st.sampled_from(tuple(CAPACITY))),
    st.tuples(st.just("report"), st.sampled_from(APPS), st.just("")),
    st.tuples(st.just("inventory"), st.sampled_from(tuple(CAPACITY)), st.just("")),
    st.tuples(st.just("restart"), st.just(""), st.just("")),
    st.tuples(st.just("wait"), st.just(""), st.sampled_from((1, 20, 60))),
)


@dataclass
class Hub:
    """One scheduler, two clusters, three workloads of one-cpu pods; everything that is known of a cluster is late."""

    strategy: object
    now: float = T
    ledger: Ledger = field(default_factory=Ledger)
    bindings: dict = field(default_factory=dict)
    running: dict = field(default_factory=lambda: {name: {} for name in CAPACITY})
    statuses: dict = field(default_factory=dict)
    figures: dict = field(default_factory=lambda: dict.fromkeys(CAPACITY, 0))
    position: int = 1
    heard: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in CAPACITY:
            self.inventory(name)

    def ref(self, app):
        return build.ref("Deployment", app)

    def moment(self):
        return NOW + timedelta(seconds=self.now - T)

    def snapshot(self):
        return Snapshot(
            build.cluster(name, free={"cpu": str(max(0, total - self.figures[name]))}, pods=100) for name, total in CAPACITY.items()
        )

    def decide(self, app, replicas, *, fresh=False):
        self.position += 1
        snapshot, previous = self.snapshot(), self.bindings.get(app, (None, 0))[0]
        request = Request(
            ref=self.ref(app),
            uid=f"uid-{app}",
            api_version="apps/v1",
            placement=build.placement(division=self.strategy),
            replicas=replicas,
            requirements=CPU,
            reserved=self.ledger.taken(snapshot, CPU, (), now=self.moment()),
            reschedule_at=self.moment().strftime("%Y-%m-%dT%H:%M:%SZ") if fresh else "",
        )
        decision = schedule(request, snapshot, previous, now=self.moment(), position=self.position)
        base = build.binding(uid=f"uid-{app}", replicas=replicas, replica_requirements=CPU, placement=request.placement)
        bound = to_binding(decision, base, now=self.moment(), position=self.position)
        self.bindings[app] = (bound, self.now)
        self.ledger.decided(self.ref(app), bound, self.now)

    def wanted(self, app, name):
        bound = self.bindings.get(app, (None, 0))[0]
        target = bound.target(name) if bound else None
        return ((target.replicas or 0), target.epoch) if target else (0, 0)

    def apply(self, app, name):
        self.running[name][app] = self.wanted(app, name)

    def report(self, app):
        copies = tuple(
            CopyStatus(cluster=name, applied=True, epoch=pods[app][1], status={"replicas": pods[app][0]})
            for name, pods in self.running.items()
            if app in pods
        )
        if (status := TemplateStatus(template_uid=f"uid-{app}", copies=copies)) != self.statuses.get(app, (None, 0))[0]:
            self.statuses[app] = (status, self.now)
            self.ledger.reported(self.ref(app), status, self.now)

    def inventory(self, name):
        """Agents tell of their copies within a moment; what they read of nodes comes up to a second later."""
        for app in APPS:
            self.report(app)
        used = sum(pods for pods, _ in self.running[name].values())
        self.now += 1
        self.figures[name] = used
        self.ledger.counted(name, ResourceSummary(allocated={"cpu": str(used)}), self.now)

    def wait(self, seconds):
        if seconds > 15:  # Every agent has read its nodes meanwhile.
            for name in CAPACITY:
                self.inventory(name)
        self.now += seconds

    def restart(self):
        self.ledger = Ledger()
        for app, (bound, at) in self.bindings.items():
            self.ledger.decided(self.ref(app), bound, at)
        for app, (status, at) in self.statuses.items():
            self.ledger.reported(self.ref(app), status, at)
        for name in CAPACITY:
            self.ledger.counted(name, ResourceSummary(allocated={"cpu": str(self.figures[name])}), self.now)

    def spent(self, name):
        """Promised, or still running although it is promised no more."""
        return sum(self.wanted(app, name)[0] for app in APPS)


@pytest.mark.spec("E11")
@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=25), st.sampled_from((build.DYNAMIC, build.AGGREGATED)))
def test_no_room_is_given_away_twice(steps, strategy):
    hub = Hub(strategy)
    for what, who, number in steps:
        if what in ("decide", "decide-afresh"):
            hub.decide(who, number, fresh=what == "decide-afresh")
        elif what == "apply":
            hub.apply(who, number)
        elif what == "wait":
            hub.wait(number)
        elif what == "restart":
            hub.restart()
        else:
            getattr(hub, what)(who)
        for name, total in CAPACITY.items():
            assert hub.spent(name) <= total, (name, msgspec.to_builtins(hub.bindings))


@pytest.mark.spec("E11")
@pytest.mark.parametrize("reserved", [{}, {"m1": 1}, {"m1": 2, "m2": 4, "m3": 9}])
@pytest.mark.parametrize("held", [{}, {"m2": 1}])
def test_reserved_room_is_no_room(reserved, held):
    """What is reserved looks like a cluster that has so much less."""
    free = {"m1": 5, "m2": 4, "m3": 3}
    asked = build.request(build.placement(division=build.DYNAMIC), replicas=3, requests={"cpu": "1"}, reserved=reserved)
    previous = build.binding(*(build.target(name, count) for name, count in held.items())) if held else None

    def placed(request, room):
        snapshot = Snapshot(build.cluster(name, free={"cpu": str(max(0, count))}) for name, count in room.items())
        return schedule(request, snapshot, previous, now=NOW, position=5).clusters

    less = {name: count - reserved.get(name, 0) for name, count in free.items()}
    assert placed(asked, free) == placed(msgspec.structs.replace(asked, reserved={}), less)
