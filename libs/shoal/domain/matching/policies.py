"""The policies as matching needs them: each with its identity, prepared once, found by the kind they speak of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

import msgspec

from shoal.api.meta import Manifest, Ref
from shoal.api.policy import PropagationPolicy

T = TypeVar("T")


class Owned(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """A policy beside what its entry says of it."""

    ref: Ref
    """An empty namespace makes it a cluster policy."""
    uid: str
    """The permanent id (R1.5): the object's uid, which a policy made anew under the same name does not share."""
    revision: int
    """Content revision of its entry."""
    object: T
    deleting: bool = False

    @property
    def namespaced(self) -> bool:
        return bool(self.ref.namespace)


class Policies:
    """An index over all propagation policies; make a new one when one of them changes, `match` looks at few of them."""

    def __init__(self, policies: Iterable[Owned[PropagationPolicy]]) -> None:
        self._by_uid: dict[str, Owned[PropagationPolicy]] = {}
        self._by_selector: dict[tuple[str, str, str, str], list[Owned[PropagationPolicy]]] = {}
        self._by_kind: dict[tuple[str, str, str], list[Owned[PropagationPolicy]]] = {}
        for policy in policies:
            if policy.deleting:
                continue
            self._by_uid[policy.uid] = policy
            for kind in dict.fromkeys((s.api_version, s.kind) for s in policy.object.spec.resource_selectors):
                self._by_kind.setdefault((policy.ref.namespace, *kind), []).append(policy)
            # A policy that says the same twice is listed once; without a name it is found under the empty one.
            for said in dict.fromkeys((s.api_version, s.kind, s.name) for s in policy.object.spec.resource_selectors):
                self._by_selector.setdefault((policy.ref.namespace, *said), []).append(policy)

    def get(self, uid: str) -> Owned[PropagationPolicy] | None:
        """The live policy of that id; one that is being deleted owns nothing any more (R1.9)."""
        return self._by_uid.get(uid)

    def of_kind(self, manifest: Manifest) -> Iterator[Owned[PropagationPolicy]]:
        """Policies that select objects of that kind in the object's namespace, whichever they are; for explanations."""
        for namespace in dict.fromkeys((manifest["metadata"].get("namespace") or "", "")):
            yield from self._by_kind.get((namespace, manifest["apiVersion"], manifest["kind"]), ())

    def speaking_of(self, manifest: Manifest) -> Iterator[Owned[PropagationPolicy]]:
        """Policies that name the object's kind, and its name or none, in its namespace or in none; each once."""
        kind, metadata = (manifest["apiVersion"], manifest["kind"]), manifest["metadata"]
        found: dict[Ref, Owned[PropagationPolicy]] = {}
        for namespace in dict.fromkeys((metadata.get("namespace") or "", "")):
            for name in (metadata["name"], ""):
                found.update((policy.ref, policy) for policy in self._by_selector.get((namespace, *kind, name), ()))
        return iter(found.values())
