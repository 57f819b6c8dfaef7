"""StatefulSets, DaemonSets and Jobs of a simulated member."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shoal.api.meta import Manifest

Run = Callable[..., Any]


def pod_template(image: str = "app:1", **spec: Any) -> Manifest:
    return {"metadata": {"labels": {"app": "w"}}, "spec": {"containers": [{"name": "app", "image": image}], **spec}}


def workload(kind: str, image: str = "app:1", **spec: Any) -> Manifest:
    metadata = {"name": "w", "namespace": "default"}
    selector = {"matchLabels": {"app": "w"}}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": metadata,
        "spec": {"selector": selector, "template": pod_template(image), **spec},
    }


def job(image: str = "app:1", **spec: Any) -> Manifest:
    template = pod_template(image, restartPolicy="Never")
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "w", "namespace": "default"},
        "spec": {"template": template, **spec},
    }


def names(member: Any) -> list[str]:
    return [pod["metadata"]["name"] for pod in member.list("Pod")]


def conditions(status: Manifest) -> dict[str, str]:
    return {one["type"]: one["reason"] for one in status.get("conditions") or () if one["status"] == "True"}


# --- StatefulSet ---


def test_a_stateful_set_starts_its_pods_in_order(simulate: Run) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(workload("StatefulSet", serviceName="w", replicas=3))
        await member.until(lambda: member.phases() == ["Pending"])
        assert names(member) == ["w-0"]
        await member.until(lambda: member.status("apps/StatefulSet", "w").get("readyReplicas") == 3)
        assert names(member) == ["w-0", "w-1", "w-2"]
        status = member.status("apps/StatefulSet", "w")
        assert status["currentRevision"] == status["updateRevision"]
        assert status["availableReplicas"] == status["updatedReplicas"] == status["observedGeneration"] + 2 == 3

    simulate(scenario)


def test_a_parallel_stateful_set_starts_them_at_once(simulate: Run) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(workload("StatefulSet", serviceName="w", replicas=3, podManagementPolicy="Parallel"))
        await member.settle(0.1)
        assert names(member) == ["w-0", "w-1", "w-2"]

    simulate(scenario)


def test_a_stateful_set_is_updated_from_the_highest_number_down(simulate: Run) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(workload("StatefulSet", serviceName="w", replicas=2))
        await member.settle()
        order: list[str] = []
        observe = member.store.listener

        def listen(ref: Any, before: Any, after: Any) -> None:
            observe(ref, before, after)
            if ref.kind == "Pod" and after is None:
                order.append(ref.name)

        member.store.listener = listen
        await member.apply(workload("StatefulSet", "app:2", serviceName="w", replicas=2))
        await member.settle()
        assert order == ["w-1", "w-0"]
        assert {pod["spec"]["containers"][0]["image"] for pod in member.list("Pod")} == {"app:2"}
        assert member.phases() == ["Running", "Running"]

    simulate(scenario)


def test_a_partition_keeps_low_numbers_on_the_old_template(simulate: Run) -> None:
    async def scenario(member: Any) -> None:
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
        for image in ("app:1", "app:2"):
            await member.apply(workload("StatefulSet", image, serviceName="w", replicas=2, updateStrategy=strategy))
            await member.settle()
        images = {pod["metadata"]["name"]: pod["spec"]["containers"][0]["image"] for pod in member.list("Pod")}
        assert images == {"w-0": "app:1", "w-1": "app:2"}

    simulate(scenario)


def test_claims_are_made_bound_and_kept(simulate: Run) -> None:
    claim = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}

    async def scenario(member: Any) -> None:
        await member.apply(workload("StatefulSet", serviceName="w", replicas=2, volumeClaimTemplates=[claim]))
        await member.settle()
        claims = {one["metadata"]["name"]: one["status"]["phase"] for one in member.list("PersistentVolumeClaim")}
        assert claims == {"data-w-0": "Bound", "data-w-1": "Bound"}
        mounted = member.read("Pod", "w-1")["spec"]["volumes"]
        assert {"name": "data", "persistentVolumeClaim": {"claimName": "data-w-1"}} in mounted
        await member.apply(workload("StatefulSet", serviceName="w", replicas=1, volumeClaimTemplates=[claim]))
        await member.settle()
        assert names(member) == ["w-0"]
        assert len(member.list("PersistentVolumeClaim")) == 2

    simulate(scenario)


# --- DaemonSet ---


def test_a_daemon_set_has_a_pod_on_every_node_that_admits_it(simulate: Run) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(workload("DaemonSet"))
        await member.until(lambda: member.status("apps/DaemonSet", "w").get("numberReady") == 3)
        assert {pod["spec"]["nodeName"] for pod in member.list("Pod")} == {"m1-node-0", "m1-node-1", "m1-node-2"}
        tainted = member.read("Node", "m1-node-0", "")
        tainted["spec"]["taints"] = [{"key": "gpu", "effect": "NoSchedule"}]
        await member.api.replace(tainted)
        await member.until(lambda: len(member.list("Pod")) == 2)
        assert member.status("apps/DaemonSet", "w")["desiredNumberScheduled"] == 2

    simulate(scenario)


def test_a_daemon_set_is_updated_node_by_node(simulate: Run) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(workload("DaemonSet"))
        await member.settle()
        least = 3
        observe = member.store.listener

        def listen(*change: Any) -> None:
            nonlocal least
            observe(*change)
            least = min(least, sum(pod.ready for pod in member.cluster.world.pods.values()))

        member.store.listener = listen
        await member.apply(workload("DaemonSet", "app:2"))
        await member.until(lambda: member.status("apps/DaemonSet", "w").get("updatedNumberScheduled") == 3)
        await member.settle()
        assert (least, len(member.list("Pod")), member.status("apps/DaemonSet", "w")["numberAvailable"]) == (2, 3, 3)

    simulate(scenario)


def test_a_daemon_set_follows_nodes_that_others_make(simulate: Run) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(workload("DaemonSet"))
        await member.settle()
        assert member.list("Pod") == []
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "theirs"}, "status": {"conditions": [ready]}}
        await member.api.create(node)
        await member.settle(60)
        assert [(pod["spec"]["nodeName"], pod["status"]["phase"]) for pod in member.list("Pod")] == [("theirs", "Pending")]

    simulate(scenario, nodes=0)


# --- Job ---


@pytest.mark.parametrize(
    ("spec", "pods", "most"),
    [
        pytest.param({}, 1, 1, id="one"),
        pytest.param({"completions": 5, "parallelism": 2}, 5, 2, id="two-at-a-time"),
        pytest.param({"completions": 3, "parallelism": 10}, 3, 3, id="never-more-than-needed"),
    ],
)
def test_a_job_completes(simulate: Run, spec: dict[str, Any], pods: int, most: int) -> None:
    async def scenario(member: Any) -> None:
        running: list[int] = []
        observe = member.store.listener

        def listen(*change: Any) -> None:
            observe(*change)
            running.append(sum(pod.active for pod in member.cluster.world.pods.values()))

        member.store.listener = listen
        await member.apply(job(**spec))
        await member.until(lambda: "Complete" in conditions(member.status("batch/Job", "w")))
        status = member.status("batch/Job", "w")
        assert status["succeeded"] == pods == len(member.list("Pod"))
        assert "active" not in status
        assert status["completionTime"] >= status["startTime"]
        assert max(running) == most

    simulate(scenario)


def test_a_failing_job_gives_up_after_its_backoff_limit(simulate: Run) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(job("app:failing", backoffLimit=2))
        await member.until(lambda: "Failed" in conditions(member.status("batch/Job", "w")))
        assert conditions(member.status("batch/Job", "w"))["Failed"] == "BackoffLimitExceeded"
        assert member.status("batch/Job", "w")["failed"] == 3
        await member.settle(60)
        assert len(member.list("Pod")) == 3

    simulate(scenario)


def test_a_suspended_job_waits(simulate: Run) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(job(suspend=True))
        await member.settle(30)
        assert (member.list("Pod"), conditions(member.status("batch/Job", "w"))) == ([], {"Suspended": "JobSuspended"})
        await member.apply(job(suspend=False))
        await member.until(lambda: "Complete" in conditions(member.status("batch/Job", "w")))

    simulate(scenario)


def test_a_finished_job_goes_after_its_time(simulate: Run) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(job(ttlSecondsAfterFinished=60))
        await member.settle(30)
        assert "Complete" in conditions(member.status("batch/Job", "w"))
        await member.settle(40)
        assert (member.read("batch/Job", "w"), member.list("Pod")) == ({}, [])

    simulate(scenario)


def test_a_job_that_takes_too_long_fails(simulate: Run) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(job(activeDeadlineSeconds=5))
        await member.until(lambda: "Failed" in conditions(member.status("batch/Job", "w")))
        assert conditions(member.status("batch/Job", "w"))["Failed"] == "DeadlineExceeded"
        await member.settle()
        assert member.list("Pod") == []

    simulate(scenario, job_s=600)


def test_the_pods_of_a_job_that_ran_when_the_member_was_killed_end(simulate: Run) -> None:
    async def before(member: Any) -> None:
        await member.apply(job())
        await member.until(lambda: member.phases() == ["Running"])

    async def after(member: Any) -> None:
        await member.until(lambda: "Complete" in conditions(member.status("batch/Job", "w")))

    simulate(after, store=simulate(before, job_s=5), job_s=5)
