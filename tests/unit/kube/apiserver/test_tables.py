"""`tables.py` and `columns.py`: what `kubectl get` shows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from shoal.kube.apiserver.ages import age, duration
from shoal.kube.apiserver.paths import Target
from shoal.kube.apiserver.registry import Column, Registry, ResourceType
from shoal.kube.apiserver.tables import Printer

NOW = datetime(2026, 1, 2, tzinfo=UTC)
REGISTRY = Registry.builtin()


def cells(resource: ResourceType | None, object_: dict[str, Any], *, wide: bool = False) -> dict[str, Any]:
    assert resource is not None
    target = Target(resource, resource.versions[0], "default", "", "")
    object_ = {**object_, "metadata": {"name": "x", "creationTimestamp": "2026-01-01T00:00:00Z", **object_.get("metadata", {})}}
    table = Printer(lambda: NOW).table(target, [object_], {}, metadata={})
    shown = zip(table["columnDefinitions"], table["rows"][0]["cells"], strict=True)
    return {column["name"]: cell for column, cell in shown if wide or column["priority"] == 0}


@pytest.mark.parametrize(
    ("group", "kind", "object_", "shown"),
    [
        pytest.param(
            "apps",
            "Deployment",
            {"spec": {"replicas": 3}, "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 1}},
            ["x", "2/3", 3, 1, "24h"],
            id="deployment",
        ),
        pytest.param("apps", "ReplicaSet", {"spec": {"replicas": 3}, "status": {"replicas": 2}}, ["x", 3, 2, 0, "24h"], id="replicaset"),
        pytest.param(
            "",
            "Pod",
            {
                "spec": {"containers": [{}, {}]},
                "status": {"phase": "Running", "containerStatuses": [{"ready": True, "restartCount": 2}, {"ready": False}]},
            },
            ["x", "1/2", "Running", "2", "24h"],
            id="pod",
        ),
        pytest.param(
            "",
            "Pod",
            {"status": {"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": "CreateContainerConfigError"}}}]}},
            ["x", "0/0", "CreateContainerConfigError", "0", "24h"],
            id="waiting-pod",
        ),
        pytest.param(
            "", "Pod", {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}, ["x", "0/0", "Terminating", "0", "24h"], id="ending-pod"
        ),
        pytest.param(
            "",
            "Service",
            {
                "spec": {
                    "type": "LoadBalancer",
                    "clusterIP": "10.0.0.1",
                    "ports": [{"port": 80, "nodePort": 30000}, {"port": 53, "protocol": "UDP"}],
                }
            },
            ["x", "LoadBalancer", "10.0.0.1", "<pending>", "80:30000/TCP,53/UDP", "24h"],
            id="service",
        ),
        pytest.param(
            "",
            "Service",
            {"spec": {"type": "ExternalName", "externalName": "a.b"}},
            ["x", "ExternalName", "<none>", "a.b", "<none>", "24h"],
            id="external",
        ),
        pytest.param(
            "batch",
            "Job",
            {
                "spec": {"completions": 2},
                "status": {
                    "succeeded": 2,
                    "startTime": "2026-01-01T00:00:00Z",
                    "completionTime": "2026-01-01T00:01:00Z",
                    "conditions": [{"type": "Complete", "status": "True"}],
                },
            },
            ["x", "Complete", "2/2", "60s", "24h"],
            id="job",
        ),
        pytest.param(
            "",
            "Node",
            {
                "metadata": {"labels": {"node-role.kubernetes.io/worker": ""}},
                "spec": {"unschedulable": True},
                "status": {"conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": {"kubeletVersion": "v1.37.0"}},
            },
            ["x", "Ready,SchedulingDisabled", "worker", "24h", "v1.37.0"],
            id="node",
        ),
        pytest.param("", "ConfigMap", {"data": {"a": "1"}, "binaryData": {"b": ""}}, ["x", 2, "24h"], id="configmap"),
        pytest.param("", "Secret", {"type": "Opaque", "data": {}}, ["x", "Opaque", 0, "24h"], id="secret"),
        pytest.param("", "Namespace", {"status": {"phase": "Active"}}, ["x", "Active", "24h"], id="namespace"),
        pytest.param(
            "batch",
            "CronJob",
            {"spec": {"schedule": "@daily"}, "status": {"active": [{}]}},
            ["x", "@daily", "<none>", "False", 1, "<none>", "24h"],
            id="cronjob",
        ),
        pytest.param(
            "networking.k8s.io",
            "Ingress",
            {"spec": {"rules": [{"host": "a.b"}, {}], "tls": [{}]}},
            ["x", "<none>", "a.b,*", "", "80, 443", "24h"],
            id="ingress",
        ),
        pytest.param("storage.k8s.io", "CSIDriver", {}, ["x", "24h"], id="any-other"),
    ],
)
def test_rows(group: str, kind: str, object_: dict[str, Any], shown: list[Any]) -> None:
    assert list(cells(REGISTRY.of(group, kind), object_).values()) == shown


def test_wide_columns() -> None:
    template = {"spec": {"containers": [{"name": "a", "image": "x:1"}, {"name": "b", "image": "y:2"}]}}
    shown = cells(REGISTRY.of("apps", "Deployment"), {"spec": {"template": template, "selector": {"matchLabels": {"app": "w"}}}}, wide=True)
    assert (shown["Containers"], shown["Images"], shown["Selector"]) == ("a,b", "x:1,y:2", "app=w")


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        pytest.param(Column(name="Size", path=".spec.size", type="integer"), 3, id="field"),
        pytest.param(Column(name="Zone", path=".metadata.labels.topology\\.example\\.org/zone"), "z1", id="escaped-dots"),
        pytest.param(Column(name="Ready", path='.status.conditions[?(@.type=="Ready")].status'), "True", id="filter"),
        pytest.param(Column(name="First", path=".spec.items[0].name"), "one", id="index"),
        pytest.param(Column(name="None", path=".spec.nothing"), "", id="missing"),
        pytest.param(Column(name="Since", path=".status.since", type="date"), "12h", id="date"),
    ],
)
def test_added_columns(column: Column, cell: Any) -> None:
    resource = ResourceType(group="example.org", kind="Widget", plural="widgets", namespaced=True, columns={"": (column,)})
    object_ = {
        "metadata": {"labels": {"topology.example.org/zone": "z1"}},
        "spec": {"size": 3, "items": [{"name": "one"}]},
        "status": {
            "conditions": [{"type": "Sync", "status": "False"}, {"type": "Ready", "status": "True"}],
            "since": "2026-01-01T12:00:00Z",
        },
    }
    assert cells(resource, object_) == {"Name": "x", column.name: cell, "Age": "24h"}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (190, "3m10s"),
        (600, "10m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 60, "3h1m"),
        (9 * 3600, "9h"),
        (47 * 3600, "47h"),
        (50 * 3600, "2d2h"),
        (10 * 86400, "10d"),
        (3 * 365 * 86400, "3y"),
        (-5, "<invalid>"),
    ],
)
def test_durations(seconds: int, text: str) -> None:
    assert duration(seconds) == text


def test_ages_without_a_time() -> None:
    assert age(None, NOW) == "<unknown>"
    assert age("yesterday", NOW) == "<invalid>"


@pytest.mark.parametrize(("include", "kind"), [("Metadata", "PartialObjectMetadata"), ("Object", "ConfigMap"), ("None", None)])
def test_what_a_row_carries(include: str, kind: str | None) -> None:
    resource = REGISTRY.of("", "ConfigMap")
    assert resource is not None
    object_ = {"kind": "ConfigMap", "metadata": {"name": "x"}}
    table = Printer(lambda: NOW).table(Target(resource, "v1", "", "", ""), [object_], {"includeObject": include}, metadata={})
    assert (table["rows"][0]["object"] or {}).get("kind") == kind
