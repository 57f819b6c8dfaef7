"""`RealMember`: a real cluster of plain processes on 127.0.0.1: etcd, kube-apiserver, controller-manager, scheduler and kwok.

    with RealMember("m1", tmp_path / "m1", build()) as member:
        member.kubeconfig ...

kwok keeps its nodes alive and makes pods ready. One member takes about 400 MiB and is ready in 4 to 8 s on two cores.
Run as a program it starts members and keeps them until it is interrupted:

    python tests/kube/real_member.py m1 m2 --dir DIR
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

if __package__ in {None, ""}:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kube import pki
from kube.build import CannotBuild, build

READY_LIMIT_S = 90.0
"""From nothing to ready takes 4 s alone and up to a minute beside a full test run on two cores."""
STOP_LIMIT_S = 10.0
POLL_S = 0.05
STAGES = Path(__file__).with_name("stages.yaml")
"""What kwok plays."""
ORDER = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
"""Start order; stopped in reverse."""
CONTROLLERS = (
    "deployment-controller",
    "replicaset-controller",
    "statefulset-controller",
    "daemonset-controller",
    "job-controller",
    "namespace-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "garbage-collector-controller",
    "endpoints-controller",
    "endpointslice-controller",
    "root-ca-certificate-publisher-controller",
    "node-lifecycle-controller",  # Takes the taint off a node that has become ready.
)
"""Those a member needs; the other thirty would only cost CPU."""


class NotReady(Exception):
    """A member did not become ready in time; the text has the end of the log of the part that is to blame."""


class RealMember:
    """One cluster. `start`, `stop`, `kill` and `start` again keep its data, ports and certificates."""

    def __init__(self, name: str, folder: Path, binaries: dict[str, Path], *, nodes: int = 3, cpu: str = "8", memory: str = "32Gi") -> None:
        self.name, self.folder, self.nodes = name, folder, nodes
        self._binaries, self._capacity = binaries, {"cpu": cpu, "memory": memory, "pods": "110"}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._ports = dict(zip(("etcd", "peer", "apiserver", "manager", "scheduler", "kwok"), free_ports(6), strict=True))
        self.kubeconfig = folder / f"{name}.kubeconfig"
        self.pki = folder / "pki"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self._ports['apiserver']}"

    def start(self) -> None:
        """Starts what does not run and returns when the API server is ready, nodes are Ready and namespaces get their ServiceAccount.

        Raises `NotReady`.
        """
        pki.make(self.pki, self.name)
        self._write_kubeconfig()
        self._spawn("etcd")
        self._spawn("kube-apiserver")
        self._wait("kube-apiserver", "/readyz", lambda body: True)
        for part in ORDER[2:]:
            self._spawn(part)
        self._make_nodes()
        self._wait("kube-controller-manager", "/api/v1/namespaces/default/serviceaccounts/default", lambda body: True)
        self._wait("kwok", "/api/v1/nodes", self._nodes_ready)

    def stop(self) -> None:
        """Ends all parts in order; what does not end in time is killed."""
        for part in reversed(ORDER):
            self._end(part, signal.SIGTERM)

    def kill(self, part: str = "") -> None:
        """SIGKILL to one part, or to all of them: the cluster is gone from one moment to the next. Its data stays for `start`."""
        for name in (part,) if part else ORDER:
            self._end(name, signal.SIGKILL)

    def running(self, part: str) -> bool:
        process = self._processes.get(part)
        return process is not None and process.poll() is None

    def request(self, method: str, path: str, body: Any = None, *, content_type: str = "application/json") -> tuple[int, Any]:
        """One request as administrator: (HTTP status, decoded body). Raises OSError when nothing answers."""
        request = urllib.request.Request(
            self.server + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": content_type},
        )
        try:
            with urllib.request.urlopen(request, context=self._tls(), timeout=5) as answer:
                return answer.status, _decoded(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, _decoded(error.read())

    def _spawn(self, part: str) -> None:
        if self.running(part):
            return
        with (self.folder / f"{part}.log").open("ab") as log:
            self._processes[part] = subprocess.Popen(
                [str(self._binaries[part]), *self._arguments(part)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C ends the tests first, and they end the member in order.
                env={**os.environ, "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"},
            )

    def _end(self, part: str, number: signal.Signals) -> None:
        process = self._processes.pop(part, None)
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_LIMIT_S)

    def _arguments(self, part: str) -> list[str]:
        kubeconfig = str(self.kubeconfig)
        as_admin = [f"--kubeconfig={kubeconfig}", f"--authentication-kubeconfig={kubeconfig}", f"--authorization-kubeconfig={kubeconfig}"]
        if part == "etcd":
            client, peer = (f"http://127.0.0.1:{self._ports[port]}" for port in ("etcd", "peer"))
            return [
                *("--name", self.name, "--data-dir", str(self.folder / "etcd"), "--log-level=error"),
                *("--listen-client-urls", client, "--advertise-client-urls", client),
                *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"{self.name}={peer}"),
                "--unsafe-no-fsync",  # Killing a process loses nothing that the kernel has; only a power cut would.
            ]
        if part == "kube-apiserver":
            return self._apiserver_arguments()
        if part == "kube-controller-manager":
            return [
                *as_admin,
                *("--bind-address=127.0.0.1", f"--secure-port={self._ports['manager']}", "--leader-elect=false"),
                *(f"--controllers={','.join(CONTROLLERS)}", f"--root-ca-file={self.pki / 'ca.crt'}"),
                *(f"--service-account-private-key-file={self.pki / 'sa.key'}", "--concurrent-gc-syncs=5"),
            ]
        if part == "kube-scheduler":
            return [*as_admin, "--bind-address=127.0.0.1", f"--secure-port={self._ports['scheduler']}", "--leader-elect=false"]
        return [
            f"--config={STAGES}",
            *(f"--kubeconfig={kubeconfig}", "--manage-all-nodes=true", "--node-ip=127.0.0.1", "--node-port=0"),
            *(f"--server-address=127.0.0.1:{self._ports['kwok']}", "--cidr=10.100.0.0/16", "--node-lease-duration-seconds=40"),
        ]

    def _apiserver_arguments(self) -> list[str]:
        pki_file = self.pki.__truediv__
        return [
            *(f"--etcd-servers=http://127.0.0.1:{self._ports['etcd']}", "--bind-address=127.0.0.1"),
            *(f"--secure-port={self._ports['apiserver']}", "--endpoint-reconciler-type=none"),
            *("--authorization-mode=Node,RBAC", "--allow-privileged=true", "--service-cluster-ip-range=10.96.0.0/16"),
            *("--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={pki_file('sa.pub')}"),
            *(f"--service-account-signing-key-file={pki_file('sa.key')}", f"--client-ca-file={pki_file('ca.crt')}"),
            *(f"--tls-cert-file={pki_file('server.crt')}", f"--tls-private-key-file={pki_file('server.key')}"),
            *(f"--requestheader-client-ca-file={pki_file('ca.crt')}", "--requestheader-allowed-names=front-proxy-client"),
            *("--requestheader-extra-headers-prefix=X-Remote-Extra-", "--requestheader-group-headers=X-Remote-Group"),
            *("--requestheader-username-headers=X-Remote-User", f"--proxy-client-cert-file={pki_file('front-proxy.crt')}"),
            f"--proxy-client-key-file={pki_file('front-proxy.key')}",
        ]

    def _make_nodes(self) -> None:
        for number in range(self.nodes):
            name = f"{self.name}-node-{number}"
            labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", "type": "kwok"}
            status = {"allocatable": self._capacity, "capacity": self._capacity}
            node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "status": status}
            code, body = self.request("POST", "/api/v1/nodes", node)
            if code not in {201, 409}:
                raise NotReady(f"{self.name} refuses node {name}: {body}")

    def _nodes_ready(self, body: Any) -> bool:
        conditions = [condition for node in body["items"] for condition in node["status"].get("conditions", ())]
        ready = [condition for condition in conditions if condition["type"] == "Ready" and condition["status"] == "True"]
        return len(ready) >= self.nodes and not any(node["spec"].get("taints") for node in body["items"])

    def _wait(self, part: str, path: str, good: Callable[[Any], bool]) -> None:
        """Until a GET answers 200 with a good body; a part that has ended meanwhile is reported at once."""
        until = time.monotonic() + READY_LIMIT_S
        while time.monotonic() < until:
            if not self.running(part):
                raise NotReady(f"{self.name}: {part} ended with {self._processes[part].poll()}: {self._log_end(part)}")
            with contextlib.suppress(OSError):
                code, body = self.request("GET", path)
                if code == 200 and good(body):
                    return
            time.sleep(POLL_S)
        raise NotReady(f"{self.name}: {path} is not good after {READY_LIMIT_S:.0f} s; {part} says: {self._log_end(part)}")

    def _log_end(self, part: str) -> str:
        return (self.folder / f"{part}.log").read_bytes()[-1500:].decode(errors="replace")

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.pki / "ca.crt"))
        context.load_cert_chain(str(self.pki / "admin.crt"), str(self.pki / "admin.key"))
        return context

    def _write_kubeconfig(self) -> None:
        def data(file: str) -> str:
            return base64.b64encode((self.pki / file).read_bytes()).decode()

        cluster = {"server": self.server, "certificate-authority-data": data("ca.crt")}
        user = {"client-certificate-data": data("admin.crt"), "client-key-data": data("admin.key")}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": self.name,
            "clusters": [{"name": self.name, "cluster": cluster}],
            "users": [{"name": self.name, "user": user}],
            "contexts": [{"name": self.name, "context": {"cluster": self.name, "user": self.name}}],
        }
        self.kubeconfig.write_text(json.dumps(content, indent=1))  # JSON is YAML.
        self.kubeconfig.chmod(0o600)


def free_ports(count: int) -> list[int]:
    """Ports that are free now; taken all at once, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body or b"{}")
    except ValueError:
        return body.decode(errors="replace")


def main() -> int:
    parser = argparse.ArgumentParser(description="Starts real member clusters and keeps them until it is interrupted.")
    parser.add_argument("names", nargs="+")
    parser.add_argument("--dir", type=Path, required=True, help="where data, logs and kubeconfigs lie")
    parser.add_argument("--nodes", type=int, default=3)
    options = parser.parse_args()
    try:
        binaries = build()
    except CannotBuild as error:
        print(f"skipped: {error}")
        return 0
    with contextlib.ExitStack() as stack:
        for name in options.names:
            member = stack.enter_context(RealMember(name, options.dir.resolve() / name, binaries, nodes=options.nodes))
            print(f"{name}: {member.kubeconfig}", flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    return 0


if __name__ == "__main__":
    sys.exit(main())
