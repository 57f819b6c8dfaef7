"""Makes the packaged table of protobuf field numbers from the Go modules `k8s.io/api` and its sisters, as `tests/kube` has them in the module cache.

Run it as `python -m shoal.kube.apiserver.schemas.wire_numbers`. The numbers are a wire format that never changes; only names, numbers and
shapes are taken, for the kinds that the packaged schemas have.
"""

from __future__ import annotations

import re
import subprocess
import zlib
from pathlib import Path
from typing import Any

import msgspec

from shoal.kube.apiserver.protobuf import NUMBERS_PATH
from shoal.kube.apiserver.schema import builtin

MODULES_VERSION = "v0.36.3"
_MODULES = ("api", "apimachinery", "apiextensions-apiserver", "kube-aggregator")
_EXTRA = ("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions", "io.k8s.apimachinery.pkg.apis.meta.v1.Preconditions")

_FIELD = re.compile(r"^\s+(?:(optional|repeated)\s+([\w.]+)|map<string,\s*([\w.]+)>)\s+(\w+)\s*=\s*(\d+);", re.M)
_GO_FIELD = re.compile(r'^\t(?:\w+\s+)?(\S+)\s+`json:"([^"]*)"\s+protobuf:"[^"]*name=(\w+)', re.M)


class NoModules(Exception):
    """The Go modules are not in the module cache; the text says how to get them."""


def module_cache() -> Path:
    """Where Go keeps the modules. Raises `NoModules`."""
    try:
        found = subprocess.run(["go", "env", "GOMODCACHE"], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoModules("Go is not installed") from error
    folder = Path(found) / "k8s.io"
    if missing := [name for name in _MODULES if not (folder / f"{name}@{MODULES_VERSION}").is_dir()]:
        raise NoModules(f"{', '.join(missing)} {MODULES_VERSION} not in {folder}; `python tests/kube/build.py` fetches them")
    return folder


def numbers(folder: Path) -> dict[str, Any]:
    """{definition: [[number, JSON name, type, marks]]} for everything the packaged schemas reach. Marks: r repeated, m map, p pointer (a zero is
    meant), i its fields stand in line."""
    messages: dict[str, list[list[Any]]] = {}
    for module in _MODULES:
        for path in sorted((folder / f"{module}@{MODULES_VERSION}").rglob("generated.proto")):
            messages |= _messages(path)
    kept: dict[str, Any] = {}
    wanted = [name for name in messages if name in builtin() or name in _EXTRA]
    while wanted:
        name = wanted.pop()
        if name in kept or name not in messages:
            continue
        kept[name] = sorted(messages[name])
        wanted += [field[2] for field in messages[name]]
    return dict(sorted(kept.items()))


def _messages(path: Path) -> dict[str, list[list[Any]]]:
    text = re.sub(r"//.*", "", path.read_text())
    package = re.search(r"^package ([\w.]+);", text, re.M)
    assert package is not None
    go = _go_fields(path.parent)
    out: dict[str, list[list[Any]]] = {}
    for found in re.finditer(r"^message (\w+) \{(.*?)^\}", text, re.M | re.S):
        name = found[1]
        fields: list[list[Any]] = []
        for label, plain, mapped, field, number in _FIELD.findall(found[2]):
            pointer, json_name, inline = go.get((name, field), (False, field, False))
            marks = ("r" if label == "repeated" else "") + ("m" if mapped else "") + ("p" if pointer else "") + ("i" if inline else "")
            fields.append([int(number), json_name, _type(plain or mapped, package[1]), marks])
        out[_definition(f"{package[1]}.{name}")] = fields
    return out


def _go_fields(folder: Path) -> dict[tuple[str, str], tuple[bool, str, bool]]:
    """{(struct, protobuf name): (pointer, JSON name, in line)}."""
    out: dict[tuple[str, str], tuple[bool, str, bool]] = {}
    for path in folder.glob("*.go"):
        for struct, body in re.findall(r"^type (\w+) struct \{(.*?)^\}", path.read_text(), re.M | re.S):
            for type_, json_tag, field in _GO_FIELD.findall(body):
                name, _, options = json_tag.partition(",")
                out[struct, field] = (type_.startswith("*"), name or field, "inline" in options)
    return out


def _type(name: str, package: str) -> str:
    if name in ("string", "bytes", "bool", "int32", "int64", "double", "float"):
        return name
    return _definition(name.lstrip(".") if "." in name else f"{package}.{name}")


def _definition(message: str) -> str:
    """`k8s.io.api.core.v1.Pod` -> `io.k8s.api.core.v1.Pod`."""
    return "io.k8s." + message.removeprefix("k8s.io.").replace("_", "-")


def main() -> None:
    packed = zlib.compress(msgspec.json.encode(numbers(module_cache())), 9)
    NUMBERS_PATH.write_bytes(packed)
    print(f"{NUMBERS_PATH.name}: {len(packed)} bytes")


if __name__ == "__main__":
    main()
