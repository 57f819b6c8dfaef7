"""One ConfigMap, then a Deployment, through all five processes into the members, driven with the real kubectl; and what stands in the way."""

from __future__ import annotations

import json

import pytest

from support.machine import Machine, eventually

NAMESPACE = "line"
POLICY = """
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {name: everything, namespace: line}
spec:
  resourceSelectors:
    - {apiVersion: v1, kind: ConfigMap}
    - {apiVersion: apps/v1, kind: Deployment}
    - {apiVersion: batch/v1, kind: Job}
  propagateDeps: true
  placement: {clusterAffinity: {clusterNames: [m1, m2]}}
"""
OVERRIDE = """
apiVersion: policy.karmada.io/v1alpha1
kind: OverridePolicy
metadata: {name: mirror, namespace: line}
spec:
  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]
  overrideRules:
    - targetCluster: {clusterNames: [m2]}
      overriders:
        imageOverrider: [{component: Registry, operator: replace, value: mirror.example}]
"""
CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: line}
data: {color: blue}
"""
WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: line}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - {name: web, image: "registry.example/web:1", envFrom: [{configMapRef: {name: settings}}]}
"""


@pytest.fixture(scope="module", autouse=True)
def placed(hub: Machine) -> None:
    hub.kubectl("apply", "-f", "-", stdin=f"{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}}}}}")
    hub.kubectl("apply", "-f", "-", stdin=POLICY)
    hub.kubectl("apply", "-f", "-", stdin=OVERRIDE)
    hub.kubectl("apply", "-f", "-", stdin=CONFIG)
    hub.kubectl("apply", "-f", "-", stdin=WEB)
    hub.kubectl("rollout", "status", "deployment/web", "-n", NAMESPACE, "--timeout=30s")


def test_the_config_map_is_in_the_members_that_policy_names(hub: Machine) -> None:
    assert hub.objects("m1", "configmaps", NAMESPACE)["settings"]["data"] == {"color": "blue"}
    assert hub.objects("m2", "configmaps", NAMESPACE)["settings"]["data"] == {"color": "blue"}
    assert "settings" not in hub.objects("m3", "configmaps", NAMESPACE)


@pytest.mark.spec("W01", "R15.1")
def test_every_member_has_the_namespace(hub: Machine) -> None:
    assert all(NAMESPACE in hub.objects(member, "namespaces") for member in ("m1", "m2", "m3"))


@pytest.mark.spec("G04")
def test_each_cluster_has_its_own_image(hub: Machine) -> None:
    def image(member: str) -> str:
        return str(hub.objects(member, "deployments", NAMESPACE)["web"]["spec"]["template"]["spec"]["containers"][0]["image"])

    assert (image("m1"), image("m2")) == ("registry.example/web:1", "mirror.example/web:1")


@pytest.mark.spec("J03", "R8.3")
def test_the_hub_shows_the_sum_of_the_copies(hub: Machine) -> None:
    eventually(
        lambda: "4/2" in hub.kubectl("get", "deployment", "web", "-n", NAMESPACE),
        limit_s=20,
        what="4/2 ready in the table: two copies of two replicas",
    )
    assert "web" in hub.kubectl("describe", "deployment", "web", "-n", NAMESPACE)


def test_scale_annotate_and_wait(hub: Machine) -> None:
    hub.kubectl("scale", "deployment/web", "-n", NAMESPACE, "--replicas=3")
    hub.kubectl("annotate", "deployment/web", "-n", NAMESPACE, "example.com/note=hello")
    hub.kubectl("wait", "deployment/web", "-n", NAMESPACE, "--for=jsonpath={.status.readyReplicas}=6", "--timeout=30s")
    web = hub.objects("m1", "deployments", NAMESPACE)["web"]
    assert (web["spec"]["replicas"], web["metadata"]["annotations"]["example.com/note"]) == (3, "hello")


@pytest.mark.spec("H07", "R6.11")
def test_drift_is_corrected(hub: Machine) -> None:
    hub.kubectl("patch", "configmap", "settings", "-n", NAMESPACE, "--type=merge", "-p", '{"data":{"color":"red"}}', member="m1")
    eventually(
        lambda: hub.objects("m1", "configmaps", NAMESPACE)["settings"]["data"]["color"] == "blue",
        limit_s=15,
        what="the colour of the hub again",
    )
    hub.kubectl("delete", "configmap", "settings", "-n", NAMESPACE, member="m1")
    eventually(lambda: "settings" in hub.objects("m1", "configmaps", NAMESPACE), limit_s=15, what="the deleted copy made anew")


