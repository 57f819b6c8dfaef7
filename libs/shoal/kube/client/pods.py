"""What a pod asks for: its effective requests, as the Kubernetes scheduler counts them."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from shoal.api.quantity import milli, text

Amounts = dict[str, int]
"""Resource name -> thousandths (CPU: milli cores; memory: thousandths of a byte; pods: thousandths of a pod)."""


class Resources(msgspec.Struct, frozen=True):
    requests: dict[str, str | int | float] | None = None
    limits: dict[str, str | int | float] | None = None

    def amounts(self) -> Amounts:
        """Requests; a resource that has only a limit is requested in that amount, as the API server's defaults say."""
        return {name: milli(str(value)) for name, value in {**(self.limits or {}), **(self.requests or {})}.items()}


class Container(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    image: str = ""
    resources: Resources = Resources()
    restart_policy: str = ""
    """Of an init container: `Always` makes it a sidecar that runs beside the others."""


class PodSpec(msgspec.Struct, frozen=True, rename="camel"):
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    overhead: dict[str, str | int | float] | None = None
    resources: Resources = Resources()
    node_name: str = ""


class PodStatus(msgspec.Struct, frozen=True):
    phase: str = ""


class Pod(msgspec.Struct, frozen=True):
    """The parts of a pod that say what it takes up."""

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def finished(self) -> bool:
        return self.status.phase in {"Succeeded", "Failed"}


def requests_of(spec: PodSpec) -> Amounts:
    """Effective requests, `pods: 1` included: the larger of the containers together and any init container, sidecars counted with both."""
    running = add(container.resources.amounts() for container in spec.containers)
    sidecars: Amounts = {}
    starting: Amounts = {}
    for container in spec.init_containers:
        amounts = container.resources.amounts()
        if container.restart_policy == "Always":
            sidecars = add((sidecars, amounts))
            amounts = sidecars
        else:
            amounts = add((sidecars, amounts))
        starting = _largest(starting, amounts)
    # A request of the pod as a whole replaces those of its containers.
    total = {**_largest(add((running, sidecars)), starting), **spec.resources.amounts()}
    overhead = {name: milli(str(value)) for name, value in (spec.overhead or {}).items()}
    return {**add((total, overhead)), "pods": 1000}


def add(parts: Iterable[Amounts]) -> Amounts:
    total: Amounts = {}
    for part in parts:
        for name, amount in part.items():
            total[name] = total.get(name, 0) + amount
    return total


def texts(amounts: Amounts) -> dict[str, str]:
    """As quantities, sorted by name: whole numbers plain, others in thousandths (`3920m`)."""
    return {name: text(amount) for name, amount in sorted(amounts.items())}


def _largest(one: Amounts, other: Amounts) -> Amounts:
    return {name: max(one.get(name, 0), other.get(name, 0)) for name in {**one, **other}}
