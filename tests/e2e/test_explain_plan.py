"""Before a deploy: plan. After it: explain. Later: replay. With the command line, against real processes; what was foretold happens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.machine import Machine, eventually

SHOP = """
apiVersion: v1
kind: Namespace
metadata: {name: plan}
---
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {name: near, namespace: plan}
spec:
  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]
  propagateDeps: true
  failover: {cluster: {purgeMode: Gracefully}}
  placement:
    clusterAffinity: {fieldSelector: {matchExpressions: [{key: provider, operator: In, values: [alpha]}]}}
    spreadConstraints: [{spreadByField: cluster, minGroups: 1, maxGroups: 1}]
---
apiVersion: policy.karmada.io/v1alpha1
kind: ClusterPropagationPolicy
metadata: {name: anywhere}
spec:
  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment, namespace: plan}]
---
apiVersion: policy.karmada.io/v1alpha1
kind: OverridePolicy
metadata: {name: mirror, namespace: plan}
spec:
  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]
  overrideRules:
    - overriders:
        imageOverrider: [{component: Registry, operator: replace, value: mirror.example}]
---
apiVersion: v1
kind: Secret
metadata: {name: token, namespace: plan, labels: {shoal.dev/application: plan}}
data: {token: b25l}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: plan, labels: {shoal.dev/application: plan}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: "registry.example/web:1", envFrom: [{secretRef: {name: token}}]}]
"""
NEXT = SHOP.replace("web:1", "web:2").replace("replicas: 2", "replicas: 3").replace("b25l", "dHdv")
WEB = "apps/Deployment/plan/web"


@pytest.fixture(scope="module", autouse=True)
def deployed(hub: Machine) -> None:
    hub.shoal("deploy", "-f", "-", "--app", "plan", "--id", "1", "--source", "ci", stdin=SHOP)


def told(hub: Machine, *arguments: str, code: int = 0, stdin: str = "") -> Any:
    return json.loads(hub.shoal(*arguments, "-o", "json", code=code, stdin=stdin).stdout)


def revision(hub: Machine) -> int:
    return int(hub.hub.get("/api/status")["revision"])


def test_explain_names_policy_losers_overrides_and_reasons_of_now(hub: Machine) -> None:
    found = told(hub, "explain", "deployment/web", "-n", "plan")
    assert found["policy"] == "policy.karmada.io/PropagationPolicy/plan/near"
    assert list(found["lostPolicies"]) == ["ClusterPropagationPolicy/anywhere"]
    (place,) = found["clusters"]
    assert place["cluster"] in ("m1", "m2")
    assert [(one["policy"], one["value"]) for one in place["overrides"]] == [("OverridePolicy/plan/mirror", "mirror.example")]
    assert [(one["cluster"], one["reason"]) for one in found["rejected"]] == [("m3", "AffinityMismatch")]
    assert [one["cluster"] for one in found["now"]["rejected"]] == ["m3"]
    assert {one["cluster"] for one in found["now"]["fitting"]} == {"m1", "m2"}
    shown = hub.shoal("explain", "plan").stdout
    assert "not ClusterPropagationPolicy/anywhere: a namespaced policy goes before every cluster policy" in shown
    assert "fits, not needed" in shown
    assert "mirror.example" in shown


def test_a_plan_writes_nothing_and_the_deploy_does_what_it_says(hub: Machine) -> None:
    before = revision(hub)
    plan = told(hub, "plan", "-f", "-", "--app", "plan", "--id", "2", "--source", "ci", stdin=NEXT)
    assert revision(hub) == before
    (web,) = (one for one in plan["manifests"] if one["ref"] == WEB)
    fields = {one["path"]: (one["before"], one["after"]) for one in web["fields"]}
    image = "spec.template.spec.containers[web].image"
    assert fields == {"spec.replicas": (2, 3), image: ("mirror.example/web:1", "mirror.example/web:2")}
    (secret,) = (one for one in plan["manifests"] if one["ref"] == "Secret/plan/token")
    assert secret["fields"] == [{"path": "data.token", "secret": True}]
    shown = hub.shoal("plan", "-f", "-", "--app", "plan", "--source", "ci", stdin=NEXT).stdout
    assert "spec.replicas: 2 -> 3" in shown
    assert "data.token: changed" in shown
    assert "dHdv" not in shown + json.dumps(plan)
    hub.shoal("deploy", "-f", "-", "--app", "plan", "--id", "2", "--source", "ci", stdin=NEXT)
    copy = hub.objects(web["cluster"], "deployments", "plan")["web"]
    assert copy["spec"]["replicas"] == 3
    assert copy["spec"]["template"]["spec"]["containers"][0]["image"] == "mirror.example/web:2"
    again = told(hub, "plan", "-f", "-", "--app", "plan", "--source", "ci", stdin=NEXT)
    assert set(again) == {"revision"}, "the same again changes nothing"


def test_refusals_are_exit_code_1_and_say_what_to_write(hub: Machine) -> None:
    bad = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: bad, namespace: nowhere}, spec: {}}"
    plan = told(hub, "plan", "-f", "-", "--app", "plan", stdin=bad, code=1)
    assert plan["refused"]
    assert "nowhere" in plan["refused"][0]["message"] or plan["refused"][0]["violations"]


def test_replay_of_the_first_decision_and_with_another_policy(hub: Machine, tmp_path: Path) -> None:
    (now,) = (one for one in told(hub, "replay", "plan")["replays"] if one["ref"] == WEB)
    assert now["same"]
    assert now["agedOut"] == []
    first = told(hub, "replay", "deployment/web", "-n", "plan", "--at", str(now["revision"] - 1))["replays"][0]
    assert first["same"]
    assert [one["replicas"] for one in first["recordedDecision"]["clusters"]] == [2]
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "apiVersion: policy.karmada.io/v1alpha1\nkind: PropagationPolicy\nmetadata: {name: near, namespace: plan}\n"
        "spec: {resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}], placement: {clusterAffinity: {clusterNames: [m3]}}}\n"
    )
    other = told(hub, "replay", "deployment/web", "-n", "plan", "--policy", str(policy))["replays"][0]
    assert not other["same"]
    assert [one["cluster"] for one in other["replayedDecision"]["clusters"]] == ["m3"]
    assert "REPLAYED" in hub.shoal("replay", "deployment/web", "-n", "plan", "--policy", str(policy)).stdout


PICKY = """
apiVersion: v1
kind: Namespace
metadata: {name: picky}
---
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {name: near, namespace: picky}
spec:
  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]
  placement:
    clusterAffinity: {clusterNames: [m1, m2]}
    replicaScheduling: {replicaSchedulingType: Divided, replicaDivisionPreference: Aggregated}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db, namespace: picky, labels: {shoal.dev/application: picky}}
