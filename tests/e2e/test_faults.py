"""What fails around Shoal: a member's API, the bus, an agent, what an object needs. It is tried again, told with its reason, and repaired."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from support.machine import Machine, eventually

NAMESPACE = "faults"
MANAGED = "karmada.io/managed=true"


def config(name: str, value: str = "1", in_: str = NAMESPACE) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": in_}, "data": {"v": value}}


def namespace(name: str, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, **metadata}}


def policy(name: str, selectors: list[dict[str, Any]], clusters: list[str], in_: str = NAMESPACE, **spec: Any) -> dict[str, Any]:
    placement = {"clusterAffinity": {"clusterNames": clusters}}
    scope = {"namespace": in_} if in_ else {}
    return {
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": "PropagationPolicy" if in_ else "ClusterPropagationPolicy",
        "metadata": {"name": name, **scope},
        "spec": {"resourceSelectors": selectors, "placement": placement, **spec},
    }


CONFIGS = [{"apiVersion": "v1", "kind": "ConfigMap"}]


def deploy(hub: Machine, id_: str, *manifests: dict[str, Any]) -> dict[str, Any]:
    answer = hub.deploy({"id": id_, "source": "faults", "data": {"application": "faults", "manifests": list(manifests)}})
    assert answer["accepted"], answer
    return answer


def held(hub: Machine, member: str, name: str, in_: str = NAMESPACE) -> str:
    """The value of a ConfigMap in a member; empty when it is not there."""
    return str(hub.objects(member, "configmaps", in_).get(name, {}).get("data", {}).get("v", ""))


def copy_of(hub: Machine, name: str, cluster: str) -> dict[str, Any]:
    """What the hub says of one copy; empty when it knows of none."""
    found = hub.hub.get("/api/where/faults")["objects"]
    copies = (copy for one in found if one["ref"].endswith(f"/{name}") for copy in one["clusters"])
    return next((copy for copy in copies if copy["cluster"] == cluster), {})


def reason(hub: Machine, name: str, cluster: str) -> str:
    return str(copy_of(hub, name, cluster).get("reason", ""))


def state(hub: Machine, cluster: str) -> dict[str, Any]:
    return next(one for one in hub.hub.get("/api/clusters") if one["name"] == cluster)


@contextlib.contextmanager
def fault(hub: Machine, member: str, **settings: Any) -> Iterator[None]:
    """A fault of an embedded member's API, for a while."""
    server = json.loads((hub.state / "members" / f"{member}.kubeconfig").read_text())["clusters"][0]["cluster"]["server"]

    def ask(method: str, body: bytes | None = None) -> None:
        request = urllib.request.Request(f"{server}/shoal/faults", data=body, method=method, headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()

    ask("PUT", json.dumps(settings).encode())
    try:
        yield
    finally:
        ask("DELETE")


@pytest.fixture(scope="module", autouse=True)
def placed(hub: Machine) -> None:
    deploy(hub, "ground", namespace(NAMESPACE), policy("configs", CONFIGS, ["m1", "m2"]), config("ground"))
    eventually(lambda: held(hub, "m1", "ground") and held(hub, "m2", "ground"), limit_s=20, what="the ground in both members")


# --- a member's API ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"refuseStatus": 500, "refuseShare": 1.0}, id="500"),
        pytest.param({"refuseStatus": 429, "refuseShare": 1.0, "refuseRetryAfterS": 1}, id="429"),
        pytest.param({"refuseStatus": 503, "refuseShare": 0.6}, id="503 now and then"),
        pytest.param({"slowS": 1.5}, id="slow"),
    ],
)
def test_a_member_that_refuses_is_tried_again_and_the_others_do_not_wait(
    hub: Machine, settings: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    name = f"refused-{request.node.callspec.id.replace(' ', '-')}"
    with fault(hub, "m1", **settings):
        started = time.monotonic()
        deploy(hub, name, config(name))
        eventually(lambda: held(hub, "m2", name), limit_s=5, what="the copy in m2, as fast as ever")
        if settings.get("refuseShare") == 1.0:
            eventually(lambda: reason(hub, name, "m1") == "MemberUnavailable", limit_s=5, what="MemberUnavailable in m1")
            said = copy_of(hub, name, "m1")["message"]
            assert "refused by a fault" in said, said
        elif "slowS" in settings:
            # Longer than the grace: a slow API server is no lost cluster.
            time.sleep(max(0.0, 9.0 - (time.monotonic() - started)))
            assert state(hub, "m1")["state"] == "Ready", state(hub, "m1")
            assert hub.hub.get("/api/status")["moves"] == []
    eventually(lambda: held(hub, "m1", name), limit_s=15, what="the copy in m1, some back-off later")
    eventually(lambda: copy_of(hub, name, "m1").get("applied") and not reason(hub, name, "m1"), limit_s=10, what="and the hub says so")


def test_what_a_member_rejects_is_told_in_its_words(hub: Machine) -> None:
    with fault(hub, "m1", reject={"configmaps": "no ConfigMaps on Tuesdays"}):
        answer = deploy(hub, "rejected", config("rejected"))
        eventually(lambda: held(hub, "m2", "rejected"), limit_s=10, what="the copy in m2")
        eventually(lambda: reason(hub, "rejected", "m1") == "ManifestRejected", limit_s=10, what="ManifestRejected in m1")
        assert "no ConfigMaps on Tuesdays" in copy_of(hub, "rejected", "m1")["message"]
        eventually(lambda: hub.hub.get(f"/api/changes/{answer['change']}")["state"] == "failed", limit_s=10, what="the change failed")
    deploy(hub, "mended", config("rejected", "2"))
    eventually(lambda: held(hub, "m1", "rejected") == "2", limit_s=15, what="the next change in m1")


def test_the_exit_code_of_a_deploy_says_how_it_ended(hub: Machine) -> None:
    def send(name: str, image: str, *arguments: str, code: int) -> str:
        labels = {"app": name}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": image}]}}
        web = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"selector": {"matchLabels": labels}, "template": template},
        }
        placed = policy(name, [{"apiVersion": "apps/v1", "kind": "Deployment", "name": name}], ["m1", "m2"])
        documents = json.dumps(placed) + json.dumps(web)
        result = hub.shoal("deploy", "-f", "-", "--app", name, *arguments, code=code, stdin=documents)
        return result.stdout + result.stderr

    send("fine", "registry.example/app:1", "--timeout", "30", code=0)
    told = send("stuck", "registry.example/app:broken", "--timeout", "4", code=4)
    assert "not ready after 4 s" in told
    assert "stuck in m1, m2 Unhealthy" in told
    with fault(hub, "m1", reject={"deployments": "closed on Sundays"}):
        told = send("refused-there", "registry.example/app:1", "--timeout", "20", code=3)
    assert "closed on Sundays" in told
    assert "m1" in told

    def there() -> bool:
        return "refused-there" in hub.objects("m1", "deployments", NAMESPACE)

    eventually(there, limit_s=40, what="applied once nobody refuses it any more")
    accepted = send("fine", "registry.example/app:1", "--no-wait", code=0)
    assert "accepted fine" in accepted


