"""Which policy owns a template, who lost and why."""

from __future__ import annotations

import pytest

from shoal.api.meta import Ref
from shoal.api.policy import SchedulePriority
from shoal.domain.matching import BLOCKED, CLAIMED, EXCLUDED, FROZEN, UNRANKED, WAITING, Exclusions, Policies, match
from shoal.kube.apiserver.patch import merge_patch
from support import build

WEB = build.deployment("web", labels={"app": "web"})
ALL = build.selector()
BY_LABEL = build.selector(labels={"app": "web"})
BY_NAME = build.selector(name="web")


def names(*policies):
    return [build.owned(policy) for policy in policies]


def winner(*policies, template=WEB, **facts):
    matched = match(template, names(*policies), **facts)
    return matched.owner.ref.name if matched.owner else None


@pytest.mark.spec("B08", "B09", "B10", "B11", "R1.2", "R1.3")
@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        pytest.param(
            [build.policy("p-all", ALL), build.policy("p-label", BY_LABEL), build.policy("p-name", BY_NAME, priority=-1)],
            "p-label",
            id="Ex-1-a-priority-then-closeness",
        ),
        pytest.param(
            [build.policy("p-all", ALL), build.policy("p-label", BY_LABEL), build.policy("p-name", BY_NAME)],
            "p-name",
            id="Ex-1-b-name-is-closest",
        ),
        pytest.param(
            [build.policy("b-policy", BY_NAME, priority=5), build.policy("a-policy", BY_NAME, priority=5)],
            "a-policy",
            id="Ex-1-c-smallest-name",
        ),
        pytest.param(
            [build.policy("c", BY_NAME, ns="", priority=100), build.policy("p-all", ALL, priority=-5)],
            "p-all",
            id="Ex-1-d-namespaced-first",
        ),
        pytest.param([build.policy("other", ALL, ns="pay")], None, id="policies-of-other-namespaces-say-nothing"),
        pytest.param([build.policy("b", ALL, ns=""), build.policy("B", ALL, ns="")], "B", id="byte-order"),
        pytest.param([build.policy("both", ALL, BY_NAME), build.policy("a-label", BY_LABEL)], "both", id="closest-selector-counts"),
        pytest.param([], None, id="nobody"),
    ],
)
def test_who_wins(policies, expected):
    assert winner(*policies) == expected
    assert winner(*reversed(policies)) == expected


@pytest.mark.spec("R1.3", "A02")
def test_cluster_scoped_templates_have_cluster_policies_only():
    role = build.manifest("rbac.authorization.k8s.io/v1", "ClusterRole", "reader", ns="")
    selector = build.selector("ClusterRole", api_version="rbac.authorization.k8s.io/v1")
    assert winner(build.policy("cpp", selector, ns=""), build.policy("pp", selector), template=role) == "cpp"


@pytest.mark.spec("R1.3")
def test_losers_have_a_reason():
    matched = match(
        WEB,
        names(build.policy("a", BY_NAME), build.policy("b", BY_LABEL), build.policy("c", BY_NAME, priority=-1), build.policy("d", ns="")),
    )
    assert matched.losers == {
        "PropagationPolicy/shop/b": "it matches through a label selector, PropagationPolicy/shop/a through its name",
        "PropagationPolicy/shop/c": "priority -1 is lower than 0 of PropagationPolicy/shop/a",
        "ClusterPropagationPolicy/d": "a namespaced policy goes before every cluster policy",
    }


# "A later policy with higher priority does not take over a claimed template." (R1.6)
@pytest.mark.spec("B12", "R1.3", "R1.6")
def test_a_claim_is_not_stolen():
    old, better = build.policy("old", ALL), build.policy("better", BY_NAME, priority=9)
    matched = match(WEB, names(old, better), build.claim(old))
    assert matched.claim == build.claim(old)
    assert matched.losers == {
        "PropagationPolicy/shop/better": "PropagationPolicy/shop/old claimed the template first, and a claim is not taken without preemption"
    }


