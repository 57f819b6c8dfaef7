from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.api.binding import Removal
from shoal.domain.aggregating import Evidence, aggregate, template_status
from support import build


def kept(template, copies, generation):
    """A merge rule that shows what it was given."""
    return {"from": [copy.cluster for copy in copies], "generation": generation}


def evidence(**reports):
    return {cluster: Evidence(member=f"id-{cluster}", report=report, change="01A") for cluster, report in reports.items()}


def judged(binding, template=None, silent=(), **reports):
    return template_status(template, binding, evidence(**reports), merge=kept, silent=silent)


TWO = build.binding(build.target("m1"), build.target("m2"))
LEAVING = Removal(reason="PolicyChanged", author="policy/shop/p", epoch=3)


@pytest.mark.spec("J02", "R8.1")
def test_one_copy_per_target_by_name():
    report = build.report(
        status={"replicas": 2},
        generation=9,
        template_generation=4,
        template_revision=10,
        replicas=2,
        image="nginx:1",
        applied_at="2026-01-01T00:00:00Z",
    )
    status = judged(TWO, m2=report)
    first, second = status.copies
    assert (first.cluster, first.applied, first.health, first.reason) == ("m1", False, "Unknown", "Applying")
    assert (second.cluster, second.member, second.applied, second.health, second.change) == ("m2", "id-m2", True, "Healthy", "01A")
    assert (second.status, second.generation, second.template_generation, second.template_revision) == ({"replicas": 2}, 9, 4, 10)
    assert (second.replicas, second.image, second.work_revision, second.applied_at) == (2, "nginx:1", 1, "2026-01-01T00:00:00Z")
    assert status.template_uid == "uid-deployment-web"


@pytest.mark.spec("J04", "R8.2")
@pytest.mark.parametrize(
    ("binding", "reports", "expected"),
    [
        pytest.param(TWO, {"m1": build.report(), "m2": build.report()}, True, id="all"),
        pytest.param(TWO, {"m1": build.report()}, False, id="one-is-missing"),
        pytest.param(TWO, {"m1": build.report(), "m2": build.report(applied=False)}, False, id="one-is-refused"),
        pytest.param(build.binding(), {}, False, id="placed-nowhere"),
        pytest.param(build.binding(build.target("m1"), removals={"m2": LEAVING}), {"m1": build.report()}, True, id="removals-do-not-count"),
    ],
)
def test_fully_applied(binding, reports, expected):
    assert judged(binding, **reports).fully_applied is expected


@pytest.mark.spec("R8.1", "J05")
@pytest.mark.parametrize(
    ("report", "applied", "health", "reason"),
    [
        pytest.param(build.report(health="Unhealthy"), True, "Unhealthy", "", id="unhealthy"),
        pytest.param(build.report(applied=False, reason="Conflict"), False, "Unknown", "Conflict", id="refused-is-unknown"),
        pytest.param(build.report(applied=False, reason="Suspended"), False, "Healthy", "Suspended", id="suspended-still-tells"),
        pytest.param(build.report(epoch=0), False, "Unknown", "Applying", id="earlier-assignment"),
        pytest.param(build.report(uid="other"), False, "Unknown", "Applying", id="other-template"),
        pytest.param(build.report(applied=False, gone=True), False, "Unknown", "Applying", id="gone-before"),
    ],
)
def test_which_reports_count(report, applied, health, reason):
    (copy,) = judged(build.binding(build.target("m1", epoch=1)), m1=report).copies
    assert (copy.applied, copy.health, copy.reason) == (applied, health, reason)


@pytest.mark.parametrize(
    ("report", "shown", "gone"),
    [
        pytest.param(None, True, {}, id="never-reported-may-be-there"),
        pytest.param(build.report(epoch=2), True, {}, id="still-there"),
        pytest.param(build.report(applied=False, gone=True, epoch=3), False, {"m2": 3}, id="gone"),
        pytest.param(build.report(applied=False, gone=True, epoch=2), True, {"m2": 2}, id="an-earlier-one-is-gone"),
        pytest.param(build.report(applied=False, gone=True, epoch=3, uid="other"), True, {}, id="of-another-template"),
    ],
)
def test_removals_show_until_they_are_gone(report, shown, gone):
    binding = build.binding(build.target("m1", epoch=5), removals={"m2": LEAVING})
    status = judged(binding, m2=report)
    assert ("m2" in [copy.cluster for copy in status.copies]) is shown
    assert status.gone == gone


def test_gone_is_told_for_clusters_outside_the_binding_too():
    assert judged(build.binding(), m9=build.report(applied=False, gone=True, epoch=4)).gone == {"m9": 4}


def test_copies_in_silent_clusters_are_unknown():
    first, second = judged(TWO, silent={"m1"}, m1=build.report(), m2=build.report()).copies
    assert (first.applied, first.health, first.reason) == (True, "Unknown", "ClusterSilent")
    assert (second.health, second.reason) == ("Healthy", "")


@pytest.mark.spec("J03")
def test_only_targets_are_merged_and_only_with_a_template():
    template = {**build.deployment(), "metadata": {"name": "web", "generation": 4}}
    binding = build.binding(build.target("m2"), build.target("m1"), removals={"m3": LEAVING})
    assert judged(binding, template, m3=build.report()).status == {"from": ["m1", "m2"], "generation": 4}
    assert judged(binding, None).status is None


@given(st.permutations(["m1", "m2", "m3"]))
def test_the_order_of_copies_does_not_count(order):
    assert aggregate({}, [build.copy(name) for name in order], 1, merge=kept) == {"from": ["m1", "m2", "m3"], "generation": 1}
