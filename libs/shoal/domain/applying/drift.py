"""Drift: fields that we applied and that are different in the member now (R6.11)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any

from shoal.api.meta import Manifest
from shoal.api.quantity import milli
from shoal.api.shoal import CHANGE_ANNOTATION, DIGEST_ANNOTATION

_MERGE_KEYS: dict[str, tuple[tuple[str, ...], ...]] = {
    "containers": (("name",),),
    "initContainers": (("name",),),
    "ephemeralContainers": (("name",),),
    "env": (("name",),),
    "volumes": (("name",),),
    "volumeMounts": (("mountPath",),),
    "volumeDevices": (("devicePath",),),
    "ports": (("containerPort", "protocol"), ("port", "protocol"), ("port",)),
    "imagePullSecrets": (("name",),),
    "secrets": (("name",),),
    "hostAliases": (("ip",),),
    "topologySpreadConstraints": (("topologyKey", "whenUnsatisfiable"),),
    "resourceClaims": (("name",),),
}
"""Lists that server-side apply merges by key: items that others added are theirs. All other lists are ours as a whole."""
_PORTS_BY_KEY = ("/spec/ports", "ontainers/")
"""Ports merge by key in a Service and in containers (of any kind); elsewhere, as in a NetworkPolicy, they are one whole."""
_DEFAULTS = {"protocol": "TCP"}
_QUANTITIES = frozenset(
    {
        "limits",
        "requests",
        "hard",
        "capacity",
        "overhead",
        "min",
        "max",
        "default",
        "defaultRequest",
        "maxLimitRequestRatio",
        "sizeLimit",
        "divisor",
        "averageValue",
    }
)
"""Fields whose value, or whose values, are quantities: the server writes `1000m` as `1`."""
_FREE_TEXTS = ("/labels/", "/annotations/", "/matchLabels/", "/data/", "/nodeSelector/")
_MARKS_ASIDE = frozenset({CHANGE_ANNOTATION, DIGEST_ANNOTATION})
_MAX_PATHS = 20


def drifted(desired: Manifest, live: Manifest) -> tuple[str, ...]:
    """Paths of the leaves of `desired` that differ in `live`, at most 20; empty when all of ours is as we applied it.

    Only our own fields count: what is not in `desired` belongs to others. What the server does to values is no drift: quantities in another
    spelling, empty values that it leaves out, `stringData` that it stores as `data`.
    """
    if desired.get("kind") == "Secret":
        desired, live = _secret(desired), _secret(live)
    paths: list[str] = []
    for path in _differences(desired, live, "", ""):
        paths.append(path)
        if len(paths) == _MAX_PATHS:
            break
    return tuple(paths)


def _differences(desired: Any, live: Any, path: str, field: str) -> Iterator[str]:
    if isinstance(desired, dict):
        yield from _in_map(desired, live, path, field)
    elif isinstance(desired, list) and isinstance(live, list):
        yield from _in_list(desired, live, path, field)
    elif not _same(desired, live, field) and not _defaulted(desired, path):
        yield path


def _in_map(desired: Manifest, live: Any, path: str, field: str) -> Iterator[str]:
    if not isinstance(live, dict):
        if desired or live is not None:
            yield path
        return
    for key, value in desired.items():
        if not path and key in ("apiVersion", "status"):
            continue  # The version is a view; status is the member's.
        if path == "/metadata/annotations" and key in _MARKS_ASIDE:
            continue
        here = f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
        if key not in live or live[key] is None:
            if not _empty(value):
                yield here
        else:
            yield from _differences(value, live[key], here, field if field in _QUANTITIES else key)


def _in_list(desired: list[Any], live: list[Any], path: str, field: str) -> Iterator[str]:
    by_key = field != "ports" or path == _PORTS_BY_KEY[0] or _PORTS_BY_KEY[1] in path
    for keys in _MERGE_KEYS.get(field, ()) if by_key else ():
        ours, theirs = _by_key(desired, keys), _by_key(live, keys)
        if ours is None or theirs is None:
            continue
        for key, item in ours.items():
            here = f"{path}/{'|'.join(key)}"
            if key in theirs:
                yield from _differences(item, theirs[key], here, "")
            else:
                yield here
        return
    if len(desired) != len(live):
        yield path
        return
    for position, (ours_item, theirs_item) in enumerate(zip(desired, live, strict=True)):
        yield from _differences(ours_item, theirs_item, f"{path}/{position}", field)


def _by_key(items: list[Any], keys: tuple[str, ...]) -> dict[tuple[str, ...], Any] | None:
    """The items by their merge key; None when one has none, or two have the same."""
    found: dict[tuple[str, ...], Any] = {}
    for item in items:
        if not isinstance(item, dict):
            return None
        key = tuple(str(item.get(name, _DEFAULTS.get(name, ""))) for name in keys)
        if not key[0] or key in found:
            return None
        found[key] = item
    return found


def _same(desired: Any, live: Any, field: str) -> bool:
    if isinstance(desired, bool) or isinstance(live, bool):
        return desired is live
    return desired == live or (field in _QUANTITIES and _quantity(desired) == _quantity(live) is not None)


def _defaulted(desired: Any, path: str) -> bool:
    """A null, or an empty text in a typed field, asks for the server's default; in a map of the user's own keys it is a value."""
    if desired is None:
        return True
    return desired == "" and not path.endswith("/value") and not any(part in path for part in _FREE_TEXTS)


def _quantity(value: Any) -> int | None:
    try:
        return milli(str(value)) if isinstance(value, str | int | float) else None
    except ValueError:
        return None


def _empty(value: Any) -> bool:
    """What a server may leave out: null, no text, nothing inside, false, 0."""
    if isinstance(value, dict):
        return all(_empty(item) for item in value.values())
    return not value


def _secret(secret: Manifest) -> Manifest:
    """A Secret with `stringData` folded into `data`, and `data` decoded where it is base64, since servers write it anew."""
    data: dict[str, Any] = {key: _decoded(value) for key, value in (secret.get("data") or {}).items()}
    data |= {key: str(value).encode() for key, value in (secret.get("stringData") or {}).items()}
    return {**{key: value for key, value in secret.items() if key != "stringData"}, "data": data}


def _decoded(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        return value  # Not base64: compared as it is.