@pytest.mark.spec("B12", "R1.3")
def test_a_cluster_policys_claim_holds_against_a_later_namespaced_one():
    base, mine = build.policy("base", ALL, ns=""), build.policy("mine", ALL)
    assert match(WEB, names(base, mine), build.claim(base)).owner.ref.name == "base"


@pytest.mark.spec("B12", "B32", "R1.5")
def test_a_policy_made_anew_under_the_same_name_does_not_inherit_the_claim():
    old, other = build.policy("p", ALL), build.policy("a", ALL)
    anew = [build.owned(old, uid="uid-new"), build.owned(other)]
    matched = match(WEB, anew, build.claim(old))
    assert matched.owner.ref.name == "a"


@pytest.mark.spec("B17", "R1.9")
def test_a_policy_that_is_being_deleted_owns_nothing():
    leaving, other = build.policy("p", BY_NAME), build.policy("q", ALL)
    owned = [build.owned(leaving, deleting=True), build.owned(other)]
    assert match(WEB, owned, build.claim(leaving)).owner.ref.name == "q"
    assert match(WEB, owned[:1], build.claim(leaving)).outcome == WAITING


# R1.7: "PP Always takes templates from a PP with strictly lower explicit priority, and from any CPP regardless of priority.
#        CPP Always takes templates from a CPP with strictly lower explicit priority; never from a PP."
@pytest.mark.spec("B13", "R1.7")
@pytest.mark.parametrize(
    ("holder", "newcomer", "taken"),
    [
        pytest.param(
            build.policy("base", ALL, ns="", priority=50),
            build.policy("mine", BY_NAME, preemption="Always"),
            True,
            id="Ex-1-e-from-a-cluster-policy",
        ),
        pytest.param(build.policy("base", ALL, ns="", priority=50), build.policy("mine2", BY_NAME), False, id="Ex-1-e-never"),
        pytest.param(
            build.policy("low", ALL, priority=1),
            build.policy("same", BY_NAME, priority=1, preemption="Always"),
            False,
            id="Ex-1-f-same-priority",
        ),
        pytest.param(
            build.policy("low", ALL, priority=1),
            build.policy("high", BY_NAME, priority=2, preemption="Always"),
            True,
            id="Ex-1-f-higher-priority",
        ),
        pytest.param(
            build.policy("pp", ALL),
            build.policy("cpp", BY_NAME, ns="", priority=9, preemption="Always"),
            False,
            id="cluster-never-from-namespaced",
        ),
        pytest.param(
            build.policy("a", ALL, ns=""),
            build.policy("b", BY_NAME, ns="", priority=1, preemption="Always"),
            True,
            id="cluster-from-cluster",
        ),
        pytest.param(build.policy("low", ALL), build.policy("any", ALL, priority=9, preemption="Always"), False, id="only-by-name"),
    ],
)
def test_preemption(holder, newcomer, taken):
    matched = match(WEB, names(holder, newcomer), build.claim(holder))
    assert (matched.owner.ref.name == newcomer.metadata.name) == taken


@pytest.mark.spec("B14", "R1.7")
def test_lowering_the_priority_lets_the_best_preemptor_take_over():
    lowered = build.policy("p", ALL, priority=1)
    mid = build.policy("mid", BY_NAME, priority=3, preemption="Always")
    top = build.policy("top", BY_NAME, priority=5, preemption="Always")
    assert match(WEB, names(lowered, mid, top), build.claim(lowered)).owner.ref.name == "top"


@pytest.mark.spec("B15", "R1.8")
def test_a_policy_that_still_matches_is_applied_again():
    policy = build.policy("p", ALL)
    matched = match(WEB, [build.owned(policy, revision=50)], build.claim(policy, revision=5), revision=10, decided=10)
    assert (matched.refresh, matched.claim.revision) == (True, 50)


