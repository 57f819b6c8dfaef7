"""Makes the packaged schema file from `kubernetes-validate` (108 MB, a development dependency).

Run it as `python -m shoal.kube.apiserver.schemas.compact`.
Kept: types, required, enums, merge keys, list and map types, group-version-kinds, the first sentence of every description.
Only definitions that a built-in resource reaches are kept.
"""

from __future__ import annotations

import importlib.util
import re
import zlib
from pathlib import Path
from typing import Any

import msgspec

from shoal.kube.apiserver.builtin import BUILTIN
from shoal.kube.apiserver.schema import COMPONENTS, PACK_PATH, PACK_VERSION

DESCRIPTION_CHARS_MAX = 220
"""A first sentence beyond this is cut at a word: enough for `kubectl explain` to be useful."""

_KEPT = (
    "required",
    "enum",
    "format",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-patch-merge-key",
    "x-kubernetes-patch-strategy",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-int-or-string",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-group-version-kind",
)

_SCALARS = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"oneOf": [{"type": "string"}, {"type": "number"}], "format": "quantity"},
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"oneOf": [{"type": "integer"}, {"type": "string"}], "format": "int-or-string"},
}
"""Definitions that are one value of several types."""

_OPEN = (
    "JSONSchemaPropsOrBool",
    "JSONSchemaPropsOrArray",
    "JSONSchemaPropsOrStringArray",
    "v1.JSON",
    "runtime.RawExtension",
    "v1.FieldsV1",
)
"""Definitions that hold any JSON."""


def source() -> dict[str, Any]:
    """The definitions of the wanted release as the development package has them. Raises ModuleNotFoundError without it."""
    found = importlib.util.find_spec("kubernetes_validate")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("kubernetes-validate is needed to make the schema file (a development dependency)")
    folder = Path(found.submodule_search_locations[0]) / "kubernetes-json-schema" / f"{PACK_VERSION}-local"
    definitions: dict[str, Any] = msgspec.json.decode((folder / "_definitions.json").read_bytes())["$defs"]
    return definitions


def first_sentence(text: str) -> str:
    """The first sentence of a description, cut at a word when it is very long."""
    sentence = re.split(r"(?<=[a-z0-9)\]`\"'])\.(?:\s|$)", text.strip().replace("\n", " "), maxsplit=1)[0]
    if len(sentence) > DESCRIPTION_CHARS_MAX:
        return sentence[:DESCRIPTION_CHARS_MAX].rsplit(" ", 1)[0] + " ..."
    return sentence + "."


def compact(definitions: dict[str, Any]) -> dict[str, Any]:
    """{version, definitions} with everything that no built-in resource reaches left out. Deterministic."""
    kinds = {
        (gvk["group"], gvk["version"], gvk["kind"]): name
        for name, definition in definitions.items()
        for gvk in definition.get("x-kubernetes-group-version-kind", ())
        if len(definition["x-kubernetes-group-version-kind"]) == 1
    }
    wanted = [kinds[resource.group, version, resource.kind] for resource in BUILTIN for version in resource.versions]
    wanted += ["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", "io.k8s.api.autoscaling.v1.Scale"]
    kept: dict[str, Any] = {}
    while wanted:
        name = wanted.pop()
        if name in kept:
            continue
        kept[name] = _definition(name, definitions[name])
        wanted += re.findall(re.escape(COMPONENTS) + r'([^"]+)', msgspec.json.encode(kept[name]).decode())
    return {"version": PACK_VERSION, "definitions": dict(sorted(kept.items()))}


def _definition(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    described = {"description": first_sentence(schema["description"])} if schema.get("description") else {}
    if name in _SCALARS:
        return {**described, **_SCALARS[name]}
    if name.endswith(_OPEN):
        return {**described, "x-kubernetes-preserve-unknown-fields": True}
    return _schema(schema)


def _schema(schema: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {key: schema[key] for key in _KEPT if key in schema}
    if "enum" in out:
        out["enum"] = [value for value in out["enum"] if value is not None]
    if schema.get("description"):
        out["description"] = first_sentence(schema["description"])
    if "type" in schema:
        types = [schema["type"]] if isinstance(schema["type"], str) else [one for one in schema["type"] if one != "null"]
        out["type"] = types[0]
    if "properties" in schema:
        out["properties"] = {name: _schema(value) for name, value in schema["properties"].items()}
    if "items" in schema:
        out["items"] = _schema(schema["items"])
    if isinstance(schema.get("additionalProperties"), dict):
        out["additionalProperties"] = _schema(schema["additionalProperties"])
    if "$ref" in schema:
        target = {"$ref": COMPONENTS + schema["$ref"].rsplit("/", 1)[1]}
        # OpenAPI 3.0 ignores what stands beside a reference, so a described reference is wrapped.
        return {**out, "allOf": [target]} if out else target
    return out


def main() -> None:
    packed = zlib.compress(msgspec.json.encode(compact(source())), 9)
    PACK_PATH.write_bytes(packed)
    print(f"{PACK_PATH.name}: {len(packed)} bytes")


if __name__ == "__main__":
    main()
