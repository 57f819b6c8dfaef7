"""What is shown of an object, and what of a write is the user's."""

from typing import Any

import pytest

from shoal.api.cluster import ClusterStatus, Taint
from shoal.api.meta import Condition, Ref
from shoal.api.status import Belief
from shoal_gateway import merge

BELIEF = Belief(
    member="m",
    state="Lost",
    since="",
    taints=(Taint(key="unreachable", effect="NoSchedule"),),
    status=ClusterStatus(kubernetes_version="v1.33.0", conditions=(Condition(type="Ready", status="Unknown"),)),
)
HELD = {"key": "unreachable", "effect": "NoSchedule"}
OWN = {"key": "gpu", "effect": "NoSchedule"}


def cluster(**spec: Any) -> dict[str, Any]:
    return {"kind": "Cluster", "metadata": {"name": "m1"}, "spec": spec}


def test_aggregated_status_is_laid_over_the_own_one() -> None:
    own = {"metadata": {}, "status": {"mine": 1}}
    assert merge.shown(own, status={"replicas": 2})["status"] == {"replicas": 2}
    assert merge.shown(own)["status"] == {"mine": 1}
    assert own["status"] == {"mine": 1}


def test_a_belief_adds_taints_and_status() -> None:
    made = merge.shown(cluster(taints=[OWN]), belief=BELIEF)
    assert made["spec"]["taints"] == [OWN, HELD]
    assert made["status"]["kubernetesVersion"] == "v1.33.0"
    assert merge.shown(cluster(taints=[HELD]), belief=BELIEF)["spec"]["taints"] == [HELD]


def test_conditions_that_others_wrote_stay_beside_the_beliefs() -> None:
    stale, other = {"type": "Ready", "status": "True"}, {"type": "ServiceDomainNameResolutionReady", "status": "False"}
    made = merge.shown(cluster() | {"status": {"conditions": [stale, other]}}, belief=BELIEF)
    assert made["status"]["conditions"] == [{"type": "Ready", "status": "Unknown"}, other]


@pytest.mark.parametrize(
    ("sent", "stored", "kept"),
    [
        pytest.param([OWN, HELD], [OWN], [OWN], id="the-belief's-comes-back"),
        pytest.param([OWN], [OWN], [OWN], id="only-own"),
        pytest.param([HELD], [], None, id="nothing-left"),
        pytest.param([HELD], [HELD], [HELD], id="the-user-has-it-too"),
        pytest.param([HELD | {"value": "x"}], [], [HELD | {"value": "x"}], id="another-value-is-the-user's"),
    ],
)
def test_taints_of_the_belief_are_taken_away_again(sent: list[Any], stored: list[Any], kept: list[Any] | None) -> None:
    made = merge.owned(cluster(taints=sent), cluster(taints=stored), belief=BELIEF)
    assert made["spec"].get("taints") == kept


@pytest.mark.parametrize(
    ("new", "stored", "keep", "status"),
    [
        pytest.param({"shown": 1}, {"own": 1}, True, {"own": 1}, id="the-object-itself-keeps-the-own-status"),
        pytest.param({"shown": 1}, None, True, None, id="and-has-none-when-it-had-none"),
        pytest.param({"sent": 1}, {"own": 1}, False, {"sent": 1}, id="a-write-of-status-counts"),
    ],
)
def test_status(new: Any, stored: Any, keep: bool, status: Any) -> None:
    before = {"metadata": {}, "status": stored} if stored else {"metadata": {}}
    made = merge.owned({"metadata": {"resourceVersion": "7"}, "status": new}, before, keep_status=keep)
    assert made.get("status") == status
    assert "resourceVersion" not in made["metadata"]


@pytest.mark.spec("R1.13")
@pytest.mark.parametrize(
    ("change", "same"),
    [
        pytest.param({"status": {"x": 1}}, True, id="status"),
        pytest.param(
            {"metadata": {"name": "a", "generation": 4, "managedFields": [1], "resourceVersion": "9"}}, True, id="neutral-metadata"
        ),
        pytest.param({"metadata": {"name": "a", "labels": {"x": "y"}}}, False, id="labels"),
        pytest.param({"metadata": {"name": "a", "deletionTimestamp": "now"}}, False, id="deletion"),
        pytest.param({"spec": {"replicas": 3}}, False, id="spec"),
    ],
)
def test_content(change: dict[str, Any], same: bool) -> None:
    base = {"metadata": {"name": "a", "generation": 3}, "spec": {"replicas": 2}}
    assert merge.same_content(base, {**base, **change}) is same


def test_times_of_managers_alone_are_not_worth_a_write() -> None:
    def at(time: str, manager: str = "kubectl") -> dict[str, Any]:
        return {"metadata": {"name": "a", "managedFields": [{"manager": manager, "time": time}]}}

    assert merge.same_but_times(at("1"), at("2"))
    assert not merge.same_but_times(at("1"), at("1", "helm"))


@pytest.mark.parametrize(
    ("labels", "application"),
    [
        pytest.param({"shoal.dev/application": "a", "app.kubernetes.io/part-of": "b"}, "a", id="own-label"),
        pytest.param({"app.kubernetes.io/part-of": "b", "app.kubernetes.io/instance": "c"}, "b", id="part-of"),
        pytest.param({"app.kubernetes.io/instance": "c"}, "c", id="instance"),
        pytest.param({}, "web", id="alone"),
    ],
)
def test_application(labels: dict[str, str], application: str) -> None:
    assert merge.application_of(labels, Ref("apps", "Deployment", "shop", "web")) == application
