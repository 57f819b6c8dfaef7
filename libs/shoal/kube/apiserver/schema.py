"""What a schema says of every position in an object: `Node`; and the packaged schemas of the built-in kinds: `Definitions`.

Everything is resolved on demand and shared: a process that only serves Deployments never parses the schema of a Pod's affinity twice.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

Schema = dict[str, Any]

PACK_VERSION = "v1.37.0"
PACK_PATH = Path(__file__).parent / "schemas" / "kubernetes-1.37.json.z"
COMPONENTS = "#/components/schemas/"
OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"

_KEY_DEFAULTS = {"protocol": "TCP"}
"""Values that a key of a map-list has when an item leaves it out; without it a port written twice would be two ports."""


class _Pack(msgspec.Struct):
    version: str
    definitions: dict[str, msgspec.Raw]


class Definitions:
    """Named schemas that `$ref` can point to; each is parsed when it is first asked for."""

    def __init__(self, raw: Mapping[str, msgspec.Raw | Schema], parent: Definitions | None = None) -> None:
        self._raw, self._parent = raw, parent
        self._parsed: dict[str, Schema] = {}
        self._nodes: dict[str, Node] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._raw

    def raw(self, name: str) -> bytes:
        """One definition as JSON. Raises KeyError when there is none of that name."""
        found = self._raw[name]
        return bytes(found) if isinstance(found, msgspec.Raw) else msgspec.json.encode(found)

    def schema(self, name: str) -> Schema:
        """One definition, decoded. Raises KeyError when there is none of that name."""
        found = self._parsed.get(name)
        if found is None:
            raw = self._raw.get(name)
            if raw is None and self._parent is not None:
                return self._parent.schema(name)
            source = self._raw[name]
            found = self._parsed[name] = msgspec.json.decode(source) if isinstance(source, msgspec.Raw) else source
        return found

    def node(self, name: str) -> Node:
        """The position that a plain reference to this definition makes; one per definition, since most references add nothing."""
        if name not in self._raw and self._parent is not None:
            return self._parent.node(name)
        found = self._nodes.get(name)
        if found is None:
            found = self._nodes[name] = Node(self.schema(name), self, name=name)
        return found


@functools.cache
def builtin() -> Definitions:
    """The packaged definitions; one for the whole process, read at the first use (about 10 ms)."""
    pack = msgspec.json.decode(zlib.decompress(PACK_PATH.read_bytes()), type=_Pack)
    return Definitions(pack.definitions)


Form = Literal["object", "list", "scalar", "any"]


class Node:
    """One position: its form, and how lists and maps at it are merged. Immutable apart from what it has resolved already."""

    __slots__ = (
        "_definitions",
        "_items",
        "_properties",
        "_resolved",
        "_values",
        "atomic",
        "default",
        "enum",
        "form",
        "format",
        "is_set",
        "keys",
        "merge_key",
        "name",
        "open",
        "primitive_merge",
        "required",
        "retain_keys",
        "type",
    )

    def __init__(self, schema: Schema, definitions: Definitions, position: Schema | None = None, name: str = "") -> None:
        """`schema` is the resolved definition called `name`; `position` what stands beside a reference to it and wins over it."""
        self.name = name.rpartition(".")[2]
        """Short name of the definition, such as `DeploymentSpec`; empty where the schema stands in line."""
        beside = position if position is not None else schema
        self._definitions = definitions
        self._resolved: dict[str, Node | None] = {}
        self._properties: Schema = schema.get("properties") or {}
        extra = schema.get("additionalProperties")
        self._values: Schema | None = extra if isinstance(extra, dict) else None
        self._items: Schema | None = schema.get("items")
        self.type: str | None = _type_of(schema)
        self.form: Form = _form_of(schema, self.type)
        self.format: str | None = schema.get("format") or ("int-or-string" if schema.get("x-kubernetes-int-or-string") else None)
        self.enum: list[Any] | None = schema.get("enum")
        self.required: list[str] = schema.get("required") or []
        self.default: Any = beside.get("default", schema.get("default"))
        closed = bool(self._properties) or self._values is not None
        self.open = bool(schema.get("x-kubernetes-preserve-unknown-fields")) or extra is True or (not closed and extra is not False)
        """Fields that the schema does not name are kept."""
        list_type = beside.get("x-kubernetes-list-type") or schema.get("x-kubernetes-list-type")
        keys = beside.get("x-kubernetes-list-map-keys") or schema.get("x-kubernetes-list-map-keys") or ()
        self.keys: tuple[str, ...] = tuple(sorted(keys)) if list_type == "map" else ()
        """Key fields of the items of a map-list, sorted; empty for every other position."""
        self.is_set = list_type == "set"
        map_type = beside.get("x-kubernetes-map-type") or schema.get("x-kubernetes-map-type")
        self.atomic = map_type == "atomic" or (self.form == "list" and not self.keys and not self.is_set)
        """Replaced and owned as a whole."""
        strategy = beside.get("x-kubernetes-patch-strategy", "")
        self.merge_key: str | None = beside.get("x-kubernetes-patch-merge-key")
        self.retain_keys = "retainKeys" in strategy
        self.primitive_merge = "merge" in strategy and self.merge_key is None
        """A list of plain values that a strategic merge patch adds to."""

    def declares(self, name: str) -> bool:
        return name in self._properties

    @property
    def is_map(self) -> bool:
        """A map of free keys."""
        return self._values is not None and not self._properties

    @property
    def declared(self) -> Schema:
        """Schemas of the fields this position names."""
        return self._properties

    def child(self, name: str) -> Node | None:
        """The position of a field; None when the schema knows no such field."""
        try:
            return self._resolved[name]
        except KeyError:
            found = self._resolved[name] = self._resolve(name)
            return found

    def _resolve(self, name: str) -> Node | None:
        schema = self._properties.get(name)
        if schema is None:
            if name == "\0item":
                return node_of(self._items, self._definitions) if self._items else ANY
            if self._values is not None:
                return self.child("\0value") if name != "\0value" else node_of(self._values, self._definitions)
            return ANY if self.open else None
        return node_of(schema, self._definitions)

    @property
    def item(self) -> Node:
        """The position of every item of a list."""
        return self.child("\0item") or ANY

    def at(self, name: str) -> Node:
        """As `child`, with "anything" for an unknown field."""
        return self.child(name) or ANY

    def key_of(self, item: Any) -> dict[str, Any] | None:
        """The key of an item of a map-list; None when the item lacks it."""
        if not isinstance(item, dict):
            return None
        found = {key: item.get(key, _KEY_DEFAULTS.get(key)) for key in self.keys}
        return None if all(value is None for value in found.values()) else found


def node_of(schema: Schema, definitions: Definitions) -> Node:
    """The position that a schema describes, references resolved."""
    reference = schema.get("$ref")
    if reference is None:
        if "allOf" in schema and len(schema["allOf"]) == 1 and "$ref" in schema["allOf"][0]:
            name = schema["allOf"][0]["$ref"].rsplit("/", 1)[1]
            if not any(key.startswith("x-kubernetes") or key == "default" for key in schema):
                return definitions.node(name)
            return Node(definitions.schema(name), definitions, position=schema, name=name)
        chosen = _alternative(schema)
        if chosen is None:
            return Node(schema, definitions)
        return node_of({key: value for key, value in schema.items() if key != "anyOf"} | chosen, definitions)
    return definitions.node(reference.rsplit("/", 1)[1])


def _alternative(schema: Schema) -> Schema | None:
    """The one non-null branch of an `anyOf` that only says "or nothing"; None when there is no such branch."""
    branches = schema.get("anyOf")
    if not branches or "type" in schema or "properties" in schema:
        return None
    real = [branch for branch in branches if branch.get("type") != "null"]
    return real[0] if len(real) == 1 else None


def _type_of(schema: Schema) -> str | None:
    declared = schema.get("type")
    if isinstance(declared, list):
        real = [one for one in declared if one != "null"]
        return real[0] if len(real) == 1 else None
    if declared is None and "properties" in schema:
        return "object"
    return declared


def _form_of(schema: Schema, type_: str | None) -> Form:
    if schema.get("x-kubernetes-int-or-string") or schema.get("format") in ("int-or-string", "quantity"):
        return "scalar"
    if type_ == "object":
        return "object"
    if type_ == "array":
        return "list"
    return "any" if type_ is None else "scalar"


ANY = Node({}, Definitions({}))
"""A position of which nothing is known: maps in it are merged and owned key by key, lists as a whole."""
