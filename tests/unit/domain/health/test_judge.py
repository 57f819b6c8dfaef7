from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.api.cluster import ClusterStatus, Grade, ResourceSummary, Taint
from shoal.api.status import Belief
from shoal.api.work import Inventory
from shoal.domain.health import Evidence, Listening, Thresholds, Verdict, judge, listen, silence_s, verdict
from shoal.domain.health.judge import steady_needed_s
from support import build

T = Thresholds(
    beat_s=2.0, suspect_after_s=5.0, lost_after_s=8.0, never_after_s=60.0, steady_s=6.0, steady_max_s=100.0, loss_window_s=3600.0
)
AT = 1000.0
NOT_READY = Taint(key="cluster.karmada.io/not-ready", effect="NoSchedule")
UNREACHABLE = Taint(key="cluster.karmada.io/unreachable", effect="NoSchedule")


def seen(silent_for=0.0, listening_for=500.0, *, steady_for=None, unhealthy_for=None, heard=True, deaf=False, **fields):
    """Evidence at AT, in durations back from then."""
    last = AT - silent_for
    return Evidence(
        member="id-m1",
        at=AT,
        listening=None if deaf else Listening(since=AT - listening_for, last=AT),
        last_beat=last if heard else None,
        steady_since=None if steady_for is None else AT - steady_for,
        api_unhealthy_since=None if unhealthy_for is None else AT - unhealthy_for,
        **fields,
    )


def believed(state, reason="", **fields):
    return Belief(member="id-m1", state=state, since="2026-07-01T00:00:00Z", reason=reason, **fields)


READY, SUSPECT, LOST, JOINING = (believed(state) for state in ("Ready", "Suspect", "Lost", "Joining"))
LOST_ONCE = believed("Lost", "ClusterStatusUnknown", losses=("2026-08-01T11:59:00Z",))
LOST_TWICE = believed("Lost", "ClusterStatusUnknown", losses=("2026-08-01T11:50:00Z", "2026-08-01T11:59:00Z"))


@pytest.mark.spec("L06", "L07", "R10.1", "R10.2", "R10.3")
@pytest.mark.parametrize(
    ("evidence", "previous", "state", "reason"),
    [
        pytest.param(seen(), None, "Ready", "ClusterReady", id="the-first-beat-counts-at-once"),
        pytest.param(seen(heard=False), None, "Joining", "ClusterStatusNeverUpdated", id="never-heard-for-long"),
        pytest.param(seen(heard=False, listening_for=10), None, "Joining", "", id="never-heard-yet"),
        pytest.param(seen(), JOINING, "Ready", "ClusterReady", id="joins"),
        pytest.param(seen(4.9), READY, "Ready", "ClusterReady", id="inside-the-patience"),
        pytest.param(seen(5), READY, "Suspect", "ClusterStatusUnknown", id="suspect"),
        pytest.param(seen(7.9), SUSPECT, "Suspect", "ClusterStatusUnknown", id="inside-the-grace"),
        pytest.param(seen(8), SUSPECT, "Lost", "ClusterStatusUnknown", id="lost-after-the-grace"),
        pytest.param(seen(100, held=True), SUSPECT, "Suspect", "MassSilence", id="mass-silence-is-no-verdict"),
        pytest.param(seen(100, held=True), LOST, "Lost", "ClusterStatusUnknown", id="mass-silence-saves-nobody-lost-before"),
        pytest.param(seen(100, listening_for=7), READY, "Suspect", "ClusterStatusUnknown", id="silence-before-listening-does-not-count"),
        pytest.param(seen(100, listening_for=3), READY, "Ready", "", id="a-fresh-monitor-waits"),
        pytest.param(seen(100, listening_for=3), SUSPECT, "Suspect", "", id="nothing-heard-is-no-recovery"),
        pytest.param(seen(heard=False, listening_for=3), READY, "Ready", "", id="after-a-restart-of-the-monitor"),
        pytest.param(seen(heard=False, listening_for=8), READY, "Lost", "ClusterStatusUnknown", id="a-full-grace-after-a-restart"),
        pytest.param(seen(100, deaf=True), READY, "Ready", "", id="deaf-says-nothing"),
        pytest.param(seen(deaf=True), LOST, "Lost", "", id="deaf-does-not-recover"),
        pytest.param(seen(deaf=True), None, "Joining", "", id="deaf-and-new"),
        pytest.param(seen(unhealthy_for=4), READY, "Ready", "", id="api-hiccup"),
        pytest.param(seen(unhealthy_for=5), READY, "Suspect", "ClusterNotReady", id="api-does-not-answer"),
        pytest.param(seen(unhealthy_for=8), SUSPECT, "Lost", "ClusterNotReady", id="api-down-for-the-grace"),
        pytest.param(seen(unhealthy_for=100, listening_for=7), READY, "Suspect", "ClusterNotReady", id="api-down-before-listening"),
        pytest.param(seen(unhealthy_for=1), LOST, "Lost", "ClusterNotReady", id="back-without-its-api"),
        pytest.param(seen(steady_for=1), SUSPECT, "Suspect", "", id="one-beat-does-not-clear-a-suspect"),
        pytest.param(seen(steady_for=2), SUSPECT, "Ready", "ClusterReady", id="two-beats-do"),
        pytest.param(seen(steady_for=5), LOST_ONCE, "Lost", "ClusterStatusUnknown", id="not-steady-enough"),
        pytest.param(seen(steady_for=6), LOST_ONCE, "Ready", "ClusterReady", id="steady"),
        pytest.param(seen(steady_for=6), LOST_TWICE, "Lost", "ClusterStatusUnknown", id="flapping-takes-longer"),
        pytest.param(seen(steady_for=12), LOST_TWICE, "Ready", "ClusterReady", id="flapping-ends"),
        pytest.param(seen(steady_for=100, listening_for=5), LOST_ONCE, "Lost", "ClusterStatusUnknown", id="steadiness-must-be-listened-to"),
    ],
)
def test_state(evidence, previous, state, reason):
    belief = judge(evidence, previous, now=build.NOW, thresholds=T)
    assert (belief.state, belief.reason) == (state, reason)


