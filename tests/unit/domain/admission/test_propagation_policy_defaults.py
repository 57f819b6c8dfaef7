"""What the door fills in of a PropagationPolicy, keeps, and reads."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.domain.admission import admit
from support.admission import placement, policy, refusals


@pytest.mark.spec("AA11", "B21")
def test_the_scheduler_name_stays():
    old = admit(policy())[0]
    assert refusals(policy({"schedulerName": "other"}), old) == [
        "spec.schedulerName: the schedulerName should not be updated; delete the policy and make a new one (AA11)"
    ]


PERMANENT_ID = "propagationpolicy.karmada.io/permanent-id"


@pytest.mark.spec("AA11", "B32", "R1.5")
def test_the_permanent_id_is_given_and_stays():
    old = admit(policy())[0]
    assert old["metadata"]["labels"] == {PERMANENT_ID: "u1"}
    assert admit(policy(), old)[0]["metadata"]["labels"] == {PERMANENT_ID: "u1"}
    assert refusals(policy(labels={PERMANENT_ID: "other"}), old) == [
        f"metadata.labels[{PERMANENT_ID}]: is the policy's identity and cannot change: write u1 or leave it out"
    ]
    copied = admit(policy(labels={PERMANENT_ID: "of-the-original"}))[0]
    assert copied["metadata"]["labels"] == {PERMANENT_ID: "u1"}


@pytest.mark.spec("AA01", "AA05", "AA06", "AA09", "AA13", "D02")
@pytest.mark.parametrize(
    ("spec", "path", "expected"),
    [
        pytest.param({}, ("resourceSelectors", 0, "namespace"), "shop", id="AA01-namespace"),
        pytest.param(
            placement(spreadConstraints=[{}]),
            ("placement", "spreadConstraints", 0),
            {"spreadByField": "cluster", "minGroups": 1},
            id="AA05",
        ),
        pytest.param(
            placement(replicaScheduling={}), ("placement", "replicaScheduling", "replicaSchedulingType"), "Divided", id="D02-divided"
        ),
        pytest.param(
            placement(replicaScheduling={}), ("placement", "replicaScheduling", "replicaDivisionPreference"), "Weighted", id="AA06-weighted"
        ),
        pytest.param(
            {"propagateDeps": True, "failover": {"application": {}}},
            ("failover", "application"),
            {"purgeMode": "Gracefully", "decisionConditions": {"tolerationSeconds": 300}, "gracePeriodSeconds": 600},
            id="AA09-application",
        ),
        pytest.param(
            {"resourceSelectors": [{"apiVersion": "multicluster.x-k8s.io/v1alpha1", "kind": "ServiceImport"}]},
            ("propagateDeps",),
            True,
            id="AA13",
        ),
        pytest.param({}, ("schedulerName",), "default-scheduler", id="scheduler"),
        pytest.param({}, ("preemption",), "Never", id="preemption"),
        pytest.param({"conflictResolution": "Overwrite"}, ("conflictResolution",), "Overwrite", id="what-is-written-stays"),
    ],
)
def test_defaults(spec, path, expected):
    value: Any = admit(policy(spec))[0]["spec"]
    for step in path:
        value = value[step]
    assert value == expected


def test_admitting_again_changes_nothing():
    once = admit(policy(placement(spreadConstraints=[{}], replicaScheduling={})))[0]
    assert admit(once, once) == (once, ())


@pytest.mark.spec("A02", "B04")
def test_cluster_policies():
    assert refusals(policy(ns="")) == []
    assert "namespace" not in admit(policy(ns=""))[0]["spec"]["resourceSelectors"][0]
    stray = policy(ns="") | {"metadata": {"name": "p", "namespace": "shop"}}
    assert refusals(stray) == ["metadata.namespace: has to be left out: a ClusterPropagationPolicy is cluster-scoped"]
    homeless = policy() | {"metadata": {"name": "p"}}
    assert refusals(homeless) == ["metadata.namespace: Required value: a PropagationPolicy lives in the namespace it speaks for"]


@pytest.mark.spec("GX01", "KA04")
def test_options_are_read_at_the_door():
    manifest = policy()
    manifest["metadata"]["annotations"] = {"policy.shoal.dev/follow": "joined", "policy.shoal.dev/rate": "fast", "example.org/rate": "fast"}
    assert refusals(manifest) == [
        "metadata.annotations[policy.shoal.dev/rate]: 'fast' is no rate; write replicas per duration, such as 2/10m"
    ]
