"""Reading our marks on a live object, and taking them off."""

from __future__ import annotations

from typing import NamedTuple

from shoal.api.meta import Manifest
from shoal.api.shoal import CREATED_NAMESPACE_ANNOTATION, DIGEST_ANNOTATION, EPOCH_ANNOTATION, MANAGED_LABEL, UID_ANNOTATION

_DOMAINS = ("karmada.io", "shoal.dev")
"""A key belongs to us when its prefix is one of these or ends in `.` and one of these."""


class Mark(NamedTuple):
    """What our annotations on a live object say; an object that is not ours has none."""

    uid: str
    """Of the template in the hub; empty on copies that another control plane left."""
    epoch: int
    digest: str
    made_namespace: bool


def owned(live: Manifest) -> bool:
    return (live.get("metadata", {}).get("labels") or {}).get(MANAGED_LABEL) == "true"


def read_mark(live: Manifest) -> Mark:
    """The marks; an epoch that is no number counts as 0."""
    annotations = live.get("metadata", {}).get("annotations") or {}
    epoch = annotations.get(EPOCH_ANNOTATION, "")
    return Mark(
        uid=annotations.get(UID_ANNOTATION, ""),
        epoch=int(epoch) if epoch.isascii() and epoch.isdecimal() and len(epoch) < 20 else 0,
        digest=annotations.get(DIGEST_ANNOTATION, ""),
        made_namespace=annotations.get(CREATED_NAMESPACE_ANNOTATION) == "true",
    )


def unmarking(live: Manifest) -> Manifest:
    """A JSON merge patch that takes every key of ours off the metadata, and only those; it carries the resource version it was made for."""
    metadata = live["metadata"]
    labels = {key: None for key in metadata.get("labels") or {} if _ours(key)}
    annotations = {key: None for key in metadata.get("annotations") or {} if _ours(key)}
    patch: Manifest = {"resourceVersion": metadata.get("resourceVersion", "")}
    if labels:
        patch["labels"] = labels
    if annotations:
        patch["annotations"] = annotations
    return {"metadata": patch}


def _ours(key: str) -> bool:
    prefix = key.partition("/")[0] if "/" in key else ""
    return any(prefix == domain or prefix.endswith(f".{domain}") for domain in _DOMAINS)
