"""Bindings and works in Karmada's shapes."""

from typing import Any

import msgspec
import pytest

from shoal.api.binding import (
    HELD_BY_USER,
    REPLACEMENT_READY,
    Binding,
    Claim,
    Explanation,
    Removal,
    ReplicaRequirements,
    TargetCluster,
)
from shoal.api.meta import Condition, Ref
from shoal.api.status import CopyStatus, TemplateStatus
from shoal.api.work import AppliedOverride, Work
from shoal_gateway import shapes

NGINX = Ref("apps", "Deployment", "default", "nginx")


@pytest.mark.spec("R2.1", "R2.2", "R6.4")
def test_names() -> None:
    assert shapes.binding_ref(NGINX) == Ref("work.karmada.io", "ResourceBinding", "default", "nginx-deployment")
    role = Ref("rbac.authorization.k8s.io", "ClusterRole", "", "system:reader")
    assert shapes.binding_ref(role) == Ref("work.karmada.io", "ClusterResourceBinding", "", "system.reader-clusterrole")
    assert shapes.work_ref("m1", NGINX) == Ref("work.karmada.io", "Work", "karmada-es-m1", "nginx-687f7fb96f")


@pytest.mark.spec("E10", "A08", "R2.1", "R8.1", "R8.2")
def test_binding() -> None:
    binding = Binding(
        template_uid="u",
        template_revision=3,
        claim=Claim(policy=Ref("policy.karmada.io", "PropagationPolicy", "default", "p"), uid="puid", revision=2),
        replicas=3,
        clusters=(TargetCluster(name="m1", replicas=3),),
        removals={
            "m2": Removal(reason="ClusterLost", author="health-monitor", wait_for=REPLACEMENT_READY),
            "m3": Removal(reason="x", author="y"),
        },
        conditions=(Condition(type="Scheduled", status="True", reason="Success"),),
        replica_requirements=ReplicaRequirements(resource_request={"cpu": "1"}),
        explanation=Explanation(decided_at="2026-01-01T00:00:01Z"),
    )
    status = TemplateStatus(template_uid="u", fully_applied=True, copies=(CopyStatus(cluster="m1", applied=True, health="Healthy"),))
    made = shapes.binding_object(
        NGINX, binding, api_version="apps/v1", revision=7, created="2026-01-01T00:00:00Z", change="C", status=status
    )
    assert made["metadata"]["labels"] == {
        "propagationpolicy.karmada.io/permanent-id": "puid",
        "resourcebinding.karmada.io/permanent-id": made["metadata"]["uid"],
    }
    annotations = made["metadata"]["annotations"]
    assert (annotations["propagationpolicy.karmada.io/name"], annotations["propagationpolicy.karmada.io/namespace"]) == ("p", "default")
    assert made["metadata"]["ownerReferences"][0]["uid"] == "u"
    assert made["spec"]["resource"] == {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "default", "name": "nginx", "uid": "u"}
    assert made["spec"]["clusters"] == [{"name": "m1", "replicas": 3}]
    assert [task["fromCluster"] for task in made["spec"]["gracefulEvictionTasks"]] == ["m2"]
    assert [one["type"] for one in made["status"]["conditions"]] == ["Scheduled", "FullyApplied"]
    assert made["status"]["aggregatedStatus"] == [{"clusterName": "m1", "applied": True, "health": "Healthy"}]
    assert made["spec"]["replicaRequirements"] == {"resourceRequest": {"cpu": "1"}}
    assert made["metadata"]["generation"] == made["status"]["schedulerObservedGeneration"] == 7
    assert made["status"]["lastScheduledTime"] == "2026-01-01T00:00:01Z"


@pytest.mark.spec("A09")
def test_binding_of_a_cluster_scoped_template() -> None:
    ref, policy = Ref("", "Namespace", "", "shop"), Ref("policy.karmada.io", "ClusterPropagationPolicy", "", "p")
    binding = Binding(template_uid="u", template_revision=3, claim=Claim(policy=policy, uid="puid", revision=2))
    made = shapes.binding_object(ref, binding, api_version="v1", revision=7, created="2026-01-01T00:00:00Z", change="C", status=None)
    assert made["kind"] == "ClusterResourceBinding"
    assert set(made["metadata"]["labels"]) == {
        "clusterresourcebinding.karmada.io/permanent-id",
        "clusterpropagationpolicy.karmada.io/permanent-id",
    }
    assert made["metadata"]["annotations"]["clusterpropagationpolicy.karmada.io/name"] == "p"


