"""ServiceImport (multicluster.x-k8s.io): needs the Service that was derived from it."""

from __future__ import annotations

from collections.abc import Iterator

from shoal.api.meta import Manifest, Ref
from shoal.domain.interpreting.interpreter import Interpreter
from shoal.domain.interpreting.metadata import at


def dependencies(manifest: Manifest) -> Iterator[Ref]:
    """By name only; its EndpointSlices are found by a label, which names no object (R7.6)."""
    if name := at(manifest, "metadata", "name"):
        yield Ref("", "Service", at(manifest, "metadata", "namespace") or "", f"derived-{name}")


INTERPRETER = Interpreter(group="multicluster.x-k8s.io", kind="ServiceImport", dependencies=dependencies)