@pytest.mark.spec("R1.8")
def test_narrowed_selectors_release_the_template_to_others():
    narrowed, other = build.policy("p", build.selector(name="api")), build.policy("q", ALL)
    assert match(WEB, [build.owned(narrowed, revision=50)], build.claim(narrowed), revision=10, decided=10).outcome == WAITING
    policies = [build.owned(narrowed, revision=50), build.owned(other)]
    assert match(WEB, policies, build.claim(narrowed), revision=10, decided=10).owner.ref.name == "q"


# "A claimed template no longer matched because the *template's labels changed*: nothing is released and nothing is refreshed" (R1.8)
@pytest.mark.spec("R1.8", "GX13")
def test_a_template_that_moves_out_of_its_policy_is_frozen():
    policy, other = build.policy("p", build.selector(labels={"app": "old"})), build.policy("q", ALL)
    matched = match(WEB, names(policy, other), build.claim(policy), revision=60, decided=10)
    assert (matched.outcome, matched.claim, matched.refresh) == (FROZEN, build.claim(policy), False)
    assert "does not match it any more" in matched.message


@pytest.mark.spec("R1.8")
def test_a_frozen_template_is_released_when_its_policy_changes():
    policy = build.policy("p", build.selector(labels={"app": "old"}))
    assert match(WEB, [build.owned(policy, revision=70)], build.claim(policy), revision=60, decided=10).outcome == WAITING


@pytest.mark.spec("B19", "R1.10")
def test_a_template_waits_for_its_first_policy():
    assert match(WEB, ()).outcome == WAITING


# R1.11 and Ex 1-g, 1-h; revisions are positions in one stream: which change came last is which is larger.
@pytest.mark.spec("B16", "R1.11")
@pytest.mark.parametrize(
    ("template", "policy", "decided", "claimed_before", "refresh"),
    [
        pytest.param(20, 10, 0, False, True, id="Ex-1-g-template-made-after-the-lazy-policy"),
        pytest.param(20, 30, 20, True, False, id="Ex-1-g-policy-edited-nothing"),
        pytest.param(40, 30, 20, True, True, id="Ex-1-g-template-edited"),
        pytest.param(10, 20, 0, False, False, id="Ex-1-h-template-first-nothing"),
        pytest.param(30, 20, 10, True, True, id="Ex-1-h-template-edited"),
        pytest.param(30, 40, 20, True, True, id="both-changed-the-template-is-not-forgotten"),
    ],
)
def test_lazy(template, policy, decided, claimed_before, refresh):
    lazy = build.policy("p", ALL, activation_preference="Lazy")
    before = build.claim(lazy, revision=5) if claimed_before else None
    matched = match(WEB, [build.owned(lazy, revision=policy)], before, revision=template, decided=decided)
    assert (matched.outcome, matched.refresh) == (CLAIMED, refresh)
    assert matched.claim.revision == (policy if refresh else 5 if claimed_before else 0)


@pytest.mark.spec("B16", "R1.11")
@pytest.mark.parametrize(
    ("change", "refresh"),
    [
        pytest.param({}, False, id="nothing"),
        pytest.param({"status": {"replicas": 1}}, False, id="status"),
        pytest.param({"metadata": {"generation": 7, "resourceVersion": "7", "managedFields": [{}]}}, False, id="what-the-server-writes"),
        pytest.param({"metadata": {"labels": {"resourcetemplate.karmada.io/retain-replicas": "true"}}}, False, id="a-label-of-karmada"),
        pytest.param({"metadata": {"annotations": {"work.karmada.io/conflict-resolution": "abort"}}}, False, id="an-annotation-of-karmada"),
        pytest.param({"metadata": {"labels": {"namespace.karmada.io/skip-auto-propagation": "true"}}}, True, id="the-label-that-counts"),
        pytest.param({"metadata": {"annotations": {"notkarmada.io/a": "b"}}}, True, id="an-annotation-of-somebody"),
        pytest.param({"spec": {"replicas": 9}}, True, id="the-spec"),
    ],
)
def test_what_wakes_a_lazy_policy(change, refresh):
    lazy = build.policy("p", ALL, activation_preference="Lazy")
    waits = match(WEB, [build.owned(lazy, revision=30)], build.claim(lazy, revision=10), revision=20, decided=20)
    assert not waits.refresh
    changed = merge_patch(WEB, change)
    woken = match(changed, [build.owned(lazy, revision=30)], waits.claim, revision=40, decided=20)
    assert (woken.refresh, woken.claim.revision) == (refresh, 30 if refresh else 10)
    again = match(changed, [build.owned(lazy, revision=30)], woken.claim, revision=40, decided=40)
    assert (again.refresh, again.claim) == (refresh, woken.claim), "deciding again says the same"


