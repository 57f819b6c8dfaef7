"""What a write says besides its body and what it is carried out with: shared by creating, changing and deleting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import msgspec

from shoal.api.meta import Manifest
from shoal.kube.apiserver.admission import Admission, Context
from shoal.kube.apiserver.fields import MANAGER_CHARS_MAX
from shoal.kube.apiserver.options import Options
from shoal.kube.apiserver.paths import Target
from shoal.kube.apiserver.store import Store, Stored, encode

ATTEMPTS_MAX = 8
"""A write that met as many conflicts in a row is given back to its sender as one."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a write request says besides its body."""

    target: Target
    manager: str
    validation: str = ""
    """Strict, Warn, Ignore; empty when the client named none (then as Warn, without the costly search for duplicates)."""
    dry_run: bool = False
    force: bool = False
    user: str = ""
    headers: dict[str, str] = {}

    def context(self) -> Context:
        target = self.target
        return Context(target.resource, target.ref, target.subresource, self.manager, self.user, self.dry_run, self.headers)


class Written(NamedTuple):
    body: bytes
    """The object as JSON."""
    created: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parts:
    """What the writing half of an API server is made of."""

    store: Store
    admission: Admission
    options: Options
    now: Callable[[], datetime]
    uid: Callable[[], str]


def is_custom(target: Target) -> bool:
    """True for kinds that brought their own schema, or none."""
    return not isinstance(target.resource.schemas.get(target.version), str)


def manager_of(field_manager: str, user_agent: str) -> str:
    """Who writes: the field manager that was named, else the program's name."""
    return (field_manager or user_agent.partition("/")[0] or "unknown")[:MANAGER_CHARS_MAX]


def present(stored: Stored, target: Target) -> bytes:
    """The stored object as JSON, in the version that was asked for."""
    if len(target.resource.versions) < 2:
        return stored.body
    object_ = fresh(stored, target)
    return encode(object_)


def fresh(stored: Stored, target: Target) -> Manifest:
    """The stored object, decoded anew, in the version that was asked for."""
    object_ = stored.object()
    object_["apiVersion"] = target.api_version
    return object_
