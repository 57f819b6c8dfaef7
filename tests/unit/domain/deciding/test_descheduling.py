"""Replicas that no node takes run elsewhere, never at the cost of what runs, and do not wander to and fro."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.api.binding import Binding, ReplicaRequirements, TargetCluster
from shoal.api.meta import Ref
from shoal.api.policy import Placement, SuspendClusters, Suspension
from shoal.api.status import LOST, CopyStatus
from shoal.domain.deciding import EvictionTask, Inputs, Known, Outcome, Wanted, Wishes, decide, decide_estimated, lacking, reasons, recalled
from shoal.domain.deciding.descheduling import REST
from shoal.domain.deciding.estimated import CONSTRAINED, NEVER
from shoal.domain.scheduling import same_content
from support import build

UID = "uid-deployment-web"
LATEST = 1_000
"""An epoch above every one that is assigned here."""
BY_ROOM = build.placement(division=build.AGGREGATED)
DYNAMIC = build.placement(division=build.DYNAMIC)
NOBODY_ELSE = "Clusters available replicas 0 are not enough to schedule 3 replicas."


def ready(cluster: str, count: int, **fields: Any) -> CopyStatus:
    return msgspec.structs.replace(build.copy(cluster, epoch=LATEST, **fields), status={"readyReplicas": count})


def placed(outcome: Outcome | None) -> dict[str, int | None]:
    return {target.name: target.replicas for target in outcome.binding.clusters} if outcome and outcome.binding else {}


class Story:
    """One Deployment from its first placement on; every decision is checked, written, and made again."""

    def __init__(self, to: Placement = BY_ROOM, *, replicas: int = 5, annotations: dict[str, str] | None = None, **first: int) -> None:
        self.policy = build.annotated(build.policy("p", to=to), **(annotations or {}))
        self.replicas, self.revision, self.position, self.now = replicas, 10, 99, build.NOW
        self.binding: Binding | None = None
        self.decide(rooms=first)

    def inputs(self, rooms: dict[str, int], ready_: dict[str, int] | None = None, **fields: Any) -> Inputs:
        self.position += 1
        copies = tuple(ready(name, count) for name, count in sorted((ready_ or {}).items()))
        fields.setdefault("clusters", tuple(build.cluster(name, pods=room) for name, room in sorted(rooms.items())))
        return build.inputs(
            build.deployment("web", replicas=self.replicas), *((self.policy,) if "policies" not in fields else ()),
            previous=self.binding, status=build.status(*copies), now=self.now, revision=self.revision, position=self.position, **fields,
        )  # fmt: skip

    def decide(self, rooms: dict[str, int], ready: dict[str, int] | None = None, **fields: Any) -> Outcome:
        asked = self.inputs(rooms, ready, **fields)
        outcome = decide(asked)
        binding = outcome.binding
        assert binding is not None
        if outcome.changed:
            bare = msgspec.structs.replace(asked, unschedulable={})
            again = decide(recalled(bare, binding)).binding
            assert again is not None
            assert same_content(again, binding), "a replay says the same"
        self.binding = binding
        return outcome

    def scaled(self, replicas: int) -> None:
        self.replicas, self.revision = replicas, self.revision + 10


@pytest.mark.spec("R15.4", "Q05", "KA03")
@pytest.mark.parametrize(
    ("to", "rooms", "runs", "counted", "expected"),
    [
        pytest.param(BY_ROOM, {"m1": 5, "m2": 9}, {"m1": 2}, {"m1": 3}, {"m1": 2, "m2": 3}, id="elsewhere-is-room"),
        pytest.param(DYNAMIC, {"m1": 5, "m2": 4, "m3": 2}, {"m1": 2}, {"m1": 3}, {"m1": 2, "m2": 2, "m3": 1}, id="by-the-policys-strategy"),
        pytest.param(BY_ROOM, {"m1": 5, "m2": 9}, {"m1": 4}, {"m1": 3}, {"m1": 4, "m2": 1}, id="never-below-what-is-ready"),
        pytest.param(BY_ROOM, {"m1": 5, "m2": 9}, {"m1": 1}, {"m1": 3}, {"m1": 2, "m2": 3}, id="what-is-only-starting-stays"),
        pytest.param(BY_ROOM, {"m1": 5, "m2": 9}, {"m1": 0}, {"m1": 5}, {"m2": 5}, id="all-of-them"),
        pytest.param(BY_ROOM, {"m1": 5, "m2": 9}, {"m1": 0}, {"m1": 50}, {"m2": 5}, id="no-more-than-there-are"),
        pytest.param(BY_ROOM, {"m1": 5, "m2": 9}, {"m1": 5}, {"m1": 3}, {"m1": 5}, id="all-are-ready-by-now"),
        pytest.param(BY_ROOM, {"m1": 5, "m2": 9}, {"m1": 2}, {"m1": 0}, {"m1": 5}, id="none-of-them"),
        pytest.param(BY_ROOM, {"m1": 5, "m2": 9}, {"m1": 2}, {"m2": 3}, {"m1": 5}, id="of-a-cluster-that-has-none"),
        pytest.param(BY_ROOM, {"m1": 5, "m2": 9}, {}, {"m1": 3}, {"m1": 5}, id="nobody-knows-what-is-ready"),
        pytest.param(BY_ROOM, {"m1": 50, "m2": 2}, {"m1": 2}, {"m1": 3}, {"m1": 5}, id="too-little-room-elsewhere"),
        pytest.param(BY_ROOM, {"m1": 50}, {"m1": 2}, {"m1": 3}, {"m1": 5}, id="there-is-no-other"),
    ],
)  # fmt: skip
def test_what_moves_on(
    to: Placement, rooms: dict[str, int], runs: dict[str, int], counted: dict[str, int], expected: dict[str, int]
) -> None:
    story = Story(to, m1=5)
    outcome = story.decide(rooms, runs, unschedulable=counted)
    assert placed(outcome) == expected
    assert outcome.changed is (expected != {"m1": 5})


@pytest.mark.spec("R15.4", "Q05")
def test_it_says_why() -> None:
    story = Story(m1=5)
    outcome = story.decide({"m1": 50, "m2": 50}, {"m1": 2}, unschedulable={"m1": 3})
    assert outcome.binding is not None
    told = outcome.binding.explanation
    assert told.rounds == ("unschedulable replicas move on: 3 of 5 in m1", "3 more, by free replicas: m2=3")
    assert told.unschedulable == {"m1": 3}
    assert outcome.binding.descheduled == {"m1": "2026-08-01T12:00:00Z"}
    assert outcome.binding.clusters[0].epoch == 100, "the copy that stays is the one of before"


@pytest.mark.spec("R15.4", "Q05")
def test_a_cluster_that_keeps_none_is_left_when_the_others_run() -> None:
    story = Story(m1=5)
    outcome = story.decide({"m1": 50, "m2": 50}, {"m1": 0}, unschedulable={"m1": 5})
    assert outcome.binding is not None
    removal = outcome.binding.removals["m1"]
    assert (removal.reason, removal.wait_for, removal.author) == ("Descheduled", "ReplacementReady", "cluster/m1")


@pytest.mark.spec("R15.4", "Q05")
def test_when_nobody_else_has_room_nothing_changes_and_explain_says_so() -> None:
    story = Story(m1=5)
    before = story.binding
    asked = story.inputs({"m1": 50, "m2": 0}, {"m1": 2}, unschedulable={"m1": 3})
    outcome = decide(asked)
    assert (outcome.binding, outcome.changed) == (before, False)
    assert outcome.reason == "Unschedulable"
    assert outcome.message == f"unschedulable replicas stay, no other cluster takes them (3 in m1): {NOBODY_ELSE}"
    assert reasons(asked).outcome.message == outcome.message


HELD = {
    "dispatching-is-suspended": {"suspension": Suspension(dispatching=True)},
    "dispatching-there-is-suspended": {"suspension": Suspension(dispatching_on_clusters=SuspendClusters(cluster_names=("m1",)))},
    "by-fixed-weights": {"to": build.placement(division=build.EQUAL)},
    "not-divided": {"to": build.placement(division=build.DUPLICATED)},
}


@pytest.mark.spec("R15.4", "Q05")
@pytest.mark.parametrize("changed", [pytest.param(spec, id=name) for name, spec in HELD.items()])
def test_whom_it_does_not_touch(changed: dict[str, Any]) -> None:
    story = Story(m1=5)
    story.policy = build.policy("p", **{"to": BY_ROOM, **changed})
    story.decide({"m1": 5}, policy_revision=6)
    before = placed(story.decide({"m1": 50, "m2": 50}, {"m1": 2}, policy_revision=6))
    assert placed(story.decide({"m1": 50, "m2": 50}, {"m1": 2}, policy_revision=6, unschedulable={"m1": 3})) == before


@pytest.mark.spec("R15.4", "Q05")
def test_not_while_users_suspend_scheduling() -> None:
    story = Story(m1=5)
    wishes = Wishes(template_uid=UID, suspended=True)
    assert placed(story.decide({"m1": 50, "m2": 50}, {"m1": 2}, wishes=wishes, unschedulable={"m1": 3})) == {"m1": 5}


@pytest.mark.spec("R15.4", "Q05")
def test_not_while_the_policy_is_gone_or_waits_for_the_template() -> None:
    gone = Story(m1=5)
    gone.policy = build.policy("p", build.selector(name="other"), to=BY_ROOM)
    assert placed(gone.decide({"m1": 50, "m2": 50}, {"m1": 2}, unschedulable={"m1": 3})) == {"m1": 5}
    lazy = Story(m1=5)
    lazy.policy = build.policy("p", to=BY_ROOM, activation_preference="Lazy")
    assert placed(lazy.decide({"m1": 50, "m2": 50}, {"m1": 2}, policy_revision=60, unschedulable={"m1": 3})) == {"m1": 5}


@pytest.mark.spec("R15.4", "Q05")
def test_not_during_an_eviction() -> None:
    story = Story(DYNAMIC, replicas=6, m1=3, m2=3)
    wishes = Wishes(template_uid=UID, tasks={"m2": EvictionTask(position=1000)})
    rooms = {"m1": 50, "m2": 50, "m3": 50, "m4": 50}
    started = story.decide({"m1": 0, "m2": 50, "m3": 3}, {"m1": 1, "m2": 3}, wishes=wishes, unschedulable={"m1": 2})
    assert placed(started) == {"m1": 3, "m3": 3}, "the eviction alone"
    assert placed(story.decide(rooms, {"m1": 1, "m3": 3}, wishes=wishes, unschedulable={"m1": 2})) == {"m1": 3, "m3": 3}


@pytest.mark.spec("R15.4", "Q05")
def test_another_cause_is_decided_alone() -> None:
    """What was counted was counted of the decision before."""
    story = Story(m1=50)
    story.scaled(8)
    outcome = story.decide({"m1": 45, "m2": 50}, {"m1": 2}, unschedulable={"m1": 3})
    assert sum(count or 0 for count in placed(outcome).values()) == 8
    assert placed(outcome)["m1"] >= 5  # type: ignore[operator]  # Of a divided workload it is a number.
    assert outcome.binding is not None
    assert not outcome.binding.descheduled


@pytest.mark.spec("R15.4", "KA05", "Q05")
def test_what_is_kept_balanced_gives_up_nothing_that_runs() -> None:
    story = Story(DYNAMIC, annotations={"scaling": "balanced"}, m1=5)
    outcome = story.decide({"m1": 0, "m2": 100}, {"m1": 2}, unschedulable={"m1": 3})
    assert placed(outcome) == {"m1": 2, "m2": 3}


def descheduled() -> Story:
    """m1 kept 2 of 5; now that its pods without a node are gone it looks as roomy as before."""
    story = Story(m1=5)
    story.decide({"m1": 50, "m2": 9}, {"m1": 2}, unschedulable={"m1": 3})
    assert story.binding is not None
    assert story.binding.descheduled
    return story


@pytest.mark.spec("R15.4", "Q05")
@pytest.mark.parametrize(
    ("later", "rooms", "expected"),
    [
        pytest.param(timedelta(minutes=5), {"m1": 50, "m2": 9}, {"m1": 2, "m2": 5}, id="the-round-after"),
        pytest.param(timedelta(minutes=5), {"m1": 50, "m2": 1}, {"m1": 4, "m2": 3}, id="unless-nobody-else-has-room"),
        pytest.param(REST, {"m1": 50, "m2": 0}, {"m1": 4, "m2": 3}, id="an-hour-later"),
    ],
)
def test_the_next_decision_gives_nothing_back_for_a_while(later: timedelta, rooms: dict[str, int], expected: dict[str, int]) -> None:
    story = descheduled()
    story.now += later
    assert not story.decide({"m1": 50, "m2": 9}, {"m1": 2, "m2": 3}).changed, "nothing is due"
    story.scaled(7)
    outcome = story.decide(rooms, {"m1": 2, "m2": 3})
    assert placed(outcome) == expected
    assert outcome.binding is not None
    assert bool(outcome.binding.descheduled) is (later < REST)


@pytest.mark.spec("R15.4", "Q05", "Q06")
def test_a_rebalance_starts_from_zero_all_the_same() -> None:
    story = descheduled()
    outcome = story.decide({"m1": 50, "m2": 0}, {"m1": 2, "m2": 3}, reschedule_at="2026-08-01T12:00:05Z")
    assert placed(outcome) == {"m1": 5}
    assert outcome.binding is not None
    assert not outcome.binding.descheduled


@pytest.mark.spec("R15.4", "Q05")
def test_other_pods_are_another_matter() -> None:
    story = descheduled()
    story.scaled(7)
    smaller = ReplicaRequirements(resource_request={"pods": "1"})
    outcome = story.decide({"m1": 50, "m2": 0}, {"m1": 2, "m2": 3}, requirements=smaller)
    assert outcome.binding is not None
    assert not outcome.binding.descheduled


@pytest.mark.spec("R15.4", "Q05")
def test_two_clusters_that_only_seem_roomy_do_not_play_ball() -> None:
    """Neither m1 nor m2 has a node for these pods, whatever their figures say."""
    story = Story(m1=5)
    seen = [placed(story.decide({"m1": 50, "m2": 50}, {"m1": 0, "m2": 0}, unschedulable={"m1": 5}))]
    for _ in range(20):
        story.now += timedelta(minutes=2)
        outcome = story.decide({"m1": 50, "m2": 50}, {"m1": 0, "m2": 0}, unschedulable={"m2": 5})
        seen.append(placed(outcome))
        assert outcome.reason == "Unschedulable"
    assert seen == [{"m2": 5}] * 21


@pytest.mark.spec("R15.4", "Q05", "Q02")
@pytest.mark.parametrize(
    ("when", "asked"), [pytest.param(CONSTRAINED, True, id="as-of-other-picky-pods"), pytest.param(NEVER, False, id="never")]
)
def test_agents_are_asked_how_many_fit_where_sums_have_been_wrong(when: str, *, asked: bool) -> None:
    story = Story(m1=5)
    told = story.inputs({"m1": 50, "m2": 50, "m3": 3}, {"m1": 2}, unschedulable={"m1": 3})
    found = decide_estimated(told, Known(when))
    assert isinstance(found, Wanted) is asked
    if isinstance(found, Wanted):
        known = Known(when)
        for name, room in {"m1": 0, "m2": 0, "m3": 9}.items():
            known.heard(found.size, name, room)
        after = decide_estimated(told, known)
        assert isinstance(after, Outcome)
        assert placed(after) == {"m1": 2, "m3": 3}


WEB = Ref("apps", "Deployment", "shop", "web")


@pytest.mark.spec("R15.4", "Q05")
@pytest.mark.parametrize(
    ("ref", "binding", "copy", "expected"),
    [
        pytest.param(WEB, {}, ready("m1", 2), {"m1": 3}, id="three-are-missing"),
        pytest.param(WEB, {}, ready("m1", 5), {}, id="all-are-ready"),
        pytest.param(WEB, {}, ready("m1", 9), {}, id="more-than-asked-for"),
        pytest.param(WEB, {}, build.copy("m1", epoch=100), {"m1": 5}, id="no-status-yet"),
        pytest.param(WEB, {}, ready("m1", 2, applied=False), {}, id="not-applied"),
        pytest.param(WEB, {}, build.copy("m1", epoch=99), {}, id="a-copy-of-before"),
        pytest.param(WEB, {}, ready("m2", 2), {}, id="nobody-heard-of-it"),
        pytest.param(WEB, {"attached": ("m1",)}, ready("m1", 2), {}, id="there-for-its-owner"),
        pytest.param(Ref("apps", "StatefulSet", "shop", "web"), {}, ready("m1", 2), {}, id="another-kind"),
        pytest.param(WEB, {"template_uid": "other"}, ready("m1", 2), {}, id="another-object"),
    ],
)
def test_whose_agents_are_asked(ref: Ref, binding: dict[str, Any], copy: CopyStatus, expected: dict[str, int]) -> None:
    stands = Binding(
        template_uid=UID, template_revision=10, replicas=5, placement=BY_ROOM, clusters=(TargetCluster(name="m1", replicas=5, epoch=100),)
    )
    assert lacking(ref, msgspec.structs.replace(stands, **binding), build.status(copy)) == expected


NAMES = ("m1", "m2", "m3", "m4")
BOUNDS = ([{"targetCluster": {"clusterNames": ["m1"]}, "max": 3}], [{"targetCluster": {"clusterNames": ["m3"]}, "min": 2}], [{"min": 1}])
counts = st.fixed_dictionaries(dict.fromkeys(NAMES, st.integers(0, 9)))


@pytest.mark.spec("R15.4", "Q05")
@settings(max_examples=300, deadline=None)
@given(
    division=st.sampled_from((build.AGGREGATED, build.DYNAMIC)),
    first=counts,
    after=counts,
    runs=counts,
    counted=counts,
    away=st.sampled_from(("", "m2")),
    spread=st.sampled_from(((), (build.spread("cluster", 1, 2),))),
    limits=st.sampled_from(({}, {"scaling": "balanced"}, {"aggregated": "fill"}, *({"replica_bounds": json.dumps(one)} for one in BOUNDS))),
)
def test_whatever_is_counted(
    division: Any, first: dict[str, int], after: dict[str, int], runs: dict[str, int], counted: dict[str, int], away: str, spread: Any,
    limits: dict[str, str],
) -> None:  # fmt: skip
    """The sum stays, nothing that is ready goes, nobody outside the placement gets any, and nobody who loses some gets others."""
    story = Story(build.placement("m1", "m2", "m3", division=division, spread=spread), annotations=limits, **first)
    before = placed(story.decide(first))
    if not before:
        return  # There was no room for it in the first place.
    clusters = tuple(
        build.cluster(name, pods=room, state=LOST) if name == away else build.cluster(name, pods=room) for name, room in after.items()
    )
    outcome = story.decide({}, {name: runs[name] for name in before}, clusters=clusters, unschedulable=counted)
    now = placed(outcome)
    assert sum(count or 0 for count in now.values()) == 5
    assert set(now) <= {"m1", "m2", "m3"}
    for name, count in before.items():
        had, has = count or 0, now.get(name) or 0
        assert has >= min(had, runs[name]), "below what is ready"
        assert has >= had - counted[name], "more than no node takes"
    if outcome.changed:
        losing = {name for name, count in before.items() if (now.get(name) or 0) < (count or 0)}
        assert outcome.binding is not None
        assert set(outcome.binding.descheduled) == losing
        assert losing
        assert all(name not in before or (now[name] or 0) >= (before[name] or 0) for name in now if name not in losing)
    else:
        assert now == before
    later = decide(story.inputs({}, {name: runs[name] for name in now}, clusters=clusters))
    assert not later.changed, "it comes to rest"
