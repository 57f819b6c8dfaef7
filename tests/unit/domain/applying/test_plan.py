from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.api.meta import Ref
from shoal.domain.applying import Apply, Create, Delete, Nothing, Refuse, Release, digest, plan_apply
from support import build

DIGEST = "shoal.dev/digest"
MADE = "shoal.dev/created-by-agent"


def rendered(manifest=None, *, epoch=5, uid="uid-deployment-web", **metadata):
    """A manifest as the renderer marks it."""
    manifest = manifest or build.deployment()
    old = manifest["metadata"]
    marks = {"shoal.dev/epoch": str(epoch), "resourcetemplate.karmada.io/uid": uid, "shoal.dev/change": "01A"}
    kept = {key: value for key, value in old.items() if key != "uid"}
    labels = {**old.get("labels", {}), "karmada.io/managed": "true"}
    return {**manifest, "metadata": {**kept, "labels": labels, "annotations": marks, **metadata}}


def work(manifest=None, *, epoch=5, **fields):
    return build.work(rendered(manifest, epoch=epoch), epoch=epoch, **fields)


def live(body, **metadata):
    """What the member has after our body was applied: as applied, with what its server adds."""
    server = {"uid": "live-uid", "resourceVersion": "77", "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z", **metadata}
    return {**body, "metadata": {**body["metadata"], **server}, "status": {"phase": "Active"}}


def applied(work_, **metadata):
    return live(plan_apply(work_, None).body, **metadata)


UNMANAGED = live(build.deployment(image="theirs:1"))
NAMESPACE = live(build.namespace())
TERMINATING = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["x/y"]}


def test_absent_is_created_with_the_digest():
    step = plan_apply(work(), None)
    assert isinstance(step, Create)
    assert step.body["metadata"]["annotations"][DIGEST] == digest(work())
    assert step.body["spec"] == work().manifest["spec"]


@pytest.mark.spec("R6.10")
def test_after_applying_there_is_nothing_to_do():
    assert plan_apply(work(), applied(work())) == Nothing(applied=True)


def test_a_new_change_id_alone_is_no_write():
    first = applied(work())
    manifest = rendered()
    manifest["metadata"]["annotations"]["shoal.dev/change"] = "01B"
    assert plan_apply(build.work(manifest, epoch=5), first) == Nothing(applied=True)


@pytest.mark.parametrize(
    "change", [pytest.param({"manifest": build.deployment(image="nginx:2")}, id="content"), pytest.param({"epoch": 6}, id="epoch")]
)
def test_new_content_is_applied_to_what_is_ours(change):
    step = plan_apply(work(**change), applied(work()))
    assert isinstance(step, Apply)
    assert (step.uid, step.takeover, step.drift) == ("live-uid", False, ())
    assert step.body["metadata"]["annotations"][DIGEST] == digest(work(**change))


@pytest.mark.spec("H07", "R6.11")
def test_drift_is_corrected_and_named():
    current = applied(work())
    edited = {**current, "spec": {**current["spec"], "replicas": 9}}
    step = plan_apply(work(), edited)
    assert isinstance(step, Apply)
    assert step.drift == ("/spec/replicas",)


@pytest.mark.spec("H08", "R7.3")
def test_retained_fields_are_no_drift():
    current = applied(work())
    edited = {**current, "spec": {**current["spec"], "replicas": 9}}
    retained = {**work().manifest, "spec": {**work().manifest["spec"], "replicas": 9}}
    assert plan_apply(work(), edited, retained=retained) == Nothing(applied=True)


@pytest.mark.spec("H09", "B25", "R6.9")
def test_what_is_not_ours_is_left_alone_or_taken_over():
    refused = plan_apply(work(), UNMANAGED)
    assert isinstance(refused, Refuse)
    assert refused.reason == "Conflict"
    assert "apps/Deployment/shop/web exists and is not ours" in refused.message  # Ex 6-b
    taken = plan_apply(work(conflict="Overwrite"), UNMANAGED)
    assert isinstance(taken, Apply)
    assert taken.takeover
    assert plan_apply(work(conflict="Overwrite"), live(taken.body)) == Nothing(applied=True)


