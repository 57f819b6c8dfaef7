"""When a copy may go, and when its removal is over."""

from __future__ import annotations

import pytest

from shoal.api.binding import Removal
from shoal.domain.releasing import OwnerState, ending, owner_state, releasable, settle
from support import build

WEB = build.ref()


def removal(wait_for="", epoch=5, owners=(), unnamed=()):
    return Removal(reason="ClusterLost", author="health-monitor", epoch=epoch, wait_for=wait_for, owners=owners, unnamed=unnamed)


@pytest.mark.spec("R13.3")
@pytest.mark.parametrize(
    ("status", "forgotten", "left"),
    [
        pytest.param(None, set(), {"m1"}, id="nobody-said-anything"),
        pytest.param(build.status(gone={"m1": 5}), set(), set(), id="gone"),
        pytest.param(build.status(gone={"m1": 9}), set(), set(), id="gone-at-a-later-epoch"),
        pytest.param(build.status(gone={"m1": 4}), set(), {"m1"}, id="gone-was-an-earlier-copy"),
        pytest.param(build.status(gone={"m2": 9}), set(), {"m1"}, id="gone-elsewhere"),
        pytest.param(None, {"m1"}, set(), id="the-cluster-is-forgotten"),
    ],
)
def test_settle(status, forgotten, left):
    assert settle({"m1": removal()}, status, forgotten).keys() == left


def released(status, *targets, wait_for="ReplacementReady", revision=10):
    binding = build.binding(*targets, revision=revision, removals={"old": removal(wait_for)})
    return bool(releasable(binding, status))


M2 = build.target("m2", 3, epoch=6)


# "every target cluster has a copy with applied and health Healthy for the template revision as decided, and at least one target exists"
@pytest.mark.spec("N04", "GX20", "R13.2", "R13.6")
@pytest.mark.parametrize(
    ("status", "targets", "expected"),
    [
        pytest.param(build.status(build.copy("m2", epoch=6)), [M2], True, id="healthy"),
        pytest.param(None, [M2], False, id="no-status"),
        pytest.param(build.status(), [M2], False, id="no-copy-yet"),
        pytest.param(build.status(build.copy("m2", epoch=6, health="Unknown")), [M2], False, id="health-unknown"),
        pytest.param(build.status(build.copy("m2", epoch=6, applied=False)), [M2], False, id="not-applied"),
        pytest.param(build.status(build.copy("m2", epoch=5)), [M2], False, id="an-earlier-copy-of-that-cluster"),
        pytest.param(build.status(build.copy("m2", epoch=6, revision=9)), [M2], False, id="an-earlier-revision"),
        pytest.param(build.status(build.copy("m2", epoch=6, revision=11)), [M2], True, id="a-later-revision"),
        pytest.param(build.status(build.copy("m2", epoch=6)), [M2, build.target("m3")], False, id="one-of-two"),
        pytest.param(build.status(build.copy("m2", epoch=6)), [], False, id="GX20-never-the-last-copy"),
        pytest.param(build.status(build.copy("m2", epoch=6), uid="uid-other"), [M2], False, id="another-object"),
    ],
)
def test_replacement_ready(status, targets, expected):
    assert released(status, *targets) == expected


def test_without_a_wait_at_once():
    assert released(None, wait_for="")


def test_an_unknown_wait_holds():
    assert not released(build.status(build.copy("m2", epoch=6)), M2, wait_for="FullMoon")


@pytest.mark.spec("K03", "R9.4")
@pytest.mark.parametrize(
    ("owners", "expected"),
    [
        pytest.param([], True, id="the-owner-is-gone-entirely"),
        pytest.param([OwnerState(ref=WEB, clusters=frozenset({"m2"}))], True, id="the-owner-is-elsewhere"),
        pytest.param([OwnerState(ref=WEB, clusters=frozenset({"m1", "m2"}))], False, id="the-owner-may-be-there"),
        pytest.param([OwnerState(ref=build.ref(name="other"), clusters=frozenset({"m1"}))], True, id="another-workload"),
    ],
)
def test_owners_gone(owners, expected):
    binding = build.binding(removals={"m1": removal("OwnersGone", owners=(WEB,))})
    assert (releasable(binding, None, owners) == {"m1"}) == expected


@pytest.mark.spec("R9.4")
@pytest.mark.parametrize(
    ("copy", "expected"),
    [
        pytest.param(build.copy("m1", revision=4), False, id="still-runs-the-template-that-named-it"),
        pytest.param(build.copy("m1", revision=5, health="Unhealthy"), False, id="not-healthy-yet"),
        pytest.param(build.copy("m1", revision=5), True, id="runs-as-it-is-now"),
    ],
)
def test_an_owner_that_no_longer_names_it_has_only_to_run_as_it_is_now(copy, expected):
    """The owner stays in m1 for good: waiting for it to be gone would keep the dependency there for ever."""
    web = owner_state(WEB, build.binding(build.target("m1", 1), revision=5), build.status(copy))
    binding = build.binding(removals={"m1": removal("OwnersGone", owners=(WEB,), unnamed=(WEB,))})
    assert (releasable(binding, None, [web]) == {"m1"}) == expected
    assert releasable(build.binding(removals={"m1": removal("OwnersGone", owners=(WEB,))}), None, [web]) == frozenset()


@pytest.mark.spec("B18", "B26")
def test_a_tombstone_leaves_every_cluster_and_waits_for_nothing():
    body = build.binding(build.target("m1", epoch=3), removals={"m2": removal("ReplacementReady")}, preserve_resources_on_deletion=True)
    ended = ending(body)
    assert (ended.clusters, releasable(ended, None)) == ((), {"m1", "m2"})
    assert (ended.removals["m1"].epoch, ended.removals["m1"].preserve) == (3, True)
    assert not ended.removals["m2"].preserve  # What was moved away is not left running.


@pytest.mark.parametrize(
    ("binding", "status", "deleted", "expected"),
    [
        pytest.param(None, None, False, set(), id="nothing-known"),
        pytest.param(build.binding(build.target("m1")), None, False, {"m1"}, id="target"),
        pytest.param(build.binding(build.target("m2"), removals={"m1": removal()}), None, False, {"m1", "m2"}, id="removal"),
        pytest.param(
            build.binding(build.target("m2")), build.status(build.copy("m1", epoch=3)), False, {"m1", "m2"}, id="unconfirmed-copy"
        ),
        pytest.param(
            build.binding(build.target("m2")), build.status(build.copy("m1", epoch=3), gone={"m1": 3}), False, {"m2"}, id="confirmed-gone"
        ),
        pytest.param(build.binding(build.target("m1", epoch=3)), None, True, {"m1"}, id="tombstone-unconfirmed"),
        pytest.param(build.binding(build.target("m1", epoch=3)), build.status(gone={"m1": 3}), True, set(), id="tombstone-confirmed"),
        pytest.param(
            build.binding(removals={"m1": removal()}), build.status(gone={"m1": 5}), True, set(), id="removal-confirmed-in-a-tombstone"
        ),
    ],
)
def test_owner_state(binding, status, deleted, expected):
    assert owner_state(WEB, binding, status, deleted=deleted).clusters == expected
