"""OpenAPI v3: one document per group and version, made from the schemas by copying their JSON.

kubectl reads three things in it: which query parameters a kind takes, merge keys, and what `kubectl explain` prints.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from shoal.kube.apiserver.errors import no_such_path
from shoal.kube.apiserver.registry import Registry, ResourceType, with_object_fields
from shoal.kube.apiserver.schema import COMPONENTS, OBJECT_META, Schema, builtin
from shoal.kube.apiserver.store import decode, encode

_PARAMETERS = [
    {"name": name, "in": "query", "description": told, "schema": {"type": "string", "uniqueItems": True}}
    for name, told in (
        ("dryRun", "When present, indicates that modifications should not be persisted."),
        ("fieldManager", "The name of the actor that makes these changes."),
        ("fieldValidation", "What the server does about unknown or duplicate fields: Ignore, Warn or Strict."),
        ("force", "Force is going to force apply requests."),
        ("pretty", "If true, the output is pretty printed."),
    )
]
PROTOBUF_V2 = "com.github.proto-openapi.spec.v2@v1.0+protobuf"
"""How kubectl asks for a v2 document."""
PROTOBUF_V2_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
"""What it is answered: "@" may not stand in a media type, and kubectl's own reader refuses it."""
_METHODS = {"post": "create", "put": "replace", "patch": "patch", "get": "read", "delete": "delete"}


def index(registry: Registry) -> dict[str, Any]:
    """The document at /openapi/v3: where the others are."""
    paths = {}
    for group, versions in registry.groups().items():
        for version in versions:
            path = f"apis/{group}/{version}" if group else f"api/{version}"
            paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={registry.changes}"}
    return {"paths": paths}


def document(registry: Registry, parts: list[str]) -> bytes:
    """The document at /openapi/v3/apis/GROUP/VERSION. Raises a 404."""
    if len(parts) == 2 and parts[0] == "api":
        group, version = "", parts[1]
    elif len(parts) == 3 and parts[0] == "apis":
        group, version = parts[1], parts[2]
    else:
        raise no_such_path()
    types = registry.groups().get(group, {}).get(version)
    if types is None:
        raise no_such_path()
    paths: dict[str, Any] = {}
    schemas: dict[str, msgspec.Raw | Schema] = {}
    for one in types:
        name = _add_schema(one, version, schemas)
        paths |= _paths(one, version, name)
    head = {"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": version}, "paths": paths, "components": {"schemas": schemas}}
    return encode(head)


def document_v2(registry: Registry, version: str) -> bytes:
    """A document at /openapi/v2 that names the kinds without their fields, for clients that only ask whether it is there."""
    definitions: dict[str, Any] = {}
    for one in registry:
        for served in one.versions:
            gvk = {"group": one.group, "version": served, "kind": one.kind}
            definitions[component_name(one, served)] = {"type": "object", "x-kubernetes-group-version-kind": [gvk]}
    return encode({"swagger": "2.0", "info": {"title": "Kubernetes", "version": version}, "paths": {}, "definitions": definitions})


def protobuf_v2(version: str) -> bytes:
    """The same in protobuf and without kinds. kubectl reads it for a kind that no v3 document has, and then says that there is no such kind."""

    def field(number: int, content: bytes) -> bytes:
        assert len(content) < 128, "a longer length takes two bytes"
        return bytes((number << 3 | 2, len(content))) + content

    return field(1, b"2.0") + field(2, field(1, b"Kubernetes") + field(2, version.encode()))


def component_name(one: ResourceType, version: str) -> str:
    """The name of a kind's schema in the documents."""
    schema = one.schemas.get(version)
    if isinstance(schema, str):
        return schema
    reversed_group = ".".join(reversed(one.group.split(".")))
    return f"{reversed_group}.{version}.{one.kind}"


def _add_schema(one: ResourceType, version: str, schemas: dict[str, msgspec.Raw | Schema]) -> str:
    """Puts the schema of a kind, and what it refers to, into a document; returns its name."""
    name = component_name(one, version)
    schema = one.schemas.get(version)
    if isinstance(schema, str):
        _add_builtin(name, schemas)
        return name
    root = with_object_fields(schema or {"type": "object"})
    local = root.get("$defs") or {}
    prefix = name + "."
    for local_name, definition in local.items():
        schemas[prefix + local_name] = _renamed(definition, prefix)
    shown = {key: value for key, value in root.items() if key != "$defs"}
    shown["x-kubernetes-group-version-kind"] = [{"group": one.group, "version": version, "kind": one.kind}]
    schemas[name] = _renamed(shown, prefix)
    _add_builtin(OBJECT_META, schemas)
    return name


def _renamed(schema: Schema, prefix: str) -> Schema:
    text = encode(schema).decode().replace('"#/$defs/', f'"{COMPONENTS}{prefix}')
    out: Schema = decode(text.encode())
    return out


def _add_builtin(name: str, schemas: dict[str, msgspec.Raw | Schema]) -> None:
    wanted = [name]
    while wanted:
        one = wanted.pop()
        if one in schemas or one not in builtin():
            continue
        raw = builtin().raw(one)
        schemas[one] = msgspec.Raw(raw)
        wanted += re.findall(re.escape(COMPONENTS) + r'([^"]+)', raw.decode())


def _paths(one: ResourceType, version: str, schema: str) -> dict[str, Any]:
    base = f"/apis/{one.group}/{version}" if one.group else f"/api/{version}"
    if one.namespaced:
        base += "/namespaces/{namespace}"
    gvk = {"group": one.group, "version": version, "kind": one.kind}
    body = {"description": "OK", "content": {"application/json": {"schema": {"$ref": COMPONENTS + schema}}}}

    def operations(*methods: str) -> dict[str, Any]:
        return {
            method: {
                "operationId": f"{_METHODS[method]}{one.kind}",
                "parameters": _PARAMETERS,
                "responses": {"200": body},
                "x-kubernetes-action": _METHODS[method],
                "x-kubernetes-group-version-kind": gvk,
            }
            for method in methods
        }

    return {
        f"{base}/{one.plural}": operations("get", "post"),
        f"{base}/{one.plural}/{{name}}": operations("get", "put", "patch", "delete"),
    }