@pytest.mark.spec("L06", "L08", "R10.4")
@pytest.mark.parametrize(
    ("evidence", "previous", "ready", "taints"),
    [
        pytest.param(seen(), None, "True", (), id="ready"),
        pytest.param(seen(6), READY, "True", (), id="a-suspect-is-inside-its-grace"),
        pytest.param(seen(9), READY, "Unknown", (UNREACHABLE,), id="silent"),
        pytest.param(seen(unhealthy_for=9), READY, "False", (NOT_READY,), id="api-down"),
        pytest.param(seen(heard=False, listening_for=1), None, None, (NOT_READY,), id="nothing-known"),
        pytest.param(seen(heard=False), None, "Unknown", (UNREACHABLE,), id="never-heard"),
    ],
)
def test_conditions_and_taints(evidence, previous, ready, taints):
    belief = judge(evidence, previous, now=build.NOW, thresholds=T)
    found = {condition.type: condition.status for condition in belief.status.conditions}
    assert found.get("Ready") == ready
    assert belief.taints == taints


def later(seconds):
    return build.NOW + timedelta(seconds=seconds)


def test_nothing_changes_nothing():
    first = judge(seen(6), READY, now=build.NOW, thresholds=T)
    assert judge(seen(7), first, now=later(1), thresholds=T) == first


def test_transition_times_move_with_the_status_only():
    first = judge(seen(), None, now=build.NOW, thresholds=T)
    suspect = judge(seen(6), first, now=later(10), thresholds=T)
    lost = judge(seen(9), suspect, now=later(20), thresholds=T)
    times = [belief.status.conditions[0].last_transition_time for belief in (first, suspect, lost)]
    assert times == ["2026-08-01T12:00:00Z", "2026-08-01T12:00:00Z", "2026-08-01T12:00:20Z"]
    assert [belief.since for belief in (first, suspect, lost)] == ["2026-08-01T12:00:00Z", "2026-08-01T12:00:10Z", "2026-08-01T12:00:20Z"]
    assert lost.losses == ("2026-08-01T12:00:20Z",)


@pytest.mark.spec("L09", "L10")
def test_status_comes_from_the_inventory_and_stays_when_silent():
    inventory = Inventory(cluster="m1", kubernetes_version="v1.33.0", complete_api_enablements=False)
    ready = judge(seen(inventory=inventory), None, now=build.NOW, thresholds=T)
    assert ready.status.kubernetes_version == "v1.33.0"
    assert [(c.type, c.status, c.reason) for c in ready.status.conditions] == [
        ("Ready", "True", "ClusterReady"),
        ("CompleteAPIEnablements", "False", "PartialAPIEnablements"),
    ]
    lost = judge(seen(9), ready, now=later(9), thresholds=T)
    assert lost.status.kubernetes_version == "v1.33.0"
    assert lost.status.conditions[1] == ready.status.conditions[1]


HALVES, WHOLES = (Grade(number=0), Grade(number=1, least={"cpu": "500m"})), (Grade(number=0), Grade(number=1, least={"cpu": "1"}))
ONE, TWO = ({"grade": 0, "count": 0}, {"grade": 1, "count": 1}), ({"grade": 0, "count": 0}, {"grade": 1, "count": 2})


def figures(cpu, *counts):
    return ResourceSummary(allocatable={"cpu": cpu}, allocatable_modelings=counts)


def inventory(cpu, *counts, grades=()):
    return Inventory(cluster="m1", resource_summary=figures(cpu, *counts), grades=grades)


COUNTED = believed("Ready", status=ClusterStatus(resource_summary=figures("4", *TWO)), grades=WHOLES)


