"""Services: EndpointSlice and Endpoints from the ready pods that a selector matches, and an address for load balancers."""

from __future__ import annotations

import hashlib
from typing import Any

from shoal.api.meta import Manifest, Ref
from shoal.kube.simulated.world import SERVICE, PodState, World, owned_by

ENDPOINTS = ("", "Endpoints")
_MANAGER = "endpointslice-controller.k8s.io"


class Services:
    def __init__(self, world: World) -> None:
        self.world = world
        self._selecting: dict[tuple[str, str, str], dict[Ref, None]] = {}
        """(namespace, key, value) of one label that a Service asks for -> those Services; so a pod finds its Services at once."""
        self._labelled: dict[tuple[str, str, str], dict[Ref, None]] = {}
        """(namespace, key, value) -> pods with that label and an address; so a Service finds its pods at once."""

    def note_service(self, ref: Ref, before: Manifest | None, after: Manifest | None) -> None:
        for manifest, add in ((before, False), (after, True)):
            selector = ((manifest or {}).get("spec") or {}).get("selector") or {}
            if not selector:
                continue
            key, value = min(selector.items())
            index = self._selecting.setdefault((ref.namespace, key, value), {})
            if add:
                index[ref] = None
            else:
                index.pop(ref, None)

    def note_pod(self, ref: Ref, old: PodState | None, new: PodState | None) -> None:
        """A pod got an address, became ready, stopped being so, or went."""
        for state, index in ((old, self._drop), (new, self._add)):
            if state is not None and state.address:
                for key, value in state.labels.items():
                    index((ref.namespace, key, value), ref)
                    for service in self._selecting.get((ref.namespace, key, value), ()):
                        self.world.wake(SERVICE, service)

    def _add(self, label: tuple[str, str, str], ref: Ref) -> None:
        self._labelled.setdefault(label, {})[ref] = None

    def _drop(self, label: tuple[str, str, str], ref: Ref) -> None:
        pods = self._labelled.get(label, {})
        pods.pop(ref, None)
        if not pods:
            self._labelled.pop(label, None)

    async def reconcile(self, ref: Ref) -> None:
        service = self.world.read(ref)
        if service is None:
            await self.world.delete(Ref(*ENDPOINTS, ref.namespace, ref.name))
            return
        if service["metadata"].get("deletionTimestamp"):
            return
        await self._balance(service)
        selector = service["spec"].get("selector")
        if selector and service["spec"].get("type") != "ExternalName":
            pods = self._pods(ref.namespace, selector)
            await self._write(self._slice(service, pods))
            await self._write(self._endpoints(service, pods))

    def _pods(self, namespace: str, selector: dict[str, str]) -> list[tuple[Ref, PodState]]:
        key, value = min(selector.items())
        wanted, found = selector.items(), list[tuple[Ref, PodState]]()
        for pod in self._labelled.get((namespace, key, value), ()):
            state = self.world.pods.get(pod)
            if state is not None and state.active and wanted <= state.labels.items():
                found.append((pod, state))
        return sorted(found, key=lambda each: each[0].name)

    async def _balance(self, service: Manifest) -> None:
        """A load balancer gets an address from the documentation range, made of its name so that it stays."""
        if service["spec"].get("type") != "LoadBalancer" or ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress"):
            return
        number = hashlib.blake2b(service["metadata"]["uid"].encode(), digest_size=1).digest()[0] % 254 + 1
        ingress = [{"ip": f"203.0.113.{number}", "ipMode": "VIP"}]
        await self.world.set_status(service, {**(service.get("status") or {}), "loadBalancer": {"ingress": ingress}})

    async def _write(self, wanted: Manifest) -> None:
        """Creates it, or replaces what has other content."""
        metadata = wanted["metadata"]
        live = self.world.read(Ref(wanted["apiVersion"].rpartition("/")[0], wanted["kind"], metadata["namespace"], metadata["name"]))
        if live is None:
            await self.world.create(wanted)
        else:
            await self.world.update({**wanted, "metadata": {**live["metadata"], "labels": metadata["labels"]}})

    def _slice(self, service: Manifest, pods: list[tuple[Ref, PodState]]) -> Manifest:
        metadata = service["metadata"]
        endpoints = [
            {
                "addresses": [state.address],
                "conditions": {"ready": state.ready, "serving": state.ready, "terminating": state.deleting},
                "nodeName": state.node,
                "targetRef": {"kind": "Pod", "namespace": pod.namespace, "name": pod.name},
            }
            for pod, state in pods
        ]
        return {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": f"{metadata['name']}-{metadata['uid'][:5]}",
                "namespace": metadata["namespace"],
                "labels": {
                    **(metadata.get("labels") or {}),
                    "kubernetes.io/service-name": metadata["name"],
                    "endpointslice.kubernetes.io/managed-by": _MANAGER,
                },
                "ownerReferences": owned_by(service),
            },
            "addressType": "IPv4",
            "endpoints": endpoints,
            "ports": _ports(service),
        }

    def _endpoints(self, service: Manifest, pods: list[tuple[Ref, PodState]]) -> Manifest:
        metadata, subset = service["metadata"], dict[str, Any]()
        for field, ready in (("addresses", True), ("notReadyAddresses", False)):
            chosen = [
                {"ip": state.address, "nodeName": state.node, "targetRef": {"kind": "Pod", "namespace": pod.namespace, "name": pod.name}}
                for pod, state in pods
                if state.ready is ready
            ]
            if chosen:
                subset[field] = chosen
        if subset:
            subset["ports"] = _ports(service)
        labels = {**(metadata.get("labels") or {}), "endpoints.kubernetes.io/managed-by": "endpoint-controller"}
        return {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {"name": metadata["name"], "namespace": metadata["namespace"], "labels": labels},
            **({"subsets": [subset]} if subset else {}),
        }


def _ports(service: Manifest) -> list[dict[str, Any]]:
    """Ports of the pods; a named one stands for the Service's number, since simulated pods listen nowhere."""
    out = []
    for port in service["spec"].get("ports") or ():
        target = port.get("targetPort", port["port"])
        number = target if isinstance(target, int) else port["port"]
        out.append({"name": port.get("name", ""), "port": number, "protocol": port.get("protocol", "TCP")})
    return out