@pytest.mark.spec("B20", "R1.4")
def test_dependent_overrides_have_to_exist():
    policy = build.policy("p", ALL, dependent_overrides=("o1", "o2"))
    one = Ref("policy.karmada.io", "OverridePolicy", "shop", "o1")
    two = Ref("policy.karmada.io", "OverridePolicy", "shop", "o2")
    matched = match(WEB, names(policy), overrides={one})
    assert (matched.outcome, matched.claim) == (BLOCKED, None)
    assert matched.message == "PropagationPolicy/shop/p waits for OverridePolicy o2"
    assert match(WEB, names(policy), overrides={one, two}).outcome == CLAIMED


@pytest.mark.spec("B20", "R1.4")
def test_a_cluster_policy_depends_on_cluster_override_policies():
    policy = build.policy("p", ALL, ns="", dependent_overrides=("o1",))
    assert match(WEB, names(policy), overrides={Ref("policy.karmada.io", "OverridePolicy", "shop", "o1")}).outcome == BLOCKED
    assert match(WEB, names(policy), overrides={Ref("policy.karmada.io", "ClusterOverridePolicy", "", "o1")}).outcome == CLAIMED


def prioritized(name="gold", source="KubePriorityClass", **spec):
    return build.policy("p", ALL, schedule_priority=SchedulePriority(priority_class_source=source, priority_class_name=name), **spec)


# "the integer value is read from the named Kubernetes PriorityClass at refresh; a missing class makes the refresh fail" (R2.6)
@pytest.mark.spec("R2.6", "B29")
@pytest.mark.parametrize(
    ("policy", "classes", "outcome"),
    [
        pytest.param(prioritized(), {"gold"}, CLAIMED, id="it-is-there"),
        pytest.param(prioritized(), {"silver"}, UNRANKED, id="it-is-missing"),
        pytest.param(prioritized(source="PodPriorityClass"), set(), CLAIMED, id="that-of-the-pods-is-the-members-matter"),
        pytest.param(prioritized(activation_preference="Lazy"), set(), CLAIMED, id="a-lazy-policy-that-is-not-applied-now"),
        pytest.param(prioritized(dependent_overrides=("o",)), set(), BLOCKED, id="overrides-are-missed-first"),
        pytest.param(build.policy("p", ALL), set(), CLAIMED, id="no-priority"),
    ],
)
def test_a_priority_class_has_to_exist_where_a_policy_is_applied(policy, classes, outcome):
    matched = match(WEB, [build.owned(policy, revision=20)], revision=10, priority_classes=classes)
    assert matched.outcome == outcome
    assert (matched.claim is None) == (outcome != CLAIMED)
    assert outcome != UNRANKED or matched.message == "PropagationPolicy/shop/p waits for PriorityClass gold"


@pytest.mark.spec("R2.6")
def test_a_claim_holds_while_its_class_is_missing():
    matched = match(WEB, [build.owned(prioritized(), revision=20)], build.claim(prioritized()), revision=10, decided=10)
    assert (matched.outcome, matched.claim, matched.refresh) == (UNRANKED, build.claim(prioritized()), False)


