"""What entries say as facts."""

from typing import Any

import pytest

from shoal.api.binding import Binding, Removal, TargetCluster
from shoal.api.meta import Condition, Ref
from shoal.api.status import Belief
from shoal.api.work import Report
from shoal_gateway import narrate
from shoal_gateway.bodies import Used, WorkHead

WEB = Ref("apps", "Deployment", "shop", "web")
M1 = Ref("cluster.karmada.io", "Cluster", "", "m1")


@pytest.mark.parametrize(
    ("ref", "fields", "type_"),
    [
        pytest.param(WEB, {"first": True}, "object.created", id="created"),
        pytest.param(WEB, {}, "object.changed", id="changed"),
        pytest.param(WEB, {"deleted": True}, "object.deleted", id="deleted"),
        pytest.param(WEB, {"content": 3}, None, id="status-only"),
        pytest.param(M1, {"first": True}, "cluster.joined", id="joined"),
        pytest.param(M1, {}, None, id="cluster-edited"),
        pytest.param(M1, {"deleted": True}, "cluster.forgotten", id="forgotten"),
        pytest.param(Ref("shoal.dev", "Change", "", "x"), {"first": True}, None, id="records-have-answers"),
    ],
)
def test_objects(ref: Ref, fields: dict[str, Any], type_: str | None) -> None:
    fact = narrate.of_object(ref, **({"revision": 7, "content": 7, "deleted": False, "first": False} | fields))
    assert (fact.type if fact else None) == type_


def binding(*clusters: str, revision: int = 1, **fields: Any) -> Binding:
    return Binding(
        template_uid="u", template_revision=revision, clusters=tuple(TargetCluster(name=name, replicas=1) for name in clusters), **fields
    )


UNFIT = Condition(type="Scheduled", status="False", reason="NoClusterFit", message="0/1")
LET_GO = Condition(type="Claimed", status="False", reason="Frozen", message="it left")


@pytest.mark.spec("GX13")
@pytest.mark.parametrize(
    ("now", "before", "type_", "data"),
    [
        pytest.param(binding("m1"), None, "binding.scheduled", {"clusters": [{"cluster": "m1", "replicas": 1}]}, id="first"),
        pytest.param(
            binding("m2", removals={"m1": Removal(reason="ClusterLost", author="x")}), binding("m1"), "binding.moved",
            {"from": ["m1"], "to": ["m2"], "reasons": {"m1": "ClusterLost"}}, id="moved",
        ),
        pytest.param(binding("m1"), binding("m1", "m2"), "binding.scheduled", {"left": ["m2"]}, id="shrunk"),
        pytest.param(
            binding("m2", "m3", descheduled={"m1": "t2", "m2": "t1"}), binding("m1", "m2", descheduled={"m2": "t1"}), "binding.descheduled",
            {"from": ["m1"], "clusters": [{"cluster": "m2", "replicas": 1}, {"cluster": "m3", "replicas": 1}]}, id="descheduled",
        ),
        pytest.param(
            binding("m1", "m2", descheduled={"m1": "t1"}), binding("m1", descheduled={"m1": "t1"}), "binding.scheduled", {},
            id="descheduled-before",
        ),
        pytest.param(binding("m1", revision=2), binding("m1"), "binding.scheduled", {}, id="newer-content"),
        pytest.param(binding("m1"), binding("m1"), None, {}, id="nothing-new"),
        pytest.param(binding(conditions=(UNFIT,)), None, "binding.unplaced", {"reason": "NoClusterFit"}, id="unplaced"),
        pytest.param(
            binding("m1", conditions=(LET_GO,)), binding("m1"), "binding.held", {"reason": "Frozen", "message": "it left"},
            id="let-go-by-its-policy",
        ),
        pytest.param(binding("m1", conditions=(LET_GO,)), binding("m1", conditions=(LET_GO,)), None, {}, id="let-go-before"),
        pytest.param(binding(conditions=(UNFIT,)), binding(conditions=(UNFIT,)), None, {}, id="unplaced-before"),
        pytest.param(
            binding("m1", conditions=(UNFIT,)), binding("m1"), "binding.unfit",
            {"reason": "NoClusterFit", "message": "0/1", "clusters": [{"cluster": "m1", "replicas": 1}]}, id="what-runs-stays",
        ),
        pytest.param(binding("m1", conditions=(UNFIT,)), binding("m1", conditions=(UNFIT,)), None, {}, id="unfit-before"),
        pytest.param(binding("m1"), binding("m1", conditions=(UNFIT,)), "binding.scheduled", {}, id="fits-again"),
        pytest.param(binding(), binding(conditions=(UNFIT,)), None, {}, id="nothing-to-place"),
        pytest.param(None, binding("m1"), "binding.removed", {"clusters": ["m1"]}, id="removed"),
    ],
)  # fmt: skip
def test_bindings(now: Binding | None, before: Binding | None, type_: str | None, data: dict[str, Any]) -> None:
    fact = narrate.of_binding(now, before)
    assert (fact.type if fact else None) == type_
    assert fact is None or data.items() <= fact.data.items()


