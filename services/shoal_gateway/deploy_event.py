"""Reading a deploy event: what it asks for, and everything that can be wrong with it before the hub is looked at. Pure."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any

import msgspec

from shoal.api import yaml
from shoal.api.errors import DeployRefused, ManifestInvalid
from shoal.api.meta import Manifest, Ref
from shoal.messages.catalogue import ApplicationHead, DeployData, DeployEvent
from shoal_gateway.kinds import APPLICATION, CHANGE
from shoal_gateway.versions import Order, compare

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_CORE_VERSION = re.compile(r"v\d+((alpha|beta)\d+)?")
_encode = msgspec.json.Encoder(order="deterministic").encode


def record_ref(source: str, event_id: str) -> Ref:
    """Of the change record: the same source and id are the same deploy."""
    return Ref(*CHANGE, "", sha256(f"{source}\0{event_id}".encode()).hexdigest()[:32])


def head_ref(application: str) -> Ref:
    return Ref(*APPLICATION, "", application)


def digest_of(data: DeployData) -> str:
    return sha256(_encode(data)).hexdigest()


def read_event(raw: bytes, *, source: str = "", bytes_max: int = 33_554_432) -> DeployEvent:
    """The event of a message. `source` is the one its subject names, when it came over the bus. Raises `DeployRefused`."""
    if len(raw) > bytes_max:
        raise DeployRefused("TooLarge", f"the event has {len(raw)} bytes, {bytes_max} are allowed; split it into several deploys")
    try:
        event = msgspec.json.decode(raw, type=DeployEvent)
    except msgspec.DecodeError as error:
        raise DeployRefused("InvalidEvent", f"the event cannot be read: {error}; send a CloudEvent dev.shoal.deploy.v1 as JSON") from error
    problem = _problem(event, source)
    if problem:
        raise DeployRefused("InvalidEvent", problem)
    return event


def _problem(event: DeployEvent, source: str) -> str:
    data = event.data
    if not event.id or not event.source:
        return "id and source must not be empty: together they make the event idempotent; use the commit or the run number as id"
    if event.type != "dev.shoal.deploy.v1":
        return f"type {event.type!r} is not known; write dev.shoal.deploy.v1"
    if source and event.source != source:
        return f"the event says source {event.source!r} and was sent on deploy.{source}; make them the same"
    if not _NAME.fullmatch(data.application):
        return f"application {data.application!r} cannot be a label: write up to 63 letters, digits, '-', '_' or '.'"
    if len(f"deploy:{event.source}") > 128 or not event.source.isprintable():
        return "source must be printable and have at most 120 characters"
    if not (data.manifests or data.images or data.delete):
        return "there is nothing to do: give manifests, images or delete"
    empty = next((name for name, ref in data.images.items() if not name or not ref), None)
    return "" if empty is None else f"images: {empty or 'a name'!r} is empty; write name: reference"


def manifests_of(data: DeployData) -> list[tuple[str, Manifest]]:
    """(where, manifest) of every object of the event, lists taken apart. Raises `DeployRefused` with line and column, or position."""
    if isinstance(data.manifests, str):
        found = [(f"document {number}", one) for number, one in enumerate(parse_manifests(data.manifests), 1)]
    else:
        found = [(f"manifests[{number}]", one) for number, one in enumerate(data.manifests)]
    out: list[tuple[str, Manifest]] = []
    for where, one in found:
        if isinstance(one, dict) and str(one.get("kind", "")).endswith("List") and isinstance(one.get("items"), list):
            out += [(f"{where}.items[{number}]", item) for number, item in enumerate(one["items"])]
        else:
            out.append((where, one))
    for where, one in out:
        _check_form(where, one)
    return out


def parse_manifests(text: str) -> list[Any]:
    """The documents of a YAML text. Raises `DeployRefused` with line and column."""
    try:
        return yaml.load_all(text, source="manifests")
    except ManifestInvalid as error:
        raise DeployRefused("InvalidManifest", str(error)) from error


def _check_form(where: str, one: Any) -> None:
    if not isinstance(one, dict):
        raise DeployRefused("InvalidManifest", f"{where} is not an object; each document is one Kubernetes object")
    metadata = one.get("metadata")
    for name, value in (("apiVersion", one.get("apiVersion")), ("kind", one.get("kind"))):
        if not isinstance(value, str) or not value:
            raise DeployRefused("InvalidManifest", f"{where} has no {name}")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str) or not metadata["name"]:
        raise DeployRefused("InvalidManifest", f"{where} ({one['kind']}) has no metadata.name")


def parse_ref(text: str) -> tuple[str, str, str, str]:
    """(apiVersion, kind, namespace, name) of a reference of `delete`. Raises `DeployRefused`."""
    parts = text.split("/")
    core = bool(_CORE_VERSION.fullmatch(parts[0]))
    api_version, rest = ("/".join(parts[:1]), parts[1:]) if core else ("/".join(parts[:2]), parts[2:])
    if len(rest) not in (2, 3) or not all(rest):
        raise DeployRefused(
            "InvalidEvent", f"delete: {text!r} cannot be read; write apiVersion/Kind/namespace/name, such as v1/ConfigMap/shop/flags"
        )
    namespace = rest[1] if len(rest) == 3 and rest[1] != "_" else ""
    return api_version, rest[0], namespace, rest[-1]


def check_version(head: ApplicationHead | None, data: DeployData) -> None:
    """Raises `DeployRefused` when the version is older than the live one and no rollback is asked for."""
    if head is None or not data.version or data.rollback or compare(head.version, data.version) != Order.OLDER:
        return
    raise DeployRefused(
        "OlderVersion",
        f"version {data.version} of {data.application} is older than the live {head.version} (change {head.change}); "
        "send rollback: true to go back on purpose",
    )
