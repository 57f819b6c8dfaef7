"""FederatedHPAs in a gateway over the memory bus: agents say what the test says; what is set, what is told, and what is written."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from shoal.api.meta import Manifest
from shoal.api.policy import ReplicaSchedulingStrategy
from shoal.api.status import LOST
from support import build
from support.autoscaling import HPA, SYNC_S, WEB, Hub, hpa, play


@pytest.mark.spec("R15.6", "T01", "A14")
def test_the_number_and_the_status_are_one_write() -> None:
    async def story(hub: Hub) -> None:
        await hub.objects(build.deployment(replicas=4), hpa())
        await hub.place(m1=1, m2=3)
        hub.uses = {("m1", "web"): (1, 200), ("m2", "web"): (3, 60)}
        before = await hub.entry(HPA)
        await hub.rounds()
        web, autoscaler = await hub.entry(WEB), await hub.entry(HPA)
        assert await hub.replicas() == 8, "usage is 95 % in the middle, over all clusters"
        assert (web.author, len(web.change), web.revision + 1) == ("gateway/federated-hpa", 26, autoscaler.revision), "one batch"
        assert autoscaler.content == before.content, "a status is no new content"
        status = await hub.status()
        assert (status.current_replicas, status.desired_replicas) == (4, 8)
        assert await hub.said("AbleToScale") == ("True", "SucceededRescale", "the HPA controller was able to update the target scale to 8")
        assert status.last_scale_time is not None

    play(story, "m1", "m2")


@pytest.mark.spec("R15.6", "T01")
def test_each_cluster_is_asked_once_in_a_round() -> None:
    async def story(hub: Hub) -> None:
        memory = {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}}
        for name in ("a", "b", "c"):
            await hub.objects(build.deployment(name, replicas=2), hpa(name, name, **({"metrics": [memory]} if name == "c" else {})))
            await hub.place(name, **({"m1": 1, "m2": 1} if name == "a" else {"m2": 2}))
        await hub.objects(build.deployment("other"))
        await hub.rounds(2)
        resources = ("cpu", "memory")
        assert sorted(hub.asked) == [("m1", ("a",), resources)] * 2 + [("m2", ("a", "b", "c"), resources)] * 2

    play(story, "m1", "m2")


@pytest.mark.spec("R15.6", "T01")
def test_a_cluster_with_many_pods_is_asked_in_parts() -> None:
    async def story(hub: Hub) -> None:
        for name in ("a", "b", "c"):
            await hub.objects(build.deployment(name, replicas=2), hpa(name, name))
            await hub.place(name, m1=4000 if name == "b" else 900)
        await hub.rounds()
        assert [names for _, names, _ in hub.asked] == [("a", "b"), ("c",)], "5,000 in one question"

    play(story, "m1")


@pytest.mark.spec("R15.6", "T01")
@pytest.mark.parametrize(
    ("uses", "down", "lost", "replicas", "active", "told"),
    [
        pytest.param({"m1": (2, 100), "m2": (2, 100)}, (), (), 8, ("True", "ValidMetricFound"), "", id="all-answer"),
        pytest.param({"m1": (2, 100)}, ("m2",), (), 4, ("True", "ValidMetricFound"),
                     "; m2 did not answer (MemberUnavailable), its 2 replicas count as pods without metrics", id="no-answer-damps-a-rise"),
        pytest.param({"m1": (2, 200)}, ("m2",), (), 8, ("True", "ValidMetricFound"), "; m2 did not answer", id="and-does-not-prevent-it"),
        pytest.param({"m1": (2, 100)}, (), ("m2",), 4, ("True", "ValidMetricFound"), "; m2 is lost, its 2 replicas", id="a-lost-one-too"),
        pytest.param({}, ("m1", "m2"), (), 4, ("False", "FailedGetResourceMetric"), "no member cluster told of its pods; m1 did not answer",
                     id="nobody-answers"),
        pytest.param({"m1": (2, 100), "m2": "m2 has no metrics server"}, (), (), 4, ("True", "ValidMetricFound"),
                     "; m2 has no metrics server", id="no-metrics-server-there"),
        pytest.param({"m1": "m1 has no metrics server", "m2": "m2 has no metrics server"}, (), (), 4, ("False", "FailedGetResourceMetric"),
                     "; m1 has no metrics server; m2 has no metrics server", id="no-metrics-server-anywhere"),
        pytest.param({"m1": (0, 0), "m2": (0, 0)}, (), (), 4, ("False", "FailedGetResourceMetric"), "no pods returned by selector",
                     id="no-pods"),
    ],
)  # fmt: skip
def test_who_does_not_tell(
    uses: dict[str, Any], down: tuple[str, ...], lost: tuple[str, ...], replicas: int, active: tuple[str, str], told: str
) -> None:
    async def story(hub: Hub) -> None:
        hub.uses, hub.down = {(cluster, "web"): used for cluster, used in uses.items()}, set(down)
        for name in lost:
            await hub.believe(name, LOST)
        await hub.objects(build.deployment(replicas=4), hpa())
        await hub.place(m1=2, m2=2)
        await hub.rounds()
        assert await hub.replicas() == replicas
        status, reason, message = await hub.said("ScalingActive")
        assert (status, reason) == active
        assert told in message
        assert not {cluster for cluster, _, _ in hub.asked} & set(lost)

    play(story, "m1", "m2")


SETTINGS = {"apiVersion": "v1", "kind": "ConfigMap", "name": "web"}


@pytest.mark.spec("R15.6", "T01")
@pytest.mark.parametrize(
    ("made", "spec", "able", "active"),
    [
        pytest.param((), {}, ("False", "FailedGetScale", 'NotFound: deployments.apps "web" not found'), "", id="no-target"),
        pytest.param((build.config_map("web"),), {"scaleTargetRef": SETTINGS}, ("False", "FailedGetScale", "ConfigMap has no scale"), "",
                     id="no-scale"),
        pytest.param((), {"scaleTargetRef": SETTINGS | {"apiVersion": "x/v1", "kind": "Fleet"}},
                     ("False", "FailedGetScale", "the hub does not know kind Fleet of x/v1"), "", id="no-such-kind"),
        pytest.param((build.deployment(replicas=0),), {}, ("True", "SucceededGetScale", "was able to get"), "ScalingDisabled", id="disabled"),
        pytest.param((build.deployment(replicas=3),), {}, ("True", "SucceededGetScale", "was able to get"), "FailedGetResourceMetric",
                     id="not-placed"),
    ],
)  # fmt: skip
def test_what_cannot_be_scaled(made: tuple[Manifest, ...], spec: dict[str, Any], able: tuple[str, str, str], active: str) -> None:
    async def story(hub: Hub) -> None:
        await hub.objects(*made, hpa(**spec))
        await hub.rounds()
        status, reason, message = await hub.said("AbleToScale")
        assert (status, reason) == able[:2]
        assert able[2] in message
        assert (await hub.said("ScalingActive"))[1] == active
        position = (await hub.bus.client("test").info("STATE")).last
        await hub.rounds(10)
        assert ((await hub.bus.client("test").info("STATE")).last, hub.asked) == (position, []), "told once"

    play(story, "m1")


@pytest.mark.spec("R15.6")
def test_what_only_measures_is_written_once_a_minute() -> None:
    async def story(hub: Hub) -> None:
        await hub.objects(build.deployment(replicas=4), hpa())
        await hub.place(m1=4)
        hub.uses["m1", "web"] = (4, 50)
        await hub.rounds(2)
        position = (await hub.bus.client("test").info("STATE")).last
        await hub.rounds(20)
        assert (await hub.bus.client("test").info("STATE")).last == position, "the same again is not written"
        for number in range(20):
            hub.uses["m1", "web"] = (4, 49 + number % 3)
            await hub.rounds()
        written = (await hub.bus.client("test").info("STATE")).last - position
        assert 4 <= written <= 6, "of five minutes"
        assert await hub.replicas() == 4

    play(story, "m1")


@pytest.mark.spec("R15.6", "T03")
def test_a_start_takes_nothing_away_for_a_whole_window() -> None:
    async def story(hub: Hub) -> None:
        await hub.objects(build.deployment(replicas=8), hpa())
        await hub.place(m1=8)
        hub.uses["m1", "web"] = (8, 5)
        await hub.rounds(20)
        assert await hub.replicas() == 8
        assert (await hub.said("AbleToScale"))[1] == "ScaleDownStabilized"
        await hub.clock.sleep(60)
        assert await hub.replicas() == 2
        assert await hub.said("ScalingLimited") == (
            "True", "TooFewReplicas", "the desired replica count is less than the minimum replica count",
        )  # fmt: skip

    play(story, "m1")


TWO_A_MINUTE = {"scaleUp": {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]}}


@pytest.mark.spec("R15.6", "T03")
@pytest.mark.parametrize(
    ("spec", "steps", "apart_s"),
    [
        pytest.param({"behavior": TWO_A_MINUTE}, [4, 6, 8, 10, 12, 14], 55, id="two-a-minute"),
        pytest.param({"maxReplicas": 100}, [4, 8, 16, 32, 64, 100], SYNC_S - 1, id="doubled-once-a-round"),
    ],
)
def test_two_gateways_keep_one_pace(spec: dict[str, Any], steps: list[int], apart_s: float) -> None:
    async def story(hub: Hub) -> None:
        await hub.objects(build.deployment(replicas=4), hpa(**spec))
        await hub.place(m1=4)
        hub.uses["m1", "web"] = (4, 2000)
        hub.run("gateway-1")
        await hub.clock.sleep(5)
        hub.run("gateway-2")
        seen = [(hub.clock.monotonic(), await hub.replicas())]
        begin = hub.clock.monotonic()
        while hub.clock.monotonic() - begin < 220:
            replicas = await hub.replicas()
            if replicas != seen[-1][1]:
                seen.append((hub.clock.monotonic(), replicas))
                hub.uses["m1", "web"] = (replicas, 2000)
            await hub.clock.sleep(0.5)
        assert [replicas for _, replicas in seen] == [replicas for replicas in steps if replicas >= seen[0][1]]
        assert all(later - earlier >= apart_s for (earlier, _), (later, _) in itertools.pairwise(seen[1:])), seen

    play(story, "m1")


@pytest.mark.spec("R15.6")
def test_what_somebody_wrote_meanwhile_stands() -> None:
    async def story(hub: Hub) -> None:
        await hub.objects(build.deployment(replicas=4), hpa())
        await hub.place(m1=4)
        hub.uses["m1", "web"] = (4, 50)
        await hub.rounds(2)
        hub.uses["m1", "web"] = (4, 100)
        hub.meanwhile = [build.deployment(replicas=6)]
        await hub.rounds()
        assert (await hub.replicas(), (await hub.entry(WEB)).author) == (6, "test"), "measured of four, and there are six"
        await hub.place(m1=6)
        hub.uses["m1", "web"] = (6, 100)
        await hub.rounds()
        assert await hub.replicas() == 12

    play(story, "m1")


@pytest.mark.spec("R15.6", "T01")
@pytest.mark.parametrize(
    ("division", "leaving", "uses", "replicas"),
    [
        pytest.param(None, "", {"m1": (2, 100), "m2": (2, 100)}, 4, id="duplicated-counts-once"),
        pytest.param(build.EQUAL, "m2", {"m1": (2, 90), "m2": (2, 10)}, 2, id="a-cluster-that-is-left-counts-while-it-runs"),
        pytest.param(build.EQUAL, "m2", {"m1": (2, 90), "m2": (0, 0)}, 4, id="and-no-more-when-it-is-empty"),
        pytest.param(None, "m2", {"m1": (2, 100), "m2": (0, 0)}, 4, id="nor-as-a-duplicate"),
    ],
)
def test_which_pods_count(
    division: ReplicaSchedulingStrategy | None, leaving: str, uses: dict[str, tuple[int, int]], replicas: int
) -> None:
    async def story(hub: Hub) -> None:
        hub.uses = {(cluster, "web"): used for cluster, used in uses.items()}
        await hub.objects(build.deployment(replicas=2), hpa())
        await hub.place(division=division, leaving=leaving, m1=2, m2=2)
        await hub.rounds()
        assert await hub.replicas() == replicas

    play(story, "m1", "m2")


@pytest.mark.spec("R15.6")
def test_a_status_that_cannot_be_read_is_begun_anew() -> None:
    async def story(hub: Hub) -> None:
        await hub.objects(build.deployment(replicas=2), hpa() | {"status": {"conditions": "none"}})
        await hub.place(m1=2)
        hub.uses["m1", "web"] = (2, 50)
        await hub.rounds()
        assert (await hub.said("ScalingActive"))[:2] == ("True", "ValidMetricFound")

    play(story, "m1")


@pytest.mark.spec("R15.6")
def test_two_for_one_target_do_nothing() -> None:
    async def story(hub: Hub) -> None:
        await hub.objects(build.deployment(replicas=4), hpa(), hpa("other"))
        await hub.place(m1=4)
        hub.uses["m1", "web"] = (4, 100)
        await hub.rounds(3)
        assert await hub.replicas() == 4
        told = "pods of the target are controlled by multiple HPAs: other, web"
        assert await hub.said("ScalingActive") == ("False", "AmbiguousSelector", told)

    play(story, "m1")
