"""`deploy/` and `docker-compose.yml` are true: valid for the tools that read them, in step with the locks, the settings and the bus."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import msgspec
import pytest

from shoal.api.yaml import load, load_all
from shoal.bus.nats.server import find_server, server_config
from shoal.runtime.config import OTHER_VARIABLES, SERVICES, AgentConfig, GatewayConfig, variable
from shoal.runtime.config import load as load_config

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = "1.37"
KNOWN = {variable(field.name) for kind in SERVICES for field in msgspec.structs.fields(kind)} | OTHER_VARIABLES
NOT_SETTINGS = {"SHOAL_AGENT_KEYS"}
"""Read by deploy/docker/keys.sh."""


def tool(name: str, *arguments: str, **environment: str) -> str:
    binary = Path(sys.executable).with_name(name)
    ended = subprocess.run([str(binary), *arguments], env=os.environ | environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def compose() -> dict[str, Any]:
    found: dict[str, Any] = load(tool("docker-compose", "config"))
    return found


def built(name: str) -> list[dict[str, Any]]:
    return load_all(tool("kubectl", "kustomize", str(DEPLOY / "kustomize" / name)))


def environments(manifests: list[dict[str, Any]]) -> Iterator[dict[str, str]]:
    """The environment of every container of every workload, a ConfigMap that it takes whole included."""
    maps = {one["metadata"]["name"]: one["data"] for one in manifests if one["kind"] == "ConfigMap"}
    for manifest in manifests:
        spec = manifest.get("spec", {}).get("template", {}).get("spec", {})
        for container in [*spec.get("initContainers", []), *spec.get("containers", [])]:
            taken = [maps[source["configMapRef"]["name"]] for source in container.get("envFrom", [])]
            yield {key: value for one in taken for key, value in one.items()} | {
                one["name"]: one["value"] for one in container.get("env", [])
            }


@pytest.mark.parametrize("name", ["hub", "member"])
def test_kustomize_bases_are_valid(name: str) -> None:
    for manifest in built(name):
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


@pytest.mark.parametrize("name", ["hub", "member"])
def test_kustomize_bases_set_what_exists(name: str) -> None:
    used = {key for environment in environments(built(name)) for key in environment}
    assert used <= KNOWN
    assert used


def test_compose_sets_what_exists() -> None:
    used = {key for service in compose()["services"].values() for key in service.get("environment", {})}
    assert used <= KNOWN | NOT_SETTINGS
    assert used


@pytest.mark.parametrize(
    ("environment", "kind"),
    [
        pytest.param(lambda: compose()["services"]["gateway"]["environment"], GatewayConfig, id="compose-gateway"),
        pytest.param(lambda: compose()["services"]["m1"]["environment"], AgentConfig, id="compose-member"),
        pytest.param(lambda: next(one for one in environments(built("hub")) if "SHOAL_TOKENS_FILE" in one), GatewayConfig, id="kustomize-gateway"),
        pytest.param(lambda: next(environments(built("member"))), AgentConfig, id="kustomize-member"),
    ],
)  # fmt: skip
def test_services_accept_their_settings(environment: Any, kind: type[Any]) -> None:
    given = environment()
    assert load_config(kind, given).bus_url.startswith("tls://")


def test_the_bus_off_loopback_is_set_as_the_one_on_loopback(tmp_path: Path) -> None:
    text = (DEPLOY / "nats" / "nats.conf").read_text()
    same = re.compile(r"^\s*((?:max_payload|max_pending|write_deadline|lame_duck_duration|sync_interval|cipher|limits).*)$", re.MULTILINE)
    assert sorted(same.findall(text)) == sorted(same.findall(server_config(tmp_path)))


def test_the_bus_accepts_its_configuration_with_the_keys_that_are_made(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    subprocess.run([str(DEPLOY / "docker" / "keys.sh"), str(keys), "hub.example"], check=True, capture_output=True)
    before = {path.name: path.read_bytes() for path in keys.iterdir()}
    subprocess.run([str(DEPLOY / "docker" / "keys.sh"), str(keys), "hub.example"], check=True, capture_output=True)
    assert {path.name: path.read_bytes() for path in keys.iterdir()} == before
    assert {path.stat().st_mode & 0o077 for path in keys.iterdir()} == {0}
    config = tmp_path / "nats.conf"
    config.write_text(
        (DEPLOY / "nats" / "nats.conf").read_text().replace("/etc/shoal/keys", str(keys)).replace("/data", str(tmp_path / "data"))
    )
    secrets = {
        "SHOAL_HUB_PASSWORD": (keys / "hub.creds").read_text().split()[1],
        "SHOAL_AGENT_PASSWORD": (keys / "agent.creds").read_text().split()[1],
        "SHOAL_STORE_KEY": (keys / "store.key").read_text().strip(),
    }
    subprocess.run([str(find_server()), "-t", "-c", str(config)], env=os.environ | secrets, check=True, capture_output=True)


def _locked(path: Path) -> dict[str, str]:
    """Package -> its whole entry, hashes included."""
    entries = re.split(r"\n(?=\S)", path.read_text().strip())
    return {entry.split("==")[0]: entry for entry in entries}


@pytest.mark.parametrize("name", ["requirements.lock", "build.lock"])
def test_the_image_is_made_of_what_is_locked(name: str) -> None:
    image, root = _locked(DEPLOY / "docker" / name), _locked(ROOT / "requirements.lock")
    differing = [package for package, entry in image.items() if root.get(package, "").split("\n")[1:] != entry.split("\n")[1:]]
    assert differing == [], f"compile deploy/docker/{name} anew (docs/deploying.md)"


def test_the_image_has_what_the_distribution_needs() -> None:
    project = (ROOT / "libs" / "pyproject.toml").read_text().partition("dependencies = [")[2].partition("\n]")[0]
    needed = {re.match(r"[a-z0-9-]+", line.strip(' ",'))[0] for line in project.splitlines() if line.strip()}  # type: ignore[index]
    assert needed <= _locked(DEPLOY / "docker" / "requirements.lock").keys()
