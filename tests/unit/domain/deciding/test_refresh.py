"""What a binding takes over when its policy is applied again, and what stops that (R2.3 to R2.9)."""

from __future__ import annotations

import msgspec
import pytest

from shoal.api.binding import SCHEDULED, ReplicaRequirements
from shoal.api.policy import AffinityGroup, Placement, SchedulePriority, WorkloadAffinity
from shoal.domain.deciding import decide
from shoal.domain.quota import Quota
from support import build
from support.outcomes import again

M1, M2 = build.cluster("m1"), build.cluster("m2")
WEB = build.deployment("web", labels={"app": "web"}, replicas=3)
GOLD = SchedulePriority(priority_class_source="KubePriorityClass", priority_class_name="gold")


def names(outcome):
    return [target.name for target in outcome.binding.clusters]


def claimed(outcome):
    """(status, reason) of the condition that says why a policy is not applied; None while it is."""
    found = [(item.status, item.reason) for item in outcome.binding.conditions if item.type == "Claimed"]
    return found[0] if found else None


@pytest.mark.spec("R2.3", "R2.6", "B29")
@pytest.mark.parametrize(
    ("wanted", "pods", "expected"),
    [
        pytest.param(GOLD, "", 1000, id="of-the-class-that-the-policy-names"),
        pytest.param(SchedulePriority(priority_class_source="PodPriorityClass", priority_class_name=""), "silver", 10, id="of-the-pods"),
        pytest.param(None, "silver", None, id="the-policy-does-not-ask"),
    ],
)
def test_the_value_of_the_class_is_on_record(wanted, pods, expected):
    template = build.deployment("web", replicas=3, **({"priorityClassName": pods} if pods else {}))
    policy = build.policy("p", schedule_priority=wanted)
    inputs = build.inputs(template, policy, clusters=(M1,), priority_classes={"gold": 1000, "silver": 10})
    first = decide(inputs)
    assert first.binding.schedule_priority == expected
    higher = again(first, inputs, priority_classes={"gold": 2000, "silver": 20})
    assert higher.binding.schedule_priority == (expected and expected * 2)
    assert higher.changed == (expected is not None)


@pytest.mark.spec("R2.6", "GX13")
def test_a_template_whose_priority_class_is_missing_has_no_binding_and_says_why():
    inputs = build.inputs(WEB, build.policy("p", schedule_priority=GOLD), clusters=(M1,))
    waiting = decide(inputs)
    assert (waiting.binding, waiting.changed, waiting.reason) == (None, False, "WaitingForPriorityClass")
    assert waiting.message == "PropagationPolicy/shop/p waits for PriorityClass gold"
    assert names(decide(msgspec.structs.replace(inputs, priority_classes={"gold": 1000}))) == ["m1"]


# A policy that cannot be applied never removes what runs.
@pytest.mark.spec("R2.6", "GX13")
def test_a_binding_whose_priority_class_went_stays_as_it_was():
    policy = build.policy("p", to=build.placement("m1"), schedule_priority=GOLD)
    first = decide(build.inputs(WEB, policy, clusters=(M1, M2), priority_classes={"gold": 1000}))
    moved = build.policy("p", to=build.placement("m2"), schedule_priority=GOLD)
    without = build.inputs(WEB, moved, clusters=(M1, M2), revision=30, policy_revision=40)
    held = again(first, without)
    assert (names(held), held.binding.removals, held.binding.template_revision) == (["m1"], {}, 10)
    assert (claimed(held), held.reason) == (("False", "WaitingForPriorityClass"), "WaitingForPriorityClass")
    assert [item.status for item in held.binding.conditions if item.type == SCHEDULED] == ["True"]
    assert not again(held, without).changed
    back = again(held, without, priority_classes={"gold": 1000})
    assert (names(back), list(back.binding.removals), back.binding.template_revision, claimed(back)) == (["m2"], ["m1"], 30, None)


GROUP = WorkloadAffinity(affinity=AffinityGroup(group_by_label_key="app"))


