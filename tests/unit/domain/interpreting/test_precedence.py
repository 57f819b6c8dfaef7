"""Whose rule counts (R7.1), and that no shape of an object makes a rule fail in a way that nobody expects."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.api.meta import Ref
from shoal.api.replicas import Replicas
from shoal.api.status import CopyStatus
from shoal.domain import interpreting
from shoal.domain.interpreting import INTERPRETERS, Interpreter, interpreter_of, layered
from support import build


def rules(**operations: Any) -> dict[tuple[str, str], Interpreter]:
    return {("apps", "Deployment"): Interpreter(group="apps", kind="Deployment", **operations)}


def counting(number: int) -> Any:
    return lambda manifest: Replicas(count=number)


@pytest.mark.spec("I05", "R7.1")
def test_the_first_layer_that_has_an_operation_wins():
    """Declarative rules, web hooks, bundled kinds of other projects, native kinds; each operation by itself."""
    declared, hooked = rules(health=lambda live: False), rules(replicas=counting(7), health=lambda live: True)
    bundled, native = rules(replicas=counting(5)), rules(replicas=counting(1), revise=lambda manifest, count: manifest)
    found = layered(declared, hooked, bundled, native)[("apps", "Deployment")]
    assert found.health is declared[("apps", "Deployment")].health
    assert found.replicas is hooked[("apps", "Deployment")].replicas
    assert found.revise is native[("apps", "Deployment")].revise
    assert found.retain is None
    assert (found.group, found.kind) == ("apps", "Deployment")


@pytest.mark.spec("I05", "R7.1")
def test_a_layer_may_bring_kinds_of_its_own():
    other = {("example.com", "Widget"): Interpreter(group="example.com", kind="Widget", replicas=counting(3))}
    assert set(layered(other, rules())) == {("example.com", "Widget"), ("apps", "Deployment")}


NATIVE = {
    "replicas": ["Deployment", "ReplicaSet", "StatefulSet", "Job", "Pod"],
    "revise": ["Deployment", "ReplicaSet", "StatefulSet", "Job"],
    "retain": ["Deployment", "Pod", "Service", "ServiceAccount", "PersistentVolume", "PersistentVolumeClaim", "Job", "Secret"],
    "reflect": [
        "Deployment",
        "ReplicaSet",
        "StatefulSet",
        "DaemonSet",
        "Job",
        "Service",
        "PodDisruptionBudget",
        "HorizontalPodAutoscaler",
    ],
    "aggregate": [
        "Deployment",
        "ReplicaSet",
        "StatefulSet",
        "DaemonSet",
        "Service",
        "Ingress",
        "Job",
        "CronJob",
        "Pod",
        "PersistentVolume",
        "PersistentVolumeClaim",
        "PodDisruptionBudget",
        "HorizontalPodAutoscaler",
    ],
    "health": [
        "Deployment",
        "ReplicaSet",
        "StatefulSet",
        "DaemonSet",
        "Service",
        "Ingress",
        "PersistentVolumeClaim",
        "Pod",
        "PodDisruptionBudget",
    ],
    "dependencies": ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod", "Ingress", "ServiceImport"],
}
OURS = {("health", "Job"), ("health", "Namespace")}
"""Rules that Karmada does not have: a failed Job and a Namespace that is going are not healthy."""
GROUPS = {
    **dict.fromkeys(("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"), "apps"),
    **dict.fromkeys(("Job", "CronJob"), "batch"),
    "Ingress": "networking.k8s.io",
    "PodDisruptionBudget": "policy",
    "HorizontalPodAutoscaler": "autoscaling",
    "ServiceImport": "multicluster.x-k8s.io",
}


@pytest.mark.spec("I01", "R7.2", "R7.3", "R7.4", "R7.5", "R7.6", "R8.3")
@pytest.mark.parametrize("operation", NATIVE)
def test_native_kinds_by_operation(operation):
    native = {key: one for key, one in INTERPRETERS.items() if key[0] in {"", *GROUPS.values()}}
    found = {kind for (_, kind), one in native.items() if getattr(one, operation) is not None and (operation, kind) not in OURS}
    assert found == set(NATIVE[operation])
    assert all((GROUPS.get(kind, ""), kind) in native for kind in found)


@pytest.mark.spec("I01")
@pytest.mark.parametrize(
    ("manifest", "ruled"),
    [
        pytest.param(build.manifest("apps/v1beta2", "Deployment", "x"), True, id="versions-share-rules"),
        pytest.param(build.manifest("example.com/v1", "Deployment", "x"), False, id="other-group"),
        pytest.param({}, False, id="no-kind"),
    ],
)
def test_which_kind_an_object_is(manifest, ruled):
    assert (interpreter_of(manifest).replicas is not None) is ruled


# --- odd shapes -----------------------------------------------------------------------------------------------------------------------

POD = {
    "nodeSelector": {"a": "b"},
    "tolerations": [{"key": "a"}],
    "affinity": {"nodeAffinity": {}},
    "volumes": [{"configMap": {"name": "c"}, "projected": {"sources": [{"secret": {"name": "s"}}]}}],
    "containers": [
        {
            "name": "main",
            "image": "app:1",
            "volumeMounts": [],
            "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "1"}},
            "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s"}}}],
            "envFrom": [{"configMapRef": {"name": "c"}}],
        }
    ],
    "initContainers": [{"name": "i", "resources": {"requests": {"cpu": "1"}}}],
    "imagePullSecrets": [{"name": "s"}],
    "overhead": {"cpu": "1"},
    "serviceAccountName": "x",
}
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": POD}
ROLE = {"replicas": 1, "template": TEMPLATE}
RAY = {
    "headGroupSpec": {"template": TEMPLATE},
    "workerGroupSpecs": [{"groupName": "g", "replicas": 1, "numOfHosts": 1, "minReplicas": 1, "template": TEMPLATE}],
}
SPEC = {
    **POD,
    **RAY,
    "replicas": 2,
    "parallelism": 2,
    "completions": 2,
    "type": "LoadBalancer",
    "selector": {"a": "b"},
    "tls": [{"secretName": "s"}],
    "template": {**TEMPLATE, "jobTemplate": {"spec": {"template": TEMPLATE}}},
    "jobTemplate": {"spec": {"template": TEMPLATE}},
    "volumeClaimTemplates": [{"metadata": {"name": "c"}}],
    "tasks": [{"name": "t", "replicas": 1, "minAvailable": 1, "template": TEMPLATE}],
    "pytorchReplicaSpecs": {"Master": ROLE, "Worker": ROLE},
    "tfReplicaSpecs": {"PS": ROLE},
    "mpiReplicaSpecs": {"Launcher": ROLE},
    "rayClusterSpec": RAY,
    "rayClusterConfig": RAY,
    "submitterPodTemplate": TEMPLATE,
    "driver": {"cores": 1, "memory": "1g", "memoryOverhead": "1g", "gpu": {"name": "g", "quantity": 1}},
    "executor": {"instances": 1, "memory": "1g", "serviceAccountName": "x"},
    "dynamicAllocation": {"enabled": True, "minExecutors": 1},
    "memoryOverheadFactor": "0.1",
    "jobManager": {"replicas": 1, "resource": {"cpu": 1, "memory": "1g"}},
    "taskManager": {"resource": {"cpu": 1, "memory": "1g"}},
    "flinkConfiguration": {"taskmanager.numberOfTaskSlots": "2"},
    "job": {"parallelism": 2},
    "podTemplate": {"spec": POD},
    "valuesFrom": [{"kind": "Secret", "name": "s"}],
    "secretRef": {"name": "s"},
    "suspend": False,
}
STATUS = {
    "observedGeneration": 1,
    "replicas": 1,
    "updatedReplicas": 1,
    "availableReplicas": 1,
    "active": 1,
    "phase": "Running",
    "state": {"phase": "Running"},
    "conditions": [{"type": "Ready", "status": "True", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
    "startTime": "2026-01-01T00:00:00Z",
    "completionTime": "2026-01-01T00:00:00Z",
    "loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]},
    "disruptedPods": {"p": "2026-01-01T00:00:00Z"},
    "containerStatuses": [{"name": "c", "ready": True}],
    "replicaStatuses": {"Worker": {"active": 1}},
    "taskStatusCount": {"w": {"phase": {"Running": 1}}},
    "rulecount": {"validate": 1},
    "jobStatus": {"state": "RUNNING"},
    "applicationState": {"state": "RUNNING"},
    "containerState": {"running": {}},
    "failures": 1,
    "artifact": {"url": "u"},
}
KINDS = sorted({*INTERPRETERS, ("example.com", "Widget")})
ODD = st.sampled_from([None, "", "text", 0, -1, 1.5, True, [], [None], ["text"], [[]], {}, {"a": None}, {"a": []}])


def paths(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(path for key, item in inside for path in paths(item, (*here, key)))]


def with_value(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = with_value(value[path[0]], path[1:], odd)
    return copied


SPEC_PATHS, STATUS_PATHS = paths(SPEC), paths(STATUS)


@pytest.mark.spec("I01", "I02")
@settings(max_examples=200)
@given(st.sampled_from(KINDS), st.sampled_from(SPEC_PATHS), ODD, st.sampled_from(STATUS_PATHS), ODD)
def test_no_shape_breaks_a_rule(kind, spec_path, spec_odd, status_path, status_odd):
    api_version = f"{kind[0]}/v1" if kind[0] else "v1"
    spec, status = with_value(SPEC, spec_path, spec_odd), with_value(STATUS, status_path, status_odd)
    odd = build.manifest(api_version, kind[1], "x", spec=spec, status=status, secrets=spec_odd, type=spec_odd)
    right = build.manifest(api_version, kind[1], "x", spec=SPEC, status=STATUS)
    found = interpreting.replicas_of(odd)
    assert found is None or found.count >= 0
    assert all(isinstance(ref, Ref) for ref in interpreting.dependencies(odd))
    assert all(isinstance(image, str) for image in interpreting.images(odd))
    assert interpreting.health(odd) in ("Healthy", "Unhealthy", "Unknown")
    for desired, live in ((odd, right), (right, odd)):
        assert interpreting.retain(desired, live)["kind"] == kind[1]
    assert "status" not in interpreting.prune(odd)
    reflected = interpreting.reflect(odd)
    copies = [CopyStatus(cluster=name, applied=True, status=reflected if isinstance(reflected, dict) else None) for name in ("m1", "m2")]
    merged = interpreting.aggregate(right, copies, 1)
    assert merged is None or isinstance(merged, dict)
