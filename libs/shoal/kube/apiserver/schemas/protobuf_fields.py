"""Makes the packaged description of Kubernetes protobuf messages from the Go modules that define them.

Run it as `python -m shoal.kube.apiserver.schemas.protobuf_fields`, with `go` on the path; it is for development and never imported at run
time. `generated.proto` gives numbers and wire types, the tags of the Go types give JSON names, inlining and what is left out when empty.
Only messages that a built-in resource or a request body reaches are kept.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from shoal.kube.apiserver.builtin import BUILTIN
from shoal.kube.apiserver.protobuf_messages import PACK_PATH, PACK_VERSION

MODULES = ("api", "apiextensions-apiserver", "apimachinery", "kube-aggregator")
MODULE_VERSION = PACK_VERSION.replace("v1.", "v0.", 1)

_META = "apimachinery.pkg.apis.meta.v1"
_BODIES = {
    "v1/Binding": "api.core.v1.Binding",
    "autoscaling/v1/Scale": "api.autoscaling.v1.Scale",
    "autoscaling/v1/HorizontalPodAutoscaler": "api.autoscaling.v1.HorizontalPodAutoscaler",
    "authentication.k8s.io/v1/TokenRequest": "api.authentication.v1.TokenRequest",
    "authentication.k8s.io/v1/TokenReview": "api.authentication.v1.TokenReview",
    "events.k8s.io/v1/Event": "api.events.v1.Event",
    "policy/v1/Eviction": "api.policy.v1.Eviction",
}
"""Bodies of requests besides the built-in resources."""
_META_BODIES = ("CreateOptions", "DeleteOptions", "PatchOptions", "Status", "UpdateOptions")
"""Bodies that every group and version has."""

_SPECIAL = {
    f"{_META}.Time": "time",
    f"{_META}.MicroTime": "micro-time",
    f"{_META}.Duration": "duration",
    f"{_META}.FieldsV1": "json",
    "apimachinery.pkg.runtime.RawExtension": "json",
    "apimachinery.pkg.api.resource.Quantity": "quantity",
    "apimachinery.pkg.util.intstr.IntOrString": "int-or-string",
    "apiextensions_apiserver.pkg.apis.apiextensions.v1.JSON": "json",
}
"""Messages that are one value in JSON; the decoder knows them by these words."""
_ONE_OF = {
    "JSONSchemaPropsOrArray": ("jSONSchemas", "schema"),
    "JSONSchemaPropsOrBool": ("schema", "allows"),
    "JSONSchemaPropsOrStringArray": ("property", "schema"),
}
"""Messages whose JSON is that of one of their fields: the first that is there."""
_SCALARS = {"string", "bytes", "bool", "int32", "int64", "double"}

_MESSAGE = re.compile(r"^message (\w+) \{\n(.*?)^\}", re.M | re.S)
_FIELD = re.compile(r"^  (optional|repeated|required|map<string, ([\w.]+)>)(?: ([\w.]+))? (\w+) = (\d+);", re.M)
_STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.M | re.S)
_LIST_TYPE = re.compile(r"^type (\w+) \[\]", re.M)
_TAGGED = re.compile(r"^\t([\w.\[\]*]+(?: +[^`\n]+?)?) *`(.*)`", re.M)


class _Tag(NamedTuple):
    """What Go says of one field."""

    name: str
    """In JSON."""
    inline: bool
    drops_zero: bool
    """A zero that was sent is left out of JSON: `omitempty`, and not a pointer."""


_Row = list[Any]
"""[number, JSON name, type, flags]; flags: `r` repeated, `m` map with text keys, `i` inline, `z` drops zero."""


def folders() -> list[Path]:
    """Where the modules lie after they were fetched. Raises when `go` cannot get them."""
    names = [f"k8s.io/{module}@{MODULE_VERSION}" for module in MODULES]
    with tempfile.TemporaryDirectory() as empty:
        done = subprocess.run(["go", "mod", "download", "-json", *names], cwd=empty, check=True, capture_output=True, text=True)
    return [Path(line) for line in re.findall(r'"Dir": "([^"]+)"', done.stdout)]


def messages(roots: Iterable[Path]) -> dict[str, list[_Row] | dict[str, Any]]:
    """Every message of the modules, by its full name without `k8s.io.`."""
    out: dict[str, Any] = {}
    for proto in sorted(path for root in roots for path in root.rglob("generated.proto")):
        text = proto.read_text()
        found = re.search(r"^package k8s\.io\.([\w.]+);", text, re.M)
        assert found, proto
        go = "\n".join(path.read_text() for path in sorted(proto.parent.glob("*.go")) if not path.name.endswith(("_test.go", ".pb.go")))
        structs, lists = dict(_STRUCT.findall(go)), set(_LIST_TYPE.findall(go))
        for name, body in _MESSAGE.findall(text):
            rows = list(_rows(body, found[1], _tags(structs.get(name, ""))))
            one_of = ("items",) if name in lists else _ONE_OF.get(name)
            out[f"{found[1]}.{name}"] = {"oneOf": one_of, "fields": rows} if one_of else {"fields": rows}
    return out


def _rows(body: str, package: str, tags: dict[int, _Tag]) -> Iterator[_Row]:
    for label, value, type_, name, number in _FIELD.findall(body):
        tag = tags.get(int(number), _Tag(name, inline=False, drops_zero=False))
        flags = {"repeated": "r", "optional": "", "required": ""}.get(label, "m") + "i" * tag.inline
        full = _resolved(value or type_, package)
        yield [int(number), tag.name or name, full, flags + "z" * (tag.drops_zero and full in _SCALARS and not flags)]


def _resolved(type_: str, package: str) -> str:
    if type_ in _SCALARS:
        return type_
    full = type_.removeprefix(".k8s.io.") if type_.startswith(".") else f"{package}.{type_}"
    return _SPECIAL.get(full, full)


def _tags(body: str) -> dict[int, _Tag]:
    """Of a Go struct, by the number of the field."""
    out: dict[int, _Tag] = {}
    for declared, tags in _TAGGED.findall(body):
        wire, json = re.search(r'protobuf:"\w+,(\d+)', tags), re.search(r'json:"([^"]*)"', tags)
        if wire and json:
            name, *options = json[1].split(",")
            *field, type_ = declared.split()
            inline = not name and not field  # Go flattens an embedded struct that has no name of its own.
            out[int(wire[1])] = _Tag(name.removeprefix("-"), inline, "omitempty" in options and not type_.startswith("*"))
    return out


def compact(all_messages: dict[str, Any]) -> dict[str, Any]:
    """{version, kinds, everywhere, messages} with everything left out that no body reaches. Deterministic. Raises KeyError for a message
    that the modules do not have."""
    kinds = dict(_BODIES)
    for resource in BUILTIN:
        for version, schema in resource.schemas.items():
            assert isinstance(schema, str)
            group_version = f"{resource.group}/{version}" if resource.group else version
            kinds[f"{group_version}/{resource.kind}"] = schema.removeprefix("io.k8s.").replace("-", "_")
    everywhere = {kind: f"{_META}.{kind}" for kind in _META_BODIES}
    wanted = [*kinds.values(), *everywhere.values()]
    kept: dict[str, Any] = {}
    while wanted:
        name = wanted.pop()
        if name not in kept:
            kept[name] = all_messages[name]
            wanted += [type_ for _, _, type_, _ in kept[name]["fields"] if "." in type_]
    return {"version": PACK_VERSION, "kinds": kinds, "everywhere": everywhere, "messages": dict(sorted(kept.items()))}


def main() -> None:
    packed = zlib.compress(msgspec.json.encode(compact(messages(folders()))), 9)
    PACK_PATH.write_bytes(packed)
    print(f"{PACK_PATH.name}: {len(packed)} bytes")


if __name__ == "__main__":
    main()
