"""What of a template is the user's word: how a lazy policy tells a change of its own from a change that somebody made (R1.11)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from shoal.api.meta import Manifest
from shoal.api.shoal import SKIP_NAMESPACE_LABEL

_SYSTEMS = ("managedFields", "resourceVersion", "generation")
_encode = msgspec.json.Encoder(order="deterministic").encode


def user_content(template: Manifest) -> str:
    """32 hex digits over the template without status, the server's metadata, and labels and annotations of the karmada.io domain, but for
    the one that keeps an object from being propagated."""
    metadata = {key: value for key, value in template["metadata"].items() if key not in _SYSTEMS}
    for field in ("labels", "annotations"):
        metadata[field] = {key: value for key, value in _of(metadata, field).items() if key == SKIP_NAMESPACE_LABEL or not _karmadas(key)}
    content = {**{key: value for key, value in template.items() if key != "status"}, "metadata": metadata}
    return hashlib.blake2b(_encode(content), digest_size=16).hexdigest()


def _of(metadata: Manifest, field: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = metadata.get(field) or {}
    return found


def _karmadas(key: str) -> bool:
    domain, slash, _ = key.rpartition("/")
    return bool(slash) and (domain == "karmada.io" or domain.endswith(".karmada.io"))
