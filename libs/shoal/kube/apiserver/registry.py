"""Which kinds an API server serves: `ResourceType`, and the `Registry` that finds them by path or by kind."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from shoal.kube.apiserver.schema import COMPONENTS, OBJECT_META, Definitions, Node, Schema, builtin

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Where the `scale` subresource finds its three values: dotted paths such as `.spec.replicas`."""

    spec_path: str = ".spec.replicas"
    status_path: str = ".status.replicas"
    selector_path: str | None = ".spec.selector"
    """A label selector, or its text form; None when the kind has none."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One printer column. `path` is a JSONPath below the object such as `.spec.weight`."""

    name: str
    path: str
    type: str = "string"
    """string, integer, number, boolean or date (printed as an age)."""
    priority: int = 0
    """Columns above 0 are shown by `-o wide` only."""
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class ResourceType:
    """One kind that is served. Built-in kinds name their schema; added kinds bring one."""

    group: str
    kind: str
    plural: str
    namespaced: bool
    versions: tuple[str, ...] = ("v1",)
    """The preferred version first. All versions hold the same content: an object is stored once, under the version it was written in."""
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = VERBS
    status: bool = True
    """Has a `status` subresource: status is then written only there."""
    scale: Scale | None = None
    schemas: Mapping[str, Schema | str] = field(default_factory=dict)
    """By version: a JSON schema (may hold `$defs`), or the name of a built-in definition. A version without one takes any object."""
    columns: Mapping[str, tuple[Column, ...]] = field(default_factory=dict)
    """Printer columns by version; the version "" is for all. Built-in kinds have theirs in `columns.py`."""
    generation: bool = True
    """`metadata.generation` counts the changes of everything but metadata and status."""
    fill_defaults: bool = False
    """Write the defaults of the schema into objects (kinds made by a CustomResourceDefinition)."""
    warning: str = ""
    """Told in a `Warning` header with every write that is accepted."""

    @property
    def singular_name(self) -> str:
        return self.singular or self.kind.lower()

    @property
    def resource(self) -> str:
        """`deployments.apps`, `pods`: how messages name the resource."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        """`Deployment.apps`, `Pod`: how messages about an invalid object name the kind."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    def api_version(self, version: str) -> str:
        return f"{self.group}/{version}" if self.group else version

    @functools.cached_property
    def _positions(self) -> dict[str, Node]:
        return {}

    def node(self, version: str) -> Node:
        """The root position of an object of this version."""
        found = self._positions.get(version)
        if found is None:
            found = self._positions[version] = self._root(version)
        return found

    def _root(self, version: str) -> Node:
        schema = self.schemas.get(version)
        if schema is None:
            return Node({**_EMBEDDED, "x-kubernetes-preserve-unknown-fields": True}, builtin())
        if isinstance(schema, str):
            return builtin().node(schema)
        return Node(with_object_fields(schema), Definitions(schema.get("$defs") or {}, parent=builtin()))


_EMBEDDED: Schema = {
    "type": "object",
    "properties": {
        "apiVersion": {"type": "string", "description": "Versioned schema of this representation of an object."},
        "kind": {"type": "string", "description": "The REST resource that this object represents."},
        "metadata": {"$ref": COMPONENTS + OBJECT_META},
    },
}


def with_object_fields(schema: Schema) -> Schema:
    """The schema of an added kind with `apiVersion`, `kind` and the full `metadata`, which its author need not describe."""
    resolved = schema
    if "$ref" in schema:
        resolved = {**schema["$defs"][schema["$ref"].rsplit("/", 1)[1]], "$defs": schema["$defs"]}
    required = [name for name in resolved.get("required", ()) if name not in _EMBEDDED["properties"]]
    properties = {**(resolved.get("properties") or {}), **_EMBEDDED["properties"]}
    out = {**resolved, "type": "object", "properties": properties, "required": required}
    if not resolved.get("properties") and "additionalProperties" not in resolved:
        out["x-kubernetes-preserve-unknown-fields"] = True
    return out


class Registry:
    """The kinds of one API server: the built-in ones are shared, added ones are its own."""

    def __init__(self, types: Iterable[ResourceType] = ()) -> None:
        self._by_kind: dict[tuple[str, str], ResourceType] = {}
        self._by_path: dict[tuple[str, str, str], ResourceType] = {}
        self._served: set[tuple[str, str]] = set()
        self._changes = 0
        for one in types:
            self.add(one)

    @classmethod
    def builtin(cls) -> Registry:
        """A registry with every built-in kind."""
        from shoal.kube.apiserver.builtin import BUILTIN

        return cls(BUILTIN)

    def add(self, type_: ResourceType) -> None:
        """Serves a kind; one of the same group and kind is replaced."""
        self.discard(type_.group, type_.kind)
        self._by_kind[type_.group, type_.kind] = type_
        for version in type_.versions:
            self._by_path[type_.group, version, type_.plural] = type_
            self._served.add((type_.group, version))
        self._changes += 1

    def discard(self, group: str, kind: str) -> None:
        """Serves a kind no more; one that is not served is not an error."""
        old = self._by_kind.pop((group, kind), None)
        if old is not None:
            self._changes += 1
            for version in old.versions:
                self._by_path.pop((group, version, old.plural), None)
            self._served = {(one.group, version) for one in self for version in one.versions}

    @property
    def changes(self) -> int:
        """Rises with every change: what discovery documents are cached by."""
        return self._changes

    def at(self, group: str, version: str, plural: str) -> ResourceType | None:
        """The kind served at a path."""
        return self._by_path.get((group, version, plural))

    def serves(self, group: str, version: str) -> bool:
        """True when there is any kind in this group and version."""
        return (group, version) in self._served

    def of(self, group: str, kind: str) -> ResourceType | None:
        """The kind of that name."""
        return self._by_kind.get((group, kind))

    def __iter__(self) -> Iterator[ResourceType]:
        return iter(self._by_kind.values())

    def groups(self) -> dict[str, dict[str, list[ResourceType]]]:
        """{group: {version: kinds}}, the core group first, the versions of a group in the order of preference."""
        out: dict[str, dict[str, list[ResourceType]]] = {}
        for type_ in sorted(self, key=lambda one: (one.group != "", one.group, one.plural)):
            for version in type_.versions:
                out.setdefault(type_.group, {}).setdefault(version, []).append(type_)
        return {group: dict(sorted(versions.items(), key=lambda item: version_rank(item[0]))) for group, versions in out.items()}


def version_rank(version: str) -> tuple[int, int, int]:
    """Order of preference: v2, v1, v1beta2, v1beta1, v1alpha1."""
    found = re.fullmatch(r"v(\d+)(?:(alpha|beta)(\d+))?", version)
    if found is None:
        return (3, 0, 0)
    stage = {None: 0, "beta": 1, "alpha": 2}[found[2]]
    return (stage, -int(found[1]), -int(found[3] or 0))