@pytest.mark.spec("H09", "B25", "R6.9")
def test_a_foreign_object_is_left_alone_until_policy_says_otherwise(hub: Machine) -> None:
    hub.kubectl("create", "configmap", "foreign", "-n", NAMESPACE, "--from-literal=owner=member", member="m1")
    foreign = CONFIG.replace("settings", "foreign")
    hub.kubectl("apply", "-f", "-", stdin=foreign)
    eventually(lambda: "foreign" in hub.objects("m2", "configmaps", NAMESPACE), limit_s=15, what="the copy in m2")

    def reason() -> str:
        found = hub.hub.get("/api/where/foreign")["objects"]
        return next((c.get("reason", "") for o in found for c in o["clusters"] if c["cluster"] == "m1"), "")

    eventually(lambda: reason() == "Conflict", limit_s=15, what="Conflict in m1")
    assert hub.objects("m1", "configmaps", NAMESPACE)["foreign"]["data"] == {"owner": "member"}
    hub.kubectl("annotate", "configmap/foreign", "-n", NAMESPACE, "work.karmada.io/conflict-resolution=overwrite")
    eventually(
        lambda: hub.objects("m1", "configmaps", NAMESPACE)["foreign"]["data"].get("color") == "blue", limit_s=15, what="taken over in m1"
    )


@pytest.mark.spec("K01", "R9.1")
def test_a_secret_that_the_pods_name_follows_them(hub: Machine) -> None:
    hub.kubectl("create", "secret", "generic", "token", "-n", NAMESPACE, "--from-literal=token=abc")
    patch = {"spec": {"template": {"spec": {"volumes": [{"name": "token", "secret": {"secretName": "token"}}]}}}}
    hub.kubectl("patch", "deployment", "web", "-n", NAMESPACE, "-p", json.dumps(patch))
    for member in ("m1", "m2"):
        eventually(lambda m=member: "token" in hub.objects(m, "secrets", NAMESPACE), limit_s=15, what=f"the Secret in {member}")
    assert "token" not in hub.objects("m3", "secrets", NAMESPACE)


def test_a_namespace_that_holds_objects_is_not_deleted(hub: Machine) -> None:
    said = hub.kubectl("delete", "namespace", NAMESPACE, "--wait=false", code=1)
    assert "Conflict" in said or "still holds" in said
    assert "web" in said or "settings" in said


@pytest.mark.spec("B18")
def test_a_deletion_reaches_a_member_that_was_away(hub: Machine) -> None:
    hub.kubectl("apply", "-f", "-", stdin=CONFIG.replace("settings", "passing"))
    for member in ("m1", "m2"):
        eventually(lambda m=member: "passing" in hub.objects(m, "configmaps", NAMESPACE), limit_s=15, what=f"the copy in {member}")
    hub.shoal("member", "stop", "m2")
    hub.kubectl("delete", "configmap", "passing", "-n", NAMESPACE, "--wait=false")
    eventually(lambda: "passing" not in hub.objects("m1", "configmaps", NAMESPACE), limit_s=15, what="gone in m1")

    def told() -> set[str]:
        facts = hub.hub.get("/api/events")
        return {f["data"]["cluster"] for f in facts if f["type"] == "work.removed" and f["subject"].endswith("/passing")}

    eventually(lambda: told() == {"m1"}, limit_s=10, what="the event that its copy in m1 is gone")
    shown = json.loads(hub.kubectl("get", "configmap", "passing", "-n", NAMESPACE, "-o", "json"))
    assert shown["metadata"]["deletionTimestamp"], "pending and visible while m2 is away"
    hub.shoal("member", "start", "m2")
    eventually(lambda: "passing" not in hub.objects("m2", "configmaps", NAMESPACE), limit_s=60, what="gone in m2 when it was back")
    eventually(
        lambda: "NotFound" in hub.kubectl("get", "configmap", "passing", "-n", NAMESPACE, code=None), limit_s=30, what="gone in the hub"
    )


@pytest.mark.parametrize("name", ["gateway", "scheduler", "override-renderer", "health-monitor", "member-m1", "nats"])
def test_every_process_killed_in_turn_and_the_result_still_right(hub: Machine, name: str) -> None:
    event = {
        "id": f"kill-{name}",
        "source": "e2e",
        "data": {"application": "line", "manifests": CONFIG.replace("blue", f"after-{name}")},
    }
    hub.kill(name)
    answer = hub.deploy(event)
    assert answer["accepted"], answer
    for member in ("m1", "m2"):
        eventually(
            lambda m=member: hub.objects(m, "configmaps", NAMESPACE)["settings"]["data"]["color"] == f"after-{name}",
            limit_s=45,
            what=f"the change in {member} after {name} was killed",
        )