# --- the bus ----------------------------------------------------------------------------------------------------------------------------


def test_the_bus_killed_under_load_loses_no_accepted_deploy(hub: Machine) -> None:
    def one(number: int) -> dict[str, Any]:
        if number == 8:
            hub.kill("nats")
        return deploy(hub, f"load-{number}", config(f"load-{number}", str(number)))

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(one, range(20)))
    assert len({answer["change"] for answer in answers}) == 20
    wanted = {f"load-{number}": str(number) for number in range(20)}
    for member in ("m1", "m2"):

        def found(m: str = member) -> dict[str, str]:
            return {name: one["data"]["v"] for name, one in hub.objects(m, "configmaps", NAMESPACE).items() if name.startswith("load-")}

        eventually(lambda f=found: f() == wanted, limit_s=40, what=f"all twenty in {member}, each with its own value")
    again = deploy(hub, "load-8", config("load-8", "8"))
    assert (again["change"], again["repeated"]) == (answers[8]["change"], True)
    for answer in answers:
        eventually(lambda a=answer: hub.hub.get(f"/api/changes/{a['change']}")["state"] == "ready", limit_s=30, what="each change is ready")


# --- agents -----------------------------------------------------------------------------------------------------------------------------


def versions(hub: Machine, member: str) -> dict[str, str]:
    """resourceVersion of everything in a member that is ours."""
    kinds = "configmaps,deployments,services,secrets,namespaces,serviceaccounts,jobs"
    found = json.loads(hub.kubectl("get", kinds, "-A", "-l", MANAGED, "-o", "json", member=member))["items"]
    return {
        f"{one['kind']}/{one['metadata'].get('namespace', '')}/{one['metadata']['name']}": one["metadata"]["resourceVersion"]
        for one in found
    }


