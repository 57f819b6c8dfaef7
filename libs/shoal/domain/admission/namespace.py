"""Namespace (W01, W02): it will exist under its name in every cluster."""

from __future__ import annotations

from collections.abc import Iterator

from shoal.api.meta import Manifest
from shoal.domain.admission.syntax import dns_label
from shoal.domain.admission.violation import Violation


def default(namespace: Manifest) -> Manifest:
    return namespace


def validate(namespace: Manifest, old: Manifest | None) -> Iterator[Violation]:
    name = namespace["metadata"].get("name")
    if name is not None and (wrong := dns_label(name)):
        yield Violation("metadata.name", wrong)
