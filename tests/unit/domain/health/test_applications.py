"""How long an application may be unhealthy, and when it has failed."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.api.policy import ApplicationFailover, DecisionConditions, Failover
from shoal.domain.health import newly_failed, timed
from support import build

GRACE_S = 6.0
NOON = build.NOW
APPLICATION = Failover(application=ApplicationFailover(decision_conditions=DecisionConditions(toleration_seconds=60)))
BINDING = build.binding(build.target("m1", 2, epoch=7), failover=APPLICATION, propagate_deps=True)


def at(second, health, previous=None, *, binding=BINDING, listened_s=1_000.0, cluster="m1", epoch=7):
    """What the monitor writes `second` s after noon of a copy of that health."""
    status = build.status(build.copy(cluster, health=health, epoch=epoch))
    return timed(status, previous, binding, now=NOON + timedelta(seconds=second), listened_s=listened_s, grace_s=GRACE_S)


def story(*steps, **facts):
    """The timer after (second, health) one after the other."""
    found = None
    for second, health in steps:
        found = at(second, health, found.status if found else None, **facts)
    return found


def failed(found):
    return found.status.copies[0].failed


# Ex 12-a: "toleration 60, unhealthy at 12:00:00, Unknown at 12:00:50, unhealthy at 12:00:55 -> earliest eviction after 12:01:55."
@pytest.mark.spec("N06", "R12.2")
def test_ex_12_a_anything_else_than_unhealthy_begins_anew():
    begun = ((0, "Unhealthy"), (50, "Unknown"), (55, "Unhealthy"))
    assert story(*begun).status.copies[0].unhealthy_since == "2026-08-01T12:00:55.000Z"
    assert story(*begun).recheck_after_s == 60.0
    assert not failed(story(*begun, (115, "Unhealthy"))), "the time has to be exceeded"
    assert failed(story(*begun, (115.01, "Unhealthy")))
    assert story(*begun, (115.01, "Unhealthy")).recheck_after_s is None


@pytest.mark.spec("N06", "R12.1", "R12.2")
@pytest.mark.parametrize(
    ("binding", "cluster", "epoch"),
    [
        pytest.param(build.binding(build.target("m1", 2, epoch=7), propagate_deps=True), "m1", 7, id="nobody-asked"),
        pytest.param(build.binding(build.target("m1", 2, epoch=7), failover=APPLICATION), "m1", 7, id="dependencies-stay"),
        pytest.param(BINDING, "m2", 7, id="a-copy-on-its-way-out"),
        pytest.param(BINDING, "m1", 6, id="an-earlier-assignment"),
    ],
)
def test_who_is_not_timed(binding, cluster, epoch):
    found = story((0, "Unhealthy"), (1_000, "Unhealthy"), binding=binding, cluster=cluster, epoch=epoch)
    assert (failed(found), found.status.copies[0].unhealthy_since, found.recheck_after_s) == (False, "", None)


@pytest.mark.spec("R12.2")
@pytest.mark.parametrize("health", ["Healthy", "Unknown"])
def test_who_recovers_has_not_failed(health):
    found = story((0, "Unhealthy"), (100, "Unhealthy"), (101, health))
    assert (failed(found), found.status.copies[0].unhealthy_since) == (False, "")


def test_another_assignment_begins_anew():
    before = story((0, "Unhealthy"), (100, "Unhealthy")).status
    again = build.binding(build.target("m1", 2, epoch=9), failover=APPLICATION, propagate_deps=True)
    found = at(101, "Unhealthy", before, binding=again, epoch=9)
    assert (failed(found), found.recheck_after_s) == (False, 60.0)


@pytest.mark.spec("GX21")
def test_the_timer_survives_a_restart_and_the_verdict_waits_until_the_monitor_has_listened():
    before = at(0, "Unhealthy").status
    restarted = at(300, "Unhealthy", before, listened_s=0.5)
    assert (failed(restarted), restarted.recheck_after_s) == (False, 5.5)
    assert restarted.status == before, "nothing is written for it"
    assert failed(at(306, "Unhealthy", before, listened_s=6.5))


@pytest.mark.spec("GX21")
def test_a_verdict_that_was_passed_stands_after_a_restart():
    passed = story((0, "Unhealthy"), (61, "Unhealthy"))
    restarted = at(62, "Unhealthy", passed.status, listened_s=0.0)
    assert (restarted.status, restarted.recheck_after_s) == (passed.status, None)


def test_who_may_be_unhealthy_for_longer_now_has_not_failed():
    passed = story((0, "Unhealthy"), (61, "Unhealthy")).status
    patient = Failover(application=ApplicationFailover(decision_conditions=DecisionConditions(toleration_seconds=600)))
    longer = build.binding(build.target("m1", 2, epoch=7), failover=patient, propagate_deps=True)
    found = at(100, "Unhealthy", passed, binding=longer)
    assert (failed(found), found.recheck_after_s) == (False, 500.0)


def test_a_verdict_is_told_once():
    before, after = story((0, "Unhealthy")).status, story((0, "Unhealthy"), (61, "Unhealthy")).status
    assert [copy.cluster for copy in newly_failed(after, before)] == ["m1"]
    assert [copy.cluster for copy in newly_failed(after, None)] == ["m1"]
    assert not list(newly_failed(after, after))


@pytest.mark.spec("R12.2")
@given(steps=st.lists(st.tuples(st.integers(1, 40), st.sampled_from(["Healthy", "Unhealthy", "Unknown"])), max_size=12))
def test_failed_is_who_was_unhealthy_for_longer_without_a_break(steps):
    second, since, found, expected = 0, None, None, False
    for waited, health in steps:
        second += waited
        since = (second if since is None else since) if health == "Unhealthy" else None
        found = at(second, health, found.status if found else None)
        expected = since is not None and second - since > 60
        assert failed(found) == expected
        assert found == at(second, health, found.status), "looking again changes nothing"
        assert msgspec.structs.replace(found.status.copies[0], unhealthy_since="", failed=False).health == health
