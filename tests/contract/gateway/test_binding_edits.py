"""What users say on a ResourceBinding, and WorkloadRebalancers, through the hub's API."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from shoal.api.binding import Removal
from shoal.api.meta import Ref
from shoal.api.status import CopyStatus
from shoal.messages.catalogue import OBJECT
from support.servers import eventually

from .test_kubectl import SHOP, WEB

EDITS = Ref("work.karmada.io", "ResourceBinding", "shop", "web-deployment")
PATH = "/apis/work.karmada.io/v1alpha2/namespaces/shop/resourcebindings/web-deployment"
MERGE = "application/merge-patch+json"


async def placed(hub) -> None:
    await hub.kubectl("apply", "-f", "-", stdin=SHOP)
    await hub.bind(WEB, "m1", "m2", removals={"m3": Removal(reason="ClusterLost", author="health-monitor", wait_for="ReplacementReady")})
    await hub.eventually(PATH, lambda told: told["kind"] == "ResourceBinding")


@pytest.mark.spec("B24", "R3.1")
async def test_suspending_the_scheduling(hub) -> None:
    await placed(hub)
    patch = '{"spec":{"suspension":{"scheduling":true}}}'
    assert "patched" in await hub.kubectl("patch", "rb", "web-deployment", "-n", "shop", "--type=merge", "-p", patch)
    status, shown = await hub.get(PATH)
    assert (status, shown["spec"]["suspension"]) == (200, {"scheduling": True})
    stored = await hub.object(EDITS)
    template = await hub.object(WEB)
    assert (stored.uid, stored.body["spec"]["suspension"]) == (template.uid, {"scheduling": True})
    assert "no change" in await hub.kubectl("patch", "rb", "web-deployment", "-n", "shop", "--type=merge", "-p", patch)
    await hub.kubectl("patch", "rb", "web-deployment", "-n", "shop", "--type=merge", "-p", '{"spec":{"suspension":null}}')
    assert "suspension" not in (await hub.get(PATH))[1]["spec"]
    assert (await hub.object(EDITS)).deleted


@pytest.mark.spec("N08")
async def test_eviction_tasks(hub) -> None:
    await placed(hub)
    _, shown = await hub.get(PATH)
    (ours,) = shown["spec"]["gracefulEvictionTasks"]
    tasks = [{**ours, "suppressDeletion": True}, {"fromCluster": "m1", "reason": "Maintenance"}]
    status, after = await hub.send("PUT", PATH, {**shown, "spec": {**shown["spec"], "gracefulEvictionTasks": tasks}})
    assert (status, [task["fromCluster"] for task in after["spec"]["gracefulEvictionTasks"]]) == (200, ["m1", "m3"])
    stored = (await hub.object(EDITS)).body["spec"]["gracefulEvictionTasks"]
    assert [(task["fromCluster"], task.get("suppressDeletion")) for task in stored] == [("m1", None), ("m3", True)]
    # The one who saw the binding before that is told so.
    status, told = await hub.send("PUT", PATH, {**shown, "spec": {**shown["spec"], "suspension": {"scheduling": True}}})
    assert (status, told["reason"]) == (409, "Conflict")


@pytest.mark.spec("N05", "R6.2", "R13.3")
async def test_a_user_answers_for_a_copy_that_has_to_go_first(hub) -> None:
    await hub.kubectl("apply", "-f", "-", stdin=SHOP)
    await hub.bind(WEB, "m2", removals={"m1": Removal(reason="ClusterLost", author="health-monitor", first=True)})
    await hub.tell(WEB, CopyStatus(cluster="m2", reason="Applying"), applied=False)
    waits = "new copies wait until m1 said that the old one is gone (purgeMode Directly)"
    told = await hub.eventually(PATH, lambda told: waits in str(told["status"]["conditions"]))
    assert [(task["fromCluster"], task["purgeMode"]) for task in told["spec"]["gracefulEvictionTasks"]] == [("m1", "Directly")]
    patch = '[{"op":"remove","path":"/spec/gracefulEvictionTasks/0"}]'
    await hub.kubectl("patch", "rb", "web-deployment", "-n", "shop", "--type=json", "-p", patch)
    stored = (await hub.object(EDITS)).body["spec"]["gracefulEvictionTasks"]
    assert [(task["fromCluster"], task["suppressDeletion"]) for task in stored] == [("m1", False)]


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        pytest.param({"spec": {"clusters": [{"name": "m9"}]}}, "spec.clusters", id="targets"),
        pytest.param({"spec": {"suspension": {"dispatching": True}}}, "spec.suspension.dispatching", id="of-the-policy"),
        pytest.param({"spec": {"gracefulEvictionTasks": [{}]}}, "spec.gracefulEvictionTasks[0].fromCluster", id="no-cluster"),
        pytest.param(
            {"spec": {"gracefulEvictionTasks": [{"fromCluster": "m1", "gracePeriodSeconds": "60"}]}},
            "spec.gracefulEvictionTasks[0].gracePeriodSeconds",
            id="no-number-of-seconds",
        ),
    ],
)
async def test_everything_else_is_refused_with_the_field(hub, patch, field) -> None:
    await placed(hub)
    status, told = await hub.send("PATCH", PATH, patch, media=MERGE)
    assert (status, [cause["field"] for cause in told["details"]["causes"]]) == (422, [field])
    assert await hub.entries.read(OBJECT, EDITS) is None


async def test_a_watch_sees_the_binding_and_never_what_is_stored(hub) -> None:
    await placed(hub)
    _, listed = await hub.get("/apis/work.karmada.io/v1alpha2/resourcebindings")
    version = listed["metadata"]["resourceVersion"]
    async with hub.stream(
        f"/apis/work.karmada.io/v1alpha2/resourcebindings?watch=1&resourceVersion={version}", accept="application/json"
    ) as told:
        await hub.send("PATCH", PATH, {"spec": {"suspension": {"scheduling": True}}}, media=MERGE)
        event = msgspec.json.decode(await asyncio.wait_for(told.content.readline(), 10))
    assert (event["type"], event["object"]["spec"]["suspension"], event["object"]["spec"]["replicas"]) == (
        "MODIFIED",
        {"scheduling": True},
        2,
    )


async def test_it_goes_with_its_template(hub) -> None:
    await placed(hub)
    await hub.send("PATCH", PATH, {"spec": {"suspension": {"scheduling": True}}}, media=MERGE)
    await hub.kubectl("delete", "deployment/web", "-n", "shop", "--wait=false")
    await hub.bind(WEB, deleted=True)
    await hub.tell(WEB)
    await hub.eventually("/apis/apps/v1/namespaces/shop/deployments/web", lambda told: told.get("code") == 404)

    async def gone() -> bool:
        return (await hub.object(EDITS)).deleted

    await eventually(gone)
    assert "deleted" in await hub.kubectl("delete", "namespace", "shop", "--wait=false")


REBALANCER = """
apiVersion: apps.karmada.io/v1alpha1
kind: WorkloadRebalancer
metadata: {name: again}
spec:
  ttlSecondsAfterFinished: 0
  workloads:
    - {apiVersion: apps/v1, kind: Deployment, namespace: shop, name: web}
    - {apiVersion: apps/v1, kind: Deployment, namespace: shop, name: missing}