spec:
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      nodeSelector: {disk: ssd}
      tolerations: [{key: disk, operator: Exists}]
      containers: [{name: db, image: "registry.example/db:1", resources: {requests: {cpu: "1"}}}]
"""


@pytest.mark.spec("Q02", "R4.15", "R4.19")
def test_a_plan_asks_the_agents_and_the_deploy_hears_the_same(hub: Machine) -> None:
    """By sums m1 takes both replicas; its one node with a fast disk is tainted for others, so that its agent says none."""
    for member, taint in (("m1", "team=other:NoSchedule"), ("m2", "disk=fast:NoSchedule")):
        node = min(hub.objects(member, "nodes"))
        hub.kubectl("label", "node", node, "disk=ssd", member=member)
        hub.kubectl("taint", "node", node, taint, member=member)
    plan = told(hub, "plan", "-f", "-", "--app", "picky", "--id", "picky-1", "--source", "ci", stdin=PICKY)
    (db,) = (one for one in plan["placements"] if one["ref"] == "apps/Deployment/picky/db")
    (estimates,) = plan["estimates"]
    assert db["after"] == {"m2": 2}
    assert (estimates["ref"], estimates["rooms"]["m1"]) == (db["ref"], 0)
    assert estimates["rooms"]["m2"] >= 2
    shown = hub.shoal("plan", "-f", "-", "--app", "picky", "--id", "picky-1", "--source", "ci", stdin=PICKY).stdout
    assert f"estimates: m1 0, m2 {estimates['rooms']['m2']} (asked of the agents)" in shown
    hub.shoal("deploy", "-f", "-", "--app", "picky", "--id", "picky-1", "--source", "ci", stdin=PICKY)
    assert hub.objects("m2", "deployments", "picky")["db"]["spec"]["replicas"] == 2
    assert hub.objects("m1", "deployments", "picky") == {}
    (again,) = (one for one in told(hub, "replay", "picky")["replays"] if one["ref"] == db["ref"])
    assert again["same"], "the answers of then are recorded"


def test_a_cluster_that_would_be_lost_and_then_is(hub: Machine, tmp_path: Path) -> None:
    where = told(hub, "explain", "deployment/web", "-n", "plan")["clusters"][0]["cluster"]
    plan = told(hub, "plan", "--cluster-down", where)
    moves = {one["ref"]: one for one in plan["placements"]}
    (foretold,) = moves[WEB]["after"]
    assert moves[WEB]["before"] == {where: 3}
    assert foretold != where
    assert list(moves["Secret/plan/token"]["after"]) == [foretold]
    cluster = tmp_path / "m9.yaml"
    cluster.write_text(
        "apiVersion: cluster.karmada.io/v1alpha1\nkind: Cluster\nmetadata: {name: m9}\nspec: {provider: alpha, region: eu}\n"
    )
    joined = told(hub, "plan", "--cluster-join", str(cluster))
    assert {one["ref"] for one in joined["placements"]} >= {"Namespace/plan"}
    hub.shoal("member", "stop", where)
    found = eventually(
        lambda: [one["cluster"] for one in told(hub, "explain", "deployment/web", "-n", "plan")["clusters"]] == [foretold],
        limit_s=60,
        what=f"the move to {foretold} that was foretold",
    )
    assert found
    copy = eventually(lambda: hub.objects(foretold, "deployments", "plan").get("web"), limit_s=30, what="the copy there")
    assert copy["spec"]["replicas"] == 3
    hub.shoal("member", "start", where)
