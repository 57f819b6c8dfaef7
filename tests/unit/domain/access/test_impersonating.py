"""Grants in the hub, rules in the members."""

from __future__ import annotations

import pytest

from shoal.domain.access import NAME, impersonated, parts_of

CLUSTERS = ("m1", "m2")
ANN, OPS = {"kind": "User", "name": "ann"}, {"kind": "Group", "name": "ops"}
BOT = {"kind": "ServiceAccount", "name": "bot", "namespace": "shop"}


def role(name="reach", *, groups=("cluster.karmada.io",), resources=("clusters/proxy",), names=(), verbs=("get",)):
    rule = {"apiGroups": list(groups), "resources": list(resources), "verbs": list(verbs)} | (
        {"resourceNames": list(names)} if names else {}
    )
    return {"metadata": {"name": name}, "rules": [rule]}


def bound(*subjects, to="reach", kind="ClusterRole"):
    return {"metadata": {"name": "b"}, "roleRef": {"kind": kind, "name": to}, "subjects": list(subjects)}


def may(resource, *names):
    return {"apiGroups": [""], "resources": [resource], "verbs": ["impersonate"], "resourceNames": list(names)}


@pytest.mark.spec("R15.12", "V03")
@pytest.mark.parametrize(
    ("roles", "bindings", "expected"),
    [
        pytest.param([role()], [bound(ANN)], {"m1": [may("users", "ann")], "m2": [may("users", "ann")]}, id="on-all-clusters"),
        pytest.param([role(names=["m2", "m9"])], [bound(ANN)], {"m2": [may("users", "ann")]}, id="on-one-that-is-there"),
        pytest.param([role(names=["*"])], [bound(OPS)], {"m1": [may("groups", "ops")], "m2": [may("groups", "ops")]}, id="by-a-star"),
        pytest.param(
            [role(groups=["*"], resources=["*"], names=["m1"])], [bound(ANN)], {"m1": [may("users", "ann")]}, id="who-may-everything"
        ),
        pytest.param(
            [role(names=["m1"]), role("too", names=["m1"])],
            [bound(OPS, ANN, BOT), bound({"kind": "User", "name": "al"}, ANN, to="too")],
            {"m1": [may("users", "al", "ann"), may("groups", "ops"), may("serviceaccounts", "bot")]},
            id="all-subjects-of-all-bindings",
        ),
        pytest.param([role(resources=["clusters"])], [bound(ANN)], {}, id="another-resource"),
        pytest.param([role(groups=["apps"])], [bound(ANN)], {}, id="another-group"),
        pytest.param([role()], [bound(ANN, kind="Role")], {}, id="a-role-of-a-namespace"),
        pytest.param([role()], [bound(ANN, to="other")], {}, id="another-role"),
        pytest.param([role()], [bound()], {}, id="nobody"),
        pytest.param([role()], [], {}, id="no-binding"),
        pytest.param([{"metadata": {"name": "reach"}}], [bound({"kind": "Robot", "name": "x"})], {}, id="nothing-known"),
    ],
)
def test_who_may_be_impersonated(roles, bindings, expected):
    assert impersonated(roles, bindings, CLUSTERS) == expected
    assert impersonated(reversed(roles), reversed(bindings), CLUSTERS[::-1]) == expected


@pytest.mark.spec("R15.12", "V03")
def test_what_brings_it_there():
    ann, ops = [may("users", "ann")], [may("groups", "ops")]
    override, policy, cluster_role, binding = parts_of({"m1": ann, "m2": ops, "m3": ann})
    assert [
        (one["targetCluster"]["clusterNames"], one["overriders"]["plaintext"][0]["value"]) for one in override["spec"]["overrideRules"]
    ] == [
        (["m1", "m3"], ann),
        (["m2"], ops),
    ]
    assert policy["spec"]["placement"]["clusterAffinity"]["clusterNames"] == ["m1", "m2", "m3"]
    assert (cluster_role["metadata"]["name"], cluster_role.get("rules")) == (NAME, None), "by itself it allows nothing"
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": NAME, "namespace": "karmada-cluster"}]
    assert parts_of({}) == []