"""
REBALANCERS = "/apis/apps.karmada.io/v1alpha1/workloadrebalancers"


@pytest.mark.spec("A13", "Q06", "R15.3")
async def test_a_rebalancer_is_followed_and_goes(hub) -> None:
    await placed(hub)
    lasting = REBALANCER.replace("ttlSecondsAfterFinished: 0", "ttlSecondsAfterFinished: 600")
    await hub.kubectl("apply", "-f", "-", stdin=lasting)

    def results(told):
        return [(one["workload"]["name"], one.get("result", "")) for one in told.get("status", {}).get("observedWorkloads", ())]

    await hub.eventually(f"{REBALANCERS}/again", lambda told: results(told) == [("missing", "Failed"), ("web", "")])
    await hub.bind(WEB, "m1", rescheduled_at="2099-01-01T00:00:00Z")
    await hub.passed()
    told = await hub.eventually(f"{REBALANCERS}/again", lambda told: results(told) == [("missing", "Failed"), ("web", "Successful")])
    assert told["status"]["finishTime"]
    await hub.kubectl("apply", "-f", "-", stdin=REBALANCER)
    await hub.eventually(f"{REBALANCERS}/again", lambda told: told.get("code") == 404)


@pytest.mark.spec("A13")
async def test_a_rebalancer_of_nothing_is_refused(hub) -> None:
    said = await hub.kubectl("apply", "-f", "-", stdin=REBALANCER.partition("  workloads")[0], fails=True)
    assert "spec.workloads" in said


QUOTA = """
apiVersion: policy.karmada.io/v1alpha1
kind: FederatedResourceQuota
metadata: {name: all, namespace: shop}
spec: {overall: {cpu: "4", pods: 10}}
"""


@pytest.mark.spec("A05", "R02", "R15.2")
async def test_a_federated_quota_tells_what_is_used(hub) -> None:
    await placed(hub)
    await hub.kubectl("apply", "-f", "-", stdin=QUOTA)
    path = "/apis/policy.karmada.io/v1alpha1/namespaces/shop/federatedresourcequotas/all"
    told = await hub.eventually(path, lambda told: told.get("status", {}).get("overallUsed", {}).get("pods") == "4")
    assert told["status"]["overall"] == {"cpu": "4", "pods": "10"}
    await hub.bind(WEB, "m1")
    await hub.eventually(path, lambda told: told["status"]["overallUsed"]["pods"] == "2")


PARTS = """
apiVersion: policy.karmada.io/v1alpha1
kind: FederatedResourceQuota
metadata: {name: all, namespace: shop}
spec:
  overall: {cpu: "4"}
  staticAssignments:
    - {clusterName: m1, hard: {cpu: "1"}}
    - {clusterName: m2, hard: {cpu: "2"}}