def test_a_killed_agent_that_is_back_writes_nothing(hub: Machine) -> None:
    before = versions(hub, "m1")
    assert len(before) > 2
    hub.kill("member-m1")
    # The next change tells that the new process has listed, compared and works.
    deploy(hub, "after-kill", config("after-kill"))
    eventually(lambda: held(hub, "m1", "after-kill"), limit_s=30, what="a change after the restart")
    eventually(lambda: state(hub, "m1")["ready"], limit_s=30, what="m1 Ready again")
    assert {key: value for key, value in versions(hub, "m1").items() if not key.endswith("/after-kill")} == before


class Standalone:
    """An embedded member without an agent inside: an API server with a kubeconfig, as any other cluster."""

    def __init__(self, folder: Path, name: str) -> None:
        self.kubeconfig = folder / f"{name}.kubeconfig"
        command = [sys.executable, "-m", "shoal.kube.simulated", "--name", name, "--dir", str(folder / name)]
        self.log = (folder / f"{name}.log").open("wb")
        self.process = subprocess.Popen([*command, "--kubeconfig", str(self.kubeconfig)], stdout=self.log, stderr=self.log)
        eventually(self.kubeconfig.exists, limit_s=15, what=f"{name} is up")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.log.close()


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    it = Standalone(tmp_path_factory.mktemp("standalone"), "x")
    yield it
    it.stop()


@contextlib.contextmanager
def agent(hub: Machine, folder: Path, **settings: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """One more agent, started by hand: (process, its log)."""
    port = json.loads((hub.state / "ports.json").read_text())["nats"]
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SHOAL_")}
    own = {"SHOAL_BUS_URL": f"nats://127.0.0.1:{port}", "SHOAL_STATE_DIR": str(folder), "SHOAL_LOG_FORMAT": "json"}
    log = folder / "agent.log"
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "shoal_agent"], stdout=out, stderr=out, env={**kept, **own, **settings})
        try:
            yield process, log
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(15)


def test_a_second_agent_waits_and_goes_on_as_the_same_member(hub: Machine, other: Standalone, tmp_path: Path) -> None:
    hub.shoal("member", "add", f"x={other.kubeconfig}")
    first = state(hub, "x")
    deploy(hub, "to-x", policy("x-configs", [{**CONFIGS[0], "name": "for-x"}], ["x"], priority=5), config("for-x"))
    eventually(lambda: held(hub, "x", "for-x"), limit_s=15, what="a copy in x")
    settings = {"SHOAL_NAME": "second", "SHOAL_CLUSTER": "x", "SHOAL_KUBECONFIG": str(other.kubeconfig)}
    with agent(hub, tmp_path, **settings) as (process, log):
        eventually(lambda: "another agent works in this cluster" in log.read_text(), limit_s=15, what="the second agent waits")
        deploy(hub, "to-x-2", config("for-x", "2"))
        eventually(lambda: held(hub, "x", "for-x") == "2", limit_s=15, what="the first one works on")
        assert '"joined"' not in log.read_text()
        before = versions(hub, "x")
        assert before, "what is ours has a mark"
        hub.shoal("member", "stop", "x")  # The agent alone: the cluster is somebody else's process.
        # Its disk is empty and its host is another: who the member is stands in the cluster itself.
        eventually(lambda: "joined" in log.read_text(), limit_s=20, what="the second one takes over")
        deploy(hub, "to-x-3", policy("x-configs", [{**CONFIGS[0], "name": "for-x"}], ["x"], priority=5), config("for-x", "3"))
        eventually(lambda: held(hub, "x", "for-x") == "3", limit_s=20, what="and works")
        assert state(hub, "x")["member"] == first["member"]
        after = versions(hub, "x")
        assert {key for key in after if after[key] != before.get(key)} == {f"ConfigMap/{NAMESPACE}/for-x"}, "nothing else was written"
        assert process.poll() is None
    hub.shoal("member", "start", "x")
    eventually(lambda: state(hub, "x")["ready"], limit_s=30, what="x Ready with its first agent")
    assert state(hub, "x")["member"] == first["member"]


