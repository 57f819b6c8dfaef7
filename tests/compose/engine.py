"""A container engine and images for the test of `docker-compose.yml`: the one that runs, else one of our own, from Debian's docker.io.

No image is pulled: the base is made from Debian's packages and given to the Dockerfile as its build argument.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shoal.runtime import processes
from shoal.runtime.clock import Deadline

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "shoal" / "compose"
PACKAGES = ("docker.io", "mmdebstrap", "iptables")
START_LIMIT_S = 30.0
_CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
_BASE = f"""FROM scratch
ADD base.tar /
COPY ca.crt {_CA_BUNDLE}
"""
"""The machine's authorities replace Debian's: packages may come through a gateway that has one of its own."""


class NoEngine(Exception):
    """There is none and none can be started; the text says what is missing."""


class Engine:
    """A running engine: `docker` and `docker-compose` with its address."""

    def __init__(self, host: str | None) -> None:
        self.environment = os.environ | ({"DOCKER_HOST": host} if host else {}) | {"DOCKER_BUILDKIT": "0"}

    def docker(self, *arguments: str, code: int = 0) -> str:
        return self._run(["docker", *arguments], {}, code)

    def compose(self, *arguments: str, code: int = 0, **environment: str) -> str:
        binary = Path(sys.executable).with_name("docker-compose")
        return self._run([str(binary), "--project-directory", str(ROOT), *arguments], environment, code)

    def _run(self, command: list[str], environment: dict[str, str], code: int) -> str:
        ended = subprocess.run(command, env=self.environment | environment, cwd=ROOT, capture_output=True, text=True, check=False)
        assert ended.returncode == code, f"{' '.join(command)}: {ended.stdout[-3000:]}{ended.stderr[-3000:]}"
        return ended.stdout.strip()


@contextmanager
def engine(directory: Path) -> Iterator[Engine]:
    """The engine that answers already, else our own below `directory`. Raises `NoEngine`."""
    if shutil.which("docker") and subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0:
        yield Engine(None)
        return
    _need_packages()
    host = f"unix://{directory}/docker.sock"
    command = ["dockerd", "--host", host]
    for option, name in (("--data-root", "data"), ("--exec-root", "exec"), ("--pidfile", "pid")):
        command += [option, str(directory / name)]
    with (directory / "log").open("wb") as log:
        daemon = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait(daemon, host, directory / "log")
        yield Engine(host)
    finally:
        found = processes.identify(daemon.pid)
        if found:
            processes.end([found], limit_s=30.0)
        daemon.wait()
        _unmount(directory)


def _unmount(directory: Path) -> None:
    """An engine leaves the mount of its network namespace behind, which would keep the directory from being removed."""
    for line in Path("/proc/mounts").read_text().splitlines():
        place = line.split()[1]
        if place.startswith(f"{directory}/"):
            subprocess.run(["umount", place], check=False)


def _need_packages() -> None:
    """Installs Debian's packages when that was allowed. Raises `NoEngine`."""
    if os.getuid() != 0:
        raise NoEngine("no container engine answers, and only root can start one")
    if all(shutil.which(program) for program in ("dockerd", "docker", "mmdebstrap", "iptables")):
        return
    if os.environ.get("SHOAL_COMPOSE_INSTALL") != "1" or not shutil.which("apt-get"):
        raise NoEngine(f"no container engine: install {' '.join(PACKAGES)}, or set SHOAL_COMPOSE_INSTALL=1 on a Debian machine")
    print(f"installing {' '.join(PACKAGES)}", flush=True)
    for command in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES]):
        ended = subprocess.run(
            ["apt-get", "-qq", *command],
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode:
            raise NoEngine(f"apt-get {command[0]} failed: {ended.stderr[-500:]}")


def _wait(daemon: subprocess.Popen[bytes], host: str, log: Path) -> None:
    deadline = Deadline(START_LIMIT_S)
    while subprocess.run(["docker", "--host", host, "info"], capture_output=True, check=False).returncode:
        if deadline.passed or daemon.poll() is not None:
            raise NoEngine(f"the container engine does not start here: {log.read_text()[-800:]}")
        deadline.pause(0.2)


def build(engine: Engine, directory: Path, *, base: str, image: str) -> None:
    """The base image from Debian's packages (kept between runs), and Shoal's image on it."""
    CACHE.mkdir(parents=True, exist_ok=True)
    suite = _suite()
    tar = CACHE / f"base-{suite}.tar"
    if not tar.exists():
        print(f"making a base image of {suite}", flush=True)
        fresh = tar.with_suffix(".new.tar")
        subprocess.run(
            ["mmdebstrap", "--quiet", "--variant=minbase", "--include=python3,python3-venv,ca-certificates,openssl", suite, str(fresh)],
            check=True,
        )
        fresh.rename(tar)
    context = directory / "base"
    context.mkdir()
    (context / "Dockerfile").write_text(_BASE)
    os.link(tar, context / "base.tar") if tar.stat().st_dev == context.stat().st_dev else shutil.copy(tar, context / "base.tar")
    shutil.copy(os.environ.get("SSL_CERT_FILE") or _CA_BUNDLE, context / "ca.crt")
    engine.docker("build", "-q", "-t", base, str(context))
    print("building Shoal's image", flush=True)
    index = [f"--build-arg={name}={value}" for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL") if (value := os.environ.get(name))]
    engine.docker(
        "build", "-q", "--network", "host", f"--build-arg=BASE={base}", f"--build-arg=PIP_CERT={_CA_BUNDLE}", *index,
        "-f", "deploy/docker/Dockerfile", "-t", image, ".",
    )  # fmt: skip


def _suite() -> str:
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    raise NoEngine("/etc/os-release names no Debian release")
