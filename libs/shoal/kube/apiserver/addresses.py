"""Cluster IPs and node ports of Services, as a member cluster gives them out."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Container
from typing import Any, NamedTuple

from shoal.api.meta import Manifest, Ref
from shoal.kube.apiserver.store import Selection, Store

NODE_PORTS = range(30000, 32768)

_SERVICES = Selection("", "Service")


class _Held(NamedTuple):
    """What one Service holds, and at which revision that was read."""

    revision: int
    address: str
    ports: tuple[int, ...]


class Addresses:
    """What is taken follows from the Services in the store; only those that changed since the last look are read again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: dict[Ref, _Held] = {}

    def assign(self, service: Manifest, old: Manifest | None, cidr: str) -> None:
        """Gives a Service what it lacks, in place; one that had it keeps it. The choice follows from its name, so that a seeded run
        repeats; what is taken goes to the next free value."""
        spec: dict[str, Any] = service["spec"]
        before: dict[str, Any] = (old or {}).get("spec") or {}
        if spec.get("type") == "ExternalName":
            return
        for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if not spec.get(field) and before.get(field):
                spec[field] = before[field]
        needs_ports = spec.get("type") in ("NodePort", "LoadBalancer") and any(not port.get("nodePort") for port in spec.get("ports") or ())
        if not spec.get("clusterIP") or needs_ports:
            others = self._others(service["metadata"])
            if not spec.get("clusterIP"):
                spec["clusterIP"] = _free_address(service, {held.address for held in others}, cidr)
            if needs_ports:
                _node_ports(service, before, {port for held in others for port in held.ports})
        spec.setdefault("clusterIPs", [spec["clusterIP"]])
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")

    def _others(self, metadata: dict[str, Any]) -> list[_Held]:
        """What all Services but this one hold."""
        held: dict[Ref, _Held] = {}
        for stored in self._store.list(_SERVICES):
            known = self._held.get(stored.ref)
            if known is None or known.revision != stored.revision:
                spec = stored.object().get("spec") or {}
                ports = tuple(port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort"))
                known = _Held(stored.revision, spec.get("clusterIP", ""), ports)
            held[stored.ref] = known
        self._held = held
        me = Ref("", "Service", metadata.get("namespace", ""), metadata.get("name", ""))
        return [one for ref, one in held.items() if ref != me]


def _number(service: Manifest, more: str = "") -> int:
    metadata = service["metadata"]
    text = f"{metadata.get('namespace')}/{metadata.get('name')}{more}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _free_address(service: Manifest, taken: Container[str], cidr: str) -> str:
    network = ipaddress.ip_network(cidr)
    usable = network.num_addresses - 12  # The first ten are kept for the cluster's own, the ends are no hosts.
    at = _number(service) % usable
    for _ in range(usable):
        address = str(network[10 + at])
        if address not in taken:
            return address
        at = (at + 1) % usable
    raise ValueError(f"all addresses of {cidr} are taken")


def _node_ports(service: Manifest, before: dict[str, Any], taken: set[int]) -> None:
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
