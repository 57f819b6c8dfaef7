"""How far a rebalancer has come."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shoal.api.apps import ObjectReference, ObservedWorkload, WorkloadRebalancer, WorkloadRebalancerSpec, WorkloadRebalancerStatus
from shoal.domain.rebalancing import Carried, judge
from support import build

A, B = (ObjectReference(api_version="apps/v1", kind="Deployment", namespace="shop", name=name) for name in "ab")
NOW, LATER = build.NOW, build.NOW + timedelta(seconds=40)
DONE, WAITS, MISSING = Carried(bound=True, done=True), Carried(bound=True, done=False), Carried(bound=False, done=False)


def asked(*workloads, ttl=None):
    return WorkloadRebalancer(spec=WorkloadRebalancerSpec(workloads=workloads, ttl_seconds_after_finished=ttl))


def said(judged):
    return {one.workload.name: (one.result, one.reason) for one in judged.status.observed_workloads}


@pytest.mark.spec("Q06", "R15.3")
def test_results_and_the_end():
    first = judge(asked(B, A), WorkloadRebalancerStatus(), {A: WAITS, B: MISSING}, now=NOW)
    assert (said(first), first.waits, first.status.finish_time) == (
        {"a": ("", ""), "b": ("Failed", "ReferencedBindingNotFound")}, True, "",
    )  # fmt: skip
    assert [one.workload.name for one in first.status.observed_workloads] == ["a", "b"]
    second = judge(asked(B, A), first.status, {A: DONE, B: DONE}, now=LATER)
    assert (said(second), second.waits) == ({"a": ("Successful", ""), "b": ("Failed", "ReferencedBindingNotFound")}, False)
    assert second.status.finish_time == "2026-08-01T12:00:40Z"
    third = judge(asked(B, A), second.status, {A: WAITS, B: DONE}, now=LATER + timedelta(seconds=9))
    assert third.status == second.status


@pytest.mark.spec("A13", "Q06", "R15.3")
@pytest.mark.parametrize(
    ("ttl", "left"),
    [
        pytest.param(None, None, id="stays"),
        pytest.param(0, 0.0, id="at-once"),
        pytest.param(30, 0.0, id="over"),
        pytest.param(60, 20.0, id="in-a-while"),
    ],
)
def test_time_to_live(ttl, left):
    before = WorkloadRebalancerStatus(
        observed_workloads=(ObservedWorkload(workload=A, result="Successful"),), finish_time="2026-08-01T12:00:00Z"
    )
    assert judge(asked(A, ttl=ttl), before, {A: DONE}, now=LATER).delete_after_s == left


@pytest.mark.spec("R15.3")
def test_editing_the_list():
    before = WorkloadRebalancerStatus(
        observed_workloads=(
            ObservedWorkload(workload=A, result="Successful"),
            ObservedWorkload(workload=B, result="Failed", reason="ReferencedBindingNotFound"),
        ),
        finish_time="2026-08-01T12:00:00Z",
    )
    c = ObjectReference(api_version="v1", kind="ConfigMap", namespace="shop", name="c")
    judged = judge(asked(c), before, {c: WAITS}, now=LATER)
    assert (said(judged), judged.status.finish_time) == ({"a": ("Successful", ""), "c": ("", "")}, "")
