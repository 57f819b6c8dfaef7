"""The `scale` subresource: an `autoscaling/v1` Scale seen through the paths that a kind names."""

from __future__ import annotations

from typing import Any

from shoal.api.meta import Manifest
from shoal.kube.apiserver.errors import Cause, bad_request, invalid
from shoal.kube.apiserver.paths import Target
from shoal.kube.apiserver.registry import ResourceType, Scale
from shoal.kube.apiserver.selectors import selector_text

SCALE = ResourceType(group="autoscaling", kind="Scale", plural="scales", namespaced=True)
_SHOWN = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(object_: Manifest, scale: Scale) -> Manifest:
    """The Scale of an object."""
    status: dict[str, Any] = {"replicas": at(object_, scale.status_path) or 0}
    selector = at(object_, scale.selector_path) if scale.selector_path else None
    if selector:
        status["selector"] = selector if isinstance(selector, str) else selector_text(selector)
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: object_["metadata"][key] for key in _SHOWN if key in object_["metadata"]},
        "spec": {"replicas": at(object_, scale.spec_path) or 0},
        "status": status,
    }


def scaled(object_: Manifest, scale: Scale, sent: Any, target: Target) -> Manifest:
    """The object with the replicas of a Scale that was sent. Raises a 400 or a 422."""
    if not isinstance(sent, dict) or sent.get("kind", "Scale") != "Scale":
        raise bad_request("the object provided is unrecognized (must be of type Scale)")
    replicas = (sent.get("spec") or {}).get("replicas", 0)
    if isinstance(replicas, bool) or not isinstance(replicas, int):
        raise bad_request('Scale in version "v1" cannot be handled as a Scale: spec.replicas must be an integer')
    if replicas < 0:
        because = f"Invalid value: {replicas}: must be greater than or equal to 0"
        raise invalid(SCALE, target.name, [Cause("spec.replicas", "FieldValueInvalid", because)])
    out: Manifest = _with(object_, _parts(scale.spec_path), replicas)
    return out


def at(object_: Manifest, path: str) -> Any:
    """The value at a dotted path such as `.spec.replicas`; None when there is none."""
    value: Any = object_
    for part in _parts(path):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _parts(path: str) -> list[str]:
    return [part for part in path.split(".") if part]


def _with(value: Any, parts: list[str], leaf: Any) -> Any:
    if not parts:
        return leaf
    mapping = value if isinstance(value, dict) else {}
    return {**mapping, parts[0]: _with(mapping.get(parts[0]), parts[1:], leaf)}
