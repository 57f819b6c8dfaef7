"""The digest of what is applied. It is kept on the member's object, so that an agent with an empty disk sees that nothing changed."""

from __future__ import annotations

import hashlib

import msgspec

from shoal.api.meta import Manifest
from shoal.api.shoal import CHANGE_ANNOTATION
from shoal.api.work import Work


def digest(work: Work) -> str:
    """32 hex digits over the manifest, its epoch included and `shoal.dev/change` left out; the order of keys does not count."""
    return digest_of(work.manifest)


def digest_of(manifest: Manifest) -> str:
    metadata = manifest.get("metadata", {})
    annotations = {key: value for key, value in (metadata.get("annotations") or {}).items() if key != CHANGE_ANNOTATION}
    content = {**manifest, "metadata": {**metadata, "annotations": annotations}}
    return hashlib.blake2b(msgspec.json.encode(content, order="deterministic"), digest_size=16).hexdigest()
