"""An embedded member as a process of its own: kubectl against it, SIGKILL and SIGTERM, its token, and the client's connection to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kube.build import found
from kube.real_member import STAGES, free_ports
from shoal.api.errors import AlreadyInUse, MemberUnavailable
from shoal.api.meta import Manifest, Ref
from shoal.kube.client.api import Api, Kind
from shoal.kube.client.transport import HttpTransport, connect
from shoal.kube.simulated.faults import PATH, FaultSettings
from shoal.kube.simulated.member import EmbeddedMember, MemberSettings
from shoal.kube.wire import Request
from shoal.runtime.clock import SystemClock

LIMIT_S = 20.0
KUBECTL = Path(sys.executable).with_name("kubectl")
NAMESPACE = Ref("", "Namespace", "", "default")


def deployment(image: str = "nginx:1", replicas: int = 2) -> Manifest:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": image}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"}, "spec": spec}


class Process:
    """`python -m shoal.kube.simulated` and a kubectl for it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.kubeconfig = directory / "kubeconfig"
        self._running: subprocess.Popen[str] | None = None

    def run(self, *options: str) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            "-m",
            "shoal.kube.simulated",
            "--name",
            "m1",
            "--dir",
            str(self.directory),
            "--ready-after",
            "0.1",
            *options,
        ]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def start(self, *options: str) -> None:
        self._running = self.run(*options)
        self.eventually(lambda: self.kubectl("get", "--raw", "/readyz", check=False) == "ok")

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """(exit code, output); harmless when it does not run."""
        if self._running is None:
            return 0, ""
        with contextlib.suppress(ProcessLookupError):
            self._running.send_signal(number)
        output, _ = self._running.communicate(timeout=LIMIT_S)
        code, self._running = self._running.returncode, None
        return code, output

    def kubectl(self, *arguments: str, stdin: Any = None, check: bool = True) -> str:
        """What it prints; both outputs when it may fail."""
        done = subprocess.run(
            [str(KUBECTL), "--kubeconfig", str(self.kubeconfig), "--cache-dir", str(self.directory / "kubectl"), *arguments],
            input=None if stdin is None else json.dumps(stdin),
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            env={**os.environ, "NO_PROXY": "127.0.0.1"},
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done.stdout if check else (done.stdout + done.stderr).strip()

    def read(self, *arguments: str) -> Any:
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def eventually(self, question: Callable[[], object]) -> None:
        limit = time.monotonic() + LIMIT_S
        while not question():
            assert time.monotonic() < limit, f"not within {LIMIT_S} s"
            time.sleep(0.05)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path / "m1")
    process.start()
    yield process
    process.end(signal.SIGKILL)


def test_kubectl_deploys_waits_and_deletes(process: Process) -> None:
    process.kubectl("apply", "-f", "-", stdin=deployment())
    process.kubectl("wait", "--for=condition=Available", "deployment/web", "--timeout=15s")
    assert "2/2" in process.kubectl("get", "deployments")
    process.kubectl("rollout", "status", "deployment/web", "--timeout=15s")
    assert process.kubectl("get", "pods", "--no-headers").count("Running") == 2
    assert process.kubectl("get", "nodes", "--no-headers").count("Ready") == 3
    process.kubectl("scale", "deployment/web", "--replicas=1")
    process.eventually(lambda: len(process.read("pods")["items"]) == 1)
    process.kubectl("delete", "deployment", "web", "--wait", "--timeout=15s")
    process.eventually(lambda: not process.read("pods")["items"])


def test_what_ran_is_there_after_a_kill(process: Process) -> None:
    process.kubectl("apply", "-f", "-", stdin=deployment())
    process.kubectl("wait", "--for=condition=Available", "deployment/web", "--timeout=15s")
    before = process.read("namespace", "kube-system")
    pods, config = process.read("pods"), process.kubeconfig.read_text()
    process.end(signal.SIGKILL)
    process.start()
    assert process.kubeconfig.read_text() == config
    assert process.read("namespace", "kube-system")["metadata"]["uid"] == before["metadata"]["uid"]
    again = process.read("pods")
    assert [pod["metadata"] for pod in again["items"]] == [pod["metadata"] for pod in pods["items"]]
    process.kubectl("scale", "deployment/web", "--replicas=3")
    process.eventually(lambda: process.kubectl("get", "pods", "--no-headers").count("Running") == 3)


