"""What goes where others are: workloads in groups, dependencies, namespaces."""

from __future__ import annotations

import msgspec
import pytest

from shoal.api.binding import BindingSnapshot, Removal
from shoal.api.policy import AffinityGroup, Placement, WorkloadAffinity
from shoal.api.status import JOINING
from shoal.domain.deciding import Owner, Peer, decide
from support import build
from support.outcomes import again, lose, placed

WEB = build.deployment("web", labels={"app": "web"}, replicas=3)
SETTINGS = build.config_map("settings")
M1, M2, M3 = (build.cluster(name, region="hz", provider="ali") for name in ("m1", "m2", "m3"))
DUPLICATED = build.policy("p", to=build.placement(division=build.DUPLICATED))


@pytest.mark.spec("C14", "C15", "R2.7")
def test_groups_of_workloads():
    apart = Placement(workload_affinity=WorkloadAffinity(anti_affinity=AffinityGroup(group_by_label_key="app")))
    other = Peer(anti_affinity_group="app=web", clusters=frozenset({"m1"}))
    stranger = Peer(anti_affinity_group="app=api", clusters=frozenset({"m2"}))
    outcome = decide(build.inputs(WEB, build.policy("p", to=apart), clusters=(M1, M2), peers=(other, stranger)))
    assert (placed(outcome), outcome.binding.anti_affinity_group) == ({"m2": 3}, "app=web")
    together = Placement(workload_affinity=WorkloadAffinity(affinity=AffinityGroup(group_by_label_key="app")))
    peer = Peer(affinity_group="app=web", clusters=frozenset({"m1"}))
    assert placed(decide(build.inputs(WEB, build.policy("p", to=together), clusters=(M1, M2), peers=(peer,)))) == {"m1": 3}
    unlabelled = build.deployment("web", replicas=3)
    assert decide(build.inputs(unlabelled, build.policy("p", to=together), clusters=(M1,), peers=(peer,))).binding.affinity_group == ""


def owner(*names, name="web", **settings):
    targets = (build.target(cluster, 3) for cluster in names)
    return Owner(ref=build.ref(name=name), binding=build.binding(*targets, propagate_deps=True, **settings))


@pytest.mark.spec("K01", "K02", "K03", "R9.1", "R9.4")
def test_a_dependency_follows_its_owner():
    first = decide(build.inputs(SETTINGS, clusters=(M1, M2), owners=(owner("m1"),)))
    assert (placed(first), first.binding.attached, first.binding.claim) == ({"m1": None}, ("m1",), None)
    assert first.binding.required_by == (BindingSnapshot(owner=build.ref(), clusters=("m1",)),)
    assert first.binding.conditions[0].reason == "Success"
    moved = again(first, build.inputs(SETTINGS, clusters=(M1, M2), owners=(owner("m2"),)))
    assert placed(moved) == {"m2": None}
    assert (moved.binding.removals["m1"].wait_for, moved.binding.removals["m1"].owners) == ("OwnersGone", (build.ref(),))
    alone = again(moved, build.inputs(SETTINGS, clusters=(M1, M2), revision=30))
    assert (placed(alone), sorted(alone.binding.removals)) == ({}, ["m1", "m2"])
    edited = again(first, build.inputs(SETTINGS, clusters=(M1, M2), owners=(owner("m1"),), revision=50))
    assert (edited.changed, edited.binding.template_revision) == (True, 50)


@pytest.mark.spec("K05", "R9.2")
def test_a_dependency_with_a_policy_of_its_own():
    own = build.policy("c", build.selector("ConfigMap", api_version="v1"), to=build.placement("m2"), conflict_resolution="Abort")
    inputs = build.inputs(SETTINGS, own, clusters=(M1, M2), owners=(owner("m1", conflict_resolution="Overwrite"),))
    first = decide(inputs)
    assert (placed(first), first.binding.attached, first.binding.conflict_resolution) == ({"m1": None, "m2": None}, ("m1",), "Abort")
    assert not again(first, inputs).changed
    alone = again(first, build.inputs(SETTINGS, own, clusters=(M1, M2)))
    assert (placed(alone), list(alone.binding.removals)) == ({"m2": None}, ["m1"])


