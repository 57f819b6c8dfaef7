"""Annotations `policy.shoal.dev/...`: what they mean, what is wrong with them, and when a window is open."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shoal.api.options import NO_OPTIONS, PREFIX, PlacementOptions, Rate, ReplicaBounds, Window, options_of, read
from shoal.api.policy import ClusterAffinity


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        pytest.param({}, NO_OPTIONS, id="nothing-is-Karmadas-behaviour"),
        pytest.param({"example.org/rate": "9"}, NO_OPTIONS, id="others-are-others"),
        pytest.param({"follow": "labels, joined"}, PlacementOptions(follow=("joined", "labels")), id="triggers"),
        pytest.param({"follow": "all"}, PlacementOptions(follow=("joined", "labels", "recovered", "apis")), id="all-triggers"),
        pytest.param({"rate": "2/10m"}, PlacementOptions(rate=Rate(replicas=2, every_s=600)), id="rate"),
        pytest.param({"return-after": "1h"}, PlacementOptions(return_after_s=3600), id="return-after"),
        pytest.param({"return-after": "0s"}, PlacementOptions(return_after_s=0), id="return-at-once"),
        pytest.param({"spread": "grouping,capacity"}, PlacementOptions(group_spread=True, check_capacity=True), id="spread"),
        pytest.param({"static-weights": "capped"}, PlacementOptions(cap_static=True), id="static-weights"),
        pytest.param({"scaling": "balanced"}, PlacementOptions(balance=True), id="scaling"),
        pytest.param({"aggregated": "fill"}, PlacementOptions(fill=True), id="aggregated"),
        pytest.param({"prefer": "cost,priority"}, PlacementOptions(prefer=("cost", "priority")), id="prefer-in-that-order"),
        pytest.param({"windows": "02:00-05:00"}, PlacementOptions(windows=(Window(start=120, end=300),)), id="every-day"),
        pytest.param(
            {"windows": "Sat,Sun 02:00-05:00 +08:00; Fri-Mon 22:00-01:30 UTC"},
            PlacementOptions(windows=(Window(days=(5, 6), start=120, end=300, offset=480), Window(days=(0, 4, 5, 6), start=1320, end=90))),
            id="two-windows",
        ),
        pytest.param(
            {"replica-bounds": '[{"targetCluster": {"clusterNames": ["m1"]}, "min": 1, "max": 5}, {"max": 0}]'},
            PlacementOptions(
                bounds=(ReplicaBounds(target_cluster=ClusterAffinity(cluster_names=("m1",)), min=1, max=5), ReplicaBounds(max=0))
            ),
            id="bounds",
        ),
    ],
)
def test_read(annotations, expected):
    named = {key if "/" in key else PREFIX + key: text for key, text in annotations.items()}
    assert read(named) == (expected, ())
    assert options_of(named) == expected


@pytest.mark.parametrize(
    ("key", "text", "sentence"),
    [
        pytest.param("folow", "all", "is no option of a policy; there are follow, windows", id="unknown-option"),
        pytest.param("follow", "labels,moon", "'moon' is unknown; write some of all, joined", id="unknown-word"),
        pytest.param("rate", "2", "'2' is no rate; write replicas per duration, such as 2/10m", id="rate-without-time"),
        pytest.param("rate", "0/10m", "is no rate", id="rate-of-nothing"),
        pytest.param("rate", "2/0s", "is no rate", id="rate-in-no-time"),
        pytest.param("return-after", "ten", "'ten' is no duration", id="no-duration"),
        pytest.param("windows", "always", "'always' is no window", id="no-window"),
        pytest.param("windows", "Sun 25:00-26:00", "25:00 is no time of the day", id="no-time"),
        pytest.param("windows", "Son 02:00-03:00", "'Son' is no day", id="no-day"),
        pytest.param("replica-bounds", "{", "write a JSON list such as", id="no-json"),
        pytest.param("replica-bounds", '[{"min": 3, "max": 2}]', "min 3 and max 2 do not go together", id="crossed-bounds"),
        pytest.param("replica-bounds", '[{"least": 3}]', "unknown field `least`", id="unknown-field"),
        pytest.param("follow", "x" * 9000, "has 9000 characters", id="too-long"),
    ],
)
def test_what_is_wrong_is_told_and_counts_as_not_written(key, text, sentence):
    options, wrong = read({PREFIX + key: text})
    assert options == NO_OPTIONS
    assert [name for name, _ in wrong] == [PREFIX + key]
    assert sentence in wrong[0][1]


NOON = datetime(2026, 8, 1, 12, 0, tzinfo=UTC)  # A Saturday.


@pytest.mark.parametrize(
    ("windows", "hours"),
    [
        pytest.param("11:00-13:00", 0, id="open"),
        pytest.param("12:00-13:00", 0, id="just-opened"),
        pytest.param("11:00-12:00", 23, id="just-closed"),
        pytest.param("Sun 02:00-04:00", 14, id="tomorrow"),
        pytest.param("Sat 02:00-04:00", 158, id="next-week"),
        pytest.param("Fri 23:00-13:00", 0, id="over-midnight"),
        pytest.param("Sat 19:00-21:00 +08:00", 0, id="in-another-zone"),
        pytest.param("Sun 01:00-03:00 +14:00", 0, id="already-tomorrow-there"),
        pytest.param("Sun 02:00-04:00; 15:00-16:00", 3, id="the-nearest"),
        pytest.param("00:00-00:00", 0, id="the-whole-day"),
    ],
)
def test_opens_in(windows, hours):
    assert options_of({PREFIX + "windows": windows}).opens_in(NOON) == hours * 3600
