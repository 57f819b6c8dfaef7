"""A failed application from the verdict to the end of its old copy, over several decisions."""

from __future__ import annotations

import msgspec
import pytest

from shoal.api.policy import ApplicationFailover, Failover, StatePreservation, StatePreservationRule
from shoal.domain.deciding import EvictionTask, Wishes, decide
from support import build
from support.outcomes import again, placed

UID = "uid-deployment-web"
WEB = build.deployment("web", replicas=6)
M1, M2 = build.cluster("m1"), build.cluster("m2")
FAILED = build.status(msgspec.structs.replace(build.copy("m1", health="Unhealthy", epoch=100), failed=True, status={"replicas": 6}))


def failing(*, to=(M1, M2), propagate_deps=True, status=FAILED, **application):
    """What ran on m1 alone, and has failed there; with the inputs of that decision."""
    failover = Failover(application=ApplicationFailover(**application))
    policy = build.policy("p", to=build.placement(division=build.AGGREGATED), failover=failover, propagate_deps=propagate_deps)
    first = decide(build.inputs(WEB, policy, clusters=(M1,)))
    inputs = build.inputs(WEB, policy, clusters=to)
    return again(first, inputs, status=status), inputs


def said(**task):
    return Wishes(template_uid=UID, tasks={"m1": EvictionTask(position=200, **task)})


def keeping(path):
    return StatePreservation(rules=(StatePreservationRule(alias_label_name="had", json_path=path),))


@pytest.mark.spec("N06", "N11", "R12.2")
def test_it_moves_and_does_not_come_back_while_it_is_on_its_way_out():
    moved, inputs = failing()
    assert (placed(moved), moved.binding.removals["m1"].reason) == ({"m2": 6}, "ApplicationFailure")
    worse = build.status(msgspec.structs.replace(build.copy("m2", health="Unhealthy", epoch=110), failed=True))
    assert placed(again(moved, inputs, 60, status=worse)) == {"m2": 6}, "nothing else fits, and what runs stays"


@pytest.mark.spec("R12.2")
def test_without_room_elsewhere_it_stays():
    stuck, _ = failing(to=(M1,))
    assert (placed(stuck), stuck.binding.removals, stuck.binding.conditions[0].status) == ({"m1": 6}, {}, "False")


@pytest.mark.spec("R12.1")
def test_without_its_dependencies_it_stays():
    assert not failing(propagate_deps=False)[0].changed


@pytest.mark.spec("N07", "N08", "R12.3")
def test_never_waits_for_a_user():
    moved, inputs = failing(purge_mode="Never")
    assert moved.binding.removals["m1"].wait_for == "HeldByUser"
    assert not again(moved, inputs, 86_400).changed
    assert again(moved, inputs, 86_400, wishes=said(suppress_deletion=False)).binding.removals["m1"].wait_for == ""


@pytest.mark.spec("N09", "R12.4")
def test_the_new_copy_inherits_and_keeps_it():
    moved, inputs = failing(purge_mode="Directly", state_preservation=keeping("{.replicas}"))
    assert [target.preserved for target in moved.binding.clusters] == [{"had": "6"}]
    gone = again(moved, inputs, 30, status=build.status(build.copy("m2", epoch=110), gone={"m1": 100}))
    assert (gone.binding.removals, [target.preserved for target in gone.binding.clusters]) == ({}, [{"had": "6"}])
    assert not again(gone, inputs, 60, status=build.status(build.copy("m2", epoch=110))).changed


@pytest.mark.spec("N09", "R12.4")
def test_what_cannot_be_preserved_says_why_it_stays():
    stays, _ = failing(purge_mode="Directly", state_preservation=keeping("{.jobID}"))
    assert not stays.changed
    assert (stays.reason, stays.message) == (
        "StateNotPreserved",
        "m1 is not left: its status has nothing at {.jobID}, which is to be preserved as had",
    )
