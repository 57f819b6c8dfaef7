"""The simulated nodes, and what decides whether a pod may run on a node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shoal.api.meta import Manifest
from shoal.kube.simulated.world import Settings, condition

SIMULATED = "shoal.dev/simulated"
"""Label of the nodes whose kubelet is played here; those of others are left to others."""


def node(name: str, number: int, settings: Settings, now: str, version: str) -> Manifest:
    """A node that is ready and stays so; it sends no heartbeats, so that an idle member writes nothing."""
    capacity = {"cpu": settings.cpu, "memory": settings.memory, "pods": str(settings.pods), "ephemeral-storage": "100Gi"}
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "node.kubernetes.io/instance-type": "simulated",
        SIMULATED: "true",
    }
    quiet = [
        ("MemoryPressure", "KubeletHasSufficientMemory"),
        ("DiskPressure", "KubeletHasNoDiskPressure"),
        ("PIDPressure", "KubeletHasSufficientPID"),
    ]
    conditions = [condition({}, type_, "False", reason, "", now, lastHeartbeatTime=now) for type_, reason in quiet]
    conditions.append(condition({}, "Ready", "True", "KubeletReady", "simulated node", now, lastHeartbeatTime=now))
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {},
        "status": {
            "capacity": capacity,
            "allocatable": capacity,
            "conditions": conditions,
            "addresses": [{"type": "InternalIP", "address": address(number)}, {"type": "Hostname", "address": name}],
            "nodeInfo": {"kubeletVersion": version, "operatingSystem": "linux", "architecture": "amd64", "osImage": "simulated"},
        },
    }


def address(number: int) -> str:
    return f"192.168.{number // 250}.{number % 250 + 1}"


def is_ready(node: Manifest) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def admits(node: Manifest, pod_spec: Manifest) -> str:
    """Why a node does not take a pod, in the scheduler's words; empty when it does. Capacity is looked at elsewhere."""
    spec, labels = node.get("spec") or {}, node["metadata"].get("labels") or {}
    tolerations = pod_spec.get("tolerations") or ()
    taints = list(spec.get("taints") or ())
    if spec.get("unschedulable"):
        taints.append({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"})
    for taint in taints:
        if taint.get("effect") != "PreferNoSchedule" and not any(_tolerates(toleration, taint) for toleration in tolerations):
            return f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"
    if any(labels.get(key) != value for key, value in (pod_spec.get("nodeSelector") or {}).items()):
        return "node(s) didn't match Pod's node affinity/selector"
    required = ((pod_spec.get("affinity") or {}).get("nodeAffinity") or {}).get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms = required.get("nodeSelectorTerms")
    if terms is not None and not any(_matches(term, node, labels) for term in terms):
        return "node(s) didn't match Pod's node affinity/selector"
    return ""


def _tolerates(toleration: dict[str, Any], taint: dict[str, Any]) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if toleration.get("operator") == "Exists":
        return bool(toleration.get("key", "") in {"", taint["key"]})
    return bool(toleration.get("key") == taint["key"] and toleration.get("value", "") == taint.get("value", ""))


def _matches(term: dict[str, Any], node: Manifest, labels: dict[str, str]) -> bool:
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False  # An empty term matches nothing.
    named = {"metadata.name": node["metadata"]["name"]}
    return all(_holds(one, labels) for one in expressions) and all(_holds(one, named) for one in fields)


def _holds(expression: dict[str, Any], values: dict[str, str]) -> bool:
    value, operator = values.get(expression["key"]), expression["operator"]
    wanted: Sequence[str] = expression.get("values") or ()
    if operator in {"Gt", "Lt"}:
        if value is None or not value.lstrip("-").isdigit():
            return False
        return int(value) > int(wanted[0]) if operator == "Gt" else int(value) < int(wanted[0])
    if operator == "In":
        return value in wanted
    if operator == "NotIn":
        return value not in wanted
    return (value is not None) is bool(operator == "Exists")
