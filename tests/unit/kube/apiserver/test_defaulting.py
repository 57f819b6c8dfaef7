"""`defaulting.py` and `addresses.py` through the door: what a member's server fills in."""

from __future__ import annotations

from typing import Any

import pytest

from support.apiserver import DEPLOYMENTS, MERGE, Client, deployment

SERVICES = "/api/v1/namespaces/default/services"
PODS = "/api/v1/namespaces/default/pods"


async def test_a_deployment(api: Client) -> None:
    spec = (await api("POST", DEPLOYMENTS, deployment()))["spec"]
    assert (spec["replicas"], spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (1, 10, 600)
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}
    pod = spec["template"]["spec"]
    assert (pod["restartPolicy"], pod["dnsPolicy"], pod["terminationGracePeriodSeconds"]) == ("Always", "ClusterFirst", 30)
    container = pod["containers"][0]
    assert container["terminationMessagePath"] == "/dev/termination-log"
    assert (container["imagePullPolicy"], container["resources"]) == ("IfNotPresent", {})


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        pytest.param("nginx", "Always", id="no-tag"),
        pytest.param("nginx:latest", "Always", id="latest"),
        pytest.param("nginx:1", "IfNotPresent", id="tag"),
        pytest.param("host:5000/nginx", "Always", id="port-is-no-tag"),
        pytest.param("nginx@sha256:" + "0" * 64, "IfNotPresent", id="digest"),
    ],
)
async def test_pull_policy(api: Client, image: str, policy: str) -> None:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": image}]}}
    made = await api("POST", DEPLOYMENTS, deployment("web", template=template))
    assert made["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] == policy


async def test_a_pod_requests_what_it_is_limited_to(api: Client) -> None:
    container = {"name": "a", "image": "x", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "100m"}}}
    made = await api("POST", PODS, {"metadata": {"name": "p"}, "spec": {"containers": [container]}})
    assert made["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "100m", "memory": "1Gi"}
    assert made["status"] == {"phase": "Pending", "qosClass": "Burstable"}
    assert made["spec"]["serviceAccountName"] == "default"
    assert {one["key"] for one in made["spec"]["tolerations"]} == {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}


async def test_a_job_owns_its_pods(api: Client) -> None:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "x"}]}}
    made = await api("POST", "/apis/batch/v1/namespaces/default/jobs", {"metadata": {"name": "j"}, "spec": {"template": template}})
    spec, uid = made["spec"], made["metadata"]["uid"]
    assert (spec["parallelism"], spec["completions"], spec["backoffLimit"], spec["completionMode"]) == (1, 1, 6, "NonIndexed")
    assert spec["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert spec["template"]["metadata"]["labels"]["batch.kubernetes.io/job-name"] == "j"


async def test_a_namespace_is_active_and_labelled(api: Client) -> None:
    made = await api("POST", "/api/v1/namespaces", {"metadata": {"name": "shop", "labels": {"a": "b"}}})
    assert made["metadata"]["labels"] == {"a": "b", "kubernetes.io/metadata.name": "shop"}
    assert (made["spec"], made["status"]) == ({"finalizers": ["kubernetes"]}, {"phase": "Active"})


def service(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}], **spec}}


async def test_services_get_addresses_of_their_own(api: Client) -> None:
    made = [await api("POST", SERVICES, service(f"s{number}")) for number in range(30)]
    addresses = {one["spec"]["clusterIP"] for one in made}
    assert len(addresses) == 30
    assert all(address.startswith("10.96.") for address in addresses)
    assert made[0]["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert made[0]["spec"]["ipFamilies"] == ["IPv4"]


async def test_a_service_keeps_its_addresses(api: Client) -> None:
    made = await api("POST", SERVICES, service("s", type="NodePort"))
    port = made["spec"]["ports"][0]["nodePort"]
    assert 30000 <= port < 32768
    replaced = await api("PUT", f"{SERVICES}/s", service("s", type="NodePort", selector={"app": "other"}))
    assert (replaced["spec"]["clusterIP"], replaced["spec"]["ports"][0]["nodePort"]) == (made["spec"]["clusterIP"], port)


@pytest.mark.parametrize(
    ("spec", "address"),
    [
        pytest.param({"clusterIP": "None"}, "None", id="headless"),
        pytest.param({"type": "ExternalName", "externalName": "a.example.org", "ports": []}, None, id="external-name"),
        pytest.param({"clusterIP": "10.96.1.2"}, "10.96.1.2", id="asked-for"),
    ],
)
async def test_services_without_an_address_of_the_pool(api: Client, spec: dict[str, Any], address: str | None) -> None:
    made = await api("POST", SERVICES, service("s", **spec))
    assert made["spec"].get("clusterIP") == address


async def test_what_is_emptied_is_dropped(api: Client) -> None:
    await api("POST", DEPLOYMENTS, deployment())
    shown = await api(
        "PATCH", f"{DEPLOYMENTS}/web", {"metadata": {"labels": {}}, "spec": {"template": {"spec": {"volumes": []}}}}, type_=MERGE
    )
    assert "labels" not in shown["metadata"]
    assert "volumes" not in shown["spec"]["template"]["spec"]