UNFIT = Condition(type="Scheduled", status="False", reason="NoClusterFit", message="0/1 clusters are available")


def conditions_of(binding: Binding, status: TemplateStatus | None = None, **errors: str) -> dict[str, tuple[str, str, str]]:
    made = shapes.binding_object(
        NGINX, binding, api_version="apps/v1", revision=7, created="2026-01-01T00:00:00Z", change="C", status=status, errors=errors
    )
    return {one["type"]: (one["status"], one.get("reason", ""), one.get("message", "")) for one in made["status"]["conditions"]}


@pytest.mark.spec("A08", "R3.9")
def test_what_did_not_fit_was_not_observed() -> None:
    binding = Binding(template_uid="u", template_revision=3, conditions=(UNFIT,))
    made = shapes.binding_object(NGINX, binding, api_version="apps/v1", revision=7, created="", change="C", status=None)
    assert made["status"].keys() == {"conditions"}
    assert conditions_of(binding) == {"Scheduled": ("False", "NoClusterFit", "0/1 clusters are available")}


@pytest.mark.spec("G16", "R5.6", "R8.2")
def test_conditions_tell_what_is_wrong_where() -> None:
    binding = Binding(template_uid="u", template_revision=3, clusters=tuple(TargetCluster(name=f"m{number}") for number in range(1, 4)))
    failed = CopyStatus(cluster="m1", reason="OverrideFailed", message="p, rule 1: no such path")
    status = TemplateStatus(template_uid="u", copies=(failed, CopyStatus(cluster="m2", applied=True)))
    told = conditions_of(binding, status, m1="p, rule 1: no such path")
    assert told["Overridden"] == ("False", "ApplyOverridePolicyFailed", "m1: p, rule 1: no such path")
    assert told["FullyApplied"] == (
        "False",
        "FullyAppliedFailed",
        "m1: OverrideFailed: p, rule 1: no such path; m3: not heard of yet",
    )


@pytest.mark.spec("R13.1", "R13.2", "R13.4", "N05", "N07", "R12.3")
def test_eviction_tasks_say_since_when_how_long_and_what_goes_first() -> None:
    since = "2026-01-01T00:00:00Z"
    graceful = Removal(reason="TaintUntolerated", author="cluster/m2", since=since, wait_for=REPLACEMENT_READY, grace_period_s=60)
    removals = {"m2": graceful, "m3": Removal(reason="ClusterLost", author="health-monitor", since=since, first=True)}
    binding = Binding(template_uid="u", template_revision=3, clusters=(TargetCluster(name="m1"),), removals=removals)
    status = TemplateStatus(template_uid="u", copies=(CopyStatus(cluster="m1", reason="Applying"),))
    made = shapes.binding_object(NGINX, binding, api_version="apps/v1", revision=7, created="", change="C", status=status)
    shared = {"creationTimestamp": since}
    assert made["spec"]["gracefulEvictionTasks"] == [
        shared
        | {
            "fromCluster": "m2",
            "reason": "TaintUntolerated",
            "producer": "cluster/m2",
            "message": "ReplacementReady",
            "purgeMode": "Gracefully",
            "gracePeriodSeconds": 60,
        },
        shared | {"fromCluster": "m3", "reason": "ClusterLost", "producer": "health-monitor", "purgeMode": "Directly"},
    ]
    kept = Removal(
        reason="ApplicationFailure",
        author="health-monitor",
        since=since,
        wait_for=HELD_BY_USER,
        confirm=True,
        before=("m4",),
        preserved={"id": "7"},
    )
    failed = msgspec.structs.replace(binding, removals={"m4": kept})
    made = shapes.binding_object(NGINX, failed, api_version="apps/v1", revision=7, created="", change="C", status=status)
    assert made["spec"]["gracefulEvictionTasks"] == [
        shared
        | {
            "fromCluster": "m4",
            "reason": "ApplicationFailure",
            "producer": "health-monitor",
            "message": "HeldByUser",
            "purgeMode": "Never",
            "suppressDeletion": True,
            "clustersBeforeFailover": ["m4"],
            "preservedLabelState": {"id": "7"},
        }
    ]
    assert conditions_of(binding, status)["FullyApplied"][2] == (
        "m1: Applying; new copies wait until m3 said that the old one is gone (purgeMode Directly)"
    )


def test_a_condition_names_a_few_clusters() -> None:
    binding = Binding(template_uid="u", template_revision=3)
    told = conditions_of(binding, None, **{f"m{number}": "x" for number in range(8)})
    assert told["Overridden"][2] == "m0: x; m1: x; m2: x; m3: x; m4: x; and 3 more"


