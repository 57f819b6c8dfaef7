"""Builds kube-apiserver, kube-controller-manager, kube-scheduler, etcd and kwok from the Go modules that `go.mod` pins.

    python tests/kube/build.py          builds what is missing and prints the folder, or the reason why it cannot

Binaries are kept outside the repository in `$XDG_CACHE_HOME/shoal/kube-<digest>` (default `~/.cache`), where the digest is over go.mod and
go.sum: another version is another folder. Binaries in `$KUBEBUILDER_ASSETS` are used as they are and not built.
A cold build takes 4 to 8 minutes on two cores and 300 MB.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "kwok": "sigs.k8s.io/kwok/cmd/kwok",
}
"""Binary -> its main package."""


class CannotBuild(Exception):
    """There are no binaries and none can be made; the text says why and what to do."""


def cache_dir() -> Path:
    """Where binaries of exactly these modules are kept."""
    digest = hashlib.sha256((HERE / "go.mod").read_bytes() + (HERE / "go.sum").read_bytes()).hexdigest()[:16]
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "shoal" / f"kube-{digest}"


def kubernetes_version() -> str:
    """The version that go.mod pins, such as `v1.36.3`."""
    pinned = re.search(r"^\s*k8s\.io/kubernetes (v\S+)", (HERE / "go.mod").read_text(), re.MULTILINE)
    if pinned is None:
        raise CannotBuild("go.mod does not require k8s.io/kubernetes")
    return pinned[1]


def found() -> dict[str, Path]:
    """Binaries that are ready now: `$KUBEBUILDER_ASSETS` first, then the cache. Complete when it has every key of `PACKAGES`."""
    folders = [Path(assets)] if (assets := os.environ.get("KUBEBUILDER_ASSETS")) else []
    ready: dict[str, Path] = {}
    for name in PACKAGES:
        for folder in [*folders, cache_dir()]:
            if os.access(folder / name, os.X_OK):
                ready[name] = folder / name
                break
    return ready


def why_not() -> str | None:
    """A sentence when nothing can be built here, None when it can."""
    if shutil.which("go") is None:
        return "Go is not installed; install Go 1.26 or point KUBEBUILDER_ASSETS at a folder that holds " + ", ".join(PACKAGES)
    return None


def build(*, parallel: int = 2) -> dict[str, Path]:
    """Builds what `found` lacks and returns all binaries. Raises `CannotBuild`.

    Two callers at once are safe: the second waits for the first one's lock and then finds everything built.
    """
    ready = found()
    if len(ready) == len(PACKAGES):
        return ready
    if reason := why_not():
        raise CannotBuild(reason)
    folder = cache_dir()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in PACKAGES:
            if name not in found():
                _compile(name, folder, parallel)
    return found()


def _compile(name: str, folder: Path, parallel: int) -> None:
    """One binary; it gets its name only when it is whole, so that an interrupted build leaves nothing that looks ready."""
    started, unfinished = time.monotonic(), folder / f"{name}.building"
    print(f"building {name} from {PACKAGES[name]} ...", file=sys.stderr, flush=True)
    done = subprocess.run(
        ["go", "build", "-p", str(parallel), "-trimpath", "-ldflags", _stamp(), "-o", str(unfinished), PACKAGES[name]],
        cwd=HERE,
        env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false"},
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise CannotBuild(f"go build {PACKAGES[name]} failed:\n{done.stderr[-2000:]}")
    unfinished.rename(folder / name)
    print(f"built {name} in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


def _stamp() -> str:
    """Linker flags. kubectl cannot parse the version of an unstamped API server."""
    version = kubernetes_version()
    major, minor, _ = version.removeprefix("v").split(".")
    package = "k8s.io/component-base/version"
    return f"-s -w -X {package}.gitVersion={version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"


def main() -> int:
    try:
        binaries = build(parallel=int(os.environ.get("SHOAL_KUBE_BUILD_PARALLEL", "2")))
    except CannotBuild as error:
        print(f"skipped: {error}")
        # Missing Go is no fault of the tree; a build that fails is.
        return 0 if why_not() else 1
    for name, path in binaries.items():
        print(f"{name}: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
