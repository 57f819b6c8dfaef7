"""Deletion protection (W04, AA23, R15.11)."""

from __future__ import annotations

from shoal.api.meta import Manifest
from shoal.api.shoal import DELETION_PROTECTED_LABEL


def refuse_deletion(manifest: Manifest) -> str:
    """Why the object may not be deleted, as a sentence with what to do; empty when it may. Only the value `Always` protects."""
    if (manifest["metadata"].get("labels") or {}).get(DELETION_PROTECTED_LABEL) != "Always":
        return ""
    return f"This resource is protected, please make sure to remove the label: {DELETION_PROTECTED_LABEL}"
