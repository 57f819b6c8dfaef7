"""Selectors meet objects, affinities meet clusters."""

from __future__ import annotations

import pytest

from shoal.api.selecting import ALL, LABEL, NAME, NONE, closeness, closest, cluster_matches, selects
from support import build

WEB = build.deployment("web", labels={"app": "web"})


@pytest.mark.spec("B03", "B04", "B05", "B06", "R1.1", "R1.2")
@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        pytest.param(build.selector(), ALL, id="kind-only"),
        pytest.param(build.selector(api_version="apps/v1beta1"), NONE, id="other-version-is-another-text"),
        pytest.param(build.selector("deployment"), NONE, id="kind-is-case-sensitive"),
        pytest.param(build.selector(ns="shop"), ALL, id="same-namespace"),
        pytest.param(build.selector(ns="pay"), NONE, id="other-namespace"),
        pytest.param(build.selector(name="web"), NAME, id="name"),
        pytest.param(build.selector(name="api"), NONE, id="other-name"),
        pytest.param(build.selector(name="web", labels={"app": "api"}), NAME, id="with-a-name-labels-are-not-consulted"),
        pytest.param(build.selector(labels={"app": "web"}), LABEL, id="label"),
        pytest.param(build.selector(labels={"app": "api"}), NONE, id="other-label"),
        pytest.param(build.selector(labels={}), LABEL, id="empty-label-selector-counts-as-label"),
    ],
)
def test_closeness(selector, expected):
    assert closeness(selector, WEB) == expected
    assert selects(selector, WEB) == (expected > NONE)


@pytest.mark.spec("B07", "R1.2")
def test_selectors_are_ored_and_the_closest_counts():
    assert closest((build.selector(), build.selector(name="web"), build.selector(name="api")), WEB) == NAME
    assert closest((), WEB) == NONE


HERE = build.cluster("m1", labels={"env": "prod"}, provider="ali", region="hz", zones=("z1", "z2"))


def fields(*terms):
    return build.affinity(fields=terms)


# "`exclude` containing the name -> no. Otherwise labelSelector AND fieldSelector AND clusterNames (each only if set)." (R3.5)
@pytest.mark.spec("C01", "C02", "C03", "C04", "C05", "R3.5")
@pytest.mark.parametrize(
    ("affinity", "cluster", "expected"),
    [
        pytest.param(None, HERE, True, id="none-speaks-of-all"),
        pytest.param(build.affinity(), HERE, True, id="empty-speaks-of-all"),
        pytest.param(build.affinity("m1", "m2"), HERE, True, id="named"),
        pytest.param(build.affinity("m2"), HERE, False, id="not-named"),
        pytest.param(build.affinity("m1", exclude=("m1",)), HERE, False, id="exclusion-wins"),
        pytest.param(build.affinity(labels={"env": "prod"}), HERE, True, id="label"),
        pytest.param(build.affinity("m1", labels={"env": "dev"}), HERE, False, id="all-criteria-have-to-hold"),
        pytest.param(fields(("provider", "In", ("ali", "aws"))), HERE, True, id="provider-in"),
        pytest.param(fields(("region", "NotIn", ("hz",))), HERE, False, id="region-not-in"),
        # Ex 3-c
        pytest.param(fields(("zone", "In", ("z2", "z9"))), HERE, True, id="zone-overlaps"),
        pytest.param(fields(("zone", "NotIn", ("z2",))), HERE, False, id="zone-not-in"),
        pytest.param(fields(("zone", "NotIn", ("z2",))), build.cluster("m2"), True, id="no-zones-are-in-none"),
        pytest.param(fields(("region", "NotIn", ("hz",))), build.cluster("m2"), True, id="empty-region-is-absent-not-in"),
        pytest.param(fields(("region", "In", ("",))), build.cluster("m2"), False, id="empty-region-is-absent-in"),
        pytest.param(fields(("zone", "Exists", ())), HERE, True, id="zones-exist"),
        pytest.param(fields(("zone", "DoesNotExist", ())), HERE, False, id="zones-exist-not"),
    ],
)
def test_cluster_matches(affinity, cluster, expected):
    assert cluster_matches(affinity, cluster) == expected
