"""What users may say on a binding, what is kept of it, and how it looks."""

from __future__ import annotations

import copy

import pytest

from shoal.api.binding import Binding, Removal, TargetCluster
from shoal.api.meta import Ref
from shoal_gateway import edits, shapes

WEB = Ref("apps", "Deployment", "shop", "web")
BINDING = Binding(
    template_uid="u",
    template_revision=3,
    replicas=2,
    clusters=(TargetCluster(name="m1", replicas=1, epoch=5), TargetCluster(name="m2", replicas=1, epoch=5)),
    removals={"m3": Removal(reason="ClusterLost", author="health-monitor", epoch=2, wait_for="ReplacementReady")},
)
SHOWN = shapes.binding_object(WEB, BINDING, api_version="apps/v1", revision=7, created="2026-01-01T00:00:00Z", change="C", status=None)


def edited(**spec):
    new = copy.deepcopy(SHOWN)
    for field, value in spec.items():
        if value is None:
            new["spec"].pop(field, None)
        else:
            new["spec"][field] = value
    return new


def noted():
    annotations = SHOWN["metadata"]["annotations"] | {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
    return {**SHOWN, "metadata": {**SHOWN["metadata"], "annotations": annotations}}


def evicted(**task):
    return edited(gracefulEvictionTasks=[{"fromCluster": "m1", **task}])


OURS = SHOWN["spec"]["gracefulEvictionTasks"]


@pytest.mark.spec("B24", "N08")
@pytest.mark.parametrize(
    ("new", "fields"),
    [
        pytest.param(edited(), [], id="nothing-changed"),
        pytest.param(edited(suspension={"scheduling": True}), [], id="suspend"),
        pytest.param(edited(gracefulEvictionTasks=[*OURS, {"fromCluster": "m1"}]), [], id="evict"),
        pytest.param(edited(gracefulEvictionTasks=None), [], id="a-task-taken-away"),
        pytest.param(edited(replicas=5), ["spec.replicas"], id="replicas"),
        pytest.param(edited(clusters=[{"name": "m9"}]), ["spec.clusters"], id="clusters"),
        pytest.param(edited(extra=1), ["spec.extra"], id="unknown-field"),
        pytest.param(edited(suspension={"dispatching": True}), ["spec.suspension.dispatching"], id="the-policys-suspension"),
        pytest.param(edited(suspension={"scheduling": "yes"}), ["spec.suspension.scheduling"], id="no-truth-value"),
        pytest.param(edited(gracefulEvictionTasks=[{"reason": "x"}]), ["spec.gracefulEvictionTasks[0].fromCluster"], id="no-cluster"),
        pytest.param(
            edited(gracefulEvictionTasks=[{"fromCluster": "m1"}, {"fromCluster": "m1"}]),
            ["spec.gracefulEvictionTasks[1].fromCluster"],
            id="twice",
        ),
        pytest.param(
            edited(gracefulEvictionTasks=[{"fromCluster": "m1", "typo": 1, "suppressDeletion": 1}]),
            ["spec.gracefulEvictionTasks[0].typo", "spec.gracefulEvictionTasks[0].suppressDeletion"],
            id="odd-fields",
        ),
        pytest.param(edited(gracefulEvictionTasks="x"), ["spec.gracefulEvictionTasks"], id="no-list"),
        pytest.param(evicted(gracePeriodSeconds=60, purgeMode="Directly"), [], id="grace-and-purge-mode"),
        pytest.param(evicted(gracePeriodSeconds=0, purgeMode="Graciously"), [], id="no-grace-and-an-older-name"),
        pytest.param(evicted(purgeMode="Never"), [], id="held-until-further-notice"),
        pytest.param(evicted(gracePeriodSeconds=-1), ["spec.gracefulEvictionTasks[0].gracePeriodSeconds"], id="negative-grace"),
        pytest.param(evicted(gracePeriodSeconds="60"), ["spec.gracefulEvictionTasks[0].gracePeriodSeconds"], id="grace-as-a-text"),
        pytest.param(evicted(gracePeriodSeconds=True), ["spec.gracefulEvictionTasks[0].gracePeriodSeconds"], id="grace-as-a-truth-value"),
        pytest.param(evicted(purgeMode="Later"), ["spec.gracefulEvictionTasks[0].purgeMode"], id="purge-mode"),
        pytest.param({**SHOWN, "spec": "x"}, ["spec"], id="no-spec"),
        pytest.param({**SHOWN, "metadata": {**SHOWN["metadata"], "labels": {"a": "b"}}}, ["metadata.labels"], id="labels"),
        pytest.param(noted(), [], id="what-kubectl-notes"),
    ],
)
def test_refusals(new, fields):
    assert [cause.field for cause in edits.refusals(SHOWN, new)] == fields


@pytest.mark.spec("B24")
def test_suspension_is_kept_and_shown_and_taken_back():
    stored = edits.overlay(SHOWN, edited(suspension={"scheduling": True}), None, position=9)
    assert stored["spec"] == {"resource": SHOWN["spec"]["resource"], "suspension": {"scheduling": True}}
    assert (stored["metadata"]["name"], edits.says_nothing(stored)) == ("web-deployment", False)
    shown = edits.over(SHOWN, stored, BINDING)
    assert shown["spec"]["suspension"] == {"scheduling": True}
    back = edits.overlay(shown, SHOWN, stored, position=10)
    assert edits.says_nothing(back)


@pytest.mark.spec("N08", "R13.3")
def test_eviction_tasks():
    new = edited(gracefulEvictionTasks=[{**OURS[0], "suppressDeletion": True}, {"fromCluster": "m1", "reason": "Maintenance"}])
    stored = edits.overlay(SHOWN, new, None, position=9)
    assert [(task["fromCluster"], task["position"]) for task in stored["spec"]["gracefulEvictionTasks"]] == [("m1", 9), ("m3", 9)]
    shown = edits.over(SHOWN, stored, BINDING)
    assert shown["spec"]["gracefulEvictionTasks"] == [
        {"fromCluster": "m1", "reason": "Maintenance"},
        {**OURS[0], "suppressDeletion": True},
    ]
    same = edits.overlay(shown, shown, stored, position=20)
    assert same == stored, "what did not change keeps its position"
    without = copy.deepcopy(shown)
    del without["spec"]["gracefulEvictionTasks"]
    gone = edits.overlay(shown, without, stored, position=30)
    assert [(task["fromCluster"], task["suppressDeletion"]) for task in gone["spec"]["gracefulEvictionTasks"]] == [
        ("m1", False),
        ("m3", False),
    ]
    assert edits.over(SHOWN, gone, BINDING)["spec"]["gracefulEvictionTasks"] == [{**OURS[0], "suppressDeletion": False}]


def test_a_task_is_over_once_its_cluster_was_assigned_anew():
    stored = edits.overlay(SHOWN, edited(gracefulEvictionTasks=[*OURS, {"fromCluster": "m1"}]), None, position=4)
    assert edits.over(SHOWN, stored, BINDING)["spec"]["gracefulEvictionTasks"] == OURS
