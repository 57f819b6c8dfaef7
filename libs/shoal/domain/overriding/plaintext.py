"""Plaintext overrider: JSON Patch on the whole object (R5.16)."""

from __future__ import annotations

from shoal.api.meta import Manifest
from shoal.api.override import PlaintextOverrider
from shoal.domain.overriding import pointer
from shoal.domain.overriding.failed import Unusable


def apply_plaintext(manifest: Manifest, overrider: PlaintextOverrider) -> Manifest:
    """One entry; a failing entry fails the whole list, since nothing is rendered then."""
    result = pointer.patched(manifest, overrider.operator, overrider.path, overrider.value)
    if not isinstance(result, dict):
        raise Unusable("the object would not be a map any more")
    return result
