"""`docker-compose.yml`, run: image built, everything healthy, a deploy goes through, containers are killed, down. `just test-compose`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compose.engine import ROOT, Engine, NoEngine, build, engine
from shoal.runtime.clock import Deadline

PROJECT, BASE, IMAGE = "shoal-test", "shoal-test-base", "shoal-test"
LONG_LIVED = {"nats", "gateway", "scheduler", "override-renderer", "health-monitor", "m1", "m2", "m3"}
LIMIT_S = 90.0


class Installation:
    """What `docker compose up` made, and the command line on it."""

    def __init__(self, engine: Engine, directory: Path) -> None:
        self.engine, self._directory = engine, directory

    def compose(self, *arguments: str) -> str:
        return self.engine.compose("-p", PROJECT, *arguments, SHOAL_IMAGE=IMAGE, SHOAL_PORT="0")

    def up(self) -> None:
        self.compose("up", "--no-build", "--wait", "--wait-timeout", str(int(LIMIT_S)))

    def containers(self) -> dict[str, Any]:
        return {one["Service"]: one for one in map(json.loads, self.compose("ps", "-a", "--format", "json").splitlines())}

    def exec(self, service: str, *command: str) -> str:
        return self.compose("exec", "-T", service, *command)

    def shoal(self, *arguments: str, code: int = 0) -> str:
        """The command line from outside, with the authority and the token that the installation made."""
        authority = self._directory / "hub-ca.crt"
        self.compose("cp", "gateway:/etc/shoal/keys/ca.crt", str(authority))
        access = {
            "SHOAL_URL": f"https://{self.compose('port', 'gateway', '8443')}",
            "SHOAL_TOKEN": self.exec("gateway", "cut", "-d", " ", "-f", "1", "/etc/shoal/keys/tokens"),
            "SHOAL_CA_FILE": str(authority),
        }
        program = "from shoal.cli.main import main; main()"
        ended = subprocess.run(
            [sys.executable, "-c", program, *arguments], env=os.environ | access, cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended.stdout

    def kill(self, service: str) -> None:
        """SIGKILL to a container's first process, from outside: the engine restarts it, as it would after a crash."""
        name = self.containers()[service]["Name"]
        os.kill(int(self.engine.docker("inspect", "--format", "{{.State.Pid}}", name)), signal.SIGKILL)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    directory = tmp_path_factory.mktemp("compose")
    try:
        with engine(directory) as running:
            build(running, directory, base=BASE, image=IMAGE)
            made = Installation(running, directory)
            try:
                made.up()
                yield made
            finally:
                made.compose("down", "--volumes", "--timeout", "15")
                left = running.docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={PROJECT}")
                running.docker("image", "rm", IMAGE, BASE)
            assert left == ""
    except NoEngine as error:
        print(f"skipped: {error}", flush=True)
        pytest.skip(str(error))


def test_everything_is_healthy(installation: Installation) -> None:
    found = installation.containers()
    assert {name for name, one in found.items() if one["Health"] == "healthy"} == LONG_LIVED
    assert {name: one["ExitCode"] for name, one in found.items() if name not in LONG_LIVED} == {"keys": 0, "bootstrap": 0}


@pytest.mark.parametrize("service", ["gateway", "nats", "m1"])
def test_nobody_is_root(installation: Installation, service: str) -> None:
    assert installation.exec(service, "id", "-u") == "65532"


def test_the_door_asks_for_a_token(installation: Installation) -> None:
    program = (
        "import ssl, urllib.request as u\n"
        "try: u.urlopen('https://127.0.0.1:8443/api/clusters', context=ssl.create_default_context(cafile='/etc/shoal/keys/ca.crt'))\n"
        "except u.HTTPError as error: print(error.code)"
    )
    assert installation.exec("gateway", "python", "-c", program) == "401"


def test_an_agent_cannot_see_the_keys_of_the_hub(installation: Installation) -> None:
    assert installation.exec("m1", "ls", "/etc/shoal/keys").split() == ["agent.creds", "ca.crt"]


def test_a_deploy_goes_through_also_after_kills(installation: Installation) -> None:
    installation.shoal("deploy", "-f", "examples/shop", "--version", "1.0.0", "--timeout", str(LIMIT_S))
    for service in ("scheduler", "override-renderer", "m1", "nats"):
        installation.kill(service)
    new = "registry.example/shop/web:1.0.1"
    deadline = Deadline(LIMIT_S)
    while {one["State"] for name, one in installation.containers().items() if name in LONG_LIVED} != {"running"}:
        assert not deadline.passed
        deadline.pause(0.2)
    installation.shoal("deploy", "--app", "shop", "--set-image", f"web={new}", "--version", "1.0.1", "--timeout", str(LIMIT_S))
    images = [
        place["image"] for item in json.loads(installation.shoal("where", "shop", "-o", "json"))["objects"]
        if item["ref"] == "apps/Deployment/shop/web" for place in item["clusters"]
    ]  # fmt: skip
    assert sorted(images) == ["registry.alpha.example/shop/web:1.0.1"] * 2 + ["registry.beta.example/shop/web:1.0.1"]
