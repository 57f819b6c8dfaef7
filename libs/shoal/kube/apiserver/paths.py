"""From a path to what it is about: `Target`."""

from __future__ import annotations

from typing import NamedTuple

from shoal.api.meta import Ref
from shoal.kube.apiserver.errors import no_such_path
from shoal.kube.apiserver.registry import Registry, ResourceType

SUBRESOURCES = ("status", "scale", "finalize")


class Target(NamedTuple):
    """A collection (no name), an object, or a subresource of one."""

    resource: ResourceType
    version: str
    namespace: str
    """Empty for cluster-scoped kinds, and for a collection over all namespaces."""
    name: str
    subresource: str

    @property
    def ref(self) -> Ref:
        return Ref(self.resource.group, self.resource.kind, self.namespace, self.name)

    @property
    def api_version(self) -> str:
        return self.resource.api_version(self.version)


def group_version(parts: list[str]) -> tuple[str, str, list[str]] | None:
    """(group, version, rest) of a path under /api or /apis; None for any other path."""
    if len(parts) >= 2 and parts[0] == "api":
        return "", parts[1], parts[2:]
    if len(parts) >= 3 and parts[0] == "apis":
        return parts[1], parts[2], parts[3:]
    return None


def target(registry: Registry, group: str, version: str, rest: list[str]) -> Target:
    """What the rest of a path names. Raises the 404 of an unknown path."""
    namespace = ""
    if rest[0] == "namespaces" and group == "" and (len(rest) <= 2 or (len(rest) == 3 and rest[2] in SUBRESOURCES)):
        pass
    elif rest[0] == "namespaces" and len(rest) >= 3:
        namespace, rest = rest[1], rest[2:]
    resource = registry.at(group, version, rest[0])
    if resource is None or len(rest) > 3 or (namespace and not resource.namespaced):
        raise no_such_path()
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    if subresource and not has_subresource(resource, subresource):
        raise no_such_path()
    if name and resource.namespaced and not namespace:
        raise no_such_path()
    return Target(resource, version, namespace, name, subresource)


def has_subresource(resource: ResourceType, name: str) -> bool:
    """True when the kind serves that subresource."""
    if name == "status":
        return resource.status
    if name == "scale":
        return resource.scale is not None
    return name == "finalize" and resource.kind == "Namespace" and resource.group == ""
