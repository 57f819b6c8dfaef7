"""The hub speaks Kubernetes: kubectl against STATE."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from shoal.api.cluster import Taint
from shoal.api.meta import Ref
from shoal.api.status import CopyStatus
from support.servers import until

from .conftest import running

WEB = Ref("apps", "Deployment", "shop", "web")
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "registry.example/web:1"}]}
"""
SHOP = NAMESPACE + "---" + DEPLOYMENT
POLICY = """
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {name: web, namespace: shop}
spec:
  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]
  placement: {clusterAffinity: {clusterNames: [m1, m2]}}
"""


async def test_apply_get_scale_annotate_describe_delete(hub) -> None:
    assert "deployment.apps/web created" in await hub.kubectl("apply", "-f", "-", stdin=SHOP)
    assert "deployment.apps/web unchanged" in await hub.kubectl("apply", "-f", "-", stdin=SHOP)
    assert "deployment.apps/web serverside-applied" in await hub.kubectl(
        "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=SHOP
    )
    assert "Active" in await hub.kubectl("get", "namespace", "shop")
    assert "web    0/2" in await hub.kubectl("get", "deployments", "-n", "shop")
    assert "scaled" in await hub.kubectl("scale", "deployment/web", "--replicas=5", "-n", "shop")
    assert "annotated" in await hub.kubectl("annotate", "deployment/web", "note=hello", "-n", "shop")
    shown = await hub.kubectl("get", "deployment", "web", "-n", "shop", "-o", "jsonpath={.spec.replicas} {.metadata.annotations.note}")
    assert shown == "5 hello"
    assert "registry.example/web:1" in await hub.kubectl("describe", "deployment/web", "-n", "shop")
    assert "deleted" in await hub.kubectl("delete", "deployment/web", "-n", "shop", "--wait=false")
    assert (
        await hub.kubectl("get", "deployment", "web", "-n", "shop", "-o", "jsonpath={.metadata.finalizers}") == '["shoal.dev/propagation"]'
    )


# "A template update event that changes only status, managedFields or resourceVersion is ignored." (R1.13) What the scheduler and the renderer
# go by is the content revision, and what people ask for is the change; neither moves.
@pytest.mark.spec("R1.13", "R6.14")
async def test_status_and_field_managers_are_no_new_content(hub) -> None:
    await hub.kubectl("apply", "--server-side", "-f", "-", stdin=SHOP)
    stood = await hub.object(WEB)
    patch = '{"status":{"replicas":2,"observedGeneration":1}}'
    await hub.kubectl("patch", "deployment", "web", "-n", "shop", "--subresource=status", "--type=merge", "-p", patch)
    noted = await hub.object(WEB)
    assert noted.body["status"]["replicas"] == 2
    assert noted.revision > stood.revision
    await hub.kubectl("apply", "--server-side", "--field-manager=ci", "-f", "-", stdin=SHOP)
    managed = await hub.object(WEB)
    assert "ci" in [entry["manager"] for entry in managed.body["metadata"]["managedFields"]]
    assert managed.revision > noted.revision
    assert [(entry.content, entry.change) for entry in (noted, managed)] == [(stood.content, stood.change)] * 2
    assert managed.body["metadata"]["generation"] == stood.body["metadata"]["generation"]
    await hub.kubectl("label", "deployment", "web", "-n", "shop", "tier=front")
    labelled = await hub.object(WEB)
    assert labelled.content == labelled.revision
    assert labelled.change != stood.change


async def test_kinds_of_karmada_and_our_own_are_served(hub) -> None:
    await hub.kubectl("apply", "-f", "-", stdin=SHOP)
    await hub.kubectl("apply", "-f", "-", stdin=POLICY)
    assert "Abort" in await hub.kubectl("get", "pp", "-n", "shop")
    assert "clusterNames" in await hub.kubectl("explain", "pp.spec.placement.clusterAffinity")
    for name in ("clusters", "rb", "crb", "works", "cop", "op", "cpp", "failoverpolicies", "changes", "applications"):
        await hub.kubectl("get", name, "-A")


