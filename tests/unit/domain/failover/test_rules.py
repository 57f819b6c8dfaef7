"""What users asked to happen when a cluster is lost."""

from __future__ import annotations

import pytest

from shoal.api.meta import ObjectMeta
from shoal.api.policy import (
    ApplicationFailover,
    ClusterFailover,
    Failover,
    StatePreservation,
    StatePreservationRule,
)
from shoal.api.shoal import FailoverPolicy, FailoverPolicySpec
from shoal.domain.failover import Rule, rules_for
from support import build

WEB = build.deployment("web")
BLOCK = Failover(cluster=ClusterFailover())


def rule_for(template, failover, policies):
    return rules_for(template, failover, policies, propagates_deps=True).cluster


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


JOB_ID = StatePreservationRule(alias_label_name="shop/job-id", json_path="{.jobStatus.jobID}")
APPLICATION = Failover(application=ApplicationFailover(purge_mode="Directly", state_preservation=StatePreservation(rules=(JOB_ID,))))
NEAREST = ("SameRegion", "SameProvider", "Any")
OF_APPLICATIONS = "failover.application of the policy"


@pytest.mark.spec("N06", "N07", "R12.1")
@pytest.mark.parametrize(
    ("failover", "policies", "propagates_deps", "application"),
    [
        pytest.param(
            APPLICATION,
            (),
            True,
            Rule(prefer=NEAREST, purge_mode="Directly", source=OF_APPLICATIONS, preserve=(JOB_ID,)),
            id="as-its-block-says",
        ),
        pytest.param(
            Failover(application=ApplicationFailover(grace_period_seconds=30)),
            (own("all", prefer=("SameProvider",), purge_mode="Directly"),),
            True,
            Rule(prefer=("SameProvider",), purge_mode="Gracefully", source=OF_APPLICATIONS, grace_period_s=30),
            id="a-failover-policy-says-only-where-to",
        ),
        pytest.param(APPLICATION, (), False, None, id="not-without-its-dependencies"),
        pytest.param(BLOCK, (own("all"),), True, None, id="not-because-clusters-do"),
        pytest.param(None, (), True, None, id="not-by-itself"),
    ],
)
def test_failed_applications_move_when_their_policy_says_so(failover, policies, propagates_deps, application):
    assert rules_for(WEB, failover, policies, propagates_deps=propagates_deps).application == application


@pytest.mark.spec("N09", "R12.4")
def test_lost_clusters_have_state_to_preserve_too():
    block = ClusterFailover(purge_mode="Directly", state_preservation=StatePreservation(rules=(JOB_ID,)))
    assert rules_for(WEB, Failover(cluster=block), (), propagates_deps=False).cluster.preserve == (JOB_ID,)
    assert rules_for(WEB, APPLICATION, (), propagates_deps=True).cluster is None
