from __future__ import annotations

import msgspec
import pytest

from shoal.api.binding import Removal
from shoal.api.meta import Ref
from shoal.api.override import ImageOverrider, LabelAnnotationOverrider, PlaintextOverrider
from shoal.api.policy import SuspendClusters, Suspension
from shoal.domain.overriding import OverrideFailed
from shoal.domain.rendering import binding_name, execution_namespace, failed, render, same_content, tombstone, work_name
from support import build

CONFLICT = "work.karmada.io/conflict-resolution"


def template(**fields):
    web = build.deployment("web", replicas=5, image="nginx:1.20", labels={"app": "web"}, **fields)
    return {**web, "metadata": {**web["metadata"], "generation": 4, "resourceVersion": "9"}, "status": {"replicas": 5}}


def rendered(template_=None, binding=None, target=None, overrides=(), **inputs):
    target = target or build.target("m1", 3, epoch=7)
    binding = binding or build.binding(target)
    inputs = {"template_revision": 10, "change": "01CHANGE", **inputs}
    return render(template_ or template(), binding, target, build.cluster(target.name), overrides, **inputs)


@pytest.mark.spec("H04", "H05", "H06", "R6.3", "R6.5", "R6.6", "R5.1")
def test_the_exact_manifest():
    work = rendered(binding_revision=20)
    annotations = work.manifest["metadata"]["annotations"]
    assert work.manifest == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "labels": {"app": "web", "karmada.io/managed": "true"},
            "annotations": annotations,
        },
        "spec": {**template()["spec"], "replicas": 3},
    }
    managed = annotations.pop("resourcetemplate.karmada.io/managed-annotations")
    assert managed.split(",") == sorted([*annotations, "resourcetemplate.karmada.io/managed-annotations"])
    assert annotations == {
        "resourcetemplate.karmada.io/uid": "uid-deployment-web",
        "resourcetemplate.karmada.io/generation": "4",
        "resourcetemplate.karmada.io/managed-labels": "app,karmada.io/managed",
        "shoal.dev/epoch": "7",
        "shoal.dev/change": "01CHANGE",
        CONFLICT: "abort",
        "work.karmada.io/name": work_name(Ref("apps", "Deployment", "shop", "web")),
        "work.karmada.io/namespace": "karmada-es-m1",
        "resourcebinding.karmada.io/name": "web-deployment",
        "resourcebinding.karmada.io/namespace": "shop",
    }
    assert (work.cluster, work.epoch, work.template_uid, work.template_revision, work.binding_revision) == (
        "m1",
        7,
        "uid-deployment-web",
        10,
        20,
    )


def test_the_template_is_left_alone():
    start = template()
    before = msgspec.json.encode(start)
    rendered(start)
    assert msgspec.json.encode(start) == before


@pytest.mark.spec("R4.1", "R6.3")
@pytest.mark.parametrize(
    ("replicas", "expected"), [pytest.param(None, 5, id="not-divided"), pytest.param(0, 0, id="none"), pytest.param(2, 2, id="two")]
)
def test_scheduled_replicas(replicas, expected):
    assert rendered(target=build.target("m1", replicas)).manifest["spec"]["replicas"] == expected


