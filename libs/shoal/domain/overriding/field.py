"""Field overrider: edits JSON or YAML that is stored as text in one field, such as a ConfigMap's file (R5.17) or a Secret's (GX19)."""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import Any

import msgspec

from shoal.api import yaml
from shoal.api.errors import ManifestInvalid
from shoal.api.meta import Manifest
from shoal.api.override import BASE64, FieldOverrider, FieldPatch
from shoal.domain.overriding import pointer
from shoal.domain.overriding.failed import Unusable

MAX_TEXT = 1024 * 1024
"""Kubernetes stores no larger field."""
MAX_TEXT_PER_OBJECT = 2 * MAX_TEXT
"""Each entry reads and writes its text anew, up to 2 s for 1 MiB of dense YAML: one object must not hold up the renderer for long."""

_REMEMBERED_TEXT = 64 * 1024
"""Longer results are not kept: 256 of these are 16 MiB, twice over."""


def apply_field(manifest: Manifest, overrider: FieldOverrider) -> Manifest:
    """The text parsed, patched, and written back: compact JSON, or YAML with sorted keys (comments are lost). YAML wins over JSON."""
    path = overrider.field_path
    steps = pointer.steps_of(path)
    text = pointer.resolve(manifest, steps, path)
    if not isinstance(text, str):
        raise Unusable(f"path {path} leads to no text")
    if len(text) > MAX_TEXT:
        raise Unusable(f"the text at {path} is longer than {MAX_TEXT} characters")
    if overrider.encoding not in ("", BASE64):
        raise Unusable(f"encoding {overrider.encoding!r} is not {BASE64}")
    if overrider.encoding == BASE64:
        text = _decoded(text, path)
    edited = _edit_yaml(text, overrider.yaml, path) if overrider.yaml else _edit_json(text, overrider.json, path)
    if overrider.encoding == BASE64:
        edited = base64.b64encode(edited.encode()).decode()
    result: Manifest = pointer.replaced(manifest, steps, edited, path)
    return result


def _decoded(text: str, path: str) -> str:
    """The text that the value stands for. The error does not carry its cause, which holds a part of the value: it may be a secret."""
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode()
    except ValueError:
        raise Unusable(f"the value at {path} is not base64 of UTF-8 text") from None


def text_length(manifest: Manifest, overrider: FieldOverrider) -> int:
    """How much text the entry parses, in characters; 0 when there is none (applying it says so)."""
    text = pointer.resolve(manifest, pointer.steps_of(overrider.field_path), overrider.field_path)
    return len(text) if isinstance(text, str) else 0


def _edit_json(text: str, patches: tuple[FieldPatch, ...], path: str) -> str:
    if not patches:
        return text
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Unusable(f"the text at {path} is not JSON: {error}") from error
    return msgspec.json.encode(_patched(value, patches, path)).decode()


def _edit_yaml(text: str, patches: tuple[FieldPatch, ...], path: str) -> str:
    """A template meets the same rule in many clusters, and reading and writing YAML is what costs here; small results are kept."""
    if len(text) > _REMEMBERED_TEXT:
        return _edited_yaml(text, patches, path)
    return _remembered_yaml(text, msgspec.json.encode(patches), path)


@lru_cache(maxsize=256)
def _remembered_yaml(text: str, patches: bytes, path: str) -> str:
    """The patches as JSON, since their values cannot be keys."""
    return _edited_yaml(text, msgspec.json.decode(patches, type=tuple[FieldPatch, ...]), path)


def _edited_yaml(text: str, patches: tuple[FieldPatch, ...], path: str) -> str:
    try:
        return yaml.dump(_patched(yaml.load(text, max_bytes=4 * MAX_TEXT), patches, path), sort_keys=True)
    except ManifestInvalid as error:
        raise Unusable(f"the text at {path} is not YAML: {error}") from error


def _patched(value: Any, patches: tuple[FieldPatch, ...], path: str) -> Any:
    for patch in patches:
        try:
            value = pointer.patched(value, patch.operator, patch.sub_path, patch.value)
        except Unusable as wrong:
            raise Unusable(f"inside the text at {path}: {wrong}") from wrong
    return value