def belief(state: str) -> Belief:
    return Belief(member="m", state=state, since="")


@pytest.mark.parametrize(
    ("now", "before", "type_"),
    [
        pytest.param("Ready", None, "cluster.ready", id="first"),
        pytest.param("Lost", "Suspect", "cluster.lost", id="lost"),
        pytest.param("Ready", "Ready", None, id="inventory-only"),
    ],
)
def test_beliefs(now: str, before: str | None, type_: str | None) -> None:
    fact = narrate.of_belief("m1", belief(now), belief(before) if before else None)
    assert (fact.type if fact else None) == type_


def test_works() -> None:
    head = WorkHead(cluster="m1", epoch=4)
    assert narrate.of_work(head, revision=9, deleted=False) == ("work.rendered", {"cluster": "m1", "revision": 9, "epoch": 4})
    assert narrate.of_work(head, revision=9, deleted=True).type == "work.withdrawn"


@pytest.mark.spec("G16", "R5.6")
def test_overrides_that_failed_and_then_did_not() -> None:
    failed = narrate.of_work(WorkHead(cluster="m1", epoch=4, error="OverridePolicy/shop/p, rule 1: broken"), revision=9, deleted=False)
    assert failed.type == "work.failed"
    assert (failed.data["reason"], failed.data["message"]) == ("OverrideFailed", "OverridePolicy/shop/p, rule 1: broken")
    used = (Used(policy="ClusterOverridePolicy/a"), Used(policy="OverridePolicy/shop/p"), Used(policy="OverridePolicy/shop/p"))
    succeeded = narrate.of_work(WorkHead(cluster="m1", epoch=4, overrides=used), revision=10, deleted=False)
    assert succeeded.type == "work.rendered"
    assert succeeded.data["overrides"] == ["ClusterOverridePolicy/a", "OverridePolicy/shop/p"]


@pytest.mark.spec("G16")
def test_a_failed_override_is_told_once() -> None:
    """By its work; the report of the cluster repeats it."""
    assert narrate.of_report("m1", Report(work_revision=3, reason="OverrideFailed", message="broken"), None)[0] is None


def test_reports_speak_of_changes_only() -> None:
    told: list[str | None] = []
    spoken = None
    for fields in (
        {"applied": False, "reason": "DependencyMissing"},
        {"applied": True, "health": "Unhealthy"},
        {"applied": True, "health": "Unhealthy"},
        {"applied": True, "health": "Healthy"},
        {"applied": False, "reason": "Conflict"},
        {"gone": True},
    ):
        fact, spoken = narrate.of_report("m1", Report(work_revision=3, **fields), spoken)
        told.append(fact.type if fact else None)
    assert told == ["work.failed", "work.applied", None, "work.healthy", "work.failed", "work.removed"]
