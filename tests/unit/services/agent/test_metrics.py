"""What pods use, read in a simulated member: its API and its metrics server, and what is told when one of them does not answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from shoal.api.errors import MemberUnavailable
from shoal.api.meta import Manifest, Ref
from shoal.api.pod_usage import TargetUsage
from shoal.kube.apiserver import ApiServer, Registry
from shoal.kube.client.member import Member
from shoal.kube.client.metrics import seconds_of
from shoal.messages.measuring import MetricsRequest
from shoal_agent.metrics import Metrics
from support import build
from support.member import VirtualMember, play_in

WEB = Ref("apps", "Deployment", "shop", "web")
SETTINGS = Ref("", "ConfigMap", "shop", "web")
CPU = "shoal.dev/simulated-cpu"


class Cluster(VirtualMember):
    def __init__(self) -> None:
        super().__init__()
        self._agent = Metrics(Member(self.api), self.clock)

    async def told(self, *refs: Ref, resources: tuple[str, ...] = ("cpu",)) -> list[TargetUsage]:
        answer = await self._agent.answer("", MetricsRequest(refs=refs, resources=resources))
        assert answer.at == self.clock.now()
        assert [one.ref for one in answer.targets] == list(refs)
        return list(answer.targets)


def play(story: Callable[[Cluster], Awaitable[None]]) -> None:
    play_in(Cluster, story)


def web(replicas: int, name: str = "web", cpu: str = "120m", **pod: Any) -> Manifest:
    manifest = build.deployment(name, replicas=replicas, requests={"cpu": "400m", "memory": "1Gi"}, **pod)
    manifest["spec"]["template"]["metadata"]["annotations"] = {CPU: cpu}
    return manifest


@pytest.mark.spec("R15.6", "T01")
def test_pods_with_their_requests_and_usage() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.apply(web(4), web(1, "other"))
        (told,) = await cluster.told(WEB)
        assert (len(told.pods), told.reason, told.missing) == (4, "", "")
        pod = told.pods[0]
        assert (pod.phase, pod.ready, pod.deleting, pod.window_s) == ("Running", True, False, 15.0)
        assert (pod.requests, pod.usage) == ({"main": {"cpu": 400}}, {"main": {"cpu": 120}})
        assert pod.started_at is not None
        assert pod.ready_since is not None
        assert pod.sampled_at is not None
        assert pod.started_at < pod.ready_since < pod.sampled_at
        assert cluster.clock.now() - pod.sampled_at < timedelta(seconds=1)
        memory = (await cluster.told(WEB, resources=("memory",)))[0].pods[0]
        assert (memory.requests, memory.usage) == ({"main": {"memory": 2**30 * 1000}}, {"main": {"memory": 2**24 * 1000}})

    play(story)


@pytest.mark.spec("R15.6", "T01")
def test_pods_that_wait_or_never_start_have_no_usage() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.apply(web(1, nodeSelector={"disk": "none-has-this"}), web(1, "broken", image="x:broken"))
        waiting, broken = await cluster.told(WEB, WEB._replace(name="broken"))
        assert [(pod.phase, pod.ready, pod.usage) for pod in waiting.pods] == [("Pending", None, None)]
        assert [(pod.phase, pod.ready, pod.usage) for pod in broken.pods] == [("Pending", False, None)]

    play(story)


@pytest.mark.spec("R15.6", "T01")
def test_each_is_told_for_itself() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.apply(web(2), build.config_map("web"))
        gone, there, scaleless, unknown = await cluster.told(
            WEB._replace(name="gone"), WEB, SETTINGS, Ref("example.org", "Fleet", "shop", "web")
        )
        assert (gone.pods, gone.reason) == ((), ""), "it has no pods, and that is known"
        assert len(there.pods) == 2
        assert scaleless.reason
        assert "does not serve Fleet of example.org" in unknown.reason

    play(story)


@pytest.mark.spec("R15.6", "T01")
def test_sidecars_are_asked_for_and_init_containers_are_not() -> None:
    async def story(cluster: Cluster) -> None:
        manifest = web(1)
        limits = {"limits": {"cpu": "50m"}}
        manifest["spec"]["template"]["spec"]["initContainers"] = [
            {"name": "proxy", "image": "i", "restartPolicy": "Always", "resources": limits},
            {"name": "setup", "image": "i", "resources": limits},
        ]
        await cluster.apply(manifest)
        assert (await cluster.told(WEB))[0].pods[0].requests == {"main": {"cpu": 400}, "proxy": {"cpu": 50}}

    play(story)


@pytest.mark.spec("R15.6", "T01")
def test_without_a_metrics_server_the_pods_are_told() -> None:
    async def story(cluster: Cluster) -> None:
        member = cluster.member
        member.server = ApiServer(member.store, Registry.builtin(), now=cluster.clock.now, uid=lambda: "uid-x")
        await cluster.api.discover()
        await cluster.apply(web(2))
        (told,) = await cluster.told(WEB)
        assert [pod.usage for pod in told.pods] == [None, None]
        assert told.missing == "m1 has no metrics server: it does not serve metrics.k8s.io"

    play(story)


@pytest.mark.spec("R15.6", "T01")
def test_a_metrics_server_that_does_not_answer() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.apply(web(2))
        cluster.broken = "/apis/metrics.k8s.io/v1beta1/namespaces"
        (told,) = await cluster.told(WEB)
        assert [pod.usage for pod in told.pods] == [None, None]
        assert told.missing.startswith("the metrics server of m1 does not answer: ")

    play(story)


@pytest.mark.spec("R15.6", "T01")
def test_no_answer_is_better_than_an_old_one() -> None:
    async def story(cluster: Cluster) -> None:
        await cluster.apply(web(2))
        cluster.member.reachable = False
        with pytest.raises(MemberUnavailable):
            await cluster.told(WEB)

    play(story)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("15s", 15.0, id="seconds"),
        pytest.param("10.062s", 10.062, id="parts"),
        pytest.param("1m30s", 90.0, id="minutes"),
        pytest.param("1h0m0.5s", 3600.5, id="hours"),
        pytest.param("500ms", 0.5, id="milliseconds"),
        pytest.param("", 0.0, id="none"),
        pytest.param("soon", 0.0, id="no-duration"),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert seconds_of(text) == pytest.approx(seconds)
