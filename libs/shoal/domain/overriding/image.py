"""Image overrider: registry, repository or tag of the containers' images, or of one text by its path (R5.9 to R5.13, GX05, GX06)."""

from __future__ import annotations

import re
from typing import NamedTuple

from shoal.api.meta import Manifest
from shoal.api.override import POINTER_MAX, POINTER_STEPS_MAX, ImageOverrider
from shoal.domain.overriding import pointer
from shoal.domain.overriding.containers import each_container
from shoal.domain.overriding.failed import Unusable

MAX_LENGTH = 1024

_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_REGISTRY = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"([a-z0-9]+(?:[.+_-][a-z0-9]+)*):[0-9a-fA-F]{32,}")
_ALGORITHMS = frozenset({"sha256", "sha384", "sha512", "blake3"})


class Image(NamedTuple):
    """The parts of `[registry/]repository[:tag][@digest]`."""

    registry: str
    repository: str
    tag: str
    digest: str

    def __str__(self) -> str:
        """R5.12; with both, the digest follows the tag."""
        head = f"{self.registry}/{self.repository}" if self.registry else self.repository
        return head + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def apply_image(manifest: Manifest, overrider: ImageOverrider) -> Manifest:
    """All containers' images, or with a predicate the one text at its path."""
    if overrider.predicate is not None:
        return _at_path(manifest, overrider.predicate.path, overrider)
    return each_container(manifest, lambda container: _in_container(container, overrider), overrider.scope)


def _in_container(container: Manifest, overrider: ImageOverrider) -> Manifest:
    image = container.get("image")
    return {**container, "image": edited(image, overrider)} if isinstance(image, str) else container


def _at_path(manifest: Manifest, path: str, overrider: ImageOverrider) -> Manifest:
    """The path is split at "/" as it is, without escapes (R5.10)."""
    if not path.startswith("/") or len(path) > POINTER_MAX or path.count("/") > POINTER_STEPS_MAX:
        raise Unusable(f'predicate path {path[:80]!r} must begin with "/" and have at most {POINTER_STEPS_MAX} steps')
    steps = path[1:].split("/")
    image = pointer.resolve(manifest, steps, path)
    if not isinstance(image, str):
        raise Unusable(f"predicate path {path} leads to no text")
    result: Manifest = pointer.replaced(manifest, steps, edited(image, overrider), path)
    return result


def edited(text: str, overrider: ImageOverrider) -> str:
    """The image with one component changed (R5.13). Of a tag with a digest only the tag counts (R5.11), unless `keepDigest` says otherwise."""
    image = parse(text)
    if image.tag and not overrider.keep_digest:
        image = image._replace(digest="")
    operator, value = overrider.operator, overrider.value
    if operator not in ("add", "replace", "remove"):
        raise Unusable(f"operator {operator!r} is not one of add, replace, remove")
    if overrider.component == "Registry":
        return str(image._replace(registry=_text(image.registry, operator, value)))
    if overrider.component == "Repository":
        return str(image._replace(repository=_text(image.repository, operator, value)))
    if overrider.component == "Tag":
        change = _with_version_and_digest if overrider.keep_digest else _with_version
        return str(change(image, operator, value))
    raise Unusable(f"component {overrider.component!r} is not one of Registry, Repository, Tag")


def _text(old: str, operator: str, value: str) -> str:
    return {"add": old + value, "replace": value, "remove": ""}[operator]


def _with_version(image: Image, operator: str, value: str) -> Image:
    if operator == "remove":
        return image._replace(tag="") if image.tag else image._replace(digest="")
    wanted = (image.tag or image.digest) + value if operator == "add" else value
    if _TAG.fullmatch(wanted):
        return image._replace(tag=wanted, digest="")
    if digest := _digest(wanted):
        return image._replace(tag="", digest=digest)
    return image


def _with_version_and_digest(image: Image, operator: str, value: str) -> Image:
    """As above, but what the value does not speak of stays: `v2` changes the tag, `sha256:...` the digest, `v2@sha256:...` both."""
    if operator == "remove":
        return image._replace(tag="") if image.tag else image._replace(digest="")
    name, at, pinned = value.partition("@")
    if not at and (digest := _digest(name)):
        return image._replace(digest=digest)
    tag = image.tag + name if operator == "add" else name
    if not _TAG.fullmatch(tag) or (at and not (pinned := _digest(pinned))):
        return image
    return image._replace(tag=tag, digest=pinned or image.digest)


def _digest(text: str) -> str:
    """The text when it is a digest, else nothing; raises when its algorithm is none."""
    found = _DIGEST.fullmatch(text)
    if found and found[1] not in _ALGORITHMS:
        raise Unusable(f"{found[1]!r} is no digest algorithm; to pin a digest use operator replace with the whole digest")
    return text if found else ""


def parse(text: str) -> Image:
    """The parts as container tools see them: the first segment is the registry if it has a "." or ":" or is "localhost" (R5.11)."""
    if len(text) > MAX_LENGTH:
        raise Unusable(f"image {text[:80]!r}... is longer than {MAX_LENGTH} characters")
    name, _, digest = text.partition("@")
    registry = ""
    head, slash, rest = name.partition("/")
    if slash and ("." in head or ":" in head or head == "localhost"):
        registry, name = head, rest
    repository, colon, tag = name.partition(":")
    wrong = (
        not _REPOSITORY.fullmatch(repository)
        or (registry and not _REGISTRY.fullmatch(registry))
        or (colon and not _TAG.fullmatch(tag))
        or ("@" in text and not _DIGEST.fullmatch(digest))
    )
    if wrong:
        raise Unusable(f"image {text!r} is not [registry/]repository[:tag][@digest] with a lower-case repository")
    return Image(registry, repository, tag, digest)