# Karmada's quirk is that cluster-scoped bindings do not refresh propagateDeps, schedulePriority and affinity groups. Here both are treated alike.
@pytest.mark.spec("R2.9", "R2.3", "R2.7", "GX16")
@pytest.mark.parametrize("ns", [pytest.param("shop", id="namespaced"), pytest.param("", id="cluster-scoped")])
def test_every_setting_of_a_changed_policy_reaches_the_binding(ns):
    template = build.manifest("example.org/v1", "Widget", "w", ns=ns, labels={"app": "web"})
    cluster = build.cluster("m1", apis=frozenset({("example.org/v1", "Widget")}))
    selector = build.selector("Widget", api_version="example.org/v1")

    def decided(before, *, revision, **spec):
        policy = build.policy("p", selector, ns=ns, **spec)
        inputs = build.inputs(template, policy, clusters=(cluster,), policy_revision=revision, priority_classes={"gold": 1000})
        return again(before, inputs) if before is not None else decide(inputs)

    first = decided(None, revision=5)
    binding = first.binding
    assert (binding.propagate_deps, binding.schedule_priority, binding.affinity_group) == (False, None, "")
    after = decided(first, revision=20, propagate_deps=True, schedule_priority=GOLD, to=Placement(workload_affinity=GROUP))
    binding = after.binding
    assert (after.changed, binding.propagate_deps, binding.schedule_priority, binding.affinity_group) == (True, True, 1000, "app=web")
    last = decided(after, revision=30)
    binding = last.binding
    assert (last.changed, binding.propagate_deps, binding.schedule_priority, binding.affinity_group) == (True, False, None, "")


# Ex 15-a: "overall cpu 4. Deployment request 500m, Duplicated to 2 clusters, 3 replicas -> 2*3*0.5 = 3, allowed. Scale to 5 -> 5.0 > 4 ->
#           refused, members keep 3."
@pytest.mark.spec("R15.2", "R02", "AA24")
def test_ex_15_a_a_quota_over_all_clusters():
    policy = build.policy("p", to=build.placement(division=build.DUPLICATED))
    half = ReplicaRequirements(resource_request={"cpu": "500m"})
    quota = Quota(name="q", overall={"cpu": 4000}, used={})

    def inputs(count, **fields):
        template = build.deployment("web", replicas=count)
        return build.inputs(template, policy, clusters=(M1, M2), requirements=half, quotas=(quota,), **fields)

    first = decide(inputs(3))
    assert {target.name: target.replicas for target in first.binding.clusters} == {"m1": 3, "m2": 3}
    refused = again(first, inputs(5, revision=20))
    assert {target.name: target.replicas for target in refused.binding.clusters} == {"m1": 3, "m2": 3}
    assert [(item.status, item.reason) for item in refused.binding.conditions] == [("False", "QuotaExceeded")]
    assert names(again(refused, inputs(4, revision=30))) == ["m1", "m2"], "4.0 of 4 is allowed"


# Ex 3-a: "CPP without cluster list, ConfigMap, clusters m1,m2. m3 joins and becomes Ready -> ConfigMap appears on m3."
@pytest.mark.spec("C19", "R3.3")
def test_ex_3_a_what_is_everywhere_is_on_a_cluster_that_joins():
    everywhere = build.policy("c", build.selector("ConfigMap", api_version="v1"), ns="")
    inputs = build.inputs(build.config_map(), everywhere, clusters=(M1, M2))
    first = decide(inputs)
    assert names(first) == ["m1", "m2"]
    joining = build.inputs(build.config_map(), everywhere, clusters=(M1, M2, build.cluster("m3", state="Joining")))
    assert not again(first, joining).changed
    joined = again(first, build.inputs(build.config_map(), everywhere, clusters=(M1, M2, build.cluster("m3"))))
    assert names(joined) == ["m1", "m2", "m3"]


@pytest.mark.spec("R15.2", "R02", "R4.1")
@pytest.mark.parametrize("to", [pytest.param(build.DUPLICATED, id="duplicated"), pytest.param(build.EQUAL, id="divided")])
def test_what_is_refused_when_it_grows_from_zero_stays_at_zero(to):
    """A copy without a number would follow its template, and start what was refused."""
    policy = build.policy("p", to=build.placement("m1", division=to))
    quota = Quota(name="shop", overall={"pods": 2000}, used={"pods": 2000})

    def asked(replicas, **fields):
        return build.inputs(build.deployment("web", replicas=replicas), policy, clusters=(M1, M2), quotas=(quota,), **fields)

    first = decide(asked(0))
    assert [(target.name, target.replicas) for target in first.binding.clusters] == [("m1", None)]
    refused = decide(asked(4, revision=20, previous=first.binding))
    again = decide(asked(4, revision=20, previous=refused.binding))
    for one in (refused, again):
        assert [(item.status, item.reason) for item in one.binding.conditions] == [("False", "QuotaExceeded")]
        assert [(target.name, target.replicas) for target in one.binding.clusters] == [("m1", 0)]