"""


@pytest.mark.spec("R01", "R03", "R15.2")
async def test_a_federated_quotas_parts_are_placed_and_go_with_it(hub) -> None:
    await hub.kubectl("apply", "-f", "-", stdin=SHOP)
    await hub.kubectl("apply", "-f", "-", stdin=PARTS)
    policies = "/apis/policy.karmada.io/v1alpha1/namespaces/shop"
    part = "/api/v1/namespaces/shop/resourcequotas/all"
    await hub.eventually(part, lambda told: told.get("spec") == {"hard": {"cpu": "1"}})
    _, policy = await hub.get(f"{policies}/propagationpolicies/quota-all")
    assert policy["spec"]["placement"]["clusterAffinity"]["clusterNames"] == ["m1", "m2"]
    _, override = await hub.get(f"{policies}/overridepolicies/quota-all")
    assert [rule["overriders"]["plaintext"][0]["value"] for rule in override["spec"]["overrideRules"]] == [{"cpu": "1"}, {"cpu": "2"}]
    ref, made = Ref("", "ResourceQuota", "shop", "all"), Ref("policy.karmada.io", "PropagationPolicy", "shop", "quota-all")
    await hub.bind(ref, "m1", "m2")
    await hub.tell(ref, CopyStatus(cluster="m1", applied=True, status={"hard": {"cpu": "1"}, "used": {"cpu": "250m"}}))
    quota = f"{policies}/federatedresourcequotas/all"
    told = await hub.eventually(quota, lambda told: told.get("status", {}).get("aggregatedStatus", [{}])[0].get("used") == {"cpu": "250m"})
    assert told["status"]["aggregatedStatus"][1] == {"clusterName": "m2", "hard": {"cpu": "2"}}
    revision = (await hub.object(made)).revision
    await hub.kubectl("patch", "frq", "all", "-n", "shop", "--type=merge", "-p", '{"spec":{"overall":{"cpu":"5"}}}')
    await hub.eventually(quota, lambda told: told["status"]["overall"] == {"cpu": "5"})
    assert (await hub.object(made)).revision == revision, "what is as wanted is not written again"
    await hub.kubectl("delete", "frq", "all", "-n", "shop")
    await hub.eventually(f"{policies}/overridepolicies/quota-all", lambda told: told.get("code") == 404)
    await hub.eventually(part, lambda told: bool(told.get("metadata", {}).get("deletionTimestamp")))