def test_another_cluster_under_a_taken_name_is_refused(hub: Machine, tmp_path: Path) -> None:
    stranger = Standalone(tmp_path, "stranger")
    try:
        settings = {"SHOAL_NAME": "stranger", "SHOAL_CLUSTER": "m3", "SHOAL_KUBECONFIG": str(stranger.kubeconfig)}
        member = state(hub, "m3")["member"]
        with agent(hub, tmp_path, **settings) as (process, log):
            assert process.wait(20) == 3
        told = log.read_text()
        assert "the name m3 belongs to another cluster" in told
        assert "SHOAL_CLUSTER" in told
        assert state(hub, "m3")["member"] == member
        assert len([one for one in hub.hub.get("/api/clusters") if one["name"] == "m3"]) == 1
    finally:
        stranger.stop()


# --- what an object needs ---------------------------------------------------------------------------------------------------------------

CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "rockets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "rockets", "singular": "rocket", "kind": "Rocket", "listKind": "RocketList"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                    }
                },
            }
        ],
    },
}
ROCKET = {"apiVersion": "example.com/v1", "kind": "Rocket", "metadata": {"name": "apollo", "namespace": NAMESPACE}, "spec": {"stages": 3}}


def rockets(hub: Machine, member: str) -> str:
    return hub.kubectl("get", "rockets", "-n", NAMESPACE, member=member, code=None)


@pytest.mark.spec("C16")
def test_an_object_waits_for_its_kind(hub: Machine) -> None:
    hub.kubectl("apply", "-f", "-", stdin=json.dumps(CRD))
    deploy(hub, "rocket", ROCKET, policy("rockets", [{"apiVersion": "example.com/v1", "kind": "Rocket"}], ["m1", "m2"]))

    def rejected() -> dict[str, str]:
        found = hub.hub.get(f"/api/explain/example.com/Rocket/{NAMESPACE}/apollo")["rejected"]
        return {one["cluster"]: one["reason"] for one in found}

    eventually(lambda: rejected().get("m1") == rejected().get("m2") == "APINotEnabled", limit_s=10, what="no cluster serves the kind yet")
    hub.kubectl("apply", "-f", "-", stdin=json.dumps(CRD), member="m1")
    eventually(lambda: "apollo" in rockets(hub, "m1"), limit_s=11, what="the object in m1, ten seconds after its kind was there")
    definitions = policy("rocket-kind", [{"apiVersion": CRD["apiVersion"], "kind": CRD["kind"]}], ["m2"], in_="")
    hub.kubectl("apply", "-f", "-", stdin=json.dumps(definitions))
    eventually(lambda: "apollo" in rockets(hub, "m2"), limit_s=12, what="the object in m2 after a policy brought its kind")


@pytest.mark.spec("W02")
def test_an_object_waits_for_its_namespace(hub: Machine) -> None:
    skipped = namespace("later", labels={"namespace.karmada.io/skip-auto-propagation": "true"})
    deploy(hub, "later", skipped, policy("configs", CONFIGS, ["m1", "m2"], in_="later"), config("waits", in_="later"))
    for member in ("m1", "m2"):
        eventually(lambda m=member: reason(hub, "waits", m) == "DependencyMissing", limit_s=10, what=f"DependencyMissing in {member}")
    assert "later" in copy_of(hub, "waits", "m1")["message"]
    hub.kubectl("create", "namespace", "later", member="m1")
    eventually(lambda: held(hub, "m1", "waits", "later"), limit_s=11, what="applied within ten seconds after its namespace appeared")
    assert reason(hub, "waits", "m2") == "DependencyMissing"


# --- namespaces -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("W01", "R15.1")
def test_a_namespace_that_was_there_is_used_and_stays(hub: Machine) -> None:
    hub.kubectl("create", "namespace", "theirs", member="m1")
    deploy(hub, "theirs", namespace("theirs"), policy("configs", CONFIGS, ["m1", "m2"], in_="theirs"), config("guest", in_="theirs"))
    for member in ("m1", "m2"):
        eventually(lambda m=member: held(hub, m, "guest", "theirs"), limit_s=15, what=f"the guest in {member}")
    assert "karmada.io/managed" not in (hub.objects("m1", "namespaces")["theirs"]["metadata"].get("labels") or {})
    hub.kubectl("delete", "configmap/guest", "propagationpolicy/configs", "-n", "theirs")
    hub.kubectl("delete", "namespace", "theirs", "--timeout=30s")
    eventually(lambda: "theirs" not in hub.objects("m2", "namespaces"), limit_s=15, what="gone in m2, where the agent had made it")
    left = hub.objects("m1", "namespaces")["theirs"]
    assert not left["metadata"].get("deletionTimestamp")
    assert not held(hub, "m1", "guest", "theirs")


