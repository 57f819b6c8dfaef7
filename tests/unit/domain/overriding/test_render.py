from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.api.meta import ObjectMeta
from shoal.api.override import (
    FieldOverrider,
    FieldPatch,
    ImageOverrider,
    LabelAnnotationOverrider,
    OverridePolicy,
    Overriders,
    OverrideSpec,
    PlaintextOverrider,
)
from shoal.domain.overriding import OverrideFailed, override
from support import build


def tag(value):
    return {"image_overrider": (ImageOverrider(component="Tag", operator="replace", value=value),)}


def labels(operator, **value):
    return {"labels_overrider": (LabelAnnotationOverrider(operator=operator, value=value),)}


def image(result):
    return result.manifest["spec"]["template"]["spec"]["containers"][0]["image"]


WEB = build.deployment("web", image="nginx:1.20")
Z_ALL = build.override_policy("z-all", build.rule(**tag("1.21")), ns="")
A_KIND = build.override_policy("a-kind", build.rule(**tag("1.22")), of=(build.selector(),))
B_NAME = build.override_policy("b-name", build.rule(**tag("1.23")), of=(build.selector(name="web"),))
P1 = build.override_policy("p1", build.rule(**tag("1.30")), of=(build.selector(),))
P2 = build.override_policy("p2", build.rule(**tag("1.31")), of=(build.selector(),))
L_LABEL = build.override_policy("a-label", build.rule(**tag("1.24")), of=(build.selector(labels={}),))
ELSEWHERE = build.override_policy("x", build.rule(**tag("9")), ns="other")
OTHER_KIND = build.override_policy("x", build.rule(**tag("9")), of=(build.selector("StatefulSet"),))


@pytest.mark.spec("G03", "G13", "R5.1", "R5.3")
@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        pytest.param((B_NAME, A_KIND, Z_ALL), "nginx:1.23", id="5-a-name-wins"),
        pytest.param((A_KIND, Z_ALL), "nginx:1.22", id="5-a-any-op-after-any-cop"),
        pytest.param((P2, P1), "nginx:1.31", id="5-a-alphabetically-last"),
        pytest.param((L_LABEL, P2), "nginx:1.24", id="label-beats-kind"),
        pytest.param((ELSEWHERE, OTHER_KIND), "nginx:1.20", id="speaks-of-others"),
        pytest.param((), "nginx:1.20", id="none"),
    ],
)
def test_order(policies, expected):
    assert image(override(WEB, build.cluster("m1"), policies)) == expected


@pytest.mark.spec("G01", "R5.4", "R5.5")
def test_rules_in_list_order_for_the_clusters_they_match():
    policy = build.override_policy(
        "p", build.rule(build.affinity("m1"), **labels("add", tier="a")), build.rule(None, **labels("replace", tier="z"))
    )
    assert override(WEB, build.cluster("m1"), [policy]).manifest["metadata"]["labels"] == {"tier": "z"}  # Ex 5-b
    assert override(WEB, build.cluster("m2"), [policy]).manifest == WEB


@pytest.mark.spec("R3.5", "G01")
@pytest.mark.parametrize(
    ("to", "matches"),
    [
        pytest.param(build.affinity(labels={"env": "prod"}), True, id="labels"),
        pytest.param(build.affinity(labels={"env": "dev"}), False, id="other-labels"),
        pytest.param(build.affinity(fields=(("region", "In", ("hz",)),)), True, id="region"),
        pytest.param(build.affinity(fields=(("provider", "NotIn", ("acme",)),)), False, id="provider"),
        pytest.param(build.affinity(exclude=("m1",)), False, id="excluded"),
    ],
)
def test_rules_choose_clusters(to, matches):
    cluster = build.cluster("m1", labels={"env": "prod"}, provider="acme", region="hz")
    result = override(WEB, cluster, [build.override_policy("p", build.rule(to, **tag("2")))])
    assert (image(result) == "nginx:2") is matches
    assert len(result.applied) == matches


@pytest.mark.spec("R5.2")
def test_namespaced_policies_match_what_cluster_policies_made():
    wide = build.override_policy("wide", build.rule(**labels("add", tier="gold")), ns="")
    near = build.override_policy("near", build.rule(**tag("gold")), of=(build.selector(labels={"tier": "gold"}),))
    assert image(override(WEB, build.cluster(), [near, wide])) == "nginx:gold"
    assert image(override(WEB, build.cluster(), [near])) == "nginx:1.20"


