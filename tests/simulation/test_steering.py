"""Actions of Remedies and taints of ClusterTaintPolicies come and go with the conditions of a cluster, whoever wrote these."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import structlog

from shoal.api.meta import Ref
from shoal.messages.catalogue import BELIEF
from support.virtual import VirtualLoop
from support.world import World

DNS = "ServiceDomainNameResolutionReady"
STATUS = "/apis/cluster.karmada.io/v1alpha1/clusters/m1/status"
ACTS = ("TrafficControl",)


def remedy(kind: str, name: str) -> dict[str, Any]:
    match = {"clusterConditionMatch": {"conditionType": kind, "operator": "NotEqual", "conditionStatus": "True"}}
    spec = {"decisionMatches": [match], "actions": list(ACTS)}
    return {"apiVersion": "remedy.karmada.io/v1alpha1", "kind": "Remedy", "metadata": {"name": name}, "spec": spec}


def taint_policy() -> dict[str, Any]:
    """Without names nothing new is to come."""
    condition = {"conditionType": DNS, "statusValues": ["True"]}
    spec = {
        "addOnConditions": [condition | {"operator": "NotIn"}],
        "removeOnConditions": [condition | {"operator": "In"}],
        "taints": [{"key": "no-names", "effect": "NoSchedule"}],
    }
    return {"apiVersion": "policy.karmada.io/v1alpha1", "kind": "ClusterTaintPolicy", "metadata": {"name": "names"}, "spec": spec}


def taints(world: World, cluster: str) -> tuple[str, ...]:
    return tuple(taint.key for taint in world.view.get(BELIEF, Ref("cluster.karmada.io", "Cluster", "", cluster)).body.taints)


def actions(world: World, cluster: str) -> tuple[str, ...]:
    return tuple(world.view.get(BELIEF, Ref("cluster.karmada.io", "Cluster", "", cluster)).body.status.remedy_actions)


async def scenario(seed: int) -> None:
    async with World(seed, {"m1": ("alpha", "eu"), "m2": ("alpha", "eu")}) as world:
        await world.until(world.clusters_ready, limit_s=60, what="both clusters ready")
        data: dict[str, Any] = {"application": "remedies", "manifests": [remedy("Ready", "lost"), remedy(DNS, "no-names"), taint_policy()]}
        await world.deploy({"id": "1", "source": "ci", "data": data})
        assert (actions(world, "m1"), actions(world, "m2")) == ((), ())

        await world.patch(STATUS, {"status": {"conditions": [{"type": DNS, "status": "False"}]}})
        await world.until(lambda: actions(world, "m1") == ACTS, limit_s=5, what="an action from a condition that a detector wrote")
        assert (taints(world, "m1"), taints(world, "m2")) == (("no-names",), ())
        world.lose("m2")
        await world.until(lambda: actions(world, "m2") == ACTS, limit_s=60, what="an action for the lost cluster")
        await world.processes["health-monitor"].crash()
        world.processes["health-monitor"].start()
        world.bring_back("m2")
        await world.until(lambda: actions(world, "m2") == (), limit_s=120, what="no action once it is back")
        assert actions(world, "m1") == ACTS

        await world.patch(STATUS, {"status": {"conditions": [{"type": DNS, "status": "True"}]}})
        await world.until(lambda: taints(world, "m1") == (), limit_s=5, what="no taint once the condition is good")
        await world.patch(STATUS, {"status": {"conditions": [{"type": DNS, "status": "False"}]}})
        await world.until(lambda: taints(world, "m1") == ("no-names",), limit_s=5, what="the taint once more")

        gone = {
            "application": "remedies",
            "delete": [
                "remedy.karmada.io/v1alpha1/Remedy/no-names",
                "policy.karmada.io/v1alpha1/ClusterTaintPolicy/names",
            ],
        }
        await world.deploy({"id": "2", "source": "ci", "data": gone})
        await world.until(lambda: actions(world, "m1") == (), limit_s=5, what="no action without its Remedy")
        await world.until(lambda: taints(world, "m1") == (), limit_s=5, what="no taint without its policy")


@pytest.mark.spec("R15.5", "U05", "R10.6", "A06")
@pytest.mark.parametrize("number", range(3))
def test_actions_follow_conditions(number: int) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(asyncio.wait_for(scenario(number), 3600))
