from __future__ import annotations

import pytest

from shoal.api.status import CopyStatus
from shoal.domain.interpreting import aggregate
from support import build


def item(cluster, status, *, generation=9, template_generation=4):
    return CopyStatus(cluster=cluster, applied=True, status=status, generation=generation, template_generation=template_generation)


def counts(replicas, ready, unavailable, **more):
    return {"replicas": replicas, "readyReplicas": ready, "unavailableReplicas": unavailable, **more}


WEB = build.deployment()


@pytest.mark.spec("J03", "R8.3")
def test_counters_are_summed():
    merged = aggregate(WEB, [item("m1", counts(2, 2, 0)), item("m2", counts(3, 1, 2)), item("m3", None)], 4)
    assert merged == {
        "replicas": 5,
        "readyReplicas": 3,
        "unavailableReplicas": 2,
    }  # Ex 8-a, and a copy without status blocks the generation


@pytest.mark.spec("J06", "R8.3")
def test_observed_generation_advances_when_every_copy_has_caught_up():
    template = {**WEB, "status": {"observedGeneration": 3}}
    first = item("m1", counts(2, 2, 0, observedGeneration=9))
    late = item("m2", counts(2, 2, 0, observedGeneration=9), template_generation=3)
    not_observed = item("m2", counts(2, 2, 0, observedGeneration=8))
    there = item("m2", counts(2, 2, 0, observedGeneration=9))
    assert aggregate(template, [first, late], 4)["observedGeneration"] == 3  # Ex 8-b
    assert aggregate(template, [first, not_observed], 4)["observedGeneration"] == 3
    assert aggregate(template, [first, there], 4)["observedGeneration"] == 4
    assert aggregate(template, [], 4) == {"observedGeneration": 3}
    stateful = {**template, "kind": "StatefulSet"}
    assert aggregate(stateful, [item("m1", {"replicas": 1})], 4)["observedGeneration"] == 4


def done(kind, **more):
    return {"conditions": [{"type": kind, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}], **more}


JOB = build.manifest("batch/v1", "Job", "sum")


def types(status):
    return {condition["type"]: condition.get("message", "") for condition in status.get("conditions", [])}


@pytest.mark.spec("R8.3")
def test_job_fails_when_any_copy_failed():
    merged = aggregate(JOB, [item("m1", done("Complete", succeeded=1)), item("m2", done("Failed", failed=2))], 1)
    assert types(merged) == {"Failed": "Job executed failed in member clusters m2"}  # Ex 8-c
    assert (merged["succeeded"], merged["failed"]) == (1, 2)


@pytest.mark.spec("R8.3")
def test_job_completes_when_all_copies_have():
    first = item("m1", done("Complete", startTime="2026-01-01T00:00:02Z", completionTime="2026-01-01T00:01:00Z"))
    second = item("m2", done("Complete", startTime="2026-01-01T00:00:01Z", completionTime="2026-01-01T00:02:00Z"))
    merged = aggregate(JOB, [first, second], 1)
    assert list(types(merged)) == ["Complete"]
    assert (merged["startTime"], merged["completionTime"]) == ("2026-01-01T00:00:01Z", "2026-01-01T00:02:00Z")
    half = aggregate(JOB, [first, item("m2", {"active": 1, "startTime": "2026-01-01T00:00:03Z"})], 1)
    assert "conditions" not in half
    assert "completionTime" not in half
    assert half["startTime"] == "2026-01-01T00:00:02Z"
    assert "startTime" not in aggregate(JOB, [first, item("m2", None)], 1)


@pytest.mark.spec("R8.3")
def test_finished_job_is_frozen():
    template = {**JOB, "status": done("Complete", succeeded=3)}
    assert aggregate(template, [item("m1", {"active": 1})], 1) == template["status"]


@pytest.mark.spec("R8.3")
def test_success_criteria_are_carried_when_all_have_them():
    both = [item("m1", done("SuccessCriteriaMet")), item("m2", done("SuccessCriteriaMet"))]
    assert list(types(aggregate(JOB, both, 1))) == ["SuccessCriteriaMet"]
    assert types(aggregate(JOB, [both[0], item("m2", {"active": 1})], 1)) == {}