@pytest.mark.spec("G02", "R5.4")
def test_older_form_is_one_rule():
    spec = OverrideSpec(target_cluster=build.affinity("m1"), overriders=Overriders(**tag("2")))
    policy = OverridePolicy(metadata=ObjectMeta(name="old", namespace="shop"), spec=spec)
    assert image(override(WEB, build.cluster("m1"), [policy])) == "nginx:2"
    assert image(override(WEB, build.cluster("m2"), [policy])) == "nginx:1.20"


@pytest.mark.spec("G12", "R5.5")
def test_order_of_overriders_inside_a_rule():
    path = "/spec/template/spec/containers/0/image"
    rule = build.rule(plaintext=(PlaintextOverrider(path=path, operator="replace", value="last:1"),), **tag("first"))
    assert image(override(WEB, build.cluster(), [build.override_policy("p", rule)])) == "last:1"


@pytest.mark.spec("G14", "R5.7")
def test_record_of_what_was_applied():
    applied = override(WEB, build.cluster(), [A_KIND, Z_ALL]).applied
    assert [(item.policy, item.overriders) for item in applied] == [
        ("ClusterOverridePolicy/z-all", {"imageOverrider": [{"component": "Tag", "operator": "replace", "value": "1.21"}]}),
        ("OverridePolicy/shop/a-kind", {"imageOverrider": [{"component": "Tag", "operator": "replace", "value": "1.22"}]}),
    ]


@pytest.mark.spec("GX26")
def test_the_record_names_the_version_of_the_policy():
    used = OverridePolicy(metadata=ObjectMeta(name="p", namespace="shop", generation=7), spec=A_KIND.spec)
    assert [item.generation for item in override(WEB, build.cluster(), [used]).applied] == [7]


@pytest.mark.spec("G16", "R5.6")
def test_failure_names_policy_rule_overrider_and_path():
    broken = build.override_policy(
        "p", build.rule(**tag("2")), build.rule(plaintext=(PlaintextOverrider(path="/spec/no/where", operator="replace", value=1),))
    )
    with pytest.raises(OverrideFailed) as raised:
        override(WEB, build.cluster(), [broken])
    assert str(raised.value) == "OverridePolicy/shop/p, rule 2, plaintext[0]: path /spec/no/where: there is no 'no'"


def test_too_many_entries():
    many = build.override_policy("p", build.rule(image_overrider=tag("2")["image_overrider"] * 1001))
    with pytest.raises(OverrideFailed, match="more than the limit of 1000"):
        override(WEB, build.cluster(), [many])


@pytest.mark.parametrize("rules", [pytest.param((9,), id="in-one-rule"), pytest.param((1,) * 9, id="over-rules")])
def test_too_much_text_in_one_object(rules):
    config = build.config_map(f='"' + "x" * 900_000 + '"')
    entry = FieldOverrider(field_path="/data/f", json=(FieldPatch(sub_path="", operator="replace", value="y" * 900_000),))
    with pytest.raises(OverrideFailed, match=r"the texts edited in this object are longer than"):
        override(config, build.cluster(), [build.override_policy("p", *(build.rule(field_overrider=(entry,) * count) for count in rules))])


def test_aliases_of_a_long_text_are_refused():
    bomb = "a: &a " + "x" * 500_000 + "\nb: [" + "*a," * 100_000 + "]"
    entry = FieldOverrider(field_path="/data/f", yaml=(FieldPatch(sub_path="/b", operator="remove"),))
    with pytest.raises(OverrideFailed, match="aliases stand for more than 100000 values"):
        override(build.config_map(f=bomb), build.cluster(), [build.override_policy("p", build.rule(field_overrider=(entry,)))])


def test_cluster_scoped_objects_meet_cluster_policies_only():
    near = build.override_policy("near", build.rule(**labels("add", a="1")), ns="shop")
    wide = build.override_policy("wide", build.rule(**labels("add", b="1")), ns="")
    assert override(build.namespace("shop"), build.cluster(), [near, wide]).manifest["metadata"]["labels"] == {"b": "1"}


@given(st.permutations([Z_ALL, A_KIND, B_NAME, P1, P2]))
def test_the_order_of_arrival_does_not_count(policies):
    assert override(WEB, build.cluster(), policies) == override(WEB, build.cluster(), [Z_ALL, A_KIND, B_NAME, P1, P2])


@given(st.lists(st.sampled_from([Z_ALL, A_KIND, B_NAME, P1, P2]), max_size=4))
def test_replacing_twice_is_replacing_once(policies):
    once = override(WEB, build.cluster(), policies).manifest
    assert override(once, build.cluster(), policies).manifest == once
