"""A cluster is killed: what policy allows to move is ready elsewhere, the rest stays, and in the end nothing runs twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.machine import Machine, eventually, machine

NAMESPACE = "moving"
MEMBERS = "m1:alpha/eu/eu-a,m2:alpha/eu/eu-b,m3:beta/us/us-a"
LOST_WITHIN_S = 12.0
"""From SIGKILL until the workloads are ready elsewhere."""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    state: Path = tmp_path_factory.mktemp("hub") / "state"
    with machine(state, "--members", MEMBERS, "--member-restart", "600") as it:
        yield it


def workload(name: str) -> list[dict[str, Any]]:
    """A Deployment with the ConfigMap and the ServiceAccount its pods need, and a Service that follows them."""
    meta = {"namespace": NAMESPACE, "labels": {"app": name}}
    pod = {
        "serviceAccountName": name,
        "containers": [{"name": "app", "image": "registry.example/app:1", "envFrom": [{"configMapRef": {"name": name}}]}],
    }
    follow = {"shoal.dev/follow": "selected-workloads"}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **meta}, "data": {"name": name}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, **meta}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, **meta, "annotations": follow},
            "spec": {"selector": {"app": name}, "ports": [{"port": 80}]},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, **meta},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": {"app": name}},
                "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
            },
        },
    ]


def policy(name: str, placement: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": "PropagationPolicy",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": name}],
            "propagateDeps": True,
            "placement": placement,
            **spec,
        },
    }


ONE = {"spreadConstraints": [{"spreadByField": "cluster", "minGroups": 1, "maxGroups": 1}]}
IN_EU = {**ONE, "clusterAffinity": {"fieldSelector": {"matchExpressions": [{"key": "region", "operator": "In", "values": ["eu"]}]}}}
FAILOVER = {"failover": {"cluster": {"purgeMode": "Gracefully"}}}


def deploy(hub: Machine, id_: str, *manifests: dict[str, Any]) -> None:
    answer = hub.deploy({"id": id_, "source": "e2e", "data": {"application": "moving", "manifests": list(manifests)}})
    assert answer["accepted"], answer
    eventually(lambda: hub.hub.get(f"/api/changes/{answer['change']}")["state"] == "ready", limit_s=30, what=f"{id_} is ready")


@pytest.fixture(scope="module")
def home(hub: Machine) -> str:
    """Where the workload that may move runs; those that may not are put beside it."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    deploy(hub, "ground", namespace, policy("moves", IN_EU, **FAILOVER), *workload("moves"))
    found = next(iter(where(hub)["moves"]))
    only_there = {"clusterAffinity": {"clusterNames": [found]}}
    policies = [policy("stays", only_there), policy("trapped", only_there, **FAILOVER), policy("everywhere", {}, **FAILOVER)]
    deploy(hub, "beside", *policies, *(one for name in ("stays", "trapped", "everywhere") for one in workload(name)))
    return found


def where(hub: Machine) -> dict[str, dict[str, dict[str, Any]]]:
    """Deployment -> cluster -> copy, as the hub says."""
    objects = hub.hub.get("/api/where/moving")["objects"]
    found = {one["ref"].rpartition("/")[2]: one["clusters"] for one in objects if "/Deployment/" in one["ref"]}
    return {name: {copy["cluster"]: copy for copy in copies} for name, copies in found.items()}


def available(hub: Machine, member: str) -> set[str]:
    """Deployments of a member that have all their replicas, from its own API."""
    found = hub.objects(member, "deployments", NAMESPACE)
    return {name for name, one in found.items() if one.get("status", {}).get("availableReplicas") == one["spec"]["replicas"]}


