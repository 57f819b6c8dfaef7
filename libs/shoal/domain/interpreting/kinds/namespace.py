"""Namespace (core): healthy unless it is going away."""

from __future__ import annotations

from shoal.api.meta import Manifest
from shoal.domain.interpreting.interpreter import Interpreter
from shoal.domain.interpreting.metadata import at, without

_NAME_LABEL = "kubernetes.io/metadata.name"


def healthy(live: Manifest) -> bool:
    return bool(at(live, "status", "phase") != "Terminating")


def prune(manifest: Manifest) -> Manifest:
    """The server's own finalizer and name label are not the user's words."""
    return without(without(manifest, "spec", "finalizers"), "metadata", "labels", _NAME_LABEL)


INTERPRETER = Interpreter(group="", kind="Namespace", health=healthy, prune=prune)
