"""Cluster IPs and node ports of Services, as a member cluster gives them out."""

from __future__ import annotations

import hashlib
import ipaddress
from typing import Any

from shoal.api.meta import Manifest
from shoal.kube.apiserver.store import Selection, Store

NODE_PORTS = range(30000, 32768)


def assign(service: Manifest, old: Manifest | None, store: Store, cidr: str) -> None:
    """Gives a Service what it lacks, in place; one that had them keeps them. The choice follows from its name, so that a seeded run
    repeats; collisions go to the next free value."""
    spec: dict[str, Any] = service["spec"]
    before: dict[str, Any] = (old or {}).get("spec") or {}
    if spec.get("type") == "ExternalName":
        return
    for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        if not spec.get(field) and before.get(field):
            spec[field] = before[field]
    missing_ports = spec.get("type") in ("NodePort", "LoadBalancer") and any(not port.get("nodePort") for port in spec.get("ports") or ())
    if spec.get("clusterIP") and not missing_ports:
        spec.setdefault("clusterIPs", [spec["clusterIP"]])
        _families(spec)
        return
    me = (service["metadata"].get("namespace"), service["metadata"].get("name"))
    others = [stored for stored in store.list(Selection("", "Service")) if (stored.ref.namespace, stored.ref.name) != me]
    taken = [stored.object().get("spec") or {} for stored in others]
    if not spec.get("clusterIP"):
        spec["clusterIP"] = _free_address(service, {one.get("clusterIP") for one in taken}, cidr)
    spec.setdefault("clusterIPs", [spec["clusterIP"]])
    _families(spec)
    if missing_ports:
        _node_ports(service, before, {port.get("nodePort") for one in taken for port in one.get("ports") or ()})


def _families(spec: dict[str, Any]) -> None:
    spec.setdefault("ipFamilies", ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")


def _number(service: Manifest, more: str = "") -> int:
    metadata = service["metadata"]
    text = f"{metadata.get('namespace')}/{metadata.get('name')}{more}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _free_address(service: Manifest, taken: set[Any], cidr: str) -> str:
    network = ipaddress.ip_network(cidr)
    usable = network.num_addresses - 12  # The first ten are kept for the cluster's own, the ends are no hosts.
    at = _number(service) % usable
    for _ in range(usable):
        address = str(network[10 + at])
        if address not in taken:
            return address
        at = (at + 1) % usable
    raise ValueError(f"all addresses of {cidr} are taken")


def _node_ports(service: Manifest, before: dict[str, Any], taken: set[Any]) -> None:
    kept = {port.get("port"): port.get("nodePort") for port in before.get("ports") or ()}
    for port in service["spec"].get("ports") or ():
        if port.get("nodePort"):
            continue
        if kept.get(port.get("port")):
            port["nodePort"] = kept[port["port"]]
            continue
        at = _number(service, str(port.get("port"))) % len(NODE_PORTS)
        while NODE_PORTS[at] in taken:
            at = (at + 1) % len(NODE_PORTS)
        port["nodePort"] = NODE_PORTS[at]
        taken.add(NODE_PORTS[at])
