"""Which templates keep the numbers of their members, and which number follows (R15.10)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shoal.api.autoscaling import RETAIN_REPLICAS_LABEL, RETAINED_FOR_ANNOTATION
from shoal.api.binding import Binding, TargetCluster
from shoal.api.meta import Manifest
from shoal.api.policy import Placement, ReplicaSchedulingStrategy
from shoal.api.status import CopyStatus, TemplateStatus
from shoal.domain.autoscaling import followed, marks
from shoal.domain.interpreting import retain

LABELLED = {"labels": {RETAIN_REPLICAS_LABEL: "true"}}
OURS = LABELLED | {"annotations": {RETAINED_FOR_ANNOTATION: "web"}}


def mark(name: str | None) -> dict[str, Any]:
    return {"labels": {RETAIN_REPLICAS_LABEL: "true" if name else None}, "annotations": {RETAINED_FOR_ANNOTATION: name}}


@pytest.mark.spec("R15.10", "Q08")
@pytest.mark.parametrize(
    ("metadata", "autoscalers", "change"),
    [
        pytest.param({}, set(), {}, id="nobody-scales-it"),
        pytest.param({}, {"web"}, mark("web"), id="somebody-does"),
        pytest.param({}, {"web", "api"}, mark("api"), id="of-two-the-first-by-name"),
        pytest.param(OURS, {"web"}, {}, id="marked"),
        pytest.param(OURS, {"web", "api"}, {}, id="marked-for-one-that-still-does"),
        pytest.param(OURS, {"api"}, mark("api"), id="marked-for-one-that-went"),
        pytest.param(OURS, set(), mark(None), id="all-went"),
        pytest.param({"annotations": OURS["annotations"]}, {"web"}, mark("web"), id="label-taken-away"),
        pytest.param(LABELLED, {"web"}, {}, id="the-user's-own-label"),
        pytest.param(LABELLED, set(), {}, id="the-user's-own-label-stays"),
        pytest.param({"labels": {RETAIN_REPLICAS_LABEL: "false"}}, {"web"}, {}, id="the-user-wants-none"),
    ],
)
def test_marks(metadata: dict[str, Any], autoscalers: set[str], change: dict[str, Any]) -> None:
    assert marks({"metadata": metadata}, autoscalers) == change


@pytest.mark.spec("R15.10", "Q08")
def test_the_mark_is_what_makes_members_keep_their_number() -> None:
    desired = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"labels": mark("web")["labels"]}, "spec": {"replicas": 2}}
    assert retain(desired, desired | {"spec": {"replicas": 7}})["spec"] == {"replicas": 7}


DIVIDED = Placement(replica_scheduling=ReplicaSchedulingStrategy(replica_scheduling_type="Divided"))
TEMPLATE: Manifest = {"metadata": {"uid": "u", "generation": 3, **LABELLED}, "spec": {"replicas": 4}}
BINDING = Binding(
    template_uid="u", template_revision=9, placement=DIVIDED, replicas=4,
    clusters=(TargetCluster(name="m1", replicas=2), TargetCluster(name="m2", replicas=2)),
)  # fmt: skip


def copy(cluster: str, replicas: int, *, updated: int | None = None, **fields: Any) -> CopyStatus:
    told = {"replicas": replicas, "updatedReplicas": replicas if updated is None else updated, "observedGeneration": 5}
    return msgspec.structs.replace(CopyStatus(cluster=cluster, applied=True, template_generation=3, generation=5, status=told), **fields)


def template(spec: dict[str, Any] | None = None, **metadata: Any) -> Manifest:
    return {"metadata": TEMPLATE["metadata"] | metadata, "spec": TEMPLATE["spec"] if spec is None else spec}


def bound(**fields: Any) -> Binding:
    return msgspec.structs.replace(BINDING, **fields)


@pytest.mark.spec("R15.10", "Q07")
@pytest.mark.parametrize(
    ("object_", "binding", "copies", "number"),
    [
        pytest.param(TEMPLATE, BINDING, (copy("m1", 5), copy("m2", 2)), 7, id="follows"),
        pytest.param(TEMPLATE, BINDING, (copy("m1", 1), copy("m2", 3)), None, id="is-there-already"),
        pytest.param(TEMPLATE, BINDING, (copy("m1", 5), copy("m2", 2), copy("m3", 9)), 7, id="a-copy-on-its-way-out-does-not-count"),
        pytest.param(template(labels={}), BINDING, (copy("m1", 5), copy("m2", 2)), None, id="not-marked"),
        pytest.param(template(deletionTimestamp="2026-01-01T00:00:00Z"), BINDING, (copy("m1", 5), copy("m2", 2)), None, id="being-deleted"),
        pytest.param(template({"replicas": 0}), bound(replicas=0), (copy("m1", 5), copy("m2", 2)), None, id="switched-off"),
        pytest.param(TEMPLATE, bound(placement=Placement()), (copy("m1", 5), copy("m2", 2)), None, id="not-divided"),
        pytest.param(TEMPLATE, bound(template_revision=8), (copy("m1", 5), copy("m2", 2)), None, id="user-wrote-and-nothing-is-decided"),
        pytest.param(TEMPLATE, bound(replicas=2), (copy("m1", 5), copy("m2", 2)), None, id="decided-on-another-number"),
        pytest.param(TEMPLATE, bound(template_uid="old"), (copy("m1", 5), copy("m2", 2)), None, id="template-made-anew"),
        pytest.param(TEMPLATE, bound(clusters=()), (), None, id="placed-nowhere"),
        pytest.param(TEMPLATE, BINDING, (copy("m1", 5),), None, id="one-has-not-reported"),
        pytest.param(TEMPLATE, BINDING, (copy("m1", 5), copy("m2", 2, template_generation=2)), None, id="one-has-an-older-template"),
        pytest.param(TEMPLATE, BINDING, (copy("m1", 5), copy("m2", 2, applied=False)), None, id="one-is-not-applied"),
        pytest.param(TEMPLATE, BINDING, (copy("m1", 5), copy("m2", 2, generation=6)), None, id="its-controller-has-not-looked"),
        pytest.param(TEMPLATE, BINDING, (copy("m1", 5), copy("m2", 0)), None, id="one-has-no-pods-yet"),
        pytest.param(TEMPLATE, BINDING, (copy("m1", 5), copy("m2", 3, updated=2)), None, id="rolling-out-with-one-more"),
        pytest.param(TEMPLATE, BINDING, (copy("m1", 5), copy("m2", 2, status=None)), None, id="no-status"),
    ],
)  # fmt: skip
def test_followed(object_: Manifest, binding: Binding, copies: tuple[CopyStatus, ...], number: int | None) -> None:
    status = TemplateStatus(template_uid="u", copies=copies)
    assert followed(object_, 9, binding, status) == number