@pytest.mark.parametrize(
    ("epoch", "uid", "expected"),
    [
        pytest.param(4, "uid-deployment-web", "StaleEpoch", id="lower-epoch"),
        pytest.param(4, "other", "StaleEpoch", id="lower-epoch-other-template"),
        pytest.param(5, "other", "OtherTemplate", id="same-epoch-other-template"),
        pytest.param(6, "other", None, id="higher-epoch-other-template"),
        pytest.param(5, "uid-deployment-web", None, id="same-epoch"),
    ],
)
@pytest.mark.parametrize("deleted", [False, True])
def test_fencing(epoch, uid, expected, deleted):
    manifest = {} if deleted else rendered(epoch=epoch, uid=uid)
    step = plan_apply(build.work(manifest, epoch=epoch, uid=uid), applied(work()), work_deleted=deleted)
    assert (step.reason if isinstance(step, Refuse) else None) == expected


def test_a_copy_of_another_control_plane_is_recognised_by_its_label():
    leftover = live(rendered())
    leftover["metadata"]["annotations"] = {}
    assert isinstance(plan_apply(work(), leftover), Apply)


@pytest.mark.spec("R6.8", "H13")
def test_suspended_neither_creates_nor_updates_but_deletes():
    suspended = work(suspended=True)
    assert plan_apply(suspended, None) == Nothing(reason="Suspended")
    assert plan_apply(suspended, applied(work())) == Nothing(applied=True, reason="Suspended")
    changed = work(build.deployment(image="nginx:2"), suspended=True)
    assert plan_apply(changed, applied(work())) == Nothing(reason="Suspended")
    assert isinstance(plan_apply(build.work(epoch=5, suspended=True), applied(work()), work_deleted=True), Delete)


@pytest.mark.spec("R6.12")
@pytest.mark.parametrize(
    ("there", "expected"),
    [
        pytest.param(None, Nothing(gone=True), id="nothing-there"),
        pytest.param(UNMANAGED, Nothing(gone=True), id="not-ours-stays"),
        pytest.param(applied(work()), Delete(uid="live-uid", resource_version="77"), id="ours-goes"),
        pytest.param(applied(work(), **TERMINATING), Nothing(reason="Deleting", message="waiting for finalizers x/y"), id="already-going"),
    ],
)
def test_tombstone(there, expected):
    assert plan_apply(build.work(epoch=5), there, work_deleted=True) == expected


@pytest.mark.spec("R6.2", "N05")
def test_a_copy_that_has_to_be_gone_first_takes_its_pods_along():
    step = plan_apply(build.work(epoch=5, foreground=True), applied(work()), work_deleted=True)
    assert step == Delete(uid="live-uid", resource_version="77", foreground=True)


@pytest.mark.spec("H11", "R6.12")
def test_preserved_copies_lose_every_mark_and_nothing_else():
    manifest = rendered(build.deployment(labels={"app": "web"}))
    manifest["metadata"]["annotations"] |= {"note": "x", "work.karmada.io/name": "w", "karmada.iodine/x": "kept"}
    there = applied(build.work(manifest, epoch=5))
    step = plan_apply(build.work(epoch=5, preserve=True), there, work_deleted=True)
    assert isinstance(step, Release)
    assert step.patch["metadata"]["resourceVersion"] == "77"
    assert step.patch["metadata"]["labels"] == {"karmada.io/managed": None}
    gone = step.patch["metadata"]["annotations"]
    assert all(value is None for value in gone.values())
    assert set(there["metadata"]["annotations"]) - set(gone) == {"note", "karmada.iodine/x"}
    # Ex 6-c: afterwards it is nobody's, and a new template meets a conflict.
    labels = {key: value for key, value in there["metadata"]["labels"].items() if key != "karmada.io/managed"}
    released = {**there, "metadata": {**there["metadata"], "labels": labels, "annotations": {"note": "x"}}}
    assert plan_apply(build.work(epoch=5, preserve=True), released, work_deleted=True) == Nothing(gone=True)
    assert plan_apply(work(epoch=9), released).reason == "Conflict"


