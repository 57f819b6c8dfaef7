"""Setting images: which containers of a workload an image of a deploy event means, and the patch that sets them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from shoal.api.meta import Manifest

_POD_PATHS: tuple[tuple[str, ...], ...] = (
    ("spec", "template", "spec"),
    ("spec", "jobTemplate", "spec", "template", "spec"),
)
"""Where kinds keep the pod they make; a Pod is one itself."""
_LISTS = ("initContainers", "containers", "ephemeralContainers")


class Container(NamedTuple):
    path: tuple[str, ...]
    """Of the list, from the object's root."""
    name: str
    image: str


def repository(image: str) -> str:
    """The image reference without tag and digest: `reg:5000/shop/web:v1@sha256:..` -> `reg:5000/shop/web`."""
    image = image.partition("@")[0]
    head, slash, last = image.rpartition("/")
    return head + slash + last.partition(":")[0]


def containers(manifest: Manifest) -> Iterator[Container]:
    """Every container of the pod that an object makes or is; nothing for other kinds."""
    paths = (("spec",),) if manifest.get("kind") == "Pod" else _POD_PATHS
    for path in paths:
        pod = _at(manifest, path)
        if pod is None:
            continue
        for field in _LISTS:
            for item in pod.get(field) or ():
                if isinstance(item, dict) and isinstance(item.get("name"), str):
                    yield Container((*path, field), item["name"], str(item.get("image") or ""))


def _at(manifest: Manifest, path: tuple[str, ...]) -> dict[str, Any] | None:
    found: Any = manifest
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None


def meant(container: Container, images: dict[str, str]) -> str | None:
    """The key of `images` that means this container: its name first, then its image's repository; None when there is none."""
    if container.name in images:
        return container.name
    found = repository(container.image)
    return found if found and found in images else None


def with_images(manifest: Manifest, images: dict[str, str]) -> tuple[Manifest, set[str]]:
    """A copy of the object with the images set, and the keys of `images` that were used; the object itself when none was."""
    used: set[str] = set()
    out = manifest
    for container in list(containers(manifest)):
        key = meant(container, images)
        if key is None:
            continue
        used.add(key)
        if container.image != images[key]:
            out = _replaced(out, container.path, container.name, images[key])
    return out, used


def _replaced(node: Any, path: tuple[str, ...], name: str, image: str) -> Any:
    """A copy of `node` along `path`, in which the item called `name` has another image."""
    if path:
        return {**node, path[0]: _replaced(node[path[0]], path[1:], name, image)}
    return [{**item, "image": image} if isinstance(item, dict) and item.get("name") == name else item for item in node]
