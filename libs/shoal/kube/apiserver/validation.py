"""What makes an object invalid (422): names, labels, required fields and values by schema. Rules of single kinds are in `rules.py`."""

from __future__ import annotations

import functools
import re
from typing import Any

import jsonschema_rs
import structlog

from shoal.api.meta import Manifest
from shoal.kube.apiserver.errors import Cause
from shoal.kube.apiserver.registry import ResourceType
from shoal.kube.apiserver.schema import Node, Schema

log = structlog.get_logger(__name__)

REQUIRED = "FieldValueRequired"
INVALID = "FieldValueInvalid"
DUPLICATE = "FieldValueDuplicate"
FORBIDDEN = "FieldValueForbidden"
UNSUPPORTED = "FieldValueNotSupported"
TOO_LONG = "FieldValueTooLong"
TYPE_INVALID = "FieldValueTypeInvalid"

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_1035 = r"[a-z]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_VALUE = r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
_NAME_PART = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"

_SUBDOMAIN_TOLD = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an "
    rf"alphanumeric character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)
_LABEL_TOLD = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric "
    f"character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
)
_LABEL_1035_TOLD = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an "
    f"alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '{_LABEL_1035}')"
)
_VALUE_TOLD = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    f"alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '{_VALUE}')"
)
_KEY_TOLD = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    rf"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_NAME_PART}')"
)