def test_an_obstacle_is_told_left_alone_and_its_end_is_noticed(hub: Machine) -> None:
    """A namespace that holds what is not ours is not deleted, an object that is not ours is not overwritten: until somebody takes it away."""
    deploy(hub, "shared", namespace("shared"))
    eventually(lambda: "shared" in hub.objects("m2", "namespaces"), limit_s=15, what="the namespace in m2")
    hub.kubectl("create", "configmap", "foreign", "-n", "shared", "--from-literal=v=theirs", member="m2")
    hub.kubectl("create", "configmap", "obstacle", "-n", NAMESPACE, "--from-literal=v=theirs", member="m1")

    hub.kubectl("delete", "namespace", "shared", "--wait=false")
    deploy(hub, "obstacle", config("obstacle"))

    def told() -> str:
        return next((problem["message"] for problem in hub.hub.get("/api/status")["problems"] if "shared" in problem["subject"]), "")

    eventually(lambda: "m2 (NotEmpty: " in told() and "foreign" in told(), limit_s=15, what="NotEmpty in m2, with what is in the way")
    eventually(lambda: reason(hub, "obstacle", "m1") == "Conflict", limit_s=10, what="Conflict in m1")
    assert "shared" not in hub.objects("m1", "namespaces"), "gone where it was empty"
    assert (held(hub, "m2", "foreign", "shared"), held(hub, "m1", "obstacle")) == ("theirs", "theirs")

    hub.kubectl("delete", "configmap", "foreign", "-n", "shared", member="m2")
    hub.kubectl("delete", "configmap", "obstacle", "-n", NAMESPACE, member="m1")
    eventually(lambda: held(hub, "m1", "obstacle") == "1", limit_s=25, what="our copy, once theirs was gone")
    eventually(lambda: copy_of(hub, "obstacle", "m1").get("applied"), limit_s=10, what="and the hub says so")
    eventually(lambda: "shared" not in hub.objects("m2", "namespaces"), limit_s=25, what="gone in m2, once it was empty")
    eventually(lambda: "NotFound" in hub.kubectl("get", "namespace", "shared", code=None), limit_s=15, what="gone in the hub")


def test_a_foreign_object_does_not_hold_up_the_end_of_its_template(hub: Machine) -> None:
    hub.kubectl("create", "configmap", "kept", "-n", NAMESPACE, "--from-literal=v=theirs", member="m1")
    deploy(hub, "kept", config("kept"))
    eventually(lambda: reason(hub, "kept", "m1") == "Conflict" and held(hub, "m2", "kept"), limit_s=10, what="Conflict in m1")
    hub.kubectl("delete", "configmap", "kept", "-n", NAMESPACE, "--timeout=20s")
    assert (held(hub, "m1", "kept"), held(hub, "m2", "kept")) == ("theirs", "")


# --- somebody fights back ---------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("H07", "R6.11")
def test_a_controller_that_fights_back_is_told(hub: Machine) -> None:
    deploy(hub, "contested", config("contested"))
    eventually(lambda: held(hub, "m1", "contested"), limit_s=15, what="the copy in m1")
    server = json.loads((hub.state / "members" / "m1.kubeconfig").read_text())["clusters"][0]["cluster"]["server"]
    url = f"{server}/api/v1/namespaces/{NAMESPACE}/configmaps/contested"
    deadline = time.monotonic() + 40
    number = 0
    while reason(hub, "contested", "m1") != "DriftContested":
        assert time.monotonic() < deadline, f"after {number} changes: {copy_of(hub, 'contested', 'm1')}"
        for _ in range(5):
            number += 1
            body = json.dumps({"data": {"v": f"theirs-{number}"}}).encode()
            request = urllib.request.Request(url, data=body, method="PATCH", headers={"Content-Type": "application/merge-patch+json"})
            with urllib.request.urlopen(request, timeout=10) as answer:
                answer.read()
            until = time.monotonic() + 0.5
            while time.monotonic() < until and held_by_http(url) != "1":
                pass
    assert number > 30
    # What is deployed next is no drift and goes in at once.
    deploy(hub, "contested-2", config("contested", "2"))
    eventually(lambda: held(hub, "m1", "contested") == "2", limit_s=10, what="a new version in spite of the fight")


def held_by_http(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(json.loads(answer.read())["data"]["v"])