def test_sigterm_ends_it_in_time_although_somebody_watches(process: Process) -> None:
    watching = subprocess.Popen(
        [str(KUBECTL), "--kubeconfig", str(process.kubeconfig), "get", "namespaces", "--watch", "--no-headers"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert watching.stdout is not None
    watching.stdout.readline()
    started = time.monotonic()
    code, _ = process.end(signal.SIGTERM)
    assert (code, time.monotonic() - started < 5) == (0, True)
    watching.kill()
    watching.communicate()


def test_a_directory_or_a_port_that_somebody_has_is_refused(process: Process, tmp_path: Path) -> None:
    second = process.run()
    output, _ = second.communicate(timeout=LIMIT_S)
    assert (second.returncode, "another member runs in" in output) == (1, True)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        other = Process(tmp_path / "m2").run("--port", str(taken.getsockname()[1]))
        output, _ = other.communicate(timeout=LIMIT_S)
    assert (other.returncode, "is taken" in output) == (1, True)


@pytest.mark.kube
def test_a_real_scheduler_and_kwok_run_the_pods_of_a_member_without_nodes(tmp_path: Path) -> None:
    """`--nodes 0` leaves nodes and pods to others, and others find all they need."""
    binaries = found()
    if missing := sorted({"kube-scheduler", "kwok"} - set(binaries)):
        pytest.skip(f"no {', '.join(missing)}; `python tests/kube/build.py` builds them")
    process = Process(tmp_path / "m1")
    ports = free_ports(2)
    scheduler = ["--leader-elect=false", "--bind-address=127.0.0.1", f"--secure-port={ports[0]}", "--authentication-skip-lookup"]
    kwok = [
        f"--config={STAGES}",
        "--manage-all-nodes=true",
        "--node-ip=127.0.0.1",
        "--node-port=0",
        f"--server-address=127.0.0.1:{ports[1]}",
    ]
    size = {"cpu": "8", "memory": "32Gi", "pods": "110"}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "theirs"}, "status": {"allocatable": size, "capacity": size}}
    others: list[subprocess.Popen[bytes]] = []
    try:
        process.start("--nodes", "0")
        process.kubectl("apply", "-f", "-", stdin=deployment())
        for name, options in (("kube-scheduler", [*scheduler, f"--cert-dir={tmp_path}"]), ("kwok", kwok)):
            command = [str(binaries[name]), f"--kubeconfig={process.kubeconfig}", *options]
            others.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        process.kubectl("create", "-f", "-", stdin=node)
        process.eventually(lambda: process.read("deployment", "web")["status"].get("availableReplicas") == 2)
        assert {pod["spec"]["nodeName"] for pod in process.read("pods")["items"]} == {"theirs"}
    finally:
        for other in others:
            other.kill()
            other.wait()
        process.end(signal.SIGKILL)


# --- the client's connection ---


@pytest.fixture
async def member(tmp_path: Path) -> AsyncIterator[EmbeddedMember]:
    member = EmbeddedMember(MemberSettings(name="m1", directory=tmp_path / "m1", ready_after_s=0.1), SystemClock())
    await member.start()
    yield member
    await member.stop()


@pytest.fixture
async def transport(member: EmbeddedMember) -> AsyncIterator[HttpTransport]:
    transport = await connect(str(member.kubeconfig), clock=SystemClock())
    yield transport
    await transport.close()


def api_of(transport: HttpTransport, timeout_s: float = 10.0) -> Api:
    return Api(transport, name="m1", clock=SystemClock(), timeout_s=timeout_s)


