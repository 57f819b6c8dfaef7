"""What no policy may ever place (R1.12, B30, B31, B33)."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from shoal.api.meta import Manifest, group_of

RESERVED_NAMESPACES = frozenset({"karmada-system", "karmada-cluster", "shoal-system"})
RESERVED_PREFIXES = ("karmada-es-",)
HUB_GROUPS = frozenset(
    {
        "apps.karmada.io",
        "autoscaling.karmada.io",
        "cluster.karmada.io",
        "config.karmada.io",
        "networking.karmada.io",
        "policy.karmada.io",
        "remedy.karmada.io",
        "shoal.dev",
        "work.karmada.io",
    }
)
"""Groups whose objects steer the hub itself."""
CLAIMED_BY_LABEL = "resourcetemplate.karmada.io/claimed-by"
_AUTHENTICATION = ("ConfigMap", "kube-system", "extension-apiserver-authentication")


class Exclusions(msgspec.Struct, frozen=True, kw_only=True):
    """What an administrator may set."""

    namespaces: tuple[str, ...] = ("kube-.*",)
    """Regular expressions, anchored at both ends (`--skipped-propagating-namespaces`)."""
    apis: tuple[str, ...] = ()
    """`group`, `group/version` or `group/version/Kind,Kind` (`--skipped-propagating-apis`); of the core group `v1` or `v1/Secret`."""

    def reason(self, manifest: Manifest) -> str:
        """Why the object is never placed, as a sentence; empty when it may be."""
        metadata = manifest["metadata"]
        api_version, kind = manifest["apiVersion"], manifest["kind"]
        namespace = (metadata.get("name") if (api_version, kind) == ("v1", "Namespace") else metadata.get("namespace")) or ""
        if group_of(api_version) in HUB_GROUPS:
            return f"objects of {group_of(api_version)} steer the hub and are never propagated"
        if reserved(namespace):
            return f"namespace {namespace} is reserved and never propagated"
        if any(_anchored(pattern).fullmatch(namespace) for pattern in self.namespaces):
            return f"namespace {namespace} matches a namespace that is never propagated ({', '.join(self.namespaces)})"
        if (kind, namespace, metadata["name"]) == _AUTHENTICATION:
            return "this ConfigMap belongs to each API server itself"
        if kind == "Service" and (claimer := (metadata.get("labels") or {}).get(CLAIMED_BY_LABEL)):
            return f"the Service is placed by {claimer}"
        if any(_names(api, api_version, kind) for api in self.apis):
            return f"{api_version} {kind} is among the APIs that are never propagated"
        return ""


def reserved(namespace: str) -> bool:
    """True for the namespaces of the control plane itself (B31)."""
    return namespace in RESERVED_NAMESPACES or namespace.startswith(RESERVED_PREFIXES)


@lru_cache(maxsize=256)
def _anchored(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _names(api: str, api_version: str, kind: str) -> bool:
    parts = api.split("/")
    group = group_of(api_version)
    if len(parts) == 1 and not group:
        return api == api_version
    if len(parts) == 1:
        return api == group
    head, tail = api.rpartition("/")[::2]
    return api == api_version or (head == api_version and kind in tail.split(","))
