"""The metrics server of a simulated member: what pods use, by their annotations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shoal.api.meta import Manifest
from shoal.kube.client.api import Kind
from shoal.kube.wire import Request

Run = Callable[..., Any]
Make = Callable[..., Manifest]
PODS, NODES = Kind("metrics.k8s.io", "PodMetrics"), Kind("metrics.k8s.io", "NodeMetrics")


def annotated(manifest: Manifest, *, template: bool = False, **told: str) -> Manifest:
    """`cpu_load="1"` -> `shoal.dev/simulated-cpu-load`."""
    owner = manifest["spec"]["template"] if template else manifest
    owner["metadata"]["annotations"] = {f"shoal.dev/simulated-{name.replace('_', '-')}": value for name, value in told.items()}
    return manifest


async def used(member: Any, kind: Kind = PODS, **selected: str) -> list[dict[str, str]]:
    """Of the first container of each pod, or of each node."""
    found = await member.api.list(kind, "default" if kind == PODS else "", **selected)
    return [item["containers"][0]["usage"] if kind == PODS else item["usage"] for item in found.items]


@pytest.mark.parametrize(
    ("told", "template", "usage"),
    [
        pytest.param({}, False, {"cpu": "1000000n", "memory": "16384Ki"}, id="idle"),
        pytest.param({"cpu": "120m", "memory": "1Gi"}, True, {"cpu": "120000000n", "memory": "1048576Ki"}, id="each-pod"),
        pytest.param({"cpu_load": "1", "memory_load": "4Gi"}, False, {"cpu": "250000000n", "memory": "1048576Ki"}, id="shared-by-four"),
        pytest.param({"cpu_load": "much"}, False, {"cpu": "1000000n", "memory": "16384Ki"}, id="mistyped"),
    ],
)
def test_what_a_pod_uses(simulate: Run, make: Make, told: dict[str, str], template: bool, usage: dict[str, str]) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(annotated(make(replicas=4), template=template, **told))
        await member.settle()
        assert await used(member) == [usage] * 4

    simulate(scenario)


def test_more_pods_have_less_to_do_each_and_the_load_may_change(simulate: Run, make: Make) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(annotated(make(replicas=2), cpu_load="1"))
        await member.settle()
        assert [one["cpu"] for one in await used(member)] == ["500000000n"] * 2
        names = [pod["metadata"]["name"] for pod in member.list("Pod")]
        await member.apply(annotated(make(replicas=4), cpu_load="3"))
        await member.settle()
        assert [one["cpu"] for one in await used(member)] == ["750000000n"] * 4
        assert set(names) < {pod["metadata"]["name"] for pod in member.list("Pod")}, "no rollout"

    simulate(scenario)


def test_only_pods_that_run_are_measured_and_labels_select_them(simulate: Run, make: Make) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(make(replicas=2), make(name="other", replicas=1), make(name="broken", image="web:broken"))
        await member.settle()
        found = await member.api.list(PODS, "default", label_selector="app=web")
        assert [one["metadata"]["name"].rpartition("-")[0].rpartition("-")[0] for one in found.items] == ["web", "web"]
        assert len(await used(member)) == 3
        assert await used(member, label_selector="app=none") == []
        one = found.items[0]
        assert (one["apiVersion"], one["kind"], one["window"]) == ("metrics.k8s.io/v1beta1", "PodMetrics", "15s")
        assert one["timestamp"] == member.cluster.world.now()

    simulate(scenario)


def test_nodes_are_the_sums_of_their_pods(simulate: Run, make: Make) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(annotated(make(replicas=6), template=True, cpu="100m"))
        await member.settle()
        assert sum(int(one["cpu"].removesuffix("n")) for one in await used(member, NODES)) == 600_000_000
        assert len(await used(member, NODES)) == len(member.list("Node", None))

    simulate(scenario)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/none", 404, id="no-such-pod"),
        pytest.param("GET", "/apis/metrics.k8s.io/v1beta1/nodes/none", 404, id="no-such-node"),
        pytest.param("POST", "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods", 405, id="not-written"),
        pytest.param("DELETE", "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/none", 405, id="not-deleted"),
        pytest.param("GET", "/apis/metrics.k8s.io/v1beta1", 200, id="discovered"),
    ],
)
def test_it_is_served_as_a_metrics_server_is(simulate: Run, method: str, path: str, status: int) -> None:
    async def scenario(member: Any) -> None:
        assert (await member.server.handle(Request(method=method, path=path, body=b"{}"))).status == status

    simulate(scenario)