_PATH_NAMES = {("rbac.authorization.k8s.io", kind) for kind in ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")}
"""Kinds whose names may hold anything that fits into a path."""

ANNOTATIONS_BYTES_MAX = 256 * 1024


def metadata_causes(object_: Manifest, resource: ResourceType) -> list[Cause]:
    """Everything that is wrong with an object's name, labels, annotations and finalizers."""
    metadata = object_["metadata"]
    out = _name_causes(metadata.get("name", ""), resource)
    for key, value in (metadata.get("labels") or {}).items():
        if (wrong := qualified_name_problem(key)) is not None:
            out.append(Cause("metadata.labels", INVALID, f'Invalid value: "{key}": {wrong}'))
        if (wrong := label_value_problem(value)) is not None:
            out.append(Cause("metadata.labels", INVALID, f'Invalid value: "{value}": {wrong}'))
    size = 0
    for key, value in (metadata.get("annotations") or {}).items():
        size += len(key) + len(value)
        if (wrong := qualified_name_problem(key.lower())) is not None:
            out.append(Cause("metadata.annotations", INVALID, f'Invalid value: "{key}": {wrong}'))
    if size > ANNOTATIONS_BYTES_MAX:
        out.append(Cause("metadata.annotations", TOO_LONG, f"Too long: may not be more than {ANNOTATIONS_BYTES_MAX} bytes"))
    for index, finalizer in enumerate(metadata.get("finalizers") or ()):
        if (wrong := qualified_name_problem(finalizer)) is not None:
            out.append(Cause(f"metadata.finalizers[{index}]", INVALID, f'Invalid value: "{finalizer}": {wrong}'))
    return out


def _name_causes(name: str, resource: ResourceType) -> list[Cause]:
    if not name:
        return [Cause("metadata.name", REQUIRED, "Required value: name or generateName is required")]
    if (resource.group, resource.kind) in _PATH_NAMES:
        wrong = 'may not contain "/" or "%", or be "." or ".."' if name in (".", "..") or "/" in name or "%" in name else None
    elif resource.group == "" and resource.kind == "Namespace":
        wrong = None if _matches(_LABEL, name, 63) else _LABEL_TOLD
    elif resource.group == "" and resource.kind == "Service":
        wrong = None if _matches(_LABEL_1035, name, 63) else _LABEL_1035_TOLD
    else:
        wrong = None if is_subdomain(name) else _SUBDOMAIN_TOLD
    return [Cause("metadata.name", INVALID, f'Invalid value: "{name}": {wrong}')] if wrong else []


def _matches(pattern: str, text: str, longest: int) -> bool:
    return len(text) <= longest and re.fullmatch(pattern, text) is not None


def is_label(text: str) -> bool:
    """True for an RFC 1123 label (names of containers, namespaces)."""
    return _matches(_LABEL, text, 63)


def is_subdomain(text: str) -> bool:
    """True for an RFC 1123 subdomain (names of most objects)."""
    return _matches(_SUBDOMAIN, text, 253)


@functools.lru_cache(maxsize=4096)
def qualified_name_problem(key: str) -> str | None:
    """What is wrong with the key of a label, an annotation or the name of a finalizer; None when nothing is."""
    prefix, slash, name = key.rpartition("/")
    if slash and not is_subdomain(prefix):
        return f"prefix part {_SUBDOMAIN_TOLD}"
    return None if _matches(_NAME_PART, name, 63) else _KEY_TOLD


@functools.lru_cache(maxsize=4096)
def label_value_problem(value: str) -> str | None:
    """What is wrong with the value of a label; None when nothing is."""
    if len(value) > 63:
        return "must be no more than 63 bytes"
    return None if re.fullmatch(_VALUE, value) else _VALUE_TOLD


def schema_causes(value: Any, node: Node, path: str = "") -> list[Cause]:
    """Required fields and enumerated values by the schema of a built-in kind."""
    out: list[Cause] = []
    if isinstance(value, dict):
        for name in node.required:
            if name not in value:
                out.append(Cause(f"{path}.{name}" if path else name, REQUIRED, "Required value"))
        for key, item in value.items():
            child = node.child(key)
            if child is None or key == "status":
                continue
            where = f"{path}.{key}" if path else key
            if isinstance(item, (dict, list)):
                out += schema_causes(item, child, where)
            elif child.enum and item not in child.enum:
                out.append(unsupported(where, item, [str(one) for one in child.enum]))
    elif isinstance(value, list):
        item_node = node.item
        for index, item in enumerate(value):
            if isinstance(item, (dict, list)):
                out += schema_causes(item, item_node, f"{path}[{index}]")
    return out


def unsupported(where: str, value: Any, allowed: list[str]) -> Cause:
    told = ", ".join(f'"{one}"' for one in allowed)
    return Cause(where, UNSUPPORTED, f'Unsupported value: "{value}": supported values: {told}')


def custom_causes(object_: Manifest, resource: ResourceType, version: str) -> list[Cause]:
    """What the JSON schema of an added kind says against an object."""
    schema = resource.schemas.get(version)
    if not isinstance(schema, dict):
        return []
    validator = _validator(resource, version)
    if validator is None:
        return []
    out = []
    checked = {key: value for key, value in object_.items() if key not in ("apiVersion", "kind", "metadata")}
    for error in validator.iter_errors(checked):
        out.append(_cause_of(error))
    return out


_validators: dict[int, tuple[Schema, Any]] = {}


def _validator(resource: ResourceType, version: str) -> Any:
    """The compiled schema; kept as long as the schema lives, since compiling takes some 10 ms. None for a schema that cannot be compiled
    (an exotic pattern): its kind is then served without this check, as a definition that a real server takes must not be useless here."""
    schema = resource.schemas[version]
    assert isinstance(schema, dict)
    found = _validators.get(id(schema))
    if found is None or found[0] is not schema:
        made = jsonschema_rs.Draft4Validator if resource.fill_defaults else jsonschema_rs.Draft202012Validator
        try:
            compiled = made(_content_schema(schema), retriever=_no_retrieval)
        except (ValueError, jsonschema_rs.ValidationError) as error:
            log.warning("schema cannot be compiled", kind=resource.qualified_kind, version=version, error=str(error)[:300])
            compiled = None
        found = _validators[id(schema)] = (schema, compiled)
    return found[1]


def _content_schema(schema: Schema) -> Schema:
    """The schema without what the server checks itself, in plain JSON schema."""
    root = schema
    if "$ref" in schema:
        root = {**schema["$defs"][schema["$ref"].rsplit("/", 1)[1]], "$defs": schema["$defs"]}
    kept = {key: value for key, value in root.items() if key not in ("properties", "required")}
    kept["properties"] = {
        key: _plain(value) for key, value in (root.get("properties") or {}).items() if key not in ("apiVersion", "kind", "metadata")
    }
    kept["required"] = [name for name in root.get("required", ()) if name not in ("apiVersion", "kind", "metadata")]
    if not kept["required"]:
        del kept["required"]  # Draft 4 forbids an empty list.
    return kept


def _plain(schema: Any) -> Any:
    """OpenAPI's `nullable` as JSON schema has it, all the way down."""
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    out = {key: _plain(value) for key, value in schema.items() if key not in ("default", "example")}
    if schema.get("nullable") is True and isinstance(schema.get("type"), str):
        out["type"] = [schema["type"], "null"]
    return out


def _no_retrieval(uri: str) -> Any:
    raise ValueError(f"schemas are not fetched: {uri}")


def _cause_of(error: Any) -> Cause:
    path = ""
    for part in error.instance_path:
        path += f"[{part}]" if isinstance(part, int) else (f".{part}" if path else str(part))
    message = str(error.message)
    if found := re.fullmatch(r'"(.+)" is a required property', message):
        return Cause(f"{path}.{found[1]}" if path else found[1], REQUIRED, "Required value")
    if len(message) > 500:
        message = message[:500] + " ..."
    return Cause(path or "<root>", INVALID, f"Invalid value: {message}")