@pytest.mark.parametrize(
    ("manifest", "told"),
    [
        pytest.param(POLICY.replace("clusterNames", "clusterName"), "clusterName", id="unknown-field-of-a-policy"),
        pytest.param(DEPLOYMENT.replace("image:", "imagee:"), "imagee", id="unknown-field-of-a-deployment"),
        pytest.param(
            DEPLOYMENT.replace("selector: {matchLabels: {app: web}}", "selector: {matchLabels: {app: x}}"), "selector", id="selector"
        ),
        pytest.param(DEPLOYMENT.replace("namespace: shop", "namespace: nowhere"), '"nowhere" not found', id="no-namespace"),
        pytest.param(DEPLOYMENT.replace("namespace: shop", "namespace: shoal-system"), "reserved", id="reserved-namespace"),
        pytest.param(
            "apiVersion: shoal.dev/v1alpha1\nkind: Change\nmetadata: {name: x}\n", "the server does not allow this method", id="read-only"
        ),
    ],
)
async def test_refusals_say_what_is_wrong(hub, manifest: str, told: str) -> None:
    await hub.kubectl("apply", "-f", "-", stdin=NAMESPACE)
    assert told in await hub.kubectl("create", "-f", "-", stdin=manifest, fails=True)


async def test_a_namespace_that_holds_objects_is_not_deleted(hub) -> None:
    await hub.kubectl("apply", "-f", "-", stdin=SHOP)
    told = await hub.kubectl("delete", "namespace", "shop", fails=True)
    assert "still holds 1 objects (Deployment web)" in told
    assert "may not be deleted" in await hub.kubectl("delete", "namespace", "default", fails=True)


@pytest.mark.spec("W04", "R15.11")
async def test_deletion_protection(hub) -> None:
    await hub.kubectl("apply", "-f", "-", stdin=SHOP)
    await hub.kubectl("label", "deployment/web", "-n", "shop", "resourcetemplate.karmada.io/deletion-protected=Always")
    assert "make sure to remove the label" in await hub.kubectl("delete", "deployment/web", "-n", "shop", fails=True)


async def test_aggregated_status_is_shown_while_a_binding_claims_the_object(hub) -> None:
    await hub.kubectl("apply", "-f", "-", stdin=SHOP)
    waiting = asyncio.create_task(hub.kubectl("wait", "--for=condition=Available", "deployment/web", "-n", "shop", "--timeout=15s"))
    await hub.bind(WEB, "m1")
    status = {"replicas": 2, "readyReplicas": 2, "availableReplicas": 2, "conditions": [{"type": "Available", "status": "True"}]}
    await hub.tell(WEB, CopyStatus(cluster="m1", applied=True, health="Healthy"), status=status)
    assert "condition met" in await waiting
    before = await hub.object(WEB)
    # It comes back in a PUT and is dropped: nothing is written, since nothing of the user's changed.
    path = "/apis/apps/v1/namespaces/shop/deployments/web"
    _, shown = await hub.get(path)
    assert shown["status"]["readyReplicas"] == 2
    assert (await hub.send("PUT", path, shown))[0] == 200
    assert (await hub.object(WEB)).revision == before.revision
    # Status that the monitor writes meanwhile is no conflict for a user who saw the object's own last write.
    await hub.tell(WEB, CopyStatus(cluster="m1", applied=True, health="Healthy"), status=status | {"readyReplicas": 1})
    shown["spec"]["replicas"] = 3
    assert (await hub.send("PUT", path, shown))[0] == 200
    assert not (await hub.object(WEB)).body.get("status")


async def test_bindings_and_works_are_shown_in_karmadas_shapes(hub) -> None:
    await hub.kubectl("apply", "-f", "-", stdin=SHOP)
    await hub.bind(WEB, "m1")
    await hub.tell(WEB, CopyStatus(cluster="m1", applied=True, health="Healthy"))
    await hub.render(WEB, "m1", "memberone")
    shown = await hub.kubectl(
        "get", "rb", "web-deployment", "-n", "shop", "-o", "jsonpath={.spec.clusters} {.status.aggregatedStatus[0].health}"
    )
    assert shown == '[{"name":"m1","replicas":2}] Healthy'
    assert "web-" in await hub.kubectl("get", "works", "-n", "karmada-es-m1")
    assert "does not allow this method" in await hub.kubectl("delete", "rb", "web-deployment", "-n", "shop", fails=True)


async def test_deletion_waits_for_facts_and_ends(hub) -> None:
    await hub.kubectl("apply", "-f", "-", stdin=SHOP)
    await hub.bind(WEB, "m1")
    await hub.kubectl("delete", "deployment/web", "-n", "shop", "--wait=false")
    status = (await hub.get("/api/status"))[1]
    assert {"subject": str(WEB), "message": "is being deleted: waits for m1"} in status["problems"]
    gone = asyncio.create_task(hub.kubectl("wait", "--for=delete", "deployment/web", "-n", "shop", "--timeout=15s"))
    await hub.bind(WEB, deleted=True)
    await hub.tell(WEB)
    await gone
    # Its name is free again, over the tombstone.
    assert "created" in await hub.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    assert "unchanged" in await hub.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)