@pytest.mark.spec("R5.1")
def test_overrides_win_over_scheduled_replicas_and_see_no_marks():
    rule = build.rule(
        plaintext=(PlaintextOverrider(path="/spec/replicas", operator="replace", value=9),),
        labels_overrider=(LabelAnnotationOverrider(operator="remove", value={"karmada.io/managed": "", "app": ""}),),
        image_overrider=(ImageOverrider(component="Tag", operator="replace", value="2"),),
    )
    work = rendered(overrides=[build.override_policy("p", rule)])
    assert work.manifest["spec"]["replicas"] == 9
    assert work.manifest["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:2"
    assert work.manifest["metadata"]["labels"] == {"karmada.io/managed": "true"}
    assert [applied.policy for applied in work.overrides] == ["OverridePolicy/shop/p"]


@pytest.mark.parametrize("path", ["/metadata/name", "/metadata/namespace", "/kind"])
def test_overrides_cannot_rename(path):
    rule = build.rule(plaintext=(PlaintextOverrider(path=path, operator="replace", value="other"),))
    with pytest.raises(OverrideFailed, match="name, namespace and kind must stay"):
        rendered(overrides=[build.override_policy("p", rule)])


JOB = build.manifest("batch/v1", "Job", "sum", spec={"parallelism": 4, "completions": 10, "template": {}})


@pytest.mark.spec("R4.21")
@pytest.mark.parametrize(
    ("division", "expected"),
    [
        pytest.param(build.EQUAL, {"m1": (3, 7), "m2": (1, 3)}, id="4-m-divided"),
        pytest.param(build.DUPLICATED, {"m1": (3, 10), "m2": (1, 10)}, id="duplicated"),
        pytest.param(None, {"m1": (3, 10), "m2": (1, 10)}, id="no-block"),
    ],
)
def test_job_completions(division, expected):
    targets = (build.target("m1", 3), build.target("m2", 1))
    binding = build.binding(*targets, placement=build.placement(division=division))
    specs = {target.name: rendered(JOB, binding, target).manifest["spec"] for target in targets}
    assert {name: (spec["parallelism"], spec["completions"]) for name, spec in specs.items()} == expected


@pytest.mark.spec("R4.21")
def test_a_job_without_completions_gets_none():
    job = build.manifest("batch/v1", "Job", "sum", spec={"parallelism": 4, "template": {}})
    binding = build.binding(build.target("m1", 3), placement=build.placement(division=build.EQUAL))
    assert "completions" not in rendered(job, binding).manifest["spec"]


@pytest.mark.spec("B25", "R6.7")
@pytest.mark.parametrize(
    ("annotation", "policy", "expected"),
    [
        pytest.param(None, "Abort", "Abort", id="default"),
        pytest.param(None, "Overwrite", "Overwrite", id="policy"),
        pytest.param("abort", "Overwrite", "Abort", id="annotation-beats-policy"),
        pytest.param("overwrite", "Abort", "Overwrite", id="annotation-overwrites"),
        pytest.param("whatever", "Overwrite", "Overwrite", id="other-words-do-not-count"),
    ],
)
def test_conflict(annotation, policy, expected):
    start = template()
    if annotation:
        start["metadata"]["annotations"] = {CONFLICT: annotation}
    work = rendered(start, build.binding(build.target("m1", 3), conflict_resolution=policy))
    assert (work.conflict, work.manifest["metadata"]["annotations"][CONFLICT]) == (expected, expected.lower())


@pytest.mark.spec("B23", "B24", "R6.8")
@pytest.mark.parametrize(
    ("suspension", "expected"),
    [
        pytest.param(None, False, id="none"),
        pytest.param(Suspension(), False, id="empty"),
        pytest.param(Suspension(dispatching=True), True, id="everywhere"),
        pytest.param(Suspension(dispatching_on_clusters=SuspendClusters(cluster_names=("m1",))), True, id="here"),
        pytest.param(Suspension(dispatching_on_clusters=SuspendClusters(cluster_names=("m2",))), False, id="elsewhere"),
        pytest.param(Suspension(scheduling=True), False, id="scheduling-only"),
    ],
)
def test_suspension(suspension, expected):
    assert rendered(binding=build.binding(build.target("m1", 3), suspension=suspension)).suspended is expected


@pytest.mark.spec("H11")
def test_preserve():
    binding = build.binding(build.target("m1", 3), preserve_resources_on_deletion=True)
    assert rendered(binding=binding).preserve
    assert tombstone(binding, "m1", Removal(reason="PolicyChanged", author="policy/shop/p", epoch=7, preserve=True)).preserve
    assert not tombstone(binding, "m1", Removal(reason="ClusterLost", author="health-monitor", epoch=7)).preserve, (
        "it moved, it was not deleted"
    )


def test_tombstone_carries_the_epoch_that_ends():
    work = tombstone(build.binding(), "m1", Removal(reason="ClusterLost", author="health-monitor", epoch=7), binding_revision=3)
    assert (work.cluster, work.epoch, work.manifest, work.template_uid, work.binding_revision) == ("m1", 7, {}, "uid-deployment-web", 3)


@pytest.mark.spec("R6.2", "N05")
@pytest.mark.parametrize("first", [True, False])
def test_a_tombstone_says_whether_the_pods_have_to_be_gone_too(first):
    work = tombstone(build.binding(), "m1", Removal(reason="ClusterLost", author="health-monitor", epoch=7, first=first))
    assert work.foreground is first


OTHER_GENERATION = template()
OTHER_GENERATION["metadata"]["generation"] = 5


@pytest.mark.parametrize(
    ("other", "same"),
    [
        pytest.param(rendered, True, id="the-same"),
        pytest.param(lambda: rendered(change="01OTHER"), True, id="change-id"),
        pytest.param(lambda: rendered(change=""), True, id="no-change-id"),
        pytest.param(lambda: rendered(template_revision=11, binding_revision=30), True, id="input-revisions"),
        pytest.param(lambda: rendered(target=build.target("m1", 3, epoch=8)), False, id="epoch"),
        pytest.param(lambda: rendered(target=build.target("m1", 4, epoch=7)), False, id="replicas"),
        pytest.param(lambda: rendered(OTHER_GENERATION), False, id="generation-must-reach-the-member"),
        pytest.param(
            lambda: rendered(binding=build.binding(build.target("m1", 3, epoch=7), conflict_resolution="Overwrite")), False, id="conflict"
        ),
        pytest.param(
            lambda: rendered(binding=build.binding(build.target("m1", 3, epoch=7), preserve_resources_on_deletion=True)),
            False,
            id="preserve",
        ),
        pytest.param(
            lambda: rendered(binding=build.binding(build.target("m1", 3, epoch=7), suspension=Suspension(dispatching=True))),
            False,
            id="suspended",
        ),
        pytest.param(lambda: rendered(binding=build.binding(build.target("m1", 3, epoch=7), uid="other")), False, id="template"),
    ],
)
def test_same_content(other, same):
    assert same_content(rendered(), other()) is same
    assert same_content(other(), rendered()) is same


def test_same_content_after_the_wire():
    work = rendered(
        overrides=[
            build.override_policy("p", build.rule(image_overrider=(ImageOverrider(component="Tag", operator="replace", value="2"),)))
        ]
    )
    assert msgspec.json.decode(msgspec.json.encode(work), type=type(work)) == work


@pytest.mark.spec("R5.6")
def test_a_failed_rendering_keeps_what_was_rendered_last():
    previous, attempt = rendered(), build.work(epoch=7)
    error = OverrideFailed("OverridePolicy/shop/p, rule 1: broken")
    kept = failed(previous, attempt, error)
    assert (kept.manifest, kept.error) == (previous.manifest, "OverridePolicy/shop/p, rule 1: broken")
    assert not same_content(previous, kept)
    assert failed(None, attempt, error).manifest == {}
    # Another assignment must not apply what was rendered for an earlier one.
    assert failed(previous, build.work(epoch=8), error).manifest == {}


@pytest.mark.spec("R5.6", "G16")
@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(PlaintextOverrider(path="/spec/no/where", operator="replace", value=1), id="path-that-is-not-there"),
        pytest.param(PlaintextOverrider(path="/spec" + "/a" * 200, operator="remove"), id="path-without-end"),
        pytest.param(PlaintextOverrider(path="", operator="replace", value=[]), id="no-object-any-more"),
    ],
)
def test_a_broken_override_touches_nothing_in_its_cluster_and_nothing_elsewhere(broken):
    tag = (ImageOverrider(component="Tag", operator="replace", value="2"),)
    policy = build.override_policy(
        "p", build.rule(image_overrider=tag), build.rule(build.affinity("m1"), image_overrider=tag, plaintext=(broken,))
    )
    targets = (build.target("m1", 3), build.target("m2", 2))
    binding, start = build.binding(*targets), template()
    before = msgspec.json.encode(start)
    with pytest.raises(OverrideFailed, match=r"OverridePolicy/shop/p, rule 2, plaintext\[0\]"):
        rendered(start, binding, targets[0], [policy])
    elsewhere = rendered(start, binding, targets[1], [policy])
    assert elsewhere.manifest["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:2"
    assert elsewhere.error == ""
    assert msgspec.json.encode(start) == before


@pytest.mark.spec("R2.2", "R6.4", "H01")
def test_names():
    assert work_name(Ref("apps", "Deployment", "default", "nginx")) == "nginx-687f7fb96f"
    assert binding_name(Ref("apps", "Deployment", "default", "nginx")) == "nginx-deployment"
    assert binding_name(Ref("rbac.authorization.k8s.io", "ClusterRole", "", "system:reader")) == "system.reader-clusterrole"
    assert execution_namespace("m1") == "karmada-es-m1"


@pytest.mark.spec("W01")
def test_a_namespace_is_cluster_scoped():
    annotations = rendered(build.namespace("shop"), target=build.target("m1", None)).manifest["metadata"]["annotations"]
    assert annotations["clusterresourcebinding.karmada.io/name"] == "shop-namespace"
    assert "resourcebinding.karmada.io/namespace" not in annotations


@pytest.mark.spec("W03", "R15.1", "R5.1")
def test_a_namespace_is_overridden_by_cluster_policies_of_its_kind():
    add = build.rule(build.affinity("m1"), labels_overrider=(LabelAnnotationOverrider(operator="add", value={"mesh": "on"}),))
    of_namespaces = build.selector("Namespace", api_version="v1", name="shop")
    policies = [
        build.override_policy("namespaces", add, ns="", of=(of_namespaces,)),
        build.override_policy("others", add, ns="", of=(build.selector("Namespace", api_version="v1", name="other"),)),
    ]
    for cluster, labels in (("m1", {"team": "a", "mesh": "on"}), ("m2", {"team": "a"})):
        work = rendered(build.namespace(labels={"team": "a"}), target=build.target(cluster), overrides=policies)
        assert {key: value for key, value in work.manifest["metadata"]["labels"].items() if "karmada" not in key} == labels
        assert [one.policy.removeprefix("ClusterOverridePolicy/") for one in work.overrides] == (["namespaces"] if cluster == "m1" else [])


@pytest.mark.spec("N09", "R12.4")
def test_what_a_copy_inherits_is_a_label_that_overrides_see():
    target = msgspec.structs.replace(build.target("m1", 3, epoch=7), preserved={"shop/job-id": "4711"})
    assert rendered(target=target).manifest["metadata"]["labels"]["shop/job-id"] == "4711"
    renames = build.override_policy(
        "o", build.rule(labels_overrider=(LabelAnnotationOverrider(operator="replace", value={"shop/job-id": "12"}),))
    )
    assert rendered(target=target, overrides=[renames]).manifest["metadata"]["labels"]["shop/job-id"] == "12"