@pytest.mark.spec("N04", "N05", "R10.3")
def test_a_killed_cluster(hub: Machine, home: str) -> None:
    other = {"m1": "m2", "m2": "m1"}[home]
    before = where(hub)
    assert set(before["everywhere"]) == {"m1", "m2", "m3"}

    hub.shoal("member", "kill", home)
    killed = time.monotonic()
    eventually(lambda: "moves" in available(hub, other), limit_s=LOST_WITHIN_S, what=f"ready in {other}, the other one of the region")
    took_s = time.monotonic() - killed
    assert took_s > 5.0, "nobody is declared lost before the grace is over"

    # It stands beside what it needs, and beside its Service.
    assert "moves" in hub.objects(other, "configmaps", NAMESPACE)
    assert "moves" in hub.objects(other, "serviceaccounts", NAMESPACE)
    assert "moves" in hub.objects(other, "services", NAMESPACE)
    assert "moves" not in hub.objects("m3", "deployments", NAMESPACE), "the placement limits a failover, too"

    # What may not move, and what has nowhere to go, is where it was: nothing is removed for nothing.
    now = where(hub)
    assert set(now["stays"]) == {home}
    assert set(now["trapped"]) == {home}
    assert {"stays", "trapped"}.isdisjoint(hub.objects(other, "deployments", NAMESPACE))
    assert {"everywhere"} <= available(hub, other)
    status = hub.hub.get("/api/status")
    assert any(home in problem["subject"] + problem["message"] for problem in status["problems"]), status["problems"]
    explained = hub.hub.get(f"/api/explain/apps/Deployment/{NAMESPACE}/moves")
    assert [removal["cluster"] for removal in explained["removals"]] == [home]

    hub.shoal("member", "start", home)
    eventually(lambda: "moves" not in hub.objects(home, "deployments", NAMESPACE), limit_s=45, what=f"the old copy is gone from {home}")
    assert "moves" in available(hub, other), "the replacement was there all the time"
    eventually(lambda: next(one for one in hub.hub.get("/api/clusters") if one["name"] == home)["ready"], limit_s=45, what=f"{home} Ready")
    eventually(lambda: not hub.hub.get("/api/status")["moves"], limit_s=15, what="no move is under way")
    for kind in ("configmaps", "services", "serviceaccounts"):
        eventually(
            lambda k=kind: "moves" not in hub.objects(home, k, NAMESPACE), limit_s=15, what=f"its {kind} left {home} after the workload"
        )
    final = where(hub)
    assert set(final["moves"]) == {other}
    assert set(final["everywhere"]) == {"m1", "m2", "m3"}
    for name, copies in final.items():
        held = {member for member in ("m1", "m2", "m3") if name in hub.objects(member, "deployments", NAMESPACE)}
        assert held == set(copies), f"{name}: members {held}, hub {set(copies)}"
    assert not [problem for problem in hub.hub.get("/api/status")["problems"] if home in problem["subject"]]


def test_an_agent_that_is_back_within_the_grace_moves_nothing(hub: Machine, home: str) -> None:
    before = {name: set(copies) for name, copies in where(hub).items()}
    assert home in {"m1", "m2"}
    hub.shoal("member", "kill", "m3")
    hub.shoal("member", "start", "m3")
    eventually(lambda: hub.objects("m3", "deployments", NAMESPACE), limit_s=10, what="m3 answers again")
    deadline = time.monotonic() + 8  # As long as it would take to lose it.
    while time.monotonic() < deadline:
        assert {name: set(copies) for name, copies in where(hub).items()} == before
        time.sleep(0.5)
    cluster = next(one for one in hub.hub.get("/api/clusters") if one["name"] == "m3")
    assert cluster["state"] == "Ready", cluster


def test_many_that_fall_silent_at_once_are_not_lost(hub: Machine, home: str) -> None:
    """The fault is then nearer than they are: the bus, the network, or the hub itself."""
    before = {name: set(copies) for name, copies in where(hub).items()}
    gone = ("m2", "m3") if home == "m1" else ("m1", "m3")
    for member in gone:
        hub.shoal("member", "kill", member)

    def states() -> dict[str, str]:
        return {one["name"]: f"{one['state']} {one['reason']}" for one in hub.hub.get("/api/clusters")}

    eventually(lambda: all(states()[member] == "Suspect MassSilence" for member in gone), limit_s=12, what="both Suspect, with the reason")
    deadline = time.monotonic() + 6  # Past the grace of either.
    while time.monotonic() < deadline:
        assert all(states()[member].startswith("Suspect") for member in gone), states()
        time.sleep(0.5)
    assert {name: set(copies) for name, copies in where(hub).items()} == before
    assert "many clusters fell silent at once" in hub.shoal("status", code=None).stdout
    for member in gone:
        hub.shoal("member", "start", member)
    eventually(lambda: all(state.startswith("Ready") for state in states().values()), limit_s=40, what="all Ready again")
    assert {name: set(copies) for name, copies in where(hub).items()} == before
