"""How far a change has come: one object through every hop, then the sum."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from shoal.api.binding import Binding, Claim, Removal, TargetCluster
from shoal.api.meta import Condition, Ref
from shoal.api.status import CopyStatus, TemplateStatus
from shoal.api.work import Work
from shoal.messages.catalogue import Progress
from shoal_gateway import changes
from shoal_gateway.changes import ChangeState, CopyState, ObjectState, State

WEB = Ref("apps", "Deployment", "shop", "web")
CONFIG = Ref("", "ConfigMap", "shop", "c")
POLICY = Ref("policy.karmada.io", "PropagationPolicy", "shop", "p")
AT = 20
"""The end of the change; the object's content is 10 unless said otherwise."""


@dataclass(frozen=True)
class Seen:
    revision: int
    body: Any = None
    content: int = 0
    uid: str = "u"
    change: str = "C"
    deleted: bool = False


@dataclass
class Facts:
    objects: dict[Ref, Seen] = field(default_factory=lambda: {WEB: Seen(10, {"metadata": {}}, content=10)})
    bindings: dict[Ref, Seen] = field(default_factory=dict)
    statuses: dict[Ref, Seen] = field(default_factory=dict)
    works: dict[str, Seen] = field(default_factory=dict)
    unreachable: frozenset[str] = frozenset()
    scheduler: Progress | None = None
    renderer: Progress | None = None

    def object(self, ref: Ref) -> Seen | None:
        return self.objects.get(ref)

    def deleting(self, ref: Ref) -> bool:
        return bool((self.objects[ref].body or {}).get("metadata", {}).get("deletionTimestamp"))

    def binding(self, ref: Ref) -> Seen | None:
        return self.bindings.get(ref)

    def status(self, ref: Ref) -> Seen | None:
        return self.statuses.get(ref)

    def work(self, cluster: str, ref: Ref) -> Seen | None:
        return self.works.get(cluster)

    def lost(self, cluster: str) -> bool:
        return cluster in self.unreachable

    def placed(self, ref: Ref) -> bool:
        return ref.group != "policy.karmada.io"

    def judged(self, ref: Ref) -> bool:
        return ref.kind == "Deployment"


def binding(*clusters: str, revision: int = 10, at: int = 12, **fields: Any) -> dict[Ref, Seen]:
    claim = Claim(policy=POLICY, uid="p", revision=1)
    body = Binding(
        template_uid="u", template_revision=revision, claim=claim, clusters=tuple(TargetCluster(name=name) for name in clusters), **fields
    )
    return {WEB: Seen(at, body)}


def work(revision: int = 10, at: int = 5) -> dict[str, Seen]:
    return {"m1": Seen(at, Work(cluster="m1", epoch=1, template_uid="u", template_revision=revision))}


def copy(**fields: Any) -> dict[Ref, Seen]:
    told = {"cluster": "m1", "work_revision": 5, "applied": True, "health": "Healthy"} | fields
    return {WEB: Seen(15, TemplateStatus(template_uid="u", copies=(CopyStatus(**told),)))}


PASSED = Progress(service="scheduler", read=30, wrote=12)
UNFIT = Condition(type="Scheduled", status="False", reason="NoClusterFit", message="0/2 clusters are available")