async def test_restart_keeps_everything(hub) -> None:
    await hub.kubectl("apply", "-f", "-", stdin=SHOP)
    before = await hub.kubectl("get", "deployment", "web", "-n", "shop", "-o", "json")
    await hub.restart()
    assert await hub.kubectl("get", "deployment", "web", "-n", "shop", "-o", "json") == before
    assert "unchanged" in await hub.kubectl("apply", "-f", "-", stdin=SHOP)


async def test_concurrent_writers_lose_nothing(hub) -> None:
    await hub.kubectl("apply", "-f", "-", stdin=SHOP)
    path = "/apis/apps/v1/namespaces/shop/deployments/web"

    async def annotate(number: int) -> int:
        patch = {"metadata": {"annotations": {f"writer-{number}": "was-here"}}}
        for _ in range(20):
            status, _ = await hub.send("PATCH", path, patch, media="application/merge-patch+json")
            if status != 409:
                return status
        return status

    assert await asyncio.gather(*(annotate(number) for number in range(20))) == [200] * 20
    _, shown = await hub.get(path)
    assert {f"writer-{number}" for number in range(20)} <= shown["metadata"]["annotations"].keys()


async def test_change_ids_and_content_revisions(hub) -> None:
    await hub.kubectl("apply", "-f", "-", stdin=SHOP)
    first = await hub.object(WEB)
    assert len(first.change) == 26
    assert first.author.startswith("anonymous/kubectl")
    status = {"status": {"observedGeneration": 1}}
    assert (await hub.send("PATCH", "/apis/apps/v1/namespaces/shop/deployments/web/status", status, media="application/merge-patch+json"))[
        0
    ] == 200
    second = await hub.object(WEB)
    assert (second.content, second.change) == (first.content, first.change)
    assert second.revision > first.revision
    await hub.kubectl("scale", "deployment/web", "--replicas=3", "-n", "shop")
    third = await hub.object(WEB)
    assert third.content == third.revision
    assert third.change != first.change


M1 = Ref("cluster.karmada.io", "Cluster", "", "m1")
CLUSTER = """
apiVersion: cluster.karmada.io/v1alpha1
kind: Cluster
metadata: {name: m1}
spec: {provider: alpha, region: eu, taints: [{key: gpu, effect: NoSchedule}]}
"""


async def test_a_cluster_shows_what_is_believed_of_it(hub) -> None:
    await hub.kubectl("apply", "-f", "-", stdin=CLUSTER)
    await hub.believe("m1", "Lost", taints=(Taint(key="unreachable", effect="NoSchedule"),))
    path = "/apis/cluster.karmada.io/v1alpha1/clusters/m1"
    shown = await hub.eventually(path, lambda one: len(one["spec"]["taints"]) == 2)
    assert shown["spec"]["taints"][1] == {"key": "unreachable", "effect": "NoSchedule"}
    assert "Unknown" in await hub.kubectl("get", "clusters")
    # The belief's taint comes back in a PUT and in an apply, and is not the user's.
    shown["metadata"]["labels"] = {"env": "prod"}
    assert (await hub.send("PUT", path, shown))[0] == 200
    stored = (await hub.object(M1)).body
    assert stored["spec"]["taints"] == [{"key": "gpu", "effect": "NoSchedule"}]
    assert "status" not in stored
    await hub.believe("m1", "Ready")
    assert len((await hub.eventually(path, lambda one: len(one["spec"]["taints"]) == 1))["spec"]["taints"]) == 1
    problems = (await hub.get("/api/status"))[1]["problems"]
    assert problems == []


async def test_a_cluster_goes_when_no_binding_lists_it(hub) -> None:
    await hub.kubectl("apply", "-f", "-", stdin=SHOP + "---" + CLUSTER)
    await hub.bind(WEB, "m1")
    await hub.kubectl("delete", "cluster", "m1", "--wait=false")
    told = await hub.eventually("/api/status", lambda one: any("1 bindings still list" in found["message"] for found in one["problems"]))
    assert told["clusters"][0]["deleting"]
    gone = asyncio.create_task(hub.kubectl("wait", "--for=delete", "cluster", "m1", "--timeout=15s"))
    await hub.bind(WEB, "m2")
    await gone


