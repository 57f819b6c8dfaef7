"""What the monitor keeps of beats."""

from __future__ import annotations

import pytest

from shoal.bus.port import Message
from shoal.messages.catalogue import Beat
from shoal_health_monitor.beats import Beats, Heard, heard
from support.clock import ManualClock

BEAT, SICK = Beat(cluster="m1", sequence=0, interval_s=2.0), Beat(cluster="m1", sequence=0, interval_s=2.0, api_healthy=False)


@pytest.mark.parametrize(
    ("before", "beat", "now", "expected"),
    [
        pytest.param(None, BEAT, 10.0, Heard(10.0, 10.0, None), id="the-first"),
        pytest.param(Heard(10.0, 4.0, None), BEAT, 12.0, Heard(12.0, 4.0, None), id="unbroken"),
        pytest.param(Heard(10.0, 4.0, None), BEAT, 14.5, Heard(14.5, 14.5, None), id="a-gap-above-two-beats-begins-anew"),
        pytest.param(Heard(10.0, 4.0, None), SICK, 12.0, Heard(12.0, None, 12.0), id="its-api-server-stopped-answering"),
        pytest.param(Heard(12.0, None, 12.0), SICK, 14.0, Heard(14.0, None, 12.0), id="still-not-answering"),
        pytest.param(Heard(14.0, None, 12.0), BEAT, 16.0, Heard(16.0, 16.0, None), id="answers-again"),
    ],
)
def test_heard(before, beat, now, expected):
    assert heard(before, beat, now) == expected


async def test_a_member_is_called_unknown_only_from_a_complete_list():
    beats = Beats(ManualClock(), lease_s=6.0)
    assert (await beats.beat("beat.abc", BEAT)).known
    beats.trusts_absence = True
    assert not (await beats.beat("beat.abc", BEAT)).known
    beats.known = {"abc"}
    assert (await beats.beat("beat.abc", BEAT)).known


async def test_a_beat_is_answered_with_how_far_the_members_works_are():
    beats = Beats(ManualClock(), lease_s=6.0)
    await beats.live(Message("live.abc.apps.Deployment.shop.web", b"", {"Nats-Sequence": "17"}))
    await beats.live(Message("live.abc.apps.Deployment.shop.web", b"", {"Nats-Sequence": "12"}))
    answer = await beats.beat("beat.abc", BEAT)
    assert (answer.sequence, answer.lease_s) == (17, 6.0)