@pytest.mark.spec("L11", "R4.18")
@pytest.mark.parametrize(
    ("previous", "inventory", "graded", "summary", "grades"),
    [
        pytest.param(None, inventory("8", *ONE, grades=HALVES), True, figures("8", *ONE), HALVES, id="counts-stand-beside-their-grades"),
        pytest.param(COUNTED, inventory("8", *ONE, grades=HALVES), True, figures("8", *ONE), HALVES, id="counted-anew"),
        pytest.param(COUNTED, inventory("8"), True, figures("8", *TWO), WHOLES, id="a-fresh-agent-has-none-yet"),
        pytest.param(None, inventory("8"), True, figures("8"), (), id="a-fresh-agent-of-a-new-member"),
        pytest.param(COUNTED, None, True, figures("4", *TWO), WHOLES, id="no-inventory"),
        pytest.param(COUNTED, inventory("8", *TWO, grades=WHOLES), False, figures("8"), (), id="no-models-any-more"),
        pytest.param(COUNTED, inventory("8"), False, figures("8"), (), id="no-models-any-more-and-a-fresh-agent"),
        pytest.param(COUNTED, None, False, figures("4"), (), id="no-models-any-more-and-no-inventory"),
        pytest.param(None, None, True, None, (), id="nothing-known"),
    ],
)
def test_counts_by_grade(previous, inventory, graded, summary, grades):
    evidence = seen(inventory=inventory, graded=graded)
    belief = judge(evidence, previous, now=build.NOW, thresholds=T)
    assert (belief.status.resource_summary, belief.grades) == (summary, grades)
    assert judge(evidence, belief, now=later(1), thresholds=T) == belief


def test_old_losses_are_forgiven():
    old = believed("Lost", "ClusterStatusUnknown", losses=("2026-08-01T10:00:00Z", "2026-08-01T11:59:00Z"))
    belief = judge(seen(steady_for=6), old, now=build.NOW, thresholds=T)
    assert (belief.state, belief.losses) == ("Ready", ("2026-08-01T11:59:00Z",))


def test_steadiness_has_a_maximum():
    assert [steady_needed_s(losses, T) for losses in (0, 1, 2, 3, 9)] == [6, 6, 12, 24, 100]


@pytest.mark.parametrize(
    ("previous", "now", "event"),
    [
        pytest.param(None, believed("Joining"), None, id="joining"),
        pytest.param(JOINING, believed("Ready"), "cluster.ready", id="ready"),
        pytest.param(READY, believed("Ready"), None, id="the-same"),
        pytest.param(SUSPECT, believed("Lost", "X"), "cluster.lost", id="lost"),
    ],
)
def test_verdict(previous, now, event):
    assert verdict(previous, now) == (Verdict(event=event, reason=now.reason, message="") if event else None)


STEPS = st.lists(
    st.tuples(
        st.floats(0.1, 6.0),  # How long until the monitor looks again.
        st.booleans(),  # It was able to listen.
        st.booleans(),  # The cluster beat just now.
        st.booleans(),  # Its API server answers.
        st.booleans(),  # The brake is on.
    ),
    max_size=40,
)


@given(STEPS)
def test_no_loss_without_a_full_listened_grace(steps):
    """Whatever the monitor lives through: Lost means that for the whole grace it listened without a gap and heard nothing (or no API)."""
    at, listening, last_beat, unhealthy_since, belief = 0.0, None, None, None, None
    looks: list[float] = []  # Moments of the unbroken listening up to now.
    for gap, able, beats, api_ok, held in steps:
        at += gap
        looks = [*looks, at] if able and looks and gap <= T.beat_s else [at] if able else []
        listening = listen(listening, at, able=able, beat_s=T.beat_s)
        if able and beats:
            last_beat = at
            unhealthy_since = None if api_ok else (unhealthy_since if unhealthy_since is not None else at)
        evidence = Evidence(
            member="m",
            at=at,
            listening=listening,
            last_beat=last_beat,
            steady_since=last_beat,
            api_unhealthy_since=unhealthy_since,
            held=held,
        )
        before, belief = belief, judge(evidence, belief, now=build.NOW, thresholds=T)
        if belief.state == "Lost" and (before is None or before.state != "Lost"):
            quiet_since = max(looks[0], last_beat if last_beat is not None else 0.0)
            sick_since = max(looks[0], unhealthy_since if unhealthy_since is not None else at)
            assert at - quiet_since >= T.lost_after_s or at - sick_since >= T.lost_after_s
            assert not (held and at - sick_since < T.lost_after_s)


def test_silence_is_not_counted_past_the_last_look():
    evidence = Evidence(member="m", at=AT + 100, listening=Listening(since=0, last=AT), last_beat=AT - 3)
    assert silence_s(evidence) == 3.0


@pytest.mark.spec("L07")
def test_a_link_that_flaps_every_five_seconds_never_loses_the_cluster():
    belief, listening, last_beat, steady_since = None, None, 0.0, 0.0
    for half in range(7200):
        at = half * 0.5
        listening = listen(listening, at, able=True, beat_s=T.beat_s)
        if int(at / 5) % 2 == 0 and at % 2 == 0:
            steady_since = at if at - last_beat > 2 * T.beat_s else steady_since
            last_beat = at
        evidence = Evidence(member="m", at=at, listening=listening, last_beat=last_beat, steady_since=steady_since)
        belief = judge(evidence, belief, now=later(at), thresholds=T)
        assert belief.state in ("Ready", "Suspect")
