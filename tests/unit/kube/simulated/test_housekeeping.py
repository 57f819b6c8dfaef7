"""Namespaces, garbage collection and Services of a simulated member."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shoal.api.meta import Manifest, Ref

Run = Callable[..., Any]
Make = Callable[..., Manifest]


def namespace(name: str = "shop") -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def config_map(name: str, ns: str = "default", **metadata: Any) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": ns, **metadata}}


def service(**spec: Any) -> Manifest:
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    metadata = {"name": "web", "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"selector": {"app": "web"}, "ports": ports, **spec}}


def test_the_namespaces_of_a_new_cluster_and_the_uid_that_stays(simulate: Run) -> None:
    uids: list[str] = []

    async def scenario(member: Any) -> None:
        names = [one["metadata"]["name"] for one in member.list("Namespace", None)]
        assert names == ["default", "kube-node-lease", "kube-public", "kube-system"]
        uids.append(await member.api.kube_system_uid())

    simulate(scenario, store=simulate(scenario))
    assert uids[0] == uids[1]


def test_every_namespace_has_its_account_and_certificate_and_gets_them_back(simulate: Run) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(namespace())
        account = Ref("", "ServiceAccount", "shop", "default")
        await member.until(
            lambda: member.read("ServiceAccount", "default", "shop") and member.read("ConfigMap", "kube-root-ca.crt", "shop")
        )
        await member.api.delete(account)
        await member.until(lambda: member.read("ServiceAccount", "default", "shop"))

    simulate(scenario)


def test_a_namespace_takes_its_content_along(simulate: Run, make: Make) -> None:
    async def scenario(member: Any) -> None:
        web = make(replicas=2)
        web["metadata"]["namespace"] = "shop"
        await member.apply(namespace(), web, config_map("a", "shop"))
        await member.settle()
        assert len(member.list("Pod", "shop")) == 2
        await member.api.delete(Ref("", "Namespace", "", "shop"))
        await member.settle(60)
        assert [stored.ref for stored in member.store if "shop" in stored.ref] == []

    simulate(scenario)


def test_a_namespace_waits_for_a_finalizer_inside_it(simulate: Run) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(namespace(), config_map("held", "shop", finalizers=["example.dev/hold"]), config_map("free", "shop"))
        await member.api.delete(Ref("", "Namespace", "", "shop"))
        await member.settle(60)
        left = sorted(str(stored.ref) for stored in member.store if "shop" in stored.ref)
        assert left == ["ConfigMap/shop/held", "Namespace/shop"]
        assert member.read("Namespace", "shop", "")["status"]["phase"] == "Terminating"
        await member.api.patch_merge(Ref("", "ConfigMap", "shop", "held"), {"metadata": {"finalizers": None}})
        await member.settle(60)
        assert [stored.ref for stored in member.store if "shop" in stored.ref] == []

    simulate(scenario)


def owned(owner: Manifest, name: str = "child") -> Manifest:
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
    return config_map(name, ownerReferences=[{**reference, "blockOwnerDeletion": True}])


@pytest.mark.parametrize(
    ("propagation", "left"),
    [
        pytest.param("Background", [], id="background"),
        pytest.param("Foreground", [], id="foreground"),
        pytest.param("Orphan", ["child"], id="orphan"),
    ],
)
def test_what_becomes_of_the_owned(simulate: Run, propagation: str, left: list[str]) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(config_map("owner"))
        await member.apply(owned(member.read("ConfigMap", "owner")))
        await member.settle()
        await member.api.delete(Ref("", "ConfigMap", "default", "owner"), propagation=propagation)
        await member.settle()
        assert [one["metadata"]["name"] for one in member.list("ConfigMap") if "root-ca" not in one["metadata"]["name"]] == left
        assert "ownerReferences" not in (member.read("ConfigMap", "child").get("metadata") or {})

    simulate(scenario)


def test_in_the_foreground_an_owner_waits_for_all_below_it(simulate: Run) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(config_map("owner"))
        await member.apply(owned(member.read("ConfigMap", "owner")))
        grandchild = owned(member.read("ConfigMap", "child"), "grandchild")
        await member.apply({**grandchild, "metadata": {**grandchild["metadata"], "finalizers": ["example.dev/hold"]}})
        await member.api.delete(Ref("", "ConfigMap", "default", "owner"), propagation="Foreground")
        await member.settle()
        for name in ("owner", "child", "grandchild"):
            assert member.read("ConfigMap", name)["metadata"]["deletionTimestamp"]
        await member.api.patch_merge(Ref("", "ConfigMap", "default", "grandchild"), {"metadata": {"finalizers": None}})
        await member.settle()
        assert [member.read("ConfigMap", name) for name in ("owner", "child", "grandchild")] == [{}, {}, {}]

    simulate(scenario)


def test_an_owner_of_that_name_but_another_uid_is_no_owner(simulate: Run) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(config_map("owner"))
        stranger = member.read("ConfigMap", "owner")
        stranger["metadata"]["uid"] = "11111111-2222-3333-4444-555555555555"
        await member.apply(owned(stranger))
        await member.settle()
        assert member.read("ConfigMap", "child") == {}

    simulate(scenario)


def test_the_owned_stay_while_one_owner_lives(simulate: Run) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(config_map("one"), config_map("two"))
        child = owned(member.read("ConfigMap", "one"))
        child["metadata"]["ownerReferences"] += owned(member.read("ConfigMap", "two"))["metadata"]["ownerReferences"]
        await member.apply(child)
        await member.api.delete(Ref("", "ConfigMap", "default", "one"))
        await member.settle()
        assert member.read("ConfigMap", "child")
        await member.api.delete(Ref("", "ConfigMap", "default", "two"))
        await member.settle()
        assert member.read("ConfigMap", "child") == {}

    simulate(scenario)


def addresses(member: Any) -> list[tuple[str, bool]]:
    slices = member.list("discovery.k8s.io/EndpointSlice")
    return sorted((point["addresses"][0], point["conditions"]["ready"]) for one in slices for point in one["endpoints"])


def test_a_service_knows_its_ready_pods(simulate: Run, make: Make) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(service(), make(replicas=2), make("other", replicas=1))
        await member.settle()
        pods = sorted(pod["status"]["podIP"] for pod in member.list("Pod") if pod["metadata"]["labels"]["app"] == "web")
        assert addresses(member) == [(address, True) for address in pods]
        legacy = member.read("Endpoints", "web")["subsets"][0]
        assert sorted(one["ip"] for one in legacy["addresses"]) == pods
        assert legacy["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
        assert member.read("Service", "web")["spec"]["clusterIP"].startswith("10.96.")
        await member.apply(make(replicas=1))
        await member.until(lambda: len(addresses(member)) == 1)
        await member.api.delete(Ref("", "Service", "default", "web"))
        await member.until(lambda: not member.list("discovery.k8s.io/EndpointSlice") and not member.list("Endpoints"))

    simulate(scenario)


def test_another_selector_means_other_pods(simulate: Run, make: Make) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(service(), make(replicas=1), make("other", replicas=1))
        await member.settle()
        before = addresses(member)
        await member.apply(service(selector={"app": "other"}))
        await member.settle()
        assert len(addresses(member)) == 1
        assert addresses(member) != before

    simulate(scenario)


def test_a_load_balancer_gets_an_address(simulate: Run) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(service(type="LoadBalancer"))
        await member.until(lambda: (member.status("Service", "web").get("loadBalancer") or {}).get("ingress"))
        assert member.status("Service", "web")["loadBalancer"]["ingress"][0]["ip"].startswith("203.0.113.")

    simulate(scenario)


def test_a_cluster_at_rest_writes_nothing(simulate: Run, make: Make) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(service(), make(replicas=2))
        await member.settle()
        written = member.store.revision()
        await member.settle(3000)
        assert member.store.revision() == written

    simulate(scenario)
