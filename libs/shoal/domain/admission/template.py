"""What holds for an object of any kind: identity, marks, size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from shoal.api.meta import Manifest
from shoal.domain.admission.syntax import check_annotations, check_labels, dns_label
from shoal.domain.admission.violation import Violation

OBJECT_BYTES_MAX = 1_572_864
"""1.5 MiB as JSON, as etcd accepts: what every API server of a member would take as well."""
SUBJECT_BYTES_MAX = 1_024
"""Of an object's encoded subject: the bus drops connections above 4,096, and the identity appears in several."""
_PREFIX_BYTES = 64
"""For family and member in front of the identity."""
_ANNOTATIONS_BYTES_MAX = 262_144


def validate(manifest: Any) -> Iterator[Violation]:
    """Everything else may rely on apiVersion, kind and metadata being there and of the right type."""
    if not isinstance(manifest, dict):
        yield Violation("", "has to be a map with apiVersion, kind and metadata")
        return
    missing = [name for name in ("apiVersion", "kind") if not isinstance(manifest.get(name), str) or not manifest[name]]
    for name in missing:
        yield Violation(name, f"Required value: write {'the group and version, such as apps/v1' if name == 'apiVersion' else 'the kind'}")
    metadata = manifest.get("metadata")
    if not isinstance(metadata, dict):
        yield Violation("metadata", "Required value: a map with the object's name")
        return
    yield from _check_metadata(metadata)
    if not missing:
        yield from _check_sizes(manifest, metadata)


def _check_metadata(metadata: dict[str, Any]) -> Iterator[Violation]:
    name, prefix = metadata.get("name"), metadata.get("generateName")
    if not name and not prefix:
        yield Violation("metadata.name", "Required value: name or generateName is required")
    elif name is not None and not isinstance(name, str):
        yield Violation("metadata.name", "has to be a text; put it in quotes")
    elif isinstance(name, str) and (name in {".", ".."} or "/" in name or "%" in name):
        yield Violation("metadata.name", "may not be '.' or '..' and may not contain '/' or '%'")
    if namespace := metadata.get("namespace"):
        if not isinstance(namespace, str):
            yield Violation("metadata.namespace", "has to be a text; put it in quotes")
        elif wrong := dns_label(namespace):
            yield Violation("metadata.namespace", wrong)
    for field, check in (("labels", check_labels), ("annotations", check_annotations)):
        marks = metadata.get(field)
        if marks is None:
            continue
        if not isinstance(marks, dict):
            yield Violation(f"metadata.{field}", "has to be a map of texts")
        else:
            yield from check(marks, f"metadata.{field}")
    annotations = metadata.get("annotations")
    if (
        isinstance(annotations, dict)
        and sum(len(str(key)) + len(str(value)) for key, value in annotations.items()) > _ANNOTATIONS_BYTES_MAX
    ):
        yield Violation("metadata.annotations", f"Too long: all annotations together may have at most {_ANNOTATIONS_BYTES_MAX} bytes")


def _check_sizes(manifest: Manifest, metadata: dict[str, Any]) -> Iterator[Violation]:
    try:
        size = len(msgspec.json.encode(manifest))
    except (TypeError, ValueError, RecursionError) as error:
        yield Violation("", f"cannot be written as JSON: {error}")
        return
    if size > OBJECT_BYTES_MAX:
        yield Violation(
            "", f"Too long: the object has {size} bytes as JSON, the limit is {OBJECT_BYTES_MAX}; split it or move data out of it"
        )
    group = manifest["apiVersion"].rpartition("/")[0]
    parts = (group, manifest["kind"], metadata.get("namespace") or "", metadata.get("name") or "")
    subject = _PREFIX_BYTES + sum(_encoded_bytes(part) + 1 for part in parts if isinstance(part, str))
    if subject > SUBJECT_BYTES_MAX:
        yield Violation("metadata.name", f"Too long: group, kind, namespace and name together take {subject} bytes of {SUBJECT_BYTES_MAX}")


def _encoded_bytes(text: str) -> int:
    """An upper bound: every byte that is not a letter, a digit or '-' may become three."""
    return sum(1 if byte < 0x80 and (chr(byte).isalnum() or byte == 0x2D) else 3 for byte in text.encode())
