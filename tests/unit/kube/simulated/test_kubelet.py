"""Pods of a simulated member: what keeps them from starting, and where they are put."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shoal.api.meta import Manifest, Ref
from shoal.kube.simulated.faults import FaultSettings
from shoal.kube.simulated.kubelet import needs

Run = Callable[..., Any]
Make = Callable[..., Manifest]


def named(kind: str, name: str = "settings", **data: Any) -> Manifest:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "default"}, **({"data": data} if data else {})}


def env_from(ref: str, **more: Any) -> dict[str, Any]:
    return {"container": {"envFrom": [{ref: {"name": "settings", **more}}]}}


def env_key(ref: str, key: str) -> dict[str, Any]:
    return {"container": {"env": [{"name": "A", "valueFrom": {ref: {"name": "settings", "key": key}}}]}}


def volume(source: dict[str, Any]) -> dict[str, Any]:
    return {"volumes": [{"name": "v", **source}]}


@pytest.mark.parametrize(
    ("pod", "missing"),
    [
        pytest.param(env_from("configMapRef"), named("ConfigMap", a="b"), id="env-from-config-map"),
        pytest.param(env_from("secretRef"), named("Secret"), id="env-from-secret"),
        pytest.param(env_key("configMapKeyRef", "a"), named("ConfigMap", a="b"), id="env-key-of-config-map"),
        pytest.param(env_key("secretKeyRef", "a"), named("Secret", a="Yg=="), id="env-key-of-secret"),
        pytest.param(volume({"configMap": {"name": "settings"}}), named("ConfigMap"), id="volume-of-config-map"),
        pytest.param(volume({"secret": {"secretName": "settings"}}), named("Secret"), id="volume-of-secret"),
        pytest.param(volume({"projected": {"sources": [{"configMap": {"name": "settings"}}]}}), named("ConfigMap"), id="projected-volume"),
        pytest.param({"serviceAccountName": "settings"}, named("ServiceAccount"), id="service-account"),
    ],
)
def test_a_pod_waits_for_what_it_names_and_starts_when_that_comes(
    simulate: Run, make: Make, pod: dict[str, Any], missing: Manifest
) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(make(replicas=1, **pod))
        await member.settle(60)
        assert member.waiting() == ["CreateContainerConfigError"]
        message = member.list("Pod")[0]["status"]["containerStatuses"][0]["state"]["waiting"]["message"]
        assert "settings" in message
        await member.apply(missing)
        await member.until(lambda: member.phases() == ["Running"])

    simulate(scenario)


def test_a_key_that_is_missing_in_a_config_map_keeps_a_pod_waiting(simulate: Run, make: Make) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(named("ConfigMap", other="b"), make(replicas=1, **env_key("configMapKeyRef", "a")))
        await member.settle(60)
        assert member.waiting() == ["CreateContainerConfigError"]
        await member.apply(named("ConfigMap", a="b"))
        await member.until(lambda: member.phases() == ["Running"])

    simulate(scenario)


def test_what_is_optional_is_not_waited_for(simulate: Run, make: Make) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(make(replicas=1, **env_from("configMapRef", optional=True)))
        await member.until(lambda: member.phases() == ["Running"])

    simulate(scenario)


def test_a_pod_that_runs_keeps_running_without_its_config_map(simulate: Run, make: Make) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(named("ConfigMap", a="b"), make(replicas=1, **env_from("configMapRef")))
        await member.until(lambda: member.phases() == ["Running"])
        await member.api.delete(Ref("", "ConfigMap", "default", "settings"))
        await member.settle(60)
        assert member.phases() == ["Running"]

    simulate(scenario)


def test_an_image_fault_is_switched_on_and_off(simulate: Run, make: Make) -> None:
    async def scenario(member: Any) -> None:
        member.faults.set(FaultSettings(images={"registry.example/*": "ErrImagePull"}))
        await member.apply(make(replicas=1, image="registry.example/app:1"))
        await member.settle(60)
        assert (member.waiting(), member.phases()) == (["ErrImagePull"], ["Pending"])
        member.faults.set(FaultSettings())
        await member.until(lambda: member.phases() == ["Running"])

    simulate(scenario)


def test_a_pod_becomes_ready_after_the_time_that_is_set(simulate: Run, make: Make) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(make(replicas=1))
        await member.settle(9)
        assert (member.phases(), member.waiting()) == (["Pending"], ["ContainerCreating"])
        await member.settle(2)
        assert member.phases() == ["Running"]

    simulate(scenario, ready_after_s=10)


def test_addresses_are_not_given_twice(simulate: Run, make: Make) -> None:
    async def before(member: Any) -> None:
        await member.apply(make("one", replicas=5))
        await member.settle()

    async def after(member: Any) -> None:
        await member.apply(make("two", replicas=5))
        await member.settle()
        addresses = [pod["status"]["podIP"] for pod in member.list("Pod")]
        assert len(set(addresses)) == len(addresses) == 10

    simulate(after, store=simulate(before))


# --- scheduling ---


def why_not(member: Any) -> str:
    conditions = [one for pod in member.list("Pod") for one in (pod["status"].get("conditions") or ()) if one["type"] == "PodScheduled"]
    return next((str(one["message"]) for one in conditions if one["status"] == "False"), "")


def toleration(**fields: str) -> dict[str, Any]:
    return {"tolerations": [fields]}


def required(key: str, operator: str, *values: str) -> dict[str, Any]:
    terms = [{"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}]
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}}


@pytest.mark.parametrize(
    ("pod", "reason"),
    [
        pytest.param({}, "", id="fits"),
        pytest.param({"cpu": "9"}, "Insufficient cpu", id="too-large"),
        pytest.param({"nodeSelector": {"disk": "ssd"}}, "didn't match Pod's node affinity/selector", id="selector-without-match"),
        pytest.param({"nodeSelector": {"kubernetes.io/os": "linux"}}, "", id="selector-with-match"),
        pytest.param(
            required("kubernetes.io/os", "In", "windows"), "didn't match Pod's node affinity/selector", id="affinity-without-match"
        ),
        pytest.param(required("kubernetes.io/os", "NotIn", "windows"), "", id="affinity-with-match"),
        pytest.param(
            {"container": {"resources": {"requests": {"nvidia.com/gpu": "1"}}}}, "Insufficient nvidia.com/gpu", id="no-such-resource"
        ),
    ],
)
def test_where_a_pod_fits(simulate: Run, make: Make, pod: dict[str, Any], reason: str) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(make(replicas=1, **pod))
        await member.settle()
        assert member.phases() == ["Pending" if reason else "Running"]
        assert reason in why_not(member)

    simulate(scenario)


@pytest.mark.parametrize(
    ("pod", "runs"),
    [
        pytest.param({}, False, id="untolerated"),
        pytest.param(toleration(key="gpu", operator="Exists"), True, id="exists"),
        pytest.param(toleration(key="gpu", value="a100", effect="NoSchedule"), True, id="equal"),
        pytest.param(toleration(key="gpu", value="t4"), False, id="other-value"),
        pytest.param(toleration(key="gpu", operator="Exists", effect="NoExecute"), False, id="other-effect"),
        pytest.param(toleration(operator="Exists"), True, id="everything"),
    ],
)
def test_taints(simulate: Run, make: Make, pod: dict[str, Any], runs: bool) -> None:
    async def scenario(member: Any) -> None:
        node = member.read("Node", "m1-node-0", "")
        node["spec"]["taints"] = [{"key": "gpu", "value": "a100", "effect": "NoSchedule"}]
        await member.api.replace(node)
        await member.apply(make(replicas=1, **pod))
        await member.settle()
        assert member.phases() == ["Running" if runs else "Pending"]

    simulate(scenario, nodes=1)


def test_a_pod_that_found_no_room_is_placed_when_there_is_some(simulate: Run, make: Make) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(make("big", replicas=1, cpu="6"))
        await member.until(lambda: member.phases() == ["Running"])
        await member.apply(make("late", replicas=1, cpu="6"))
        await member.settle(60)
        assert why_not(member) == "0/1 nodes are available: 1 Insufficient cpu."
        await member.api.delete(Ref("apps", "Deployment", "default", "big"))
        await member.until(lambda: member.phases() == ["Running"])

    simulate(scenario, nodes=1)


def test_pods_are_spread_and_nodes_are_never_overfilled(simulate: Run, make: Make) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(make(replicas=20, cpu="1"))
        await member.settle()
        nodes = [pod["spec"]["nodeName"] for pod in member.list("Pod") if pod["spec"].get("nodeName")]
        assert sorted(nodes.count(name) for name in set(nodes)) == [4, 4, 4]
        assert member.phases() == ["Pending"] * 8 + ["Running"] * 12

    simulate(scenario, cpu="4")


def test_room_is_counted_again_after_a_restart(simulate: Run, make: Make) -> None:
    async def before(member: Any) -> None:
        await member.apply(make(replicas=3, cpu="2"))
        await member.settle()

    async def after(member: Any) -> None:
        await member.apply(make("late", replicas=1, cpu="2"))
        await member.settle()
        assert member.phases() == ["Pending", "Running", "Running", "Running"]

    simulate(after, store=simulate(before, cpu="3"), cpu="3")


def test_pods_of_a_node_that_is_removed_move(simulate: Run, make: Make) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(make(replicas=4))
        await member.settle()
        await member.api.delete(Ref("", "Node", "", "m1-node-0"))
        await member.until(lambda: len(member.list("Pod")) == 4)
        await member.settle()
        assert (member.phases(), {pod["spec"]["nodeName"] for pod in member.list("Pod")}) == (["Running"] * 4, {"m1-node-1"})

    simulate(scenario, nodes=2)


def test_a_quantity_that_is_none_stops_only_its_pod(simulate: Run, make: Make) -> None:
    async def scenario(member: Any) -> None:
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "odd", "namespace": "default"}}
        container = {"name": "app", "image": "app:1", "resources": {"requests": {"cpu": "much"}}}
        await member.cluster.world.create({**pod, "spec": {"containers": [container]}, "status": {"phase": "Pending"}})
        await member.apply(make(replicas=1))
        await member.settle()
        assert member.phases() == ["Pending", "Running"]

    simulate(scenario)


# --- nobody plays the nodes ---


def test_without_nodes_nothing_becomes_ready_and_others_statuses_are_left_alone(simulate: Run, make: Make) -> None:
    async def scenario(member: Any) -> None:
        await member.apply(make(replicas=1))
        await member.settle(600)
        pod = member.list("Pod")[0]
        assert (member.phases(), pod["spec"].get("nodeName"), pod["status"].get("conditions")) == (["Pending"], None, None)
        ready = [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]
        ref = Ref("", "Pod", "default", pod["metadata"]["name"])
        await member.api.patch_merge(ref, {"status": {"phase": "Running", "conditions": ready, "podIP": "10.1.2.3"}}, subresource="status")
        await member.settle(600)
        assert member.status("apps/Deployment", "web")["availableReplicas"] == 1
        assert member.list("Pod")[0]["status"]["conditions"] == ready

    simulate(scenario, nodes=0)


def test_pods_on_nodes_of_others_are_left_to_others(simulate: Run, make: Make) -> None:
    async def scenario(member: Any) -> None:
        condition = {"type": "Ready", "status": "True", "lastHeartbeatTime": None, "lastTransitionTime": "2026-01-01T00:00:00Z"}
        status = {"allocatable": {"cpu": "64", "memory": "64Gi", "pods": "500"}, "conditions": [condition]}
        theirs = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "theirs"}, "status": status}
        await member.api.create(theirs)
        await member.apply(make(replicas=1, nodeName="theirs"))
        await member.settle(60)
        assert member.phases() == ["Pending"]

    simulate(scenario)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param({"initContainers": [{"envFrom": [{"secretRef": {"name": "s"}}]}]}, [(("", "Secret"), "s", "")], id="init-container"),
        pytest.param({"volumes": [{"secret": {"secretName": "s", "optional": True}}, {"emptyDir": {}}]}, [], id="optional-volume"),
        pytest.param(
            {"containers": [{"env": [{"valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}]}]},
            [(("", "ConfigMap"), "c", "k")],
            id="key",
        ),
    ],
)
def test_needs(spec: Manifest, expected: list[Any]) -> None:
    assert needs(spec) == expected
