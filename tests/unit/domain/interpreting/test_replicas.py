from __future__ import annotations

import pytest

from shoal.domain.interpreting import images, replicas_of, revise, split_completions
from shoal.domain.interpreting.pods import effective_requests
from support import build


def job(parallelism=None, completions=None):
    spec = {"template": {"spec": {"containers": [{"name": "main", "image": "job:1"}]}}}
    spec |= {key: value for key, value in (("parallelism", parallelism), ("completions", completions)) if value is not None}
    return build.manifest("batch/v1", "Job", "sum", spec=spec)


@pytest.mark.spec("I01", "R7.2", "R4.21")
@pytest.mark.parametrize(
    ("manifest", "count"),
    [
        pytest.param(build.deployment(replicas=3), 3, id="deployment"),
        pytest.param({**build.deployment(), "spec": {}}, 0, id="missing-is-0"),
        pytest.param({**build.deployment(replicas=2), "kind": "StatefulSet"}, 2, id="statefulset"),
        pytest.param({**build.deployment(replicas=2), "kind": "ReplicaSet"}, 2, id="replicaset"),
        pytest.param(job(4, 10), 4, id="job-parallelism"),
        pytest.param(job(4, 2), 2, id="job-completions"),
        pytest.param(job(None, 5), 1, id="job-default"),
        pytest.param(build.manifest("v1", "Pod", "p", spec={}), 1, id="pod"),
    ],
)
def test_count(manifest, count):
    assert replicas_of(manifest).count == count


@pytest.mark.parametrize("kind", [("v1", "ConfigMap"), ("apps/v1", "DaemonSet"), ("example.com/v1", "Deployment"), ("batch/v1", "CronJob")])
def test_kinds_without_replicas(kind):
    manifest = build.manifest(*kind, "x", spec={"replicas": 3})
    assert replicas_of(manifest) is None
    assert revise(manifest, 5) == manifest


@pytest.mark.spec("R7.2", "R6.3")
def test_revise():
    web = build.deployment(replicas=1)
    assert revise(web, 4)["spec"]["replicas"] == 4
    assert web["spec"]["replicas"] == 1
    assert revise(job(4, 10), 2)["spec"] == {**job(4, 10)["spec"], "parallelism": 2}


@pytest.mark.spec("R2.8")
def test_requirements_are_absent_without_requests_and_constraints():
    assert replicas_of(build.deployment()).requirements is None


@pytest.mark.spec("R2.8")
def test_requirements():
    affinity = {"nodeSelectorTerms": []}
    found = replicas_of(
        build.deployment(
            requests={"cpu": "250m", "memory": "64Mi"},
            nodeSelector={"disk": "ssd"},
            tolerations=[{"key": "gpu", "operator": "Exists"}],
            affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": affinity}},
            priorityClassName="high",
        )
    ).requirements
    assert found.resource_request == {"cpu": "250m", "memory": str(64 * 1024 * 1024)}
    assert found.node_claim.node_selector == {"disk": "ssd"}
    assert found.node_claim.tolerations == ({"key": "gpu", "operator": "Exists"},)
    assert found.node_claim.hard_node_affinity == affinity
    assert (found.namespace, found.priority_class_name) == ("shop", "high")


def cpu(amount, **fields):
    return {"name": "c", "resources": {"requests": {"cpu": amount}}, **fields}


SIDECAR = {"restartPolicy": "Always"}


@pytest.mark.spec("R2.8")
@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        pytest.param({"containers": [cpu("100m"), cpu("200m")]}, {"cpu": "300m"}, id="sum"),
        pytest.param({"containers": [cpu("100m")], "initContainers": [cpu("1"), cpu("500m")]}, {"cpu": "1"}, id="init-peak"),
        pytest.param({"containers": [cpu("1")], "initContainers": [cpu("200m", **SIDECAR)]}, {"cpu": "1200m"}, id="sidecar-runs-along"),
        pytest.param(
            {"containers": [cpu("100m")], "initContainers": [cpu("200m", **SIDECAR), cpu("1")]}, {"cpu": "1200m"}, id="init-beside-sidecar"
        ),
        pytest.param(
            {"containers": [cpu("100m")], "initContainers": [cpu("1"), cpu("200m", **SIDECAR)]}, {"cpu": "1"}, id="init-before-sidecar"
        ),
        pytest.param({"containers": [{"resources": {"limits": {"cpu": "2"}}}]}, {"cpu": "2"}, id="limit-stands-in"),
        pytest.param(
            {"containers": [{"resources": {"limits": {"cpu": "2"}, "requests": {"cpu": "1"}}}]}, {"cpu": "1"}, id="request-beats-limit"
        ),
        pytest.param({"containers": [cpu("100m")], "overhead": {"cpu": "50m"}}, {"cpu": "150m"}, id="overhead"),
        pytest.param({"containers": [cpu(1)]}, {"cpu": "1"}, id="number"),
        pytest.param({"containers": [cpu("nonsense")]}, {}, id="no-quantity"),
        pytest.param({}, {}, id="no-pod"),
    ],
)
def test_effective_requests(pod, expected):
    assert effective_requests(pod) == expected


@pytest.mark.spec("D12", "R4.21")
@pytest.mark.parametrize("uid", ["u1", "u2"])
def test_completions_follow_the_replicas(uid):
    assert split_completions(job(4, 10), {"m1": 3, "m2": 1}, uid) == {"m1": 7, "m2": 3}  # Ex 4-m
    assert split_completions(job(4, 9), {"m1": 3, "m2": 1}, uid) == {"m1": 7, "m2": 2}
    assert split_completions(job(4), {"m1": 3, "m2": 1}, uid) == {}


def test_images():
    assert images(build.deployment(image="a:1")) == ("a:1",)
    assert images(build.config_map()) == ()
