"""Ingress (networking.k8s.io): addresses come back, certificates go along."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shoal.api.meta import Manifest, Ref
from shoal.api.status import CopyStatus
from shoal.domain.interpreting.interpreter import Interpreter
from shoal.domain.interpreting.metadata import at, maps
from shoal.domain.interpreting.statuses import has_address, load_balancer


def healthy(live: Manifest) -> bool:
    return has_address(live.get("status"))


def aggregate(template: Manifest, items: Sequence[CopyStatus], generation: int) -> Manifest:
    return load_balancer(items)


def dependencies(manifest: Manifest) -> Iterator[Ref]:
    """Secrets with the certificates (R7.6)."""
    for entry in maps(at(manifest, "spec", "tls")):
        if name := entry.get("secretName"):
            yield Ref("", "Secret", at(manifest, "metadata", "namespace") or "", name)


INTERPRETER = Interpreter(group="networking.k8s.io", kind="Ingress", health=healthy, aggregate=aggregate, dependencies=dependencies)
