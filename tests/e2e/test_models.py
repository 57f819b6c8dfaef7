"""A cluster whose free room is in pieces: its nodes are counted by grade, the counts stand in its status, and the scheduler divides by them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.machine import Machine, eventually

NAMESPACE = "pieces"
POLICY = """
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {name: divided, namespace: pieces}
spec:
  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]
  placement:
    clusterAffinity: {clusterNames: [m1]}
    replicaScheduling:
      replicaSchedulingType: Divided
      replicaDivisionPreference: Weighted
      weightPreference: {dynamicWeight: AvailableReplicas}
"""
WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: big, namespace: pieces}
spec:
  replicas: 3
  selector: {matchLabels: {app: big}}
  template:
    metadata: {labels: {app: big}}
    spec:
      containers: [{name: big, image: "registry.example/big:1", resources: {requests: {cpu: "3"}}}]
"""
BOUNDS = ("0", "2", "4", "8")


def models() -> str:
    ends = (*BOUNDS[1:], str(2**63 - 1))
    found = [{"grade": n, "ranges": [{"name": "cpu", "min": low, "max": ends[n]}]} for n, low in enumerate(BOUNDS)]
    return json.dumps({"spec": {"resourceModels": found}})


def filler(name: str, node: str, cpu: str) -> str:
    container = {"name": "app", "image": "app:1", "resources": {"requests": {"cpu": cpu}}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"nodeName": node, "containers": [container]}}
    return json.dumps(pod)


def summary(hub: Machine) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(hub.kubectl("get", "cluster", "m1", "-o", "json"))["status"]["resourceSummary"]
    return found


def counts(hub: Machine) -> list[int] | None:
    """By grade, as `kubectl get cluster -o yaml` shows them; None: there are none."""
    found = summary(hub).get("allocatableModelings")
    assert found is None or [item["grade"] for item in found] == [0, 1, 2, 3]
    return None if found is None else [item["count"] for item in found]


def placed(hub: Machine) -> tuple[int, str]:
    """Replicas that the binding gives to m1, and why it is not scheduled."""
    binding = json.loads(hub.kubectl("get", "rb", "big-deployment", "-n", NAMESPACE, "-o", "json"))
    (scheduled,) = [one for one in binding["status"]["conditions"] if one["type"] == "Scheduled"]
    given = sum(target.get("replicas", 0) for target in binding["spec"].get("clusters", ()) if target["name"] == "m1")
    return given, "" if scheduled["status"] == "True" else scheduled["message"]


@pytest.mark.spec("L11", "R4.17", "R4.18", "Q01")
def test_room_in_pieces_is_not_room(hub: Machine) -> None:
    node = sorted(hub.objects("m1", "nodes"))  # Three, of 8 CPU each.
    hub.kubectl("patch", "cluster", "m1", "--type=merge", "-p", models())
    eventually(lambda: counts(hub) == [0, 0, 0, 3], limit_s=20, what="three empty nodes of the highest grade")

    # 1 + 2.5 + 7 CPU are left: together enough for three pods of 3 CPU, in truth for two, by the lower bounds of the grades for one.
    for number, cpu in enumerate(("7", "5500m", "1")):
        hub.kubectl("apply", "-f", "-", stdin=filler(f"filler-{number}", node[number], cpu), member="m1")
    eventually(lambda: counts(hub) == [1, 1, 1, 0], limit_s=40, what="each node of another grade, with the next inventory")
    assert summary(hub)["allocated"]["cpu"] == "13500m"
    hub.kubectl("create", "namespace", NAMESPACE)
    hub.kubectl("apply", "-f", "-", stdin=POLICY)
    hub.kubectl("apply", "-f", "-", stdin=WEB)
    given, why = eventually(lambda: placed(hub), limit_s=20, what="a decision")
    assert (given, "not enough" in why) == (0, True), why

    # Without models the same room counts as one piece, at once and without a restart.
    hub.kubectl("patch", "cluster", "m1", "--type=json", "-p", '[{"op": "remove", "path": "/spec/resourceModels"}]')
    eventually(lambda: counts(hub) is None, limit_s=20, what="no counts any more")
    eventually(lambda: placed(hub) == (3, ""), limit_s=30, what="three replicas, by the sum")