@pytest.mark.spec("B30", "B31", "B33", "R1.12")
@pytest.mark.parametrize(
    ("template", "excluded"),
    [
        pytest.param(WEB, False, id="ordinary"),
        pytest.param(build.deployment(ns="karmada-system"), True, id="reserved-namespace"),
        pytest.param(build.deployment(ns="karmada-es-m1"), True, id="execution-namespace"),
        pytest.param(build.deployment(ns="kube-system"), True, id="skipped-namespace"),
        pytest.param(build.deployment(ns="my-kube-system"), False, id="the-expression-is-anchored"),
        pytest.param(build.manifest("policy.karmada.io/v1alpha1", "OverridePolicy", "o"), True, id="policy-group"),
        pytest.param(build.manifest("work.karmada.io/v1alpha2", "ResourceBinding", "b"), True, id="work-group"),
        pytest.param(build.manifest("cluster.karmada.io/v1alpha1", "Cluster", "m1", ns=""), True, id="cluster-group"),
        pytest.param(build.manifest("apps.karmada.io/v1alpha1", "WorkloadRebalancer", "r", ns=""), True, id="an-order-to-this-hub"),
        pytest.param(build.manifest("autoscaling.karmada.io/v1alpha1", "FederatedHPA", "h"), True, id="what-the-hub-is-to-scale"),
        pytest.param(build.manifest("operator.karmada.io/v1alpha1", "Karmada", "k"), False, id="another-karmada-group"),
        pytest.param(build.config_map("extension-apiserver-authentication", ns="kube-system"), True, id="authentication"),
        pytest.param(
            build.manifest("v1", "Service", "s", labels={"resourcetemplate.karmada.io/claimed-by": "mcs"}), True, id="multi-cluster-service"
        ),
        pytest.param(build.namespace("kube-public"), True, id="a-skipped-namespace-itself"),
        pytest.param(build.manifest("v1", "Event", "e"), True, id="skipped-api-of-the-core-group"),
        pytest.param(build.manifest("example.com/v1", "Widget", "w"), True, id="skipped-api-group"),
        pytest.param(build.manifest("batch/v1", "Job", "j"), True, id="skipped-kind"),
        pytest.param(build.manifest("batch/v1", "CronJob", "j"), False, id="other-kind-of-that-group"),
    ],
)
def test_exclusions(template, excluded):
    kind = build.selector(template["kind"], api_version=template["apiVersion"])
    policies = names(build.policy("p", kind, ns=template["metadata"].get("namespace", "")), build.policy("c", kind, ns=""))
    matched = match(template, policies, exclusions=Exclusions(apis=("v1/Event", "example.com", "batch/v1/Job,Other")))
    assert (matched.outcome == EXCLUDED) == excluded
    assert bool(matched.message) == excluded


@pytest.mark.spec("R1.12")
def test_a_template_that_is_being_deleted_is_not_matched():
    leaving = WEB | {"metadata": WEB["metadata"] | {"deletionTimestamp": "2026-08-01T12:00:00Z"}}
    assert match(leaving, names(build.policy("p", ALL))).outcome == EXCLUDED


def test_the_index_finds_what_a_list_finds():
    policies = names(
        build.policy("a", ALL), build.policy("b", BY_NAME, ns=""), build.policy("c", build.selector("Job", api_version="batch/v1"))
    )
    assert match(WEB, Policies(policies)) == match(WEB, policies)


@pytest.mark.spec("GX13", "B19")
@pytest.mark.parametrize(
    ("policy", "why"),
    [
        pytest.param(build.policy("p", build.selector(name="api")), "it selects by name: api", id="another-name"),
        pytest.param(
            build.policy("p", build.selector(labels={"app": "api"})),
            "its label selector does not match the labels of the template",
            id="labels",
        ),
        pytest.param(build.policy("p", build.selector(ns="bank"), ns=""), "it selects in other namespaces: bank", id="another-namespace"),
    ],
)
def test_a_template_that_waits_says_who_speaks_of_its_kind(policy, why):
    matched = match(WEB, names(policy, build.policy("of-secrets", build.selector("Secret", api_version="v1"))))
    assert matched.outcome == WAITING
    assert list(matched.losers.values()) == [why]
    assert matched.message.endswith(f"{policy.kind}/{'shop/' if policy.metadata.namespace else ''}p: {why}")
