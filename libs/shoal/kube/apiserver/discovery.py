"""Discovery: which groups, versions and kinds are served; in the aggregated form (v2) and in the older one of many documents."""

from __future__ import annotations

from typing import Any

from shoal.kube.apiserver.errors import no_such_path
from shoal.kube.apiserver.registry import Registry, ResourceType

AGGREGATED_TYPE = "application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
_SUB_VERBS = ["get", "patch", "update"]


def aggregated(registry: Registry, *, core: bool, version: str) -> dict[str, Any]:
    """Everything under /api (`core`) or /apis in one document."""
    items = []
    for group, versions in registry.groups().items():
        if (group == "") is not core:
            continue
        entries = [
            {"version": name, "resources": [_aggregated_resource(one, name) for one in types], "freshness": "Current"}
            for name, types in versions.items()
        ]
        items.append({"metadata": {"name": group, "creationTimestamp": None}, "versions": entries})
    return {"kind": "APIGroupDiscoveryList", "apiVersion": f"apidiscovery.k8s.io/{version}", "metadata": {}, "items": items}


def _aggregated_resource(one: ResourceType, version: str) -> dict[str, Any]:
    own_kind = {"group": one.group, "version": version, "kind": one.kind}
    out: dict[str, Any] = {
        "resource": one.plural,
        "responseKind": own_kind,
        "scope": "Namespaced" if one.namespaced else "Cluster",
        "singularResource": one.singular_name,
        "verbs": sorted(one.verbs),
    }
    if one.short_names:
        out["shortNames"] = list(one.short_names)
    if one.categories:
        out["categories"] = list(one.categories)
    below = []
    if one.scale is not None:
        scale_kind = {"group": "autoscaling", "version": "v1", "kind": "Scale"}
        below.append({"subresource": "scale", "responseKind": scale_kind, "verbs": _SUB_VERBS})
    if one.status:
        below.append({"subresource": "status", "responseKind": own_kind, "verbs": _SUB_VERBS})
    if below:
        out["subresources"] = below
    return out


def core_versions() -> dict[str, Any]:
    """The document at /api."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def group_list(registry: Registry) -> dict[str, Any]:
    """The document at /apis."""
    groups = [_group(name, list(versions)) for name, versions in registry.groups().items() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(registry: Registry, name: str) -> dict[str, Any]:
    """The document at /apis/GROUP. Raises a 404."""
    versions = registry.groups().get(name)
    if versions is None:
        raise no_such_path()
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, list(versions))}


def _group(name: str, versions: list[str]) -> dict[str, Any]:
    told = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": told, "preferredVersion": told[0]}


def resource_list(registry: Registry, group_: str, version: str) -> dict[str, Any]:
    """The document at /apis/GROUP/VERSION. Raises a 404."""
    types = registry.groups().get(group_, {}).get(version)
    if types is None:
        raise no_such_path()
    resources: list[dict[str, Any]] = []
    for one in types:
        base = {"namespaced": one.namespaced, "kind": one.kind}
        entry = {"name": one.plural, "singularName": one.singular_name, **base, "verbs": sorted(one.verbs)}
        if one.short_names:
            entry["shortNames"] = list(one.short_names)
        if one.categories:
            entry["categories"] = list(one.categories)
        resources.append(entry)
        # Short names belong to the kind alone: kubectl finds them twice if its subresources carry them too.
        if one.status:
            resources.append({"name": f"{one.plural}/status", "singularName": "", **base, "verbs": _SUB_VERBS})
        if one.scale is not None:
            scale = {"group": "autoscaling", "version": "v1", "kind": "Scale", "namespaced": one.namespaced}
            resources.append({"name": f"{one.plural}/scale", "singularName": "", **scale, "verbs": _SUB_VERBS})
    group_version = f"{group_}/{version}" if group_ else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}