async def test_a_watch_follows_objects_and_resumes(hub) -> None:
    await hub.kubectl("apply", "-f", "-", stdin=SHOP)
    _, listed = await hub.get("/apis/apps/v1/namespaces/shop/deployments")
    version = listed["metadata"]["resourceVersion"]
    await hub.kubectl("scale", "deployment/web", "--replicas=3", "-n", "shop")
    await hub.bind(WEB, "m1")
    await hub.tell(WEB, CopyStatus(cluster="m1"), status={"readyReplicas": 1})
    await hub.kubectl("delete", "deployment/web", "-n", "shop", "--wait=false")
    await hub.bind(WEB, deleted=True)
    await hub.tell(WEB)
    seen: list[tuple[str, object]] = []
    async with hub.stream(
        f"/apis/apps/v1/namespaces/shop/deployments?watch=1&resourceVersion={version}", accept="application/json"
    ) as stream:
        async for line in stream.content:
            event = msgspec.json.decode(line)
            seen.append((event["type"], (event["object"].get("status") or {}).get("readyReplicas")))
            if event["type"] == "DELETED":
                break
    assert seen[0] == ("MODIFIED", None)
    assert ("MODIFIED", 1) in seen
    assert seen[-1][0] == "DELETED"


async def test_a_watch_from_before_the_restart_is_expired(hub) -> None:
    _, listed = await hub.get("/api/v1/namespaces")
    await hub.kubectl("apply", "-f", "-", stdin=SHOP)
    await hub.restart()
    path = f"/api/v1/namespaces?watch=1&resourceVersion={listed['metadata']['resourceVersion']}"
    async with hub.stream(path, accept="application/json") as stream:
        event = msgspec.json.decode(await stream.content.readline())
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)


async def test_tokens(server, tmp_path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("secret ann\n")
    async with running(server, tmp_path, tokens_file=str(tokens)) as hub:
        assert (await hub.get("/readyz"))[0] == 200
        assert (await hub.get("/api/status"))[0] == 401
        assert (await hub.get("/api/v1/namespaces"))[1]["reason"] == "Unauthorized"
        assert (await hub.get("/api/status", Authorization="Bearer secret"))[0] == 200
        # Over HTTP, since kubectl shows a token to nobody but HTTPS.
        body = {"metadata": {"name": "shop"}}
        assert (await hub.send("POST", "/api/v1/namespaces?fieldManager=me", body, Authorization="Bearer secret"))[0] == 201
        assert (await hub.object(Ref("", "Namespace", "", "shop"))).author == "ann/me"


async def test_the_bus_restarts_under_it(server, hub) -> None:
    await hub.kubectl("apply", "-f", "-", stdin=SHOP)
    server.kill()
    server.start()
    await until(lambda: hub.service.ready()[0])
    assert "web" in await hub.kubectl("get", "deployment", "web", "-n", "shop")
    assert "scaled" in await hub.kubectl("scale", "deployment/web", "--replicas=4", "-n", "shop")


async def test_dry_run_writes_nothing(hub) -> None:
    await hub.kubectl("apply", "-f", "-", stdin=NAMESPACE)
    assert "created (server dry run)" in await hub.kubectl("apply", "--dry-run=server", "-f", "-", stdin=DEPLOYMENT)
    assert "not found" in await hub.kubectl("get", "deployment", "web", "-n", "shop", fails=True)


async def test_definitions_make_kinds(hub) -> None:
    await hub.kubectl("apply", "-f", "-", stdin=NAMESPACE + "---" + DEFINITION)
    assert "created" in await hub.kubectl(
        "apply", "-f", "-", stdin="apiVersion: example.io/v1\nkind: Widget\nmetadata: {name: w, namespace: shop}\n"
    )
    await hub.restart()
    assert "w" in await hub.kubectl("get", "widgets", "-n", "shop")


DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.io}
spec:
  group: example.io
  names: {kind: Widget, plural: widgets, singular: widget}
  scope: Namespaced
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
"""


async def test_a_bus_that_is_away_is_said_in_time(server, tmp_path) -> None:
    async with running(server, tmp_path, request_timeout_s=0.5) as hub:
        await hub.kubectl("apply", "-f", "-", stdin=NAMESPACE)
        server.pause()
        try:
            status, answer = await hub.send("POST", "/api/v1/namespaces", {"metadata": {"name": "late"}})
            assert (status, answer["reason"]) == (503, "ServiceUnavailable")
            assert (await hub.deploy("1", version="1", manifests=[{}]))[0] in (422, 503)
        finally:
            server.resume()
        await until(lambda: hub.service.ready()[0])
        # Perhaps it was stored; asking again is safe.
        assert (await hub.send("POST", "/api/v1/namespaces", {"metadata": {"name": "late"}}))[0] in (201, 409)
