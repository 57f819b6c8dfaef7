"""How many more pods fit, node by node."""

from __future__ import annotations

import pytest

from shoal.api.binding import Component, NodeClaim, ReplicaRequirements
from shoal.api.nodes import NodeRoom, QuotaRoom
from shoal.api.quantity import milli
from shoal.domain.estimating import admits, estimate

GPU = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}


def node(name="n1", *, pods=10, taints=(), labels=None, **free):
    return NodeRoom(
        name=name, labels=labels or {}, taints=taints, free={"pods": pods * 1000} | {key: milli(text) for key, text in free.items()}
    )


def needs(claim=None, priority="", **requests):
    return ReplicaRequirements(resource_request=requests, node_claim=claim, priority_class_name=priority)


def affinity(*terms):
    return NodeClaim(hard_node_affinity={"nodeSelectorTerms": list(terms)})


def expression(key, operator, *values):
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.spec("Q02", "R4.19")
@pytest.mark.parametrize(
    ("nodes", "requirements", "room"),
    [
        pytest.param((), needs(cpu="1"), 0, id="no-node"),
        pytest.param((node(cpu="2"), node(cpu="2")), needs(cpu="1500m"), 2, id="pieces-do-not-add-up"),
        pytest.param((node(cpu="8", pods=3),), needs(cpu="1"), 3, id="pods-limit"),
        pytest.param((node(pods=4), node(pods=3)), None, 7, id="no-requests"),
        pytest.param((node(cpu="4"),), needs(cpu="1", **{"nvidia.com/gpu": "1"}), 0, id="a-resource-that-is-not-there"),
        pytest.param((node(cpu="-1"),), needs(cpu="1"), 0, id="overcommitted-node"),
        pytest.param((node(cpu="4", taints=(GPU,)), node(cpu="1")), needs(cpu="1"), 1, id="a-taint"),
        pytest.param(
            (node(cpu="4", taints=(GPU,)), node(cpu="1")), needs(NodeClaim(tolerations=({"key": "gpu", "operator": "Exists"},)), cpu="1"), 5,
            id="tolerated",
        ),
        pytest.param(
            (node(cpu="4", labels={"disk": "ssd"}), node(cpu="2")), needs(NodeClaim(node_selector={"disk": "ssd"}), cpu="1"), 4, id="selector",
        ),
    ],
)  # fmt: skip
def test_replicas(nodes, requirements, room):
    assert estimate(nodes, (), requirements).room == room


@pytest.mark.spec("Q02", "R4.19")
@pytest.mark.parametrize(
    ("claim", "admitted"),
    [
        pytest.param(None, True, id="nothing-asked"),
        pytest.param(affinity(expression("zone", "In", "a", "b")), True, id="in"),
        pytest.param(affinity(expression("zone", "NotIn", "a")), False, id="not-in"),
        pytest.param(affinity(expression("none", "NotIn", "a")), True, id="not-in-of-a-missing-label"),
        pytest.param(affinity(expression("zone", "Exists")), True, id="exists"),
        pytest.param(affinity(expression("zone", "DoesNotExist")), False, id="does-not-exist"),
        pytest.param(affinity(expression("cores", "Gt", "7")), True, id="greater"),
        pytest.param(affinity(expression("cores", "Lt", "8")), False, id="less"),
        pytest.param(affinity(expression("zone", "Gt", "1")), False, id="no-number"),
        pytest.param(affinity({}), False, id="an-empty-term"),
        pytest.param(affinity(), False, id="no-term"),
        pytest.param(affinity({}, expression("zone", "In", "a")), True, id="one-of-the-terms"),
        pytest.param(affinity({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}), True, id="by-name"),
    ],
)
def test_node_affinity(claim, admitted):
    assert admits(node(labels={"zone": "a", "cores": "8"}), claim) == admitted


@pytest.mark.spec("Q03")
@pytest.mark.parametrize(
    ("quota", "room"),
    [
        pytest.param(QuotaRoom(name="q", free={"requests.cpu": 3000}), 3, id="requests"),
        pytest.param(QuotaRoom(name="q", free={"cpu": 2500}), 2, id="short-name"),
        pytest.param(QuotaRoom(name="q", free={"pods": 4000}), 4, id="pods"),
        pytest.param(QuotaRoom(name="q", free={"count/pods": 1000}), 1, id="count"),
        pytest.param(QuotaRoom(name="q", free={"limits.cpu": 0, "count/services": 0}), 8, id="what-is-not-asked-for"),
        pytest.param(QuotaRoom(name="q", free={"cpu": -1000}), 0, id="over-the-quota"),
        pytest.param(QuotaRoom(name="q", free={"cpu": 0}, priority_classes=("high",)), 8, id="of-another-class"),
        pytest.param(QuotaRoom(name="q", free={"cpu": 0}, priority_classes=("low",)), 0, id="of-this-class"),
    ],
)
def test_quotas(quota, room):
    found = estimate((node(cpu="8"),), (quota,), needs(priority="low", cpu="1"))
    assert found.room == room
    assert ("quota" in found.reason.lower()) == (room < 8)


@pytest.mark.spec("Q04", "R4.20")
@pytest.mark.parametrize(
    ("nodes", "sets"),
    [
        pytest.param((node(cpu="7"),), 1, id="one-whole-set"),
        pytest.param((node(cpu="1"), node(cpu="3"), node(cpu="3")), 0, id="in-pieces"),
        pytest.param((node(cpu="4"), node(cpu="4"), node(cpu="6")), 2, id="over-nodes"),
        pytest.param((node(cpu="70", pods=9),), 2, id="pods-limit"),
        pytest.param((), 0, id="no-node"),
    ],
)
def test_whole_sets(nodes, sets):
    components = (
        Component(name="master", replicas=1, replica_requirements=needs(cpu="1")),
        Component(name="worker", replicas=3, replica_requirements=needs(cpu="2")),
    )
    assert estimate(nodes, (), None, components).room == sets
    quota = QuotaRoom(name="q", free={"cpu": 7000})
    assert estimate(nodes, (quota,), None, components).room == min(sets, 1)
