"""What the monitor keeps of beats."""

from __future__ import annotations

import msgspec
import pytest

from shoal.api.cluster import Grade
from shoal.api.meta import Ref
from shoal.bus.entries import Entry, Envelope
from shoal.bus.port import Message, Stored
from shoal.messages.catalogue import OBJECT, Beat, Grading
from shoal_health_monitor.beats import Beats, Heard, heard
from support.clock import ManualClock

BEAT, SICK = Beat(cluster="m1", sequence=0, interval_s=2.0), Beat(cluster="m1", sequence=0, interval_s=2.0, api_healthy=False)


def cluster(revision, *bounds):
    """Its entry, with a resource model per lower bound of cpu."""
    models = [{"grade": grade, "ranges": [{"name": "cpu", "min": low}]} for grade, low in enumerate(bounds)]
    manifest = {"metadata": {"name": "m1"}} | ({"spec": {"resourceModels": models}} if models else {})
    envelope = Envelope(schema=OBJECT.schema, body=msgspec.Raw(msgspec.json.encode(manifest)))
    stored = Stored("state.object", revision, b"")
    return Entry(OBJECT, Ref("cluster.karmada.io", "Cluster", "", "m1"), stored, envelope, member="", revision=revision)


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
    beats.known = {"abc": cluster(7)}
    assert (await beats.beat("beat.abc", BEAT)).known


async def test_a_beat_is_answered_with_how_far_the_members_works_are():
    beats = Beats(ManualClock(), lease_s=6.0)
    await beats.live(Message("live.abc.apps.Deployment.shop.web", b"", {"Nats-Sequence": "17"}))
    await beats.live(Message("live.abc.apps.Deployment.shop.web", b"", {"Nats-Sequence": "12"}))
    answer = await beats.beat("beat.abc", BEAT)
    assert (answer.sequence, answer.lease_s) == (17, 6.0)


TWO = (Grade(number=0, least={"cpu": "0"}), Grade(number=1, least={"cpu": "2"}))


@pytest.mark.spec("R4.18", "L11")
@pytest.mark.parametrize(
    ("known", "grading", "answer"),
    [
        pytest.param(cluster(7, "0", "2"), 0, Grading(revision=7, grades=TWO), id="told-with-the-first-beat"),
        pytest.param(cluster(7, "0", "2"), 7, None, id="knows-them"),
        pytest.param(cluster(9, "0", 2), 7, Grading(revision=9, grades=TWO), id="the-cluster-changed"),
        pytest.param(cluster(7), 0, Grading(revision=7), id="nothing-is-to-be-counted"),
        pytest.param(None, 0, None, id="nobody-knows-its-cluster-yet"),
    ],
)
async def test_a_beat_is_answered_with_the_grades_that_its_agent_does_not_know(known, grading, answer):
    beats = Beats(ManualClock(), lease_s=6.0)
    beats.known = {"abc": known} if known else {}
    told = await beats.beat("beat.abc", Beat(cluster="m1", sequence=0, grading=grading))
    assert told.grading == answer