def test_an_object_on_its_way_out_is_waited_for():
    assert plan_apply(work(), applied(work(), **TERMINATING)).reason == "BeingDeleted"


def namespace_work(**fields):
    return work(build.namespace(), **fields)


@pytest.mark.spec("W01")
def test_an_existing_namespace_is_used_without_being_owned():
    step = plan_apply(namespace_work(), NAMESPACE)
    assert (step.applied, step.reason) == (True, "AlreadyExists")
    assert plan_apply(namespace_work(conflict="Overwrite"), NAMESPACE) == step
    assert plan_apply(build.work(epoch=5), NAMESPACE, work_deleted=True) == Nothing(gone=True)
    assert plan_apply(namespace_work(), live(build.namespace(), **TERMINATING)).reason == "BeingDeleted"


@pytest.mark.spec("W01")
def test_a_namespace_the_agent_made_goes_when_nothing_foreign_is_inside():
    made = applied(namespace_work())
    assert made["metadata"]["annotations"][MADE] == "true"
    assert plan_apply(namespace_work(), made) == Nothing(applied=True)
    assert isinstance(plan_apply(build.work(epoch=5), made, work_deleted=True), Delete)
    foreign = tuple(Ref("", "ConfigMap", "shop", f"c{number}") for number in range(7))
    step = plan_apply(build.work(epoch=5), made, work_deleted=True, foreign=foreign)
    assert step.reason == "NotEmpty"
    assert step.message.endswith("ConfigMap/shop/c4 and 2 more")


def test_a_namespace_keeps_the_mark_that_the_agent_made_it():
    step = plan_apply(namespace_work(epoch=6), applied(namespace_work()))
    assert step.body["metadata"]["annotations"][MADE] == "true"


def test_an_owned_namespace_that_the_agent_did_not_make_is_released():
    owned = live(rendered(build.namespace()))
    assert isinstance(plan_apply(build.work(epoch=5), owned, work_deleted=True), Release)


@pytest.mark.spec("R5.6")
def test_a_rendering_error_is_told_and_the_last_manifest_stays():
    assert plan_apply(build.work(epoch=5, error="broken"), None) == Refuse(reason="OverrideFailed", message="broken")
    assert plan_apply(work(error="broken"), applied(work())) == Refuse(reason="OverrideFailed", message="broken")
    assert isinstance(plan_apply(work(error="broken"), None), Create)


EPOCHS = st.integers(0, 6)


@given(EPOCHS, EPOCHS, st.sampled_from(["u1", "u2"]), st.booleans(), st.booleans(), st.sampled_from(["Abort", "Overwrite"]), st.booleans())
def test_nobody_acts_for_a_lower_epoch(mine, theirs, uid, deleted, preserve, conflict, suspended):
    there = applied(build.work(rendered(epoch=theirs, uid="u1"), epoch=theirs, uid="u1"))
    manifest = {} if deleted else rendered(epoch=mine, uid=uid)
    wanted = build.work(manifest, epoch=mine, uid=uid, preserve=preserve, conflict=conflict, suspended=suspended)
    step = plan_apply(wanted, there, work_deleted=deleted)
    if mine < theirs or (uid == "u2" and mine == theirs):
        assert isinstance(step, Refuse)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "a", "1", "1m"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "limits", "env", "ports", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["data", "spec", "env"]), JSON, max_size=2), st.integers(1, 3))
def test_plan_carry_out_plan_again_gives_nothing(body, epoch):
    wanted = work(build.manifest("example.com/v1", "Widget", "w", **body), epoch=epoch)
    there = msgspec.json.decode(msgspec.json.encode(applied(wanted)))
    assert plan_apply(wanted, there) == Nothing(applied=True)
    later = work(build.manifest("example.com/v1", "Widget", "w", **body, more=1), epoch=epoch + 1)
    step = plan_apply(later, there)
    assert plan_apply(later, live(step.body)) == Nothing(applied=True)
