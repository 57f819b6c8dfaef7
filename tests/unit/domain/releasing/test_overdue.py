"""Evictions that waited for their whole grace period."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shoal.api.binding import Removal
from shoal.domain.releasing import overdue, purging
from support import build

TARGETS = (build.target("m2", 3, epoch=6), build.target("m3", 3, epoch=6))
M2, M3 = build.copy("m2", epoch=6), build.copy("m3", epoch=6)


def evicted(reason="TaintUntolerated", *, wait_for="ReplacementReady", since="2026-08-01T12:00:00Z", **fields):
    return Removal(reason=reason, author="cluster/old", epoch=5, since=since, wait_for=wait_for, **fields)


def after(seconds, removal, *copies, uid="uid-deployment-web", status=True):
    told = build.status(*copies) if status else None
    return overdue({"old": removal}, TARGETS, told, uid=uid, now=build.NOW + timedelta(seconds=seconds))


def waits(*arguments, **facts):
    return after(*arguments, **facts).removals["old"].wait_for


# R13.2: "suppressDeletion true -> keep; false -> finish; now > creation + (gracePeriodSeconds or 10 min) -> finish; ..."; R13.6 with GX20:
# Karmada's task then ends also when nothing replaced the copy, here the last one that works stays.
@pytest.mark.spec("N04", "GX20", "R13.2", "R13.6")
@pytest.mark.parametrize(
    ("seconds", "removal", "copies", "goes"),
    [
        pytest.param(599, evicted(), (M2,), False, id="not-yet"),
        pytest.param(600, evicted(), (M2,), True, id="ten-minutes-and-one-of-two-runs"),
        pytest.param(600, evicted(), (), False, id="R13.6-GX20-nothing-replaced-it"),
        pytest.param(86_400, evicted(), (build.copy("m2", epoch=6, health="Unhealthy"),), False, id="GX20-however-long-it-takes"),
        pytest.param(600, evicted(), (build.copy("m2", epoch=6, health="Unknown"),), False, id="GX20-what-nobody-knows-does-not-run"),
        pytest.param(600, evicted(), (build.copy("m2", epoch=6, applied=False),), False, id="not-applied"),
        pytest.param(600, evicted(), (build.copy("m2", epoch=5),), False, id="a-copy-of-an-earlier-assignment"),
        pytest.param(600, evicted(), (build.copy("m2", epoch=6, revision=3),), True, id="it-runs-though-an-older-revision"),
        pytest.param(600, evicted(), (build.copy("elsewhere", epoch=9),), False, id="no-target"),
        pytest.param(59, evicted(grace_period_s=60), (M2, M3), False, id="its-own-grace-not-yet"),
        pytest.param(60, evicted(grace_period_s=60), (M2,), True, id="its-own-grace"),
        pytest.param(600, evicted(grace_period_s=900), (M2,), False, id="its-own-longer-grace"),
        pytest.param(0, evicted(grace_period_s=0), (M2,), True, id="no-grace"),
        pytest.param(600, evicted("ClusterLost"), (M2,), True, id="lost"),
        pytest.param(600, evicted("Rebalanced"), (M2,), False, id="a-move-that-nobody-had-to-make-waits"),
        pytest.param(600, evicted("ClusterDeleted"), (M2,), False, id="a-cluster-that-is-being-deleted-waits"),
        pytest.param(600, evicted(since=""), (M2,), False, id="nobody-knows-since-when"),
    ],
)
def test_goes_when_its_time_is_over_and_something_runs(seconds, removal, copies, goes):
    assert (waits(seconds, removal, *copies) == "") == goes


@pytest.mark.spec("R13.2", "N08")
@pytest.mark.parametrize("wait_for", ["HeldByUser", "OwnersGone"])
def test_what_waits_for_something_else_is_not_overdue(wait_for):
    assert waits(86_400, evicted(wait_for=wait_for), M2, M3) == wait_for


def test_status_of_another_object_says_nothing():
    assert waits(600, evicted(), M2, M3, uid="uid-other") == "ReplacementReady"
    assert waits(600, evicted(), M2, M3, status=False) == "ReplacementReady"


@pytest.mark.spec("R13.2")
@pytest.mark.parametrize(
    ("seconds", "removal", "copies", "expected"),
    [
        pytest.param(100, evicted(), (M2,), 500.0, id="then"),
        pytest.param(600, evicted(), (M2,), None, id="it-goes-now"),
        pytest.param(700, evicted(), (), None, id="not-by-time-alone-but-when-a-copy-runs"),
        pytest.param(100, evicted("Rebalanced"), (M2,), None, id="never-by-time"),
    ],
)
def test_when_to_look_again(seconds, removal, copies, expected):
    assert after(seconds, removal, *copies).recheck_after_s == expected


def test_it_is_told_why():
    assert after(600, evicted(), M3).told == ("the copy in old waits no longer: its grace period of 600 s is over, and m3 runs healthy",)
    assert after(599, evicted(), M3).told == ()


# R6.2: "While such a Work of a Directly evicted cluster still exists, no new Work is created."
@pytest.mark.spec("R6.2", "N05")
@pytest.mark.parametrize(
    ("removal", "told", "waiting"),
    [
        pytest.param(evicted(first=True, wait_for=""), {"old"}, ("old",), id="it-may-run"),
        pytest.param(evicted(first=True, wait_for=""), set(), (), id="nobody-ever-told-it-to"),
        pytest.param(evicted(), {"old"}, (), id="gracefully"),
    ],
)
def test_what_has_to_be_gone_first(removal, told, waiting):
    assert purging(build.binding(*TARGETS, removals={"old": removal}), told) == waiting
