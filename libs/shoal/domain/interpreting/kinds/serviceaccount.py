"""ServiceAccount (core): each member adds its own token secrets."""

from __future__ import annotations

from shoal.api.meta import Manifest
from shoal.domain.interpreting.interpreter import Interpreter
from shoal.domain.interpreting.metadata import at, maps, put, without


def retain(desired: Manifest, live: Manifest) -> Manifest:
    """Secrets and pull secrets of both sides (R7.3)."""
    for field in ("secrets", "imagePullSecrets"):
        ours = maps(desired.get(field))
        names = {entry.get("name") for entry in ours}
        both = ours + [entry for entry in maps(live.get(field)) if entry.get("name") not in names]
        if both:
            desired = put(desired, both, field)
    return desired


def prune(manifest: Manifest) -> Manifest:
    """Token secrets that the hub generated, `<name>-token-*` (R6.5)."""
    if "secrets" not in manifest:
        return manifest
    generated = f"{at(manifest, 'metadata', 'name')}-token-"
    kept = [entry for entry in maps(manifest["secrets"]) if not str(entry.get("name", "")).startswith(generated)]
    return put(manifest, kept, "secrets") if kept else without(manifest, "secrets")


INTERPRETER = Interpreter(group="", kind="ServiceAccount", retain=retain, prune=prune)
