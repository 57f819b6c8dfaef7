"""The same story with two real members: kube-apiserver, controllers, scheduler, etcd, and kwok whose nodes make pods ready."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kube.build import CannotBuild, build
from kube.real_member import RealMember
from support.machine import Machine, eventually, machine

pytestmark = pytest.mark.kube
NAMESPACE = "real"
OTHER = {"r1": "r2", "r2": "r1"}
FAILOVER = {"failover": {"cluster": {"purgeMode": "Gracefully"}}}


def labels(name: str) -> dict[str, Any]:
    return {"name": name, "namespace": NAMESPACE, "labels": {"app": name}}


def config(name: str, value: str = "1") -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": labels(name), "data": {"v": value}}


def pod(name: str, **more: Any) -> dict[str, Any]:
    container = {"name": "app", "image": "registry.example/app:1", "envFrom": [{"configMapRef": {"name": name}}]}
    return {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container], **more}}


def deployment(name: str) -> dict[str, Any]:
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": name}}, "template": pod(name)}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": labels(name), "spec": spec}


def service(name: str) -> dict[str, Any]:
    metadata = {**labels(name), "annotations": {"shoal.dev/follow": "selected-workloads"}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"selector": {"app": name}, "ports": [{"port": 80}]}}


def policy(name: str, selectors: list[dict[str, Any]], placement: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": "PropagationPolicy",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"resourceSelectors": selectors, "placement": placement, "propagateDeps": True, **spec},
    }


def selector(kind: str, name: str) -> list[dict[str, Any]]:
    return [{"apiVersion": {"Deployment": "apps/v1", "Job": "batch/v1"}.get(kind, "v1"), "kind": kind, "name": name}]


ONE = {"spreadConstraints": [{"spreadByField": "cluster", "minGroups": 1, "maxGroups": 1}]}
SHOP: list[dict[str, Any]] = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
    policy("web", selector("Deployment", "web"), ONE, **FAILOVER),
    policy("api", selector("Deployment", "api"), {}, **FAILOVER),
    policy("migrate", selector("Job", "migrate"), {"clusterAffinity": {"clusterNames": ["r1"]}}),
    policy("flags", selector("ConfigMap", "flags"), {}),
    *(make(name) for name in ("web", "api") for make in (deployment, config, service)),
    config("migrate"),
    config("flags"),
    {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": labels("migrate"),
        "spec": {"template": pod("migrate", restartPolicy="Never")},
    },
]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, RealMember]]:
    try:
        binaries = build()
    except CannotBuild as error:
        print(f"skipped: {error}")
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("members")
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(RealMember(name, folder / name, binaries, nodes=2)) for name in OTHER}


@pytest.fixture(scope="module")
def hub(real: dict[str, RealMember], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    state: Path = tmp_path_factory.mktemp("hub") / "state"
    members = [part for name, member in real.items() for part in ("--member", f"{name}={member.kubeconfig}")]
    with machine(state, "--members", "0", *members, "--member-restart", "2") as it:
        yield it


@pytest.fixture(scope="module", autouse=True)
def placed(hub: Machine) -> None:
    answer = deploy(hub, "shop", *SHOP)
    eventually(lambda: hub.hub.get(f"/api/changes/{answer['change']}")["state"] == "ready", limit_s=60, what="the shop is ready")


def deploy(hub: Machine, id_: str, *manifests: dict[str, Any]) -> dict[str, Any]:
    answer = hub.deploy({"id": id_, "source": "e2e", "data": {"application": "shop", "manifests": list(manifests)}})
    assert answer["accepted"], answer
    return answer


def copies(hub: Machine, kind: str, name: str) -> dict[str, dict[str, Any]]:
    """Cluster -> copy, as the hub says."""
    objects = hub.hub.get("/api/where/shop")["objects"]
    found = next(one["clusters"] for one in objects if one["ref"].endswith(f"{kind}/{NAMESPACE}/{name}"))
    return {copy["cluster"]: copy for copy in found}


def available(hub: Machine, member: str, name: str) -> bool:
    found = hub.objects(member, "deployments", NAMESPACE).get(name, {})
    return bool(found and found.get("status", {}).get("availableReplicas") == found["spec"]["replicas"])


def value(hub: Machine, member: str, name: str) -> str:
    return str(hub.objects(member, "configmaps", NAMESPACE).get(name, {}).get("data", {}).get("v", ""))


def test_the_shop_runs_and_the_hub_shows_the_sum(hub: Machine) -> None:
    (home,) = copies(hub, "Deployment", "web")
    assert available(hub, home, "web")
    assert not hub.objects(OTHER[home], "deployments", NAMESPACE).get("web")
    assert all(available(hub, member, "api") for member in OTHER)
    eventually(lambda: hub.objects("r1", "jobs", NAMESPACE)["migrate"]["status"].get("succeeded") == 1, limit_s=30, what="the Job is done")
    eventually(lambda: "4/2" in hub.kubectl("get", "deployment", "api", "-n", NAMESPACE), limit_s=15, what="4/2 ready: two copies of two")
    hub.kubectl("wait", "job/migrate", "-n", NAMESPACE, "--for=condition=Complete", "--timeout=20s")
    for member in OTHER:
        assert hub.objects(member, "services", NAMESPACE)["api"]["spec"]["clusterIP"], "the member's own address stays"
    nodes = {one["name"]: one["nodes"] for one in hub.hub.get("/api/clusters")}
    assert nodes == {"r1": {"readyNum": 2, "totalNum": 2}, "r2": {"readyNum": 2, "totalNum": 2}}


def versions(hub: Machine, member: str) -> dict[str, str]:
    kinds = "configmaps,services,namespaces,serviceaccounts"
    found = json.loads(hub.kubectl("get", kinds, "-A", "-l", "karmada.io/managed=true", "-o", "json", member=member))["items"]
    return {f"{one['kind']}/{one['metadata']['name']}": one["metadata"]["resourceVersion"] for one in found}


def test_a_restarted_agent_writes_nothing(hub: Machine) -> None:
    before = versions(hub, "r2")
    generation = hub.objects("r2", "deployments", NAMESPACE)["api"]["metadata"]["generation"]
    hub.kill("member-r2")
    deploy(hub, "after-kill", config("flags", "2"))
    eventually(lambda: value(hub, "r2", "flags") == "2", limit_s=40, what="the new agent works")
    after = versions(hub, "r2")
    assert {key for key in before if after.get(key) != before[key]} == {"ConfigMap/flags"}
    assert hub.objects("r2", "deployments", NAMESPACE)["api"]["metadata"]["generation"] == generation


@pytest.mark.spec("H07", "R6.11")
def test_drift_is_corrected(hub: Machine) -> None:
    hub.kubectl("scale", "deployment/api", "-n", NAMESPACE, "--replicas=5", member="r2")
    eventually(lambda: hub.objects("r2", "deployments", NAMESPACE)["api"]["spec"]["replicas"] == 2, limit_s=15, what="two replicas again")
    hub.kubectl("delete", "configmap", "flags", "-n", NAMESPACE, member="r1")
    eventually(lambda: value(hub, "r1", "flags"), limit_s=15, what="the deleted ConfigMap made anew")
    # What others add to our objects is theirs.
    hub.kubectl("annotate", "deployment/api", "-n", NAMESPACE, "example.com/theirs=kept", member="r2")
    deploy(hub, "relabelled", {**deployment("api"), "metadata": {**labels("api"), "annotations": {"example.com/ours": "new"}}})

    def annotations() -> dict[str, str]:
        return dict(hub.objects("r2", "deployments", NAMESPACE)["api"]["metadata"]["annotations"])

    eventually(lambda: annotations().get("example.com/ours") == "new", limit_s=15, what="our annotation")
    assert annotations()["example.com/theirs"] == "kept"


@pytest.mark.spec("H09", "B25", "R6.9")
def test_a_foreign_object_is_left_alone(hub: Machine) -> None:
    hub.kubectl("create", "configmap", "foreign", "-n", NAMESPACE, "--from-literal=v=theirs", member="r1")
    deploy(hub, "foreign", policy("foreign", selector("ConfigMap", "foreign"), {}), config("foreign", "ours"))
    eventually(lambda: value(hub, "r2", "foreign") == "ours", limit_s=15, what="the copy in r2")
    eventually(lambda: copies(hub, "ConfigMap", "foreign")["r1"]["reason"] == "Conflict", limit_s=15, what="Conflict in r1")
    assert value(hub, "r1", "foreign") == "theirs"
    hub.kubectl("annotate", "configmap/foreign", "-n", NAMESPACE, "work.karmada.io/conflict-resolution=overwrite")
    eventually(lambda: value(hub, "r1", "foreign") == "ours", limit_s=15, what="taken over in r1")


def test_what_a_real_server_rejects_is_told_in_its_words(hub: Machine) -> None:
    bad = service("broken")
    bad["spec"]["ports"] = [{"port": 80, "targetPort": "Not_A_Port_Name"}]
    answer = deploy(hub, "broken", policy("broken", selector("Service", "broken"), {}), bad)
    eventually(
        lambda: copies(hub, "Service", "broken")["r1"].get("reason") == "ManifestRejected", limit_s=15, what="ManifestRejected in r1"
    )
    assert "Not_A_Port_Name" in copies(hub, "Service", "broken")["r1"]["message"]
    eventually(lambda: hub.hub.get(f"/api/changes/{answer['change']}")["state"] == "failed", limit_s=10, what="the change failed")
    hub.kubectl("delete", "service/broken", "propagationpolicy/broken", "-n", NAMESPACE, "--timeout=20s")


@pytest.mark.spec("N04", "R10.3")
def test_a_killed_member_fails_over_and_nothing_runs_twice_when_it_is_back(hub: Machine, real: dict[str, RealMember]) -> None:
    (home,) = copies(hub, "Deployment", "web")
    other = OTHER[home]
    real[home].kill()
    eventually(lambda: available(hub, other, "web"), limit_s=30, what=f"web ready in {other}")
    for kind in ("configmaps", "services"):
        assert "web" in hub.objects(other, kind, NAMESPACE), f"web stands beside its {kind}"
    assert available(hub, other, "api")
    assert [move["from"] for move in hub.hub.get("/api/status")["moves"]], "the old copy is waited for"

    real[home].start()
    eventually(lambda: "web" not in hub.objects(home, "deployments", NAMESPACE), limit_s=60, what=f"the old copy is gone from {home}")
    assert available(hub, other, "web")
    eventually(lambda: all(one["ready"] for one in hub.hub.get("/api/clusters")), limit_s=60, what="both Ready")
    eventually(lambda: not hub.hub.get("/api/status")["moves"], limit_s=20, what="no move is under way")
    eventually(lambda: available(hub, home, "api") and available(hub, other, "api"), limit_s=30, what="api runs in both")
    assert set(copies(hub, "Deployment", "web")) == {other}
    eventually(lambda: "web" not in hub.objects(home, "configmaps", NAMESPACE), limit_s=20, what="its ConfigMap went after it")
    pods = json.loads(hub.kubectl("get", "pods", "-n", NAMESPACE, "-l", "app=web", "-o", "json", member=home))["items"]
    assert all(one["metadata"].get("deletionTimestamp") for one in pods), "no pod of it runs there"


@pytest.mark.spec("B18")
def test_a_deletion_reaches_a_member_that_was_away(hub: Machine, real: dict[str, RealMember]) -> None:
    real["r2"].kill("kube-apiserver")
    hub.kubectl("delete", "configmap", "flags", "-n", NAMESPACE, "--wait=false")
    eventually(lambda: not value(hub, "r1", "flags"), limit_s=15, what="gone in r1")
    assert json.loads(hub.kubectl("get", "configmap", "flags", "-n", NAMESPACE, "-o", "json"))["metadata"]["deletionTimestamp"]
    real["r2"].start()
    eventually(lambda: not value(hub, "r2", "flags"), limit_s=60, what="gone in r2 when its API was back")
    eventually(
        lambda: "NotFound" in hub.kubectl("get", "configmap", "flags", "-n", NAMESPACE, code=None), limit_s=30, what="gone in the hub"
    )


@pytest.mark.spec("W01", "R15.1")
def test_everything_deleted_is_gone(hub: Machine) -> None:
    hub.kubectl("delete", "deployment,service,configmap,job", "--all", "-n", NAMESPACE, "--timeout=60s", timeout_s=90)
    hub.kubectl("delete", "propagationpolicy", "--all", "-n", NAMESPACE)
    hub.kubectl("delete", "namespace", NAMESPACE, "--timeout=60s", timeout_s=90)
    for member in OTHER:
        eventually(lambda m=member: NAMESPACE not in hub.objects(m, "namespaces"), limit_s=30, what=f"the namespace is gone from {member}")