@pytest.mark.parametrize(
    ("facts", "state", "reason"),
    [
        pytest.param(Facts(objects={}), State.SUPERSEDED, "Deleted", id="object-gone"),
        pytest.param(Facts(objects={WEB: Seen(25, content=25, change="D")}), State.SUPERSEDED, "NewerChange", id="newer-content"),
        pytest.param(Facts(), State.PENDING, "Scheduling", id="scheduler-has-not-passed"),
        pytest.param(Facts(scheduler=Progress(service="s", read=9, wrote=9)), State.PENDING, "Scheduling", id="scheduler-is-behind"),
        pytest.param(
            Facts(scheduler=Progress(service="s", read=30, wrote=9, behind=(str(WEB),))), State.PENDING, "Scheduling", id="key-in-back-off"
        ),
        pytest.param(Facts(scheduler=PASSED), State.UNPLACED, "NoPolicy", id="no-policy"),
        pytest.param(Facts(scheduler=PASSED, bindings=binding("m1", revision=8)), State.PENDING, "Held", id="policy-holds-it"),
        pytest.param(Facts(bindings=binding(conditions=(UNFIT,))), State.PENDING, "NoClusterFit", id="no-cluster-fits"),
        pytest.param(Facts(bindings=binding("m1")), State.PENDING, "Rendering", id="not-rendered"),
        pytest.param(Facts(bindings=binding("m1"), works=work(revision=8)), State.PENDING, "Rendering", id="older-work"),
        pytest.param(
            Facts(bindings=binding("m1", removals={"m2": Removal(reason="ClusterLost", author="health-monitor", first=True)})),
            State.PENDING,
            "Purging",
            marks=pytest.mark.spec("R6.2", "N05"),
            id="the-old-copy-has-to-go-first",
        ),
        pytest.param(
            Facts(bindings=binding("m1"), works=work(revision=8), statuses=copy(), renderer=Progress(service="r", read=12, wrote=5)),
            State.READY,
            "",
            id="renderer-left-the-work-as-it-was",
        ),
        pytest.param(Facts(bindings=binding("m1"), works=work()), State.RENDERED, "Applying", id="not-reported"),
        pytest.param(
            Facts(bindings=binding("m1"), works=work(at=6), statuses=copy()), State.RENDERED, "Applying", id="report-of-older-work"
        ),
        pytest.param(
            Facts(bindings=binding("m1"), works=work(), unreachable=frozenset({"m1"})),
            State.FAILED,
            "ClusterUnreachable",
            id="lost-cluster",
        ),
        pytest.param(
            Facts(bindings=binding("m1"), works=work(), statuses=copy(applied=False, reason="Conflict", message="not ours")),
            State.FAILED,
            "Conflict",
            id="refused-by-the-cluster",
        ),
        pytest.param(
            Facts(bindings=binding("m1"), works=work(), statuses=copy(applied=False, reason="DependencyMissing")),
            State.RENDERED,
            "DependencyMissing",
            id="waits-in-the-cluster",
        ),
        pytest.param(
            Facts(bindings=binding("m1"), works=work(), statuses=copy(health="Unhealthy")), State.APPLIED, "Unhealthy", id="applied"
        ),
        pytest.param(
            Facts(bindings=binding("m1"), works=work(), statuses=copy(health="Unknown")), State.APPLIED, "Unknown", id="not-judged-yet"
        ),
        pytest.param(Facts(bindings=binding("m1"), works=work(), statuses=copy()), State.READY, "", id="ready"),
    ],
)
def test_one_object(facts: Facts, state: State, reason: str) -> None:
    (found,) = changes.judge([WEB], [], at=AT, facts=facts)
    assert (found.state, found.reason) == (state, reason)


def test_a_kind_without_a_rule_for_health_is_ready_when_applied() -> None:
    facts = Facts(
        objects={CONFIG: Seen(10, content=10)},
        bindings={CONFIG: binding("m1")[WEB]},
        works=work(),
        statuses={CONFIG: copy(health="Unknown")[WEB]},
    )
    assert changes.judge([CONFIG], [], at=AT, facts=facts)[0].state == State.READY


@pytest.mark.parametrize(
    ("progress", "state"), [pytest.param(None, State.PENDING, id="not-passed"), pytest.param(PASSED, State.READY, id="passed")]
)
def test_what_is_not_placed_is_ready_when_the_scheduler_has_passed_it(progress: Progress | None, state: State) -> None:
    facts = Facts(objects={POLICY: Seen(10, content=10)}, scheduler=progress)
    assert changes.judge([POLICY], [], at=AT, facts=facts)[0].state == state


