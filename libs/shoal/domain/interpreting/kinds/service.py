"""Service (core): each member gives its own addresses; those of load balancers come back."""

from __future__ import annotations

from collections.abc import Sequence

from shoal.api.meta import Manifest
from shoal.api.status import CopyStatus
from shoal.domain.interpreting.interpreter import Interpreter
from shoal.domain.interpreting.metadata import at, put, without
from shoal.domain.interpreting.statuses import has_address, load_balancer, pick


def _balances(manifest: Manifest) -> bool:
    return bool(at(manifest, "spec", "type") == "LoadBalancer")


def retain(desired: Manifest, live: Manifest) -> Manifest:
    """The cluster IP, and the health-check node port where there is one (R7.3)."""
    for field in ("clusterIP", "healthCheckNodePort"):
        if value := at(live, "spec", field):
            desired = put(desired, value, "spec", field)
    return desired


def reflect(live: Manifest) -> Manifest | None:
    """Only of load balancers (R7.5)."""
    return (pick(live.get("status") or {}, ("loadBalancer",)) or None) if _balances(live) else None


def healthy(live: Manifest) -> bool:
    return not _balances(live) or has_address(live.get("status"))


def aggregate(template: Manifest, items: Sequence[CopyStatus], generation: int) -> Manifest | None:
    """The addresses of all members' load balancers; other types have no status of their own (R8.3)."""
    return load_balancer(items) if _balances(template) else None


def prune(manifest: Manifest) -> Manifest:
    """Cluster IPs belong to one cluster; `None` (headless) is the user's word (R6.5)."""
    if at(manifest, "spec", "clusterIP") == "None":
        return manifest
    return without(without(manifest, "spec", "clusterIP"), "spec", "clusterIPs")


INTERPRETER = Interpreter(group="", kind="Service", retain=retain, reflect=reflect, health=healthy, aggregate=aggregate, prune=prune)
