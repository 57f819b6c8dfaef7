"""Deployments of a simulated member: ready after a while, rolled within their limits, true in what they say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shoal.api.meta import Manifest, Ref
from shoal.kube.simulated.deployments import limits

Run = Callable[..., Any]
Make = Callable[..., Manifest]


def conditions(status: Manifest) -> dict[str, tuple[str, str]]:
    return {one["type"]: (one["status"], one.get("reason", "")) for one in status.get("conditions") or ()}


def test_a_deployment_becomes_ready(simulate: Run, make: Make) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(make(replicas=2))
        await member.settle(0.1)
        assert conditions(member.status("apps/Deployment", "web"))["Available"] == ("False", "MinimumReplicasUnavailable")
        await member.until(lambda: member.status("apps/Deployment", "web").get("availableReplicas") == 2)
        live = member.read("apps/Deployment", "web")
        assert live["status"]["observedGeneration"] == live["metadata"]["generation"] == 1
        counts = {name: live["status"].get(name) for name in ("replicas", "updatedReplicas", "readyReplicas", "unavailableReplicas")}
        assert counts == {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "unavailableReplicas": None}
        assert conditions(live["status"]) == {
            "Available": ("True", "MinimumReplicasAvailable"),
            "Progressing": ("True", "NewReplicaSetAvailable"),
        }
        pod = member.list("Pod")[0]
        assert pod["spec"]["nodeName"].startswith("m1-node-")
        assert pod["status"]["podIP"]
        assert conditions(pod["status"])["Ready"][0] == "True"

    simulate(scenario)


@pytest.mark.parametrize(
    ("strategy", "replicas", "at_least", "at_most"),
    [
        pytest.param({}, 4, 3, 5, id="default-quarter"),
        pytest.param({"rollingUpdate": {"maxSurge": 2, "maxUnavailable": 0}}, 4, 4, 6, id="surge-only"),
        pytest.param({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}, 4, 3, 4, id="unavailable-only"),
        pytest.param({"rollingUpdate": {"maxSurge": "100%", "maxUnavailable": "50%"}}, 4, 2, 8, id="percent"),
        pytest.param({"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}, 1, 1, 2, id="one-replica"),
    ],
)
def test_an_update_keeps_within_its_limits(
    simulate: Run, make: Make, strategy: dict[str, Any], replicas: int, at_least: int, at_most: int
) -> None:
    async def scenario(member: Any) -> None:
        spec = {"strategy": {"type": "RollingUpdate", **strategy}}
        await member.apply(make(replicas=replicas, spec=spec))
        await member.until(lambda: member.status("apps/Deployment", "web").get("availableReplicas") == replicas)
        seen: list[tuple[int, int]] = []
        observe = member.store.listener

        def listen(*change: Any) -> None:
            observe(*change)
            pods = [pod for pod in member.cluster.world.pods.values() if pod.active]
            seen.append((sum(pod.ready for pod in pods), len(pods)))

        member.store.listener = listen
        await member.apply(make(replicas=replicas, image="app:2", spec=spec))
        await member.until(lambda: conditions(member.status("apps/Deployment", "web"))["Progressing"][1] == "ReplicaSetUpdated")
        await member.until(lambda: conditions(member.status("apps/Deployment", "web"))["Progressing"][1] == "NewReplicaSetAvailable")
        assert min(ready for ready, _ in seen) >= at_least
        assert max(pods for _, pods in seen) <= at_most
        assert {pod["spec"]["containers"][0]["image"] for pod in member.list("Pod")} == {"app:2"}
        assert sorted(one["spec"]["replicas"] for one in member.list("apps/ReplicaSet")) == [0, replicas]

    simulate(scenario)


def test_recreate_removes_the_old_pods_first(simulate: Run, make: Make) -> None:
    async def scenario(member: Any) -> None:
        spec = {"strategy": {"type": "Recreate"}}
        await member.apply(make(replicas=2, spec=spec))
        await member.until(lambda: member.status("apps/Deployment", "web").get("availableReplicas") == 2)
        images: set[frozenset[str]] = set()
        observe = member.store.listener

        def listen(*change: Any) -> None:
            observe(*change)
            images.add(frozenset(pod["spec"]["containers"][0]["image"] for pod in member.list("Pod")))

        member.store.listener = listen
        await member.apply(make(replicas=2, image="app:2", spec=spec))
        await member.until(lambda: len(member.list("Pod")) == 2 and member.list("Pod")[0]["spec"]["containers"][0]["image"] == "app:2")
        assert images == {frozenset({"app:1"}), frozenset(), frozenset({"app:2"})}

    simulate(scenario)


def test_a_broken_image_leaves_the_old_pods_running(simulate: Run, make: Make) -> None:
    async def scenario(member: Any) -> None:
        spec = {"progressDeadlineSeconds": 30}
        await member.apply(make(replicas=4, spec=spec))
        await member.until(lambda: member.status("apps/Deployment", "web").get("availableReplicas") == 4)
        await member.apply(make(replicas=4, image="app:broken", spec=spec))
        await member.settle(10)
        assert member.waiting() == ["ImagePullBackOff"] * 2
        assert member.status("apps/Deployment", "web")["availableReplicas"] == 3
        assert conditions(member.status("apps/Deployment", "web"))["Progressing"] == ("True", "ReplicaSetUpdated")
        await member.settle(30)
        assert conditions(member.status("apps/Deployment", "web"))["Progressing"] == ("False", "ProgressDeadlineExceeded")
        await member.apply(make(replicas=4, image="app:2", spec=spec))
        await member.until(lambda: conditions(member.status("apps/Deployment", "web"))["Progressing"][1] == "NewReplicaSetAvailable")
        assert member.waiting() == []

    simulate(scenario)


def test_going_back_takes_the_old_replica_set_up_again(simulate: Run, make: Make) -> None:
    async def scenario(member: Any) -> None:
        for image in ("app:1", "app:2", "app:1"):
            await member.apply(make(replicas=1, image=image))
            await member.settle()
        revisions = {one["metadata"]["annotations"]["deployment.kubernetes.io/revision"] for one in member.list("apps/ReplicaSet")}
        assert revisions == {"2", "3"}
        assert member.read("apps/Deployment", "web")["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"

    simulate(scenario)


@pytest.mark.parametrize(
    ("before", "after"), [pytest.param(1, 5, id="up"), pytest.param(5, 1, id="down"), pytest.param(3, 0, id="to-zero")]
)
def test_scaling(simulate: Run, make: Make, before: int, after: int) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(make(replicas=before))
        await member.until(lambda: member.status("apps/Deployment", "web").get("availableReplicas") == before)
        await member.apply(make(replicas=after))
        await member.until(lambda: len(member.list("Pod")) == after and member.cluster.idle)
        await member.settle()
        status = member.status("apps/Deployment", "web")
        assert (status.get("replicas", 0), status.get("availableReplicas", 0)) == (after, after)
        assert len(member.list("apps/ReplicaSet")) == 1

    simulate(scenario)


def test_deleting_takes_replica_sets_and_pods_along(simulate: Run, make: Make) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(make(replicas=2))
        await member.settle()
        await member.api.delete(Ref("apps", "Deployment", "default", "web"))
        await member.until(lambda: not member.list("Pod") and not member.list("apps/ReplicaSet"))

    simulate(scenario)


def test_a_deleted_pod_is_replaced(simulate: Run, make: Make) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(make(replicas=2))
        await member.settle()
        first = member.list("Pod")[0]["metadata"]["name"]
        await member.api.delete(Ref("", "Pod", "default", first))
        await member.settle()
        assert member.phases() == ["Running", "Running"]
        assert first not in {pod["metadata"]["name"] for pod in member.list("Pod")}

    simulate(scenario)


def test_minimum_ready_time_delays_availability(simulate: Run, make: Make) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(make(replicas=1, spec={"minReadySeconds": 20}))
        await member.settle(10)
        assert member.status("apps/Deployment", "web")["readyReplicas"] == 1
        assert "availableReplicas" not in member.status("apps/Deployment", "web")
        await member.settle(15)
        assert member.status("apps/Deployment", "web")["availableReplicas"] == 1

    simulate(scenario)


def test_what_ran_is_there_after_a_kill_and_nothing_is_written(simulate: Run, make: Make) -> None:
    async def before(member: Any) -> None:
        await member.apply(make(replicas=2))
        await member.settle()

    async def after(member: Any) -> None:
        written = member.store.revision()
        await member.settle(60)
        assert member.store.revision() == written
        assert member.phases() == ["Running", "Running"]
        await member.apply(make(replicas=3))
        await member.until(lambda: member.phases() == ["Running"] * 3)

    simulate(after, store=simulate(before))


def test_a_pod_that_was_starting_when_the_member_was_killed_still_starts(simulate: Run, make: Make) -> None:
    async def before(member: Any) -> None:
        await member.apply(make(replicas=1))
        await member.until(lambda: member.waiting() == ["ContainerCreating"])

    async def after(member: Any) -> None:
        await member.until(lambda: member.phases() == ["Running"])

    simulate(after, store=simulate(before, ready_after_s=10), ready_after_s=10)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({"replicas": 10}, (3, 2), id="defaults-round-up-and-down"),
        pytest.param({"replicas": 1}, (1, 0), id="one"),
        pytest.param({"replicas": 4, "strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}}, (0, 1), id="never-both-zero"),
        pytest.param(
            {"replicas": 4, "strategy": {"rollingUpdate": {"maxSurge": "0%", "maxUnavailable": "10%"}}}, (0, 1), id="rounds-to-zero"
        ),
        pytest.param({"replicas": 4, "strategy": {"type": "Recreate"}}, (0, 4), id="recreate"),
    ],
)
def test_limits(spec: Manifest, expected: tuple[int, int]) -> None:
    assert limits(spec) == expected