DELETING = {WEB: Seen(18, {"metadata": {"deletionTimestamp": "now"}}, content=18)}


@pytest.mark.parametrize(
    ("facts", "state", "message"),
    [
        pytest.param(Facts(objects={}), State.READY, "", id="never-was"),
        pytest.param(Facts(objects={WEB: Seen(19, deleted=True)}), State.READY, "", id="gone"),
        pytest.param(Facts(objects=DELETING), State.PENDING, "waiting for the finalizers to be released", id="no-copies"),
        pytest.param(
            Facts(objects=DELETING, statuses=copy(), bindings=binding("m2", removals={"m3": Removal(reason="x", author="y")})),
            State.PENDING,
            "waiting for m1, m2, m3",
            id="copies",
        ),
        pytest.param(Facts(objects={WEB: Seen(25, {"metadata": {}}, content=25)}), State.SUPERSEDED, "made anew by C", id="made-anew"),
    ],
)
def test_deletions(facts: Facts, state: State, message: str) -> None:
    (found,) = changes.judge([], [WEB], at=AT, facts=facts)
    assert (found.state, found.message, found.deleted) == (state, message, True)


def one(state: State, *copies: CopyState, **fields: Any) -> ObjectState:
    return ObjectState(ref=WEB, state=state, copies=copies, **fields)


@pytest.mark.parametrize(
    ("objects", "state"),
    [
        pytest.param([], State.READY, id="nothing"),
        pytest.param([one(State.READY), one(State.APPLIED)], State.APPLIED, id="the-least-step"),
        pytest.param([one(State.FAILED), one(State.PENDING)], State.FAILED, id="a-failure-beats-steps"),
        pytest.param([one(State.FAILED), one(State.SUPERSEDED)], State.SUPERSEDED, id="a-newer-change-beats-a-failure"),
        pytest.param([one(State.UNPLACED), one(State.READY)], State.READY, id="unplaced-is-no-obstacle"),
        pytest.param([one(State.UNPLACED)], State.READY, id="nothing-is-placed"),
    ],
)
def test_the_whole(objects: list[ObjectState], state: State) -> None:
    assert changes.combine(objects)[0] == state


def test_unplaced_objects_are_said() -> None:
    assert "1 objects are not placed" in changes.combine([one(State.UNPLACED), one(State.READY)])[2]


def test_clusters_take_the_least_step_of_their_copies() -> None:
    found = changes.clusters(
        [
            one(State.APPLIED, CopyState(cluster="m1", state=State.READY), CopyState(cluster="m2", state=State.APPLIED)),
            one(State.FAILED, CopyState(cluster="m1", state=State.APPLIED), CopyState(cluster="m2", state=State.FAILED)),
        ]
    )
    assert found == {"m1": State.APPLIED, "m2": State.FAILED}


@pytest.mark.parametrize(
    ("state", "clusters", "answered", "due"),
    [
        pytest.param(State.PENDING, {}, (), ("accepted",), id="accepted-first"),
        pytest.param(State.PENDING, {}, ("accepted",), (), id="sent-once"),
        pytest.param(
            State.APPLIED,
            {"m1": State.READY, "m2": State.APPLIED},
            ("accepted",),
            ("applied@m1", "ready@m1", "applied@m2", "applied"),
            id="applied",
        ),
        pytest.param(State.FAILED, {"m1": State.FAILED}, ("accepted",), ("failed@m1", "failed"), id="failed"),
        pytest.param(State.READY, {}, ("accepted", "failed"), ("applied", "ready"), id="ready-after-all"),
        pytest.param(State.SUPERSEDED, {}, ("accepted",), ("superseded",), id="superseded"),
    ],
)
def test_answers_that_are_due(state: State, clusters: dict[str, State], answered: tuple[str, ...], due: tuple[str, ...]) -> None:
    assert changes.answers(ChangeState(change="C", state=state, clusters=clusters, answered=answered)) == due
