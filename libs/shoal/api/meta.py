"""The base structs, and what every object shares: `Ref`, `ObjectMeta`, `LabelSelector`, `Condition`."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

Manifest = dict[str, Any]
"""One Kubernetes object as decoded JSON. Treated as immutable by everyone who did not make it."""


class Struct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Base of what the system writes: frozen, camelCase outside, tolerant of unknown fields (a newer writer)."""


class Strict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel", forbid_unknown_fields=True):
    """Base of what users write: an unknown field is a typing error that must be told, not dropped."""


class Ref(NamedTuple):
    """Names one object of any kind; version-free, since a version is a view of an object and not part of its identity."""

    group: str
    """API group; the core group is the empty text."""
    kind: str
    namespace: str
    """Empty for cluster-scoped objects."""
    name: str

    def __str__(self) -> str:
        return "/".join(part for part in self if part)


class OwnerReference(Struct, frozen=True, kw_only=True):
    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ObjectMeta(Struct, frozen=True, kw_only=True):
    """Metadata as Kubernetes has it, reduced to what Shoal reads; other fields are tolerated and not kept."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[OwnerReference, ...] = ()


class Requirement(Strict, frozen=True, kw_only=True):
    """One entry of `matchExpressions`."""

    key: str
    operator: str
    """In, NotIn, Exists, DoesNotExist (also Gt and Lt in node selectors)."""
    values: tuple[str, ...] = ()


class LabelSelector(Strict, frozen=True, kw_only=True):
    match_labels: dict[str, str] = {}
    match_expressions: tuple[Requirement, ...] = ()

    def matches(self, labels: dict[str, str]) -> bool:
        """True when all terms hold; the empty selector matches everything, as in Kubernetes."""
        return all(labels.get(k) == v for k, v in self.match_labels.items()) and all(
            _holds(term, labels) for term in self.match_expressions
        )


def _holds(term: Requirement, labels: dict[str, str]) -> bool:
    value = labels.get(term.key)
    if term.operator == "In":
        return value is not None and value in term.values
    if term.operator == "NotIn":
        return value is None or value not in term.values
    if term.operator == "Exists":
        return value is not None
    return value is None  # DoesNotExist; admission refuses other operators.


class Condition(Struct, frozen=True, kw_only=True):
    """A condition as Kubernetes writes it (`metav1.Condition`)."""

    type: str
    status: str
    """True, False or Unknown."""
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None
    observed_generation: int | None = None


def group_of(api_version: str) -> str:
    """The group of an `apiVersion`: `apps/v1` -> `apps`, `v1` -> the empty text."""
    return api_version.rpartition("/")[0]


def ref_of(manifest: Manifest) -> Ref:
    """The `Ref` that an object names. Raises KeyError when `apiVersion`, `kind` or `metadata.name` is missing."""
    metadata = manifest["metadata"]
    return Ref(group_of(manifest["apiVersion"]), manifest["kind"], metadata.get("namespace") or "", metadata["name"])
