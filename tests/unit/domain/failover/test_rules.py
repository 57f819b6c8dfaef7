"""What users asked to happen when a cluster is lost."""

from __future__ import annotations

import pytest

from shoal.api.meta import ObjectMeta
from shoal.api.policy import ClusterFailover, Failover
from shoal.api.shoal import FailoverPolicy, FailoverPolicySpec
from shoal.domain.failover import rule_for
from support import build

WEB = build.deployment("web")
BLOCK = Failover(cluster=ClusterFailover())


def own(name, *selectors, ns="", **spec):
    return FailoverPolicy(metadata=ObjectMeta(name=name, namespace=ns), spec=FailoverPolicySpec(resource_selectors=selectors, **spec))


@pytest.mark.spec("N01", "GX14")
def test_without_either_nothing_moves():
    assert rule_for(WEB, None, ()) is None
    assert rule_for(WEB, Failover(), (own("api-only", build.selector(name="api")),)) is None
    assert rule_for(WEB, None, (own("elsewhere", ns="pay"),)) is None


@pytest.mark.spec("N05", "N12")
def test_the_block_alone_prefers_near_ones():
    rule = rule_for(WEB, BLOCK, ())
    assert (rule.prefer, rule.purge_mode) == (("SameRegion", "SameProvider", "Any"), "Gracefully")


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        pytest.param([own("all"), own("here", ns="shop")], "FailoverPolicy here", id="namespaced-first"),
        pytest.param([own("all"), own("by-name", build.selector(name="web"))], "FailoverPolicy by-name", id="closer-first"),
        pytest.param([own("b"), own("a")], "FailoverPolicy a", id="then-the-smaller-name"),
    ],
)
def test_which_policy_counts(policies, expected):
    assert rule_for(WEB, None, policies).source == expected
    assert rule_for(WEB, None, reversed(policies)).source == expected


@pytest.mark.spec("N05")
def test_the_block_wins_on_purge_mode():
    policies = (own("all", prefer=("SameProvider",), purge_mode="Gracefully"),)
    rule = rule_for(WEB, Failover(cluster=ClusterFailover(purge_mode="Directly")), policies)
    assert (rule.prefer, rule.purge_mode) == (("SameProvider",), "Directly")
    assert rule_for(WEB, None, policies).purge_mode == "Gracefully"