def entries(*items):
    return {"loadBalancer": {"ingress": list(items)}}


A, B, C = {"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}, {"hostname": "x.example"}


@pytest.mark.spec("R8.3")
@pytest.mark.parametrize(
    ("template", "statuses", "expected"),
    [
        pytest.param(
            build.manifest("v1", "Service", "s", spec={"type": "LoadBalancer"}),
            [entries(B), entries(A, C), entries(B)],
            entries(C, A, B),
            id="service",
        ),
        pytest.param(build.manifest("v1", "Service", "s", spec={"type": "ClusterIP"}), [entries(B)], None, id="other-service"),
        pytest.param(build.manifest("networking.k8s.io/v1", "Ingress", "i"), [entries(B), None], entries(B), id="ingress"),
        pytest.param(
            build.manifest("batch/v1", "CronJob", "c"),
            [{"active": [{"name": "a"}], "lastScheduleTime": "2026-01-01T00:00:00Z"}, {"lastScheduleTime": "2026-01-02T00:00:00Z"}],
            {"active": [{"name": "a"}], "lastScheduleTime": "2026-01-02T00:00:00Z"},
            id="cronjob",
        ),
        pytest.param(build.manifest("v1", "Pod", "p"), [{"phase": "Running"}, None], {"phase": "Pending"}, id="pod-missing-is-pending"),
        pytest.param(
            build.manifest("v1", "Pod", "p"),
            [{"phase": "Succeeded"}, {"phase": "Running", "containerStatuses": [{"name": "x", "ready": True, "state": {"running": {}}}]}],
            {"phase": "Running", "containerStatuses": [{"ready": True, "state": {"running": {}}}]},
            id="pod",
        ),
        pytest.param(
            build.manifest("v1", "PersistentVolume", "p"), [{"phase": "Bound"}, {"phase": "Failed"}], {"phase": "Failed"}, id="volume"
        ),
        pytest.param(
            build.manifest("v1", "PersistentVolumeClaim", "p"), [{"phase": "Bound"}, {"phase": "Pending"}], {"phase": "Pending"}, id="claim"
        ),
        pytest.param(
            build.manifest("v1", "PersistentVolumeClaim", "p"),
            [{"phase": "Lost"}, {"phase": "Pending"}],
            {"phase": "Lost"},
            id="claim-lost",
        ),
        pytest.param(build.manifest("v1", "PersistentVolumeClaim", "p"), [{"phase": "Bound"}], {"phase": "Bound"}, id="claim-bound"),
        pytest.param(
            build.manifest("policy/v1", "PodDisruptionBudget", "p"),
            [{"currentHealthy": 1, "disruptedPods": {"a": "t"}}, {"currentHealthy": 2}],
            {"currentHealthy": 3, "disruptedPods": {"m0/a": "t"}},
            id="budget",
        ),
        pytest.param(
            build.manifest("autoscaling/v2", "HorizontalPodAutoscaler", "h"),
            [{"currentReplicas": 1, "desiredReplicas": 2}, {"currentReplicas": 2}],
            {"currentReplicas": 3, "desiredReplicas": 2},
            id="hpa",
        ),
        pytest.param(
            build.manifest("apps/v1", "DaemonSet", "d"), [{"numberReady": 1}, {"numberReady": 2}], {"numberReady": 3}, id="daemonset"
        ),
        pytest.param(build.manifest("apps/v1", "ReplicaSet", "r"), [{"readyReplicas": 1}, None], {"readyReplicas": 1}, id="replicaset"),
        pytest.param(build.manifest("v1", "Pod", "p"), [], None, id="pod-nowhere"),
        pytest.param(build.manifest("v1", "PersistentVolumeClaim", "p"), [None], None, id="claim-unknown"),
        pytest.param(build.manifest("example.com/v1", "Widget", "w"), [{"phase": "x"}], None, id="no-rule"),
    ],
)
def test_kinds(template, statuses, expected):
    assert aggregate(template, [item(f"m{number}", status) for number, status in enumerate(statuses)], 1) == expected