@pytest.mark.spec("K06", "R9.3")
def test_settings_of_several_owners_are_merged():
    owners = (owner("m1", name="a", conflict_resolution="Overwrite"), owner("m1", name="b", preserve_resources_on_deletion=True))
    binding = decide(build.inputs(SETTINGS, clusters=(M1,), owners=owners)).binding
    assert (binding.conflict_resolution, binding.preserve_resources_on_deletion) == ("Overwrite", True)
    assert binding.conditions[0].message == (
        "Binding follows the workloads that need it. DependencyPolicyConflict: their policies differ in conflictResolution (Overwrite is used) "
        "and preserveResourcesOnDeletion (true is used)."
    )
    alike = decide(build.inputs(SETTINGS, clusters=(M1,), owners=owners[:1])).binding
    assert alike.conditions[0].message == "Binding follows the workloads that need it."


@pytest.mark.spec("K03", "N01")
def test_a_dependency_stays_where_its_owner_still_has_a_copy():
    first = decide(build.inputs(SETTINGS, clusters=(M1, M2), owners=(owner("m1"),)))
    leaving = owner("m2", removals={"m1": Removal(reason="ClusterLost", author="health-monitor", wait_for="ReplacementReady")})
    moved = again(first, build.inputs(SETTINGS, clusters=(lose(M1), M2), owners=(leaving,)))
    assert (placed(moved), moved.binding.removals["m1"].wait_for) == ({"m2": None}, "OwnersGone")


@pytest.mark.spec("W01", "C19", "R15.1", "R14.1")
def test_a_namespace_goes_everywhere():
    tainted = build.cluster("m2", taints=(build.taint("gpu"),))
    inputs = build.inputs(build.namespace(), clusters=(M1, tainted, build.cluster("m3", state=JOINING)))
    first = decide(inputs)
    assert placed(first) == {"m1": None, "m2": None}
    assert not again(first, inputs).changed
    joined = again(first, build.inputs(build.namespace(), clusters=(M1, tainted, M3)))
    assert placed(joined) == {"m1": None, "m2": None, "m3": None}
    lost = again(joined, build.inputs(build.namespace(), clusters=(lose(M1), tainted, M3)))
    assert not lost.changed


@pytest.mark.spec("W01", "L14")
def test_a_namespace_leaves_a_deleting_cluster_last():
    first = decide(build.inputs(build.namespace(), clusters=(M1, M2)))
    going = msgspec.structs.replace(M2, deleting=True)
    held = again(first, build.inputs(build.namespace(), clusters=(M1, going), occupied=frozenset({"m2"})))
    assert not held.changed
    left = again(first, build.inputs(build.namespace(), clusters=(M1, going)))
    assert (placed(left), left.binding.removals["m2"].reason) == ({"m1": None}, "ClusterDeleted")
    forgotten = again(left, build.inputs(build.namespace(), clusters=(M1, build.cluster("m2", forgotten=True))))
    assert forgotten.binding.removals == {}


@pytest.mark.spec("W01", "B30", "B31")
@pytest.mark.parametrize("name", ["default", "kube-system", "karmada-system", "karmada-es-m1", "shoal-system"])
def test_namespaces_of_the_system_stay_at_home(name):
    assert decide(build.inputs(build.namespace(name), clusters=(M1,))).binding is None


# "Adding the skip label later does not remove existing copies." (R15.1)
@pytest.mark.spec("W02", "R15.1")
def test_a_skipped_namespace():
    skipped = build.namespace(labels={"namespace.karmada.io/skip-auto-propagation": "true"})
    assert decide(build.inputs(skipped, clusters=(M1,))).binding is None
    first = decide(build.inputs(build.namespace(), clusters=(M1,)))
    assert placed(again(first, build.inputs(skipped, clusters=(M1, M2), revision=30))) == {"m1": None}
    deliberate = build.policy("n", build.selector("Namespace", "shop", api_version="v1"), ns="", to=build.placement("m2"))
    assert placed(decide(build.inputs(skipped, deliberate, clusters=(M1, M2)))) == {"m2": None}


@pytest.mark.spec("B18")
def test_a_namespace_ends_as_everything_does():
    first = decide(build.inputs(build.namespace(), clusters=(M1,)))
    leaving = build.namespace()
    leaving = leaving | {"metadata": leaving["metadata"] | {"deletionTimestamp": "2026-08-01T12:00:00Z"}}
    ended = again(first, build.inputs(leaving, clusters=(M1,), revision=30))
    assert (ended.tombstone, ended.binding.clusters) == (True, first.binding.clusters)