async def test_requests_without_the_token_are_refused(member: EmbeddedMember, transport: HttpTransport) -> None:
    text = member.kubeconfig.read_text()
    assert oct(member.kubeconfig.stat().st_mode & 0o777) == "0o600"
    token = json.loads(text)["clusters"][0]["cluster"]["server"].rpartition("/")[2]
    assert len(token) > 20
    member.kubeconfig.write_text(text.replace(token, "guessed"))
    stranger = await connect(str(member.kubeconfig), clock=SystemClock())
    answers = [await one.send(Request(method="GET", path="/api/v1/namespaces"), timeout_s=5) for one in (stranger, transport)]
    member.kubeconfig.write_text(text.replace(f"/{token}", ""))
    outside = await connect(str(member.kubeconfig), clock=SystemClock())
    for path in ("/readyz", "/api/v1/namespaces"):
        answers.append(await outside.send(Request(method="GET", path=path), timeout_s=5))
    bearer = Request(method="GET", path="/api/v1/namespaces", headers={"authorization": f"Bearer {token}"})
    answers.append(await outside.send(bearer, timeout_s=5))
    for one in (stranger, outside):
        await one.close()
    assert [answer.status for answer in answers] == [401, 200, 200, 401, 200]
    assert token not in transport.base


async def test_another_token_in_the_kubeconfig_is_taken_up_when_the_old_one_is_refused(tmp_path: Path) -> None:
    class Patient(SystemClock):
        """So long after the start that credentials may be read again."""

        ahead_s = 0.0

        def monotonic(self) -> float:
            return super().monotonic() + self.ahead_s

    clock, settings = Patient(), MemberSettings(name="m1", directory=tmp_path / "m1")
    first = EmbeddedMember(settings, clock)
    await first.start()
    transport = await connect(str(first.kubeconfig), clock=clock)
    assert (await transport.send(Request(method="GET", path="/version"), timeout_s=5)).status == 200
    await first.stop()
    (tmp_path / "m1" / "token").unlink()
    second = EmbeddedMember(settings, clock)
    await second.start()
    clock.ahead_s = 6  # Before the next look at the file, after the pause between two readings.
    assert (await transport.send(Request(method="GET", path="/version"), timeout_s=5)).status == 200
    await transport.close()
    await second.stop()


async def test_a_member_that_comes_back_is_reached_over_the_old_connection(tmp_path: Path) -> None:
    settings = MemberSettings(name="m1", directory=tmp_path / "m1")
    first = EmbeddedMember(settings, SystemClock())
    await first.start()
    transport = await connect(str(first.kubeconfig), clock=SystemClock())
    api = api_of(transport)
    assert await api.get(NAMESPACE)
    await first.stop()
    with pytest.raises(MemberUnavailable):
        await api.get(NAMESPACE)
    second = EmbeddedMember(settings, SystemClock())
    await second.start()
    assert await api.get(NAMESPACE)
    assert second.address == transport.base
    await transport.close()
    await second.stop()


async def test_a_slow_answer_is_given_up_and_others_are_served(member: EmbeddedMember, transport: HttpTransport) -> None:
    api = api_of(transport, timeout_s=0.3)
    await api.discover()
    member.faults.set(FaultSettings(slow_s=5))
    with pytest.raises(MemberUnavailable, match="in time"):
        await api.get(NAMESPACE)
    member.faults.set(FaultSettings())
    assert await api.get(NAMESPACE)


async def test_faults_over_http(member: EmbeddedMember, transport: HttpTransport) -> None:
    api = api_of(transport)
    await api.discover()
    lines = api.watch(Kind("", "Secret"), resource_version="")
    watching = asyncio.ensure_future(anext(lines, None))
    await api.get(NAMESPACE)
    put = await transport.send(Request(method="PUT", path=PATH, body=b'{"down": true}'), timeout_s=5)
    assert put.status == 200
    with pytest.raises(MemberUnavailable):
        await api.get(NAMESPACE)
    assert await asyncio.wait_for(watching, LIMIT_S) is None
    await transport.send(Request(method="DELETE", path=PATH), timeout_s=5)
    assert await api.get(NAMESPACE)


async def test_one_directory_has_one_member_in_one_process_too(member: EmbeddedMember) -> None:
    second = EmbeddedMember(member.settings, SystemClock())
    with pytest.raises(AlreadyInUse):
        await second.start()
    await second.stop()
    await member.stop()
    await second.start()
    await second.stop()