NOT_YET = "the cluster has not reported on this revision yet"


@pytest.mark.parametrize(
    ("copy", "applied", "reason", "message"),
    [
        pytest.param(None, "Unknown", "Pending", NOT_YET, id="not-heard"),
        pytest.param(CopyStatus(cluster="m1", work_revision=4, applied=True), "Unknown", "Pending", NOT_YET, id="heard-of-an-older-revision"),
        pytest.param(
            CopyStatus(cluster="m1", work_revision=5, applied=True), "True", "AppliedSuccessful", "Manifest has been successfully applied",
            id="applied",
        ),
        pytest.param(
            CopyStatus(cluster="m1", work_revision=5, reason="Conflict", message="not ours"), "False", "AppliedFailed", "Conflict: not ours",
            id="refused-with-the-text-of-the-error",
        ),
        pytest.param(
            CopyStatus(cluster="m1", work_revision=5), "False", "AppliedFailed", "the cluster gave no reason", id="refused-without-a-word"
        ),
    ],
)  # fmt: skip
@pytest.mark.spec("A10", "H12", "R6.13", "R8.1")
def test_work(copy: CopyStatus | None, applied: str, reason: str, message: str) -> None:
    work = Work(cluster="m1", epoch=2, template_uid="u", template_revision=3, manifest={"apiVersion": "apps/v1", "kind": "Deployment"})
    made = shapes.work_object(NGINX, work, revision=5, created="2026-01-01T00:00:00Z", change="C", copy=copy)
    condition, dispatching = made["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"], condition["message"]) == ("Applied", applied, reason, message)
    assert (dispatching["type"], dispatching["status"], dispatching["reason"]) == ("Dispatching", "True", "Dispatching")
    assert made["metadata"]["labels"]["work.karmada.io/permanent-id"] == made["metadata"]["uid"]
    assert made["spec"]["workload"]["manifests"] == [work.manifest]
    assert made["metadata"]["annotations"]["resourcebinding.karmada.io/name"] == "nginx-deployment"


def shown(work: Work, copy: CopyStatus | None = None) -> dict[str, Any]:
    return shapes.work_object(NGINX, work, revision=5, created="2026-01-01T00:00:00Z", change="C", copy=copy)


@pytest.mark.spec("H13", "R6.8")
def test_a_suspended_work_says_so() -> None:
    made = shown(Work(cluster="m1", epoch=2, template_uid="u", template_revision=3, suspended=True))
    assert made["spec"]["suspendDispatching"] is True
    assert [(one["status"], one["reason"]) for one in made["status"]["conditions"]] == [
        ("Unknown", "Pending"),
        ("False", "SuspendDispatching"),
    ]


@pytest.mark.spec("G14", "R5.7")
def test_applied_overrides() -> None:
    used = (
        AppliedOverride(policy="ClusterOverridePolicy/all", overriders={"imageOverrider": [{"component": "Tag"}]}),
        AppliedOverride(policy="OverridePolicy/default/b", overriders={"plaintext": [{"path": "/a"}]}),
        AppliedOverride(policy="OverridePolicy/default/a", overriders={"plaintext": [{"path": "/b"}]}),
    )
    annotations = shown(Work(cluster="m1", epoch=2, template_uid="u", template_revision=3, overrides=used))["metadata"]["annotations"]
    assert msgspec.json.decode(annotations["policy.karmada.io/applied-cluster-overrides"]) == [
        {"policyName": "all", "overriders": {"imageOverrider": [{"component": "Tag"}]}}
    ]
    assert msgspec.json.decode(annotations["policy.karmada.io/applied-overrides"]) == [
        {"policyName": "b", "overriders": {"plaintext": [{"path": "/a"}]}},
        {"policyName": "a", "overriders": {"plaintext": [{"path": "/b"}]}},
    ]


@pytest.mark.spec("G14")
def test_no_record_where_no_override_was_used() -> None:
    annotations = shown(Work(cluster="m1", epoch=2, template_uid="u", template_revision=3))["metadata"]["annotations"]
    assert not [name for name in annotations if name.startswith("policy.karmada.io/")]


@pytest.mark.spec("G16", "R5.6")
def test_a_failed_override_is_told_before_the_cluster_speaks() -> None:
    made = shown(Work(cluster="m1", epoch=2, template_uid="u", template_revision=3, error="p, rule 1: broken"))
    told = made["status"]["conditions"][0]
    assert (told["status"], told["reason"], told["message"]) == ("False", "AppliedFailed", "OverrideFailed: p, rule 1: broken")
