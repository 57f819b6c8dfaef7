"""What form of answer a client accepts: the object, only its metadata, or a table."""

from __future__ import annotations

from typing import Literal, NamedTuple

from shoal.kube.apiserver.errors import not_acceptable

SUPPORTED = "application/json"

Form = Literal["object", "metadata", "table"]


class Accepted(NamedTuple):
    form: Form
    content_type: str


_PLAIN = Accepted("object", "application/json")


def accepted(header: str) -> Accepted:
    """The first offered form that this server has. Raises a 406 when there is none (protobuf or CBOR alone)."""
    if header in ("", "*/*", "application/json"):
        return _PLAIN
    for offer in header.split(","):
        media, parameters = _parse(offer)
        if media not in ("application/json", "application/*", "*/*"):
            continue
        group, version, kind = parameters.get("g", ""), parameters.get("v", ""), parameters.get("as", "")
        if not kind:
            return _PLAIN
        if group != "meta.k8s.io" or version not in ("v1", "v1beta1"):
            continue
        told = f"application/json;as={kind};v={version};g=meta.k8s.io"
        if kind == "Table":
            return Accepted("table", told)
        if kind in ("PartialObjectMetadata", "PartialObjectMetadataList"):
            return Accepted("metadata", told)
    raise not_acceptable(SUPPORTED)


def accepts(header: str, group: str, kind: str) -> str | None:
    """The version in which a client wants this kind of discovery document (`v2`); None when it wants the plain form."""
    for offer in header.split(","):
        media, parameters = _parse(offer)
        if media in ("application/json", "*/*"):
            if parameters.get("g") == group and parameters.get("as") == kind:
                return parameters.get("v")
            if not parameters.get("as"):
                return None
    return None


def media_type(header: str) -> str:
    """The media type of a Content-Type header, without parameters."""
    return header.partition(";")[0].strip().lower()


def _parse(offer: str) -> tuple[str, dict[str, str]]:
    media, *rest = (part.strip() for part in offer.split(";"))
    return media.lower(), dict(part.partition("=")[::2] for part in rest if "=" in part)
